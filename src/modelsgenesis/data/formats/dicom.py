"""DICOM folders: which series they hold, and the slices of one in anatomical order, checked for gaps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from modelsgenesis.data.walk import OTHER_SUFFIXES
from modelsgenesis.errors import GenesisError

DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")

_MAGIC_OFFSET = 128
_DISTANCE_TOLERANCE = 0.02  # mm and share of the slice distance: what rounding in headers explains

SERIES, PATIENT, INSTANCE = "0020|000e", "0010|0020", "0020|0013"
POSITION, ORIENTATION = "0020|0032", "0020|0037"


@dataclass(frozen=True)
class Slice:
    """The header of one DICOM image file.

    Args:
        path: the file.
        series: SeriesInstanceUID.
        patient: PatientID, "" when absent.
        instance: InstanceNumber, 0 when absent.
        columns, rows: pixels along x and y.
        frames: more than 1 in a multi-frame file.
        position: LPS mm of the first pixel; None when absent.
        orientation: the six direction cosines of a row and a column; None when absent.
    """

    path: Path
    series: str
    patient: str
    instance: int
    columns: int
    rows: int
    frames: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None


def is_dicom(path: Path) -> bool:
    """Whether the file is DICOM: by its suffix, or by the mark inside unless its suffix is that of something else."""
    suffix = path.suffix.lower()
    if suffix in DICOM_SUFFIXES or suffix in OTHER_SUFFIXES:
        return suffix in DICOM_SUFFIXES
    try:
        with path.open("rb") as handle:
            handle.seek(_MAGIC_OFFSET)
            return handle.read(4) == b"DICM"
    except OSError:
        return False


def read_slice(path: Path) -> Slice:
    """Read the header of a DICOM image file; GenesisError when it is damaged or holds no image."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise GenesisError(f"{path}: unreadable as a DICOM image; copy it again or leave it out") from error
    size = (*reader.GetSize(), 1)[:3]
    text = {key: _text(reader, key) for key in (SERIES, PATIENT, INSTANCE)}
    return Slice(
        path=path,
        series=text[SERIES] or "no-series",
        patient=text[PATIENT],
        instance=int(text[INSTANCE]) if text[INSTANCE].lstrip("+-").isdigit() else 0,
        columns=size[0],
        rows=size[1],
        frames=size[2],
        position=_numbers(reader, POSITION, 3),
        orientation=_numbers(reader, ORIENTATION, 6),
    )


def _text(reader: Any, key: str) -> str:
    return str(reader.GetMetaData(key)).strip(" \0") if reader.HasMetaDataKey(key) else ""


def _numbers(reader: Any, key: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(part) for part in _text(reader, key).split("\\"))
    except ValueError:
        return None
    return values if len(values) == count else None


def list_series(folder: Path) -> tuple[dict[str, list[Slice]], list[Path]]:
    """SeriesInstanceUID to the slices in `folder` (not below it), in file order; and the DICOM files without an image.

    The latter are damaged, or hold a report or contours. A series that lost a slice so is found by its gap.
    """
    series: dict[str, list[Slice]] = {}
    imageless = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name != "DICOMDIR" and is_dicom(path):
            try:
                found = read_slice(path)
                series.setdefault(found.series, []).append(found)
            except GenesisError:
                imageless.append(path)
    return series, imageless


def ordered_files(slices: list[Slice], folder: Path) -> list[Path]:
    """The files of one series from its first to its last slice, along the normal of the slices.

    Raises:
        GenesisError: slices of different size or direction, doubled or missing ones, uneven distances, a tilted gantry.
    """
    name = f"{folder} (series {slices[0].series})"
    if len(slices) == 1:
        return [slices[0].path]
    if len({(one.columns, one.rows) for one in slices}) > 1:
        raise GenesisError(f"{name}: slices of different sizes; split the series")
    if any(one.frames > 1 for one in slices):
        raise GenesisError(f"{name}: several multi-frame files; give each file its own folder")
    positions, normal = _positions(slices, name)
    heights = positions @ normal
    order = np.argsort(heights, kind="stable")
    steps = np.diff(positions[order], axis=0)
    _check_steps(steps, normal, name)
    return [slices[index].path for index in order]


def _positions(slices: list[Slice], name: str) -> tuple[Any, Any]:
    """Positions (slices, 3) in mm, and the unit normal all slices share."""
    positions = [one.position for one in slices if one.position is not None]
    directions = [one.orientation for one in slices if one.orientation is not None]
    if len(positions) < len(slices) or len(directions) < len(slices):
        raise GenesisError(f"{name}: slices without position or orientation; they cannot be put in order")
    cosines = np.array(directions)
    if np.abs(cosines - cosines[0]).max() > 1e-3:
        raise GenesisError(f"{name}: slices of different directions (a localizer?); split the series")
    normal = np.cross(cosines[0, :3], cosines[0, 3:])
    return np.array(positions), normal / max(float(np.linalg.norm(normal)), 1e-9)


def _check_steps(steps: Any, normal: Any, name: str) -> None:
    distances = steps @ normal
    usual = float(np.median(distances))
    allowed = _DISTANCE_TOLERANCE * (1 + usual)
    if distances.min() <= min(_DISTANCE_TOLERANCE, usual / 2):
        raise GenesisError(f"{name}: several slices at one position; split the series (time points, echoes?)")
    if np.abs(distances - usual).max() > allowed:
        missing = round(float(distances.max()) / usual) - 1
        hint = "missing slices?" if missing >= 1 else "resample it first"
        span = f"{distances.min():.3g} to {distances.max():.3g} mm"
        raise GenesisError(f"{name}: uneven slice distance, {span}; {hint}")
    if np.abs(steps - np.outer(distances, normal)).max() > allowed:
        raise GenesisError(f"{name}: slices shifted against each other (tilted gantry); correct the tilt first")
