"""The frames of one DICOM series in anatomical order, checked, with the grid of the volume that they make.

Files of one slice each and frames of an enhanced file go through the same checks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.dicom_header import ORIENTATION, PIXEL_SIZES, POSITION, Header, Plane
from modelsgenesis.data.formats.dicom_marks import at_one_place, mixed_by, told_apart
from modelsgenesis.data.formats.dicom_tags import named
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError

_DISTANCE_TOLERANCE = 0.02  # mm and share of the slice distance: what rounding in headers explains
_PIXEL_TOLERANCE = 1e-3  # share of the pixel size, and of a direction cosine
_CROOKED = 0.02  # how far from a right angle and from length 1 rounded cosines may be


@dataclass(frozen=True)
class Stack:
    """The frames of a series, from the first to the last along the normal of their planes.

    Args:
        frames: the file of each, and its number in that file.
        grid: (columns, rows, slices), or (columns, rows) of a radiograph or picture.
        measured: whether the size of the pixels is known.
        notes: what was missing in the headers and taken otherwise.
    """

    frames: tuple[tuple[Header, int], ...]
    grid: Grid
    measured: bool
    notes: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """The file of each frame."""
        return [header.path for header, _ in self.frames]


def stacked(headers: Sequence[Header], folder: Path) -> Stack:
    """The frames of the files of one series in order; `folder` names the series in messages.

    Raises:
        GenesisError: slices of different size, pixels, direction or modality, without position, doubled, missing, at
            uneven distances, or shifted (a tilted gantry). Each says by which attribute.
    """
    first = headers[0]
    name = str(first.path if len(headers) == 1 else folder)
    _check_alike(headers, name)
    if len(headers) == 1 and first.frames == len(first.planes) == 1 and _is_picture(first):
        return _picture(first)
    frames = [(header, number) for header in headers for number in range(len(header.planes))]
    planes = [header.planes[number] for header, number in frames]
    _check_placed(headers, planes, name)
    pixel = _common_pixel(planes, name)
    axes = _common_axes(planes, name)
    positions = np.array([plane.position for plane in planes])
    heights = positions @ axes[2]
    order = np.argsort(heights, kind="stable")
    ordered = tuple(frames[index] for index in order)
    if len(ordered) > 1:
        _check_steps(np.diff(positions[order], axis=0), axes[2], ordered, heights[order], name)
        _check_drift(positions[order], axes[2], min(pixel or (1.0, 1.0)), name)
        if mixed := mixed_by(ordered):
            raise GenesisError(f"{name}: {mixed}")
        apart = float(heights[order[-1]] - heights[order[0]]) / (len(ordered) - 1)
    else:
        apart = planes[0].thickness
    notes = () if apart else (f"{named('SliceThickness')} is missing; 1 mm was taken",)
    size, spacing = (first.columns, first.rows, len(ordered)), (*(pixel or (1.0, 1.0)), apart or 1.0)
    grid = Grid(size, spacing, tuple(positions[order[0]].tolist()), tuple(axes.T.ravel().tolist()))
    return Stack(ordered, grid, pixel is not None, (*_pixel_notes(headers), *notes))


def _is_picture(header: Header) -> bool:
    plane = header.planes[0]
    return not header.volumetric or (plane.pixel is not None and plane.position is None and plane.orientation is None)


def _picture(header: Header) -> Stack:
    """A radiograph, or a single slice without a place: 2D."""
    pixel = header.planes[0].pixel
    grid = Grid((header.columns, header.rows), pixel or (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    notes = _pixel_notes([header])
    if header.volumetric:
        notes = (*notes, f"{', '.join(header.missing)}; its place in the patient is unknown")
    return Stack(((header, 0),), grid, pixel is not None, notes)


def _pixel_notes(headers: Sequence[Header]) -> tuple[str, ...]:
    start = PIXEL_SIZES[0]
    return tuple(dict.fromkeys(one for header in headers for one in header.missing if one.startswith(start)))


def _check_alike(headers: Sequence[Header], name: str) -> None:
    if len({header.series for header in headers}) > 1:
        raise GenesisError(
            f"{name}: each of its {len(headers)} files has another {named('SeriesInstanceUID')}, so they are not one "
            "series; give the slices of one scan one UID, or convert them to NIfTI by a tool that merges them"
        )
    sheet = next((header for header in headers if header.mosaic), None)
    if sheet is not None:
        raise GenesisError(
            f"{sheet.path}: {named('ImageType')} says MOSAIC, a sheet of all slices; convert it to NIfTI first"
        )
    patients = sorted({header.patient for header in headers})
    if len(patients) > 1:
        told = " and ".join(repr(patient) for patient in patients[:3])
        raise GenesisError(f"{name}: {named('PatientID')} is {told}; one series is of one patient, split it by it")
    modalities = sorted({header.modality for header in headers})
    if len(modalities) > 1:
        raise GenesisError(f"{name}: {named('Modality')} is {' and '.join(modalities)}; split the series by it")
    sizes = sorted({(header.columns, header.rows) for header in headers})
    if len(sizes) > 1:
        shapes = " and ".join(f"{columns}x{rows}" for columns, rows in sizes)
        raise GenesisError(
            f"{name}: slices of different sizes, {named('Columns')} x {named('Rows')} {shapes}; split the series by it"
        )


def _check_placed(headers: Sequence[Header], planes: Sequence[Plane], name: str) -> None:
    """Every frame must be described, and have position and orientation; slices of a volume also their pixel size."""
    for header in headers:
        if len(header.planes) not in (1, header.frames):
            raise GenesisError(
                f"{header.path}: {named('NumberOfFrames')} is {header.frames}, but "
                f"{named('PerFrameFunctionalGroupsSequence')} describes {len(header.planes)}; copy it again"
            )
        if len(header.planes) < header.frames:
            kind = "a film" if header.film else "pictures or time points"
            raise GenesisError(
                f"{header.path}: {header.frames} frames ({named('NumberOfFrames')}) without a position of each "
                f"({named('PerFrameFunctionalGroupsSequence')} is missing), {kind} and no volume; extract single "
                "frames or leave it out"
            )
    unplaced = [plane for plane in planes if plane.position is None or plane.orientation is None]
    unsized = [plane for plane in planes if plane.pixel is None]
    missing = list(dict.fromkeys(one for header in headers for one in header.missing))
    if unplaced and len(headers) > 1 and not headers[0].volumetric:
        raise GenesisError(
            f"{name}: {len(headers)} pictures in one series ({named('Modality')} {headers[0].modality or 'missing'}), "
            "no volume; give each file its own folder"
        )
    if unplaced:
        reasons = ", ".join(one for one in missing if not one.startswith(PIXEL_SIZES[0]))
        raise GenesisError(
            f"{name}: {len(unplaced)} of {len(planes)} slices without a place, {reasons}; they cannot be put in order, "
            "export the series again"
        )
    if unsized and (headers[0].volumetric or len(planes) > 1):
        reasons = ", ".join(one for one in missing if one.startswith(PIXEL_SIZES[0]))
        raise GenesisError(f"{name}: {reasons}; export the series again with it")


def _common_pixel(planes: Sequence[Plane], name: str) -> tuple[float, float] | None:
    sizes = sorted({plane.pixel for plane in planes if plane.pixel is not None})
    if not sizes:
        return None
    if len(sizes) > 1 and np.abs(np.divide(sizes, planes[0].pixel or sizes[0]) - 1).max() > _PIXEL_TOLERANCE:
        shown = " and ".join(f"{rows:g}\\{columns:g}" for columns, rows in (sizes[0], sizes[-1]))
        raise GenesisError(f"{name}: {named(PIXEL_SIZES[0])} differs, {shown}; split the series by it")
    return planes[0].pixel or sizes[0]


def _common_axes(planes: Sequence[Plane], name: str) -> npt.NDArray[np.float64]:
    """The directions of columns counting up, of rows, and their normal, one a row (3, 3): those of all slices."""
    cosines = np.array([plane.orientation for plane in planes], np.float64)
    if np.abs(cosines - cosines[0]).max() > _PIXEL_TOLERANCE:
        other = cosines[np.abs(cosines - cosines[0]).max(axis=1).argmax()]
        raise GenesisError(
            f"{name}: slices of different directions (a localizer?), {named(ORIENTATION)} {_joined(cosines[0])} and "
            f"{_joined(other)}; split the series by it"
        )
    row, column = cosines[0, :3], cosines[0, 3:]
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > _CROOKED or abs(row @ column) > _CROOKED:
        raise GenesisError(
            f"{name}: {named(ORIENTATION)} is {_joined(cosines[0])}, no two directions at a right angle; repair it"
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return np.array([row, column, np.cross(row, column)])


def _joined(values: Any) -> str:
    return "\\".join(f"{value:g}" for value in values)


def _check_steps(
    steps: Any, normal: Any, ordered: Sequence[tuple[Header, int]], heights: npt.NDArray[np.float64], name: str
) -> None:
    """Positions along the normal must go up by one distance, without a shift across it."""
    distances = steps @ normal
    usual = float(np.median(distances))
    allowed = _DISTANCE_TOLERANCE * (1 + usual)
    if distances.min() <= min(_DISTANCE_TOLERANCE, usual / 2):
        raise GenesisError(f"{name}: several slices at one position: {at_one_place(ordered, heights)}")
    if np.abs(distances - usual).max() > allowed:
        span = f"{distances.min():.3g} to {distances.max():.3g} mm by {named(POSITION)}"
        raise GenesisError(
            f"{name}: uneven slice distance, {span}; {told_apart(ordered, heights) or _gaps(distances, usual, heights)}"
        )
    if np.abs(steps - np.outer(distances, normal)).max() > allowed:
        raise GenesisError(
            f"{name}: slices shifted against each other by {named(POSITION)} (a tilted gantry?); correct the tilt first"
        )


def _check_drift(positions: npt.NDArray[np.float64], normal: Any, pixel: float, name: str) -> None:
    """Small steps add up: no slice may lie half a voxel or more from where even distances along the normal put it."""
    total = float((positions[-1] - positions[0]) @ normal)
    off = positions - positions[0] - np.outer(np.linspace(0, total, len(positions)), normal)
    along = np.abs(off @ normal).max()
    across = np.linalg.norm(off - np.outer(off @ normal, normal), axis=1).max()
    rounding = _DISTANCE_TOLERANCE * (1 + total / (len(positions) - 1))
    if across >= max(pixel / 2, rounding):
        raise GenesisError(
            f"{name}: slices shifted by up to {across:.3g} mm over the volume, by {named(POSITION)} (a tilted gantry?)"
            "; correct the tilt first"
        )
    if along >= max(total / (len(positions) - 1) / 2, rounding):
        raise GenesisError(
            f"{name}: uneven slice distance, {along:.3g} mm off over the volume by {named(POSITION)}; resample it to "
            "even distances first"
        )


def _gaps(distances: npt.NDArray[np.float64], usual: float, heights: npt.NDArray[np.float64]) -> str:
    widest = int(distances.argmax())
    if round(float(distances[widest]) / usual) < 2:
        return "resample it to even distances first"
    between = f"{heights[widest]:g} and {heights[widest + 1]:g} mm along the normal"
    return f"missing slices between {between}; copy the series again"
