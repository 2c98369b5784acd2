"""What a compressed frame says of itself: GDCM believes the DICOM header, and aborts or scrambles where they differ."""

from collections.abc import Iterator
from pathlib import Path

import pydicom.uid as uids
from pydicom import Dataset
from pydicom.encaps import generate_frames

from modelsgenesis.data.formats.dicom_tags import named, whole
from modelsgenesis.errors import GenesisError

_JPEG = (*uids.JPEGTransferSyntaxes, *uids.JPEGLSTransferSyntaxes)
_START, _SIZE_OF_JPEG2000, _END = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\xd9"
_NO_SIZE = (0xC4, 0xC8, 0xCC)  # tables among the markers that give a size
_SIZES = (*range(0xC0, 0xD0), 0xF7)
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))


def check_codestreams(path: Path, data: Dataset, frames: int, channels: int, syntax: uids.UID) -> None:
    """Each frame of a JPEG, JPEG-LS or JPEG 2000 file must be whole and as large as the header says.

    Raises GenesisError where one is not. May raise what pydicom raises on damaged fragments.
    """
    if syntax not in (*_JPEG, *uids.JPEG2000TransferSyntaxes):
        return
    declared = (whole(data, "Columns"), whole(data, "Rows"), channels)
    for frame in generate_frames(data.PixelData, number_of_frames=frames):
        if _END not in frame[-64:]:
            raise GenesisError(f"{path}: truncated, its compressed pixels do not end as such; copy it again")
        found = next(_jpeg_sizes(frame), None) if syntax in _JPEG else _jpeg2000_size(frame)
        if found != declared:
            size = "x".join(map(str, found)) if found else "none"
            raise GenesisError(
                f"{path}: {named('Columns')} x {named('Rows')} x {named('SamplesPerPixel')} "
                f"{'x'.join(map(str, declared))}, but its compressed pixels say {size}; copy it again"
            )


def _jpeg2000_size(frame: bytes) -> tuple[int, int, int] | None:
    """Columns, rows and channels in the marker SIZ, which comes first; also inside the boxes of a JP2 file."""
    start = frame.find(_SIZE_OF_JPEG2000, 0, 4096)
    if start < 0 or len(frame) < start + 42:
        return None
    numbers = [int.from_bytes(frame[at : at + 4], "big") for at in range(start + 8, start + 40, 4)]
    width, height, left, top, tile_width, tile_height, tile_left, tile_top = numbers
    tiled = tile_left <= left < tile_left + tile_width and tile_top <= top < tile_top + tile_height
    return (width - left, height - top, int.from_bytes(frame[start + 40 : start + 42], "big")) if tiled else None


def _jpeg_sizes(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Columns, rows and channels in the first marker that gives them."""
    at = 2 if frame.startswith(_START) else len(frame)
    while at + 9 < len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _SIZES and marker not in _NO_SIZE:
            rows, columns = (int.from_bytes(frame[start : start + 2], "big") for start in (at + 5, at + 7))
            yield columns, rows, frame[at + 9]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
