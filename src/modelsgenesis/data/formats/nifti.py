"""NIfTI-1 and -2, Analyze and FreeSurfer's MGH, whose headers nibabel reads: the field's reference for them.

Whether a file is compressed, and which NIfTI it is, its content says; its name may be wrong.
"""

import bz2
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer.mghformat import MGHError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError

from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.integrity import LARGEST_BYTES, check_memory, inflated
from modelsgenesis.data.formats.nifti_grid import analyze_grid, nifti_grid
from modelsgenesis.data.formats.suffixes import MGH, NIFTI
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError, first_line

_HEADER_BYTES = 540  # of NIfTI-2, the longer one
_CLASSES = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_BLOCK = 2**20


def read_nifti(path: Path, largest_bytes: int, channels: bool = False) -> Decoded:
    """The scan in `path`, one of `suffixes.NIBABEL`; values, spacing and affine are nibabel's, its world turned to LPS.

    Where header fields contradict each other: the sform where its code is above 0, else the qform where its code is,
    else the voxel sizes alone; a slope of 0 or NaN means that values are as stored. What was contradictory is a note.

    Args:
        path: the file; of a pair the header or the voxels.
        largest_bytes: as of `read_volume`.
        channels: accept (i, j, k, channels) as it is; its grid is that of the first three axes.

    Raises:
        GenesisError: damaged, truncated, several time points or channels, colour, a grid that cannot be.
    """
    with _errors(path), LoggingOutputSuppressor():
        name = path.name.lower()
        if name.endswith(NIFTI):
            return _single(path, largest_bytes, channels)
        image = _opened(path, largest_bytes)
        shape = _shape(path, image.shape, channels)
        check_memory(path, shape, largest_bytes)
        _check_kind(path, image.get_data_dtype())
        proxy = image.dataobj
        array = _scaled(proxy.get_unscaled().reshape(shape, order="F"), proxy.slope, proxy.inter)
        if isinstance(image, nibabel.Nifti1Pair):
            grid, notes = nifti_grid(path, image.header, shape[:3])
        else:
            grid, notes = analyze_grid(path, image, shape[:3])
        return Decoded(array, grid, _pixel_type(array, image.get_data_dtype()), notes=notes)


def read_nifti_grid(path: Path) -> Grid:
    """The grid of the first three axes, from the header alone; raises as `read_nifti`."""
    with _errors(path), LoggingOutputSuppressor():
        if path.name.lower().endswith(NIFTI):
            header, _ = _single_header(path)
            return nifti_grid(path, header, _shape(path, header.get_data_shape(), channels=True)[:3])[0]
        image = _opened(path)
        shape = _shape(path, image.shape, channels=True)[:3]
        pair = isinstance(image, nibabel.Nifti1Pair)
        return (nifti_grid(path, image.header, shape) if pair else analyze_grid(path, image, shape))[0]


def count_nifti_channels(path: Path) -> int:
    """Length of the fourth axis, from the header alone; 1 without one; raises as `read_nifti`."""
    with _errors(path), LoggingOutputSuppressor():
        if path.name.lower().endswith(NIFTI):
            declared = _single_header(path)[0].get_data_shape()
        else:
            declared = _opened(path).shape
        return int((*_shape(path, declared, channels=True), 1, 1)[3])


def _opened(path: Path, largest_bytes: int | None = None) -> Any:
    """A pair or an MGH file as nibabel's image; with `largest_bytes` compressed parts are read to their checksum."""
    with path.open("rb") as file:
        magic = file.read(4)
    if path.name.lower().endswith(MGH):
        packed = _is_packed(magic)
        content = b"".join(_bounded(path, magic, 0, largest_bytes or LARGEST_BYTES)) if packed else path.read_bytes()
        return nibabel.MGHImage.from_bytes(content)
    image: Any = nibabel.load(path)
    if largest_bytes is not None:
        for part in {holder.filename for holder in image.file_map.values()}:
            if str(part).lower().endswith(".gz") and Path(part).is_file():
                deque(_bounded(Path(part), b"\x1f\x8b", 0, largest_bytes), maxlen=0)
    return image


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except HeaderDataError as error:
        raise GenesisError(f"{path}: its NIfTI header cannot be ({error}); repair that field") from error
    except (ImageFileError, MGHError) as error:
        raise GenesisError(f"{path}: not a header that nibabel knows ({error}); convert it to NIfTI") from error
    except PermissionError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    except (OSError, EOFError) as error:
        raise GenesisError(f"{path}: cannot be read ({first_line(error)}); copy it again") from error
    except (ValueError, TypeError, OverflowError, KeyError) as error:
        raise GenesisError(f"{path}: its header cannot be used ({first_line(error)}); repair or convert it") from error


def _single(path: Path, largest_bytes: int, channels: bool) -> Decoded:
    header, magic = _single_header(path)
    packed = _is_packed(magic)
    shape = _shape(path, header.get_data_shape(), channels)
    check_memory(path, shape, largest_bytes)
    kind, offset = header.get_data_dtype(), int(header.get_data_offset())
    _check_kind(path, kind)
    if not header.sizeof_hdr <= offset < 2**40:
        raise GenesisError(
            f"{path}: vox_offset {offset} cannot be, the header has {header.sizeof_hdr} bytes; repair it"
        )
    needed = offset + int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if packed:
        raw = np.frombuffer(_unpacked(path, magic, needed, largest_bytes), kind, int(np.prod(shape)), offset)
    else:
        there = path.stat().st_size
        if there < needed:
            raise GenesisError(f"{path}: truncated, {there} bytes where its header declares {needed}; copy it again")
        raw = np.memmap(path, kind, "r", offset, (int(np.prod(shape)),))
    array = _scaled(raw.reshape(shape, order="F"), *header.get_slope_inter())
    grid, notes = nifti_grid(path, header, shape[:3])
    if packed != path.name.lower().endswith((".gz", ".bz2")):
        notes = (*notes, f"its content is {'' if packed else 'not '}compressed, unlike its name")
    return Decoded(array, grid, _pixel_type(array, kind), notes=notes)


def _single_header(path: Path) -> tuple[Any, bytes]:
    """The header, and the first bytes of the file as it lies on disk."""
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        head = _beginning(path, magic) if _is_packed(magic) else file.read(_HEADER_BYTES)
    return _header(path, head), magic


def _is_packed(magic: bytes) -> bool:
    return magic[:2] == b"\x1f\x8b" or magic[:3] == b"BZh"


def _beginning(path: Path, magic: bytes) -> bytes:
    """The first bytes of the uncompressed file, with the header."""
    content = b""
    for block in _blocks(path, magic):
        content += block
        if len(content) >= _HEADER_BYTES:
            break
    return content[:_HEADER_BYTES]


def _unpacked(path: Path, magic: bytes, needed: int, largest_bytes: int) -> bytearray:
    """The uncompressed file, at least `needed` bytes of it, read to its end and its checksum."""
    content, total = bytearray(), 0
    for block in _bounded(path, magic, needed, largest_bytes):
        content += block if total < needed else b""
        total += len(block)
    if total < needed:
        raise GenesisError(f"{path}: truncated, {total} bytes where its header declares {needed}; copy it again")
    return content


def _bounded(path: Path, magic: bytes, needed: int, largest_bytes: int) -> Iterator[bytes]:
    """The uncompressed file in blocks; GenesisError beyond what is needed and the memory limit."""
    total = 0
    for block in _blocks(path, magic):
        total += len(block)
        if total > max(largest_bytes, needed) + _BLOCK:
            raise GenesisError(f"{path}: its compressed data goes on beyond the memory limit; copy it again")
        yield block


def _blocks(path: Path, magic: bytes) -> Iterator[bytes]:
    if magic[:2] == b"\x1f\x8b":
        with path.open("rb") as file:
            yield from inflated(path, file)
        return
    with bz2.open(path) as stream:
        while block := stream.read(_BLOCK):
            yield block


def _header(path: Path, head: bytes | bytearray) -> Any:
    for order in ("little", "big"):
        kind = _CLASSES.get(int.from_bytes(head[:4], order))
        if kind is not None:
            if len(head) < int.from_bytes(head[:4], order):
                raise GenesisError(f"{path}: truncated in its NIfTI header; copy it again")
            stated = kind(bytes(head[: kind.sizeof_hdr]), check=False)
            if stated["sform_code"] <= 0 and not stated["pixdim"][1 : 1 + max(2, min(3, int(stated["dim"][0])))].all():
                raise GenesisError(
                    f"{path}: pixdim is {stated['pixdim'][1:4]} and there is no sform; state the spacing"
                )
            return kind(bytes(head[: kind.sizeof_hdr]))  # extensions lie behind it and are not read
    raise GenesisError(
        f"{path}: not a NIfTI file, its first bytes are {bytes(head[:4])!r}; copy it again or convert it"
    )


def _shape(path: Path, declared: tuple[int, ...], channels: bool) -> tuple[int, ...]:
    """The axes of the scan: trailing axes of one are dropped."""
    shape = tuple(int(side) for side in declared)
    if not shape or min(shape) < 1:
        raise GenesisError(f"{path}: impossible size {'x'.join(map(str, shape)) or 'without axes'}; copy it again")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > (4 if channels else 3) or len(shape) < 2:
        size = "x".join(map(str, shape))
        raise GenesisError(f"{path}: {len(shape)}D, size {size}; split it into 3D volumes")
    return shape


def _check_kind(path: Path, kind: np.dtype[Any]) -> None:
    if kind.fields is not None:
        raise GenesisError(f"{path}: {len(kind.fields)} values a voxel (colour); convert it to one channel")
    if kind.kind not in "iuf":
        raise GenesisError(f"{path}: voxels of the type {kind}, which are no real numbers; convert it")


def _scaled(raw: npt.NDArray[Any], slope: float | None, intercept: float | None) -> npt.NDArray[Any]:
    """raw * slope + intercept in float64, kept as float32, slice by slice: a whole scan in float64 takes memory."""
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if (slope, intercept) == (1.0, 0.0):
        return raw
    scaled = np.empty(raw.shape, np.float32, order="F")
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused with the whole scan
        for index in range(raw.shape[-1]):
            scaled[..., index] = raw[..., index].astype(np.float64) * slope + intercept
    return scaled


def _pixel_type(array: npt.NDArray[Any], stored: np.dtype[Any]) -> str:
    return "float32" if array.dtype != stored else stored.name
