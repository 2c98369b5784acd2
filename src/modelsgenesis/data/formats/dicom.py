"""DICOM: which files of a folder it is, the series they make, and the values of one series on its grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from modelsgenesis.data.formats import suffixes
from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.dicom_header import NO_SERIES, PER_FRAME, SHARED, Header, frame_groups, read_header
from modelsgenesis.data.formats.dicom_order import Stack, stacked
from modelsgenesis.data.formats.dicom_pixels import (
    PIXELS,
    length_notes,
    read_coding,
    read_padding,
    stored_frames,
    without_unused_bits,
)
from modelsgenesis.data.formats.dicom_tags import items, load, named, one_line_errors, shown, tags_of, text
from modelsgenesis.data.formats.dicom_values import TISSUE, lowest, picture_ends, read_rescale
from modelsgenesis.data.formats.integrity import LARGEST_BYTES, check_memory
from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.walk import OTHER_SUFFIXES
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import FloatArray

__all__ = [
    "NO_SERIES",
    "Header",
    "is_dicom",
    "list_series",
    "read_dicom",
    "read_dicom_grid",
    "read_header",
    "stacked",
]

_MAGIC_OFFSET = 128
_SCATTERED = 4  # so many slices under as many UIDs are one scan

_TAGS = tags_of(
    (
        *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"),
        *("PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
        *("SegmentSequence", "SegmentationType"),
        *(SHARED, PER_FRAME, "ExtendedOffsetTable", "ExtendedOffsetTableLengths", *PIXELS),
    )
)


def is_dicom(path: Path) -> bool:
    """Whether the file is DICOM: by its suffix, or by the mark inside unless its suffix is that of something else."""
    suffix = path.suffix.lower()
    if suffix in suffixes.DICOM or suffix in OTHER_SUFFIXES:
        return suffix in suffixes.DICOM
    try:
        with path.open("rb") as handle:
            handle.seek(_MAGIC_OFFSET)
            return handle.read(4) == b"DICM"
    except OSError:
        return False


def list_series(folder: Path) -> tuple[dict[str, list[Header]], list[Path]]:
    """SeriesInstanceUID to the headers in `folder` (not below it), by file name; and the DICOM files without an image.

    The latter are damaged, or hold a report or contours. A series that lost a slice so is found by its gap. A series of
    several radiographs or of several enhanced files is one image a file, under the name UID/FILE. Slices that carry a
    UID each count as one series, which is refused by name when it is read.
    """
    series: dict[str, list[Header]] = {}
    imageless = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name != "DICOMDIR" and is_dicom(path):
            try:
                found = read_header(path)
                series.setdefault(found.series, []).append(found)
            except GenesisError:
                imageless.append(path)
    return _with_scattered_slices(_with_images_apart(series)), imageless


def _with_images_apart(series: dict[str, list[Header]]) -> dict[str, list[Header]]:
    """A series of several files, each an image of its own, as so many."""
    parted: dict[str, list[Header]] = {}
    for uid, headers in series.items():
        for header in headers:
            name = f"{uid}/{header.path.name}" if header.alone and len(headers) > 1 else uid
            parted.setdefault(name, []).append(header)
    return parted


def _with_scattered_slices(series: dict[str, list[Header]]) -> dict[str, list[Header]]:
    """Single slices of one study, size and direction under as many UIDs, as the one series that they were."""
    slices: dict[tuple[object, ...], list[str]] = {}
    for uid, headers in series.items():
        one, plane = headers[0], headers[0].planes[0]
        if len(headers) == 1 and one.frames == 1 and one.volumetric and one.study and plane.position:
            kind = (one.study, one.patient, one.modality, one.columns, one.rows, plane.orientation)
            slices.setdefault(kind, []).append(uid)
    merged = dict(series)
    for uids in slices.values():
        places = {series[uid][0].position for uid in uids}
        if len(uids) >= _SCATTERED and len(places) == len(uids):
            merged[uids[0]] = [header for uid in uids for header in merged.pop(uid)]
    return merged


def read_dicom(files: Sequence[Path], folder: Path, largest_bytes: int = LARGEST_BYTES) -> Decoded:
    """Read one series, in any order of its files; `folder` names it in messages.

    Raises:
        GenesisError: no image, damaged, truncated, colour; too large; what `stacked` refuses, missing, doubled or
            shifted slices among it; pixels or rescaling that cannot be understood. Each says by which attribute.
    """
    headers = [read_header(file) for file in files]
    for header in headers:
        if header.modality == "RTDOSE":
            raise GenesisError(f"{header.path}: {named('Modality')} is RTDOSE, a dose and no scan; leave it out")
    stack = stacked(headers, folder)
    check_memory(headers[0].path if len(headers) == 1 else folder, stack.grid.size, largest_bytes)
    columns, rows = stack.grid.size[:2]
    with one_line_errors(folder):
        values = np.empty((len(stack.frames), rows, columns), np.float32)
    read = [_read_file(header, ranks, values) for header, ranks in _by_file(stack)]
    unscaled = sum(not file.stated for file in read)
    if 0 < unscaled < len(read):
        raise GenesisError(
            f"{folder}: {named('RescaleSlope')} is missing in {unscaled} of {len(read)} files; values of the same "
            "series would differ in scale, export it again"
        )
    _fill_padding(values, [one for file in read for one in file.padded], headers[0].modality)
    scales = {file.full_scale for file in read}
    return Decoded(
        array=values[0].T if len(stack.grid.size) == 2 else values.transpose(),
        grid=stack.grid,
        pixel_type=read[0].pixel_type,
        full_scale=scales.pop() if len(scales) == 1 else None,
        measured=stack.measured,
        modality=headers[0].modality,
        notes=tuple(dict.fromkeys((*stack.notes, *(note for file in read for note in file.notes)))),
    )


def read_dicom_grid(files: Sequence[Path], folder: Path) -> Grid:
    """Where the voxels of one series lie, by its headers alone; raises as `stacked`."""
    return stacked([read_header(file) for file in files], folder).grid


def _by_file(stack: Stack) -> list[tuple[Header, list[int]]]:
    """The files by name, each with the places of its frames in the stack."""
    ranks: dict[Path, tuple[Header, list[int]]] = {}
    for rank, (header, number) in enumerate(stack.frames):
        ranks.setdefault(header.path, (header, [0] * header.frames))[1][number] = rank
    return [ranks[path] for path in sorted(ranks)]


@dataclass(frozen=True)
class _File:
    """What the values of one file were: their type, black to white, padded pixels by slice, notes, and whether its
    header states how to rescale them."""

    pixel_type: str
    full_scale: float | None
    padded: list[tuple[int, npt.NDArray[np.bool_]]]
    notes: list[str]
    stated: bool


def _read_file(header: Header, ranks: Sequence[int], values: FloatArray) -> _File:
    """Put the frames of a file where they belong in `values`, (slices, rows, columns); padding becomes infinite."""
    path = header.path
    with one_line_errors(path):
        data = load(path, _TAGS, pixels=True)
        if header.modality == "SEG":
            _refuse_parted(path, data)
        coding = read_coding(path, data)
        padding = read_padding(data, coding)
        groups = list(frame_groups(data)) or [()] * header.frames
        stated, scales, padded = True, set(), []
        notes = [*_shade_notes(header, data), *length_notes(data, coding, header.frames)]
        for rank, found, frame in zip(ranks, groups, stored_frames(path, data, coding, header.frames), strict=True):
            stored = without_unused_bits(frame, coding)
            rescale = read_rescale(path, data, found, header.modality)
            notes += rescale.notes
            stated = stated and rescale.stated
            ends = None if header.volumetric else picture_ends(coding, rescale)
            physical = rescale.apply(stored)
            if ends and coding.dark_is_high:
                physical = sum(ends) - physical.astype(np.float64)
            values[rank] = physical
            scales.add(ends[1] if ends and ends[0] == 0 else None)
            mask = padding.where(frame, stored) if padding else None
            if mask is not None:
                notes += _padding_notes(header, data, values[rank][mask])
                values[rank][mask] = np.inf
                padded.append((rank, mask))
    return _File(coding.pixel_type, scales.pop() if len(scales) == 1 else None, padded, notes, stated)


def _refuse_parted(path: Path, data: Dataset) -> None:
    """GenesisError for a segmentation that is no map of one structure: its values do not say which segment it is."""
    segments = len(items(data, "SegmentSequence"))
    if segments > 1:
        raise GenesisError(
            f"{path}: {named('SegmentSequence')} holds {segments} segments, a volume one; convert it to a label map"
        )
    if text(data, "SegmentationType") == "FRACTIONAL":
        raise GenesisError(f"{path}: {shown(data, 'SegmentationType')}, probabilities; convert it to a label map")


def _padding_notes(header: Header, data: Dataset, values: FloatArray) -> list[str]:
    if header.modality != "CT" or not values.size or values.max() < TISSUE:
        return []
    padding = shown(data, "PixelPaddingValue")
    return [f"{padding}, {values.max():g} HU, which is a value of tissue; the pixels that have it became air"]


def _shade_notes(header: Header, data: Dataset) -> list[str]:
    if header.volumetric and text(data, "PhotometricInterpretation") == "MONOCHROME1":
        return [f"{shown(data, 'PhotometricInterpretation')} in {header.modality}; values were kept, not inverted"]
    return []


def _fill_padding(values: FloatArray, padded: Sequence[tuple[int, npt.NDArray[np.bool_]]], modality: str) -> None:
    if padded:
        value = lowest(modality, values)
        for rank, mask in padded:
            values[rank][mask] = value
