"""The DICOM series below a folder, whatever its scheme: one header a folder is enough to know them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from modelsgenesis.data import guarded
from modelsgenesis.data.formats.dicom import PATIENT, SERIES, is_dicom, ordered_files
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError

_MODALITY, _THICKNESS, _STUDY = "0008|0060", "0018|0050", "0020|000d"


@dataclass(frozen=True)
class SeriesFolder:
    """A folder that holds one DICOM series, as the header of its first file tells.

    Args:
        path: absolute.
        files: its DICOM files, by name.
        uid: SeriesInstanceUID.
        study: StudyInstanceUID, "" when absent.
        patient: PatientID, "" when absent.
        modality: "CT", "CR", "DX", ...; "" when no file of the folder is an image (reports).
        pixel: mm per column and per row.
        thickness: mm of SliceThickness, 0 when absent.
        origin: LPS mm of the first pixel of the first file.
        cosines: directions in which columns and rows count up, six numbers.
    """

    path: Path
    files: tuple[Path, ...]
    uid: str
    study: str
    patient: str
    modality: str
    pixel: tuple[float, float]
    thickness: float
    origin: tuple[float, float, float]
    cosines: tuple[float, ...]


def find_series(data: Path) -> list[SeriesFolder]:
    """The series at or below `data`, each in a folder of its own; hidden files and macOS' `._*` are ignored.

    Raises GenesisError naming the file or folder: damaged headers, two series in one folder, one series in two folders.
    """
    found: dict[str, SeriesFolder] = {}
    for folder, files in _dicom_folders(data):
        series = guarded.call(folder, _series, folder, files)
        first = found.setdefault(series.uid, series) if series.uid else series
        if first is not series:
            raise GenesisError(f"{folder}: the same series as {first.path}; remove one of them")
        if not series.uid:
            found[str(folder)] = series
    return sorted(found.values(), key=lambda series: series.path)


def visible(data: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders at and below `data`, absolute, each with the names of its files, sorted; nothing hidden.

    Links are followed, also where they lead in circles: each folder comes once.
    """
    seen: set[str] = set()
    for place, below, names in os.walk(data.absolute(), followlinks=True):
        real = os.path.realpath(place)
        below[:] = [] if real in seen else sorted(name for name in below if not name.startswith("."))
        if real not in seen:
            yield Path(place), sorted(name for name in names if not name.startswith("."))
        seen.add(real)


def _dicom_folders(data: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    for folder, names in visible(data):
        files = tuple(folder / name for name in names if name != "DICOMDIR" and is_dicom(folder / name))
        if files:
            yield folder, files


def _series(folder: Path, files: tuple[Path, ...]) -> SeriesFolder:
    first, last = _header(files[0]), _header(files[-1])
    if first is None and last is None:
        return SeriesFolder(folder, files, "", "", "", "", (1, 1), 0, (0, 0, 0), ())
    if first is None or last is None:
        damaged = files[0] if first is None else files[-1]
        raise GenesisError(f"{damaged}: unreadable as a DICOM image, unlike others of its folder; copy it again")
    if first.GetMetaData(SERIES) != last.GetMetaData(SERIES):
        raise GenesisError(
            f"{folder}: {files[0].name} and {files[-1].name} are of two series; give each its own folder"
        )
    spacing, origin, cosines = first.GetSpacing(), first.GetOrigin(), first.GetDirection()
    return SeriesFolder(
        path=folder,
        files=files,
        uid=_text(first, SERIES),
        study=_text(first, _STUDY),
        patient=_text(first, PATIENT),
        modality=_text(first, _MODALITY) or "unknown",
        pixel=(spacing[0], spacing[1]),
        thickness=_number(_text(first, _THICKNESS)),
        origin=(origin[0], origin[1], (*origin, 0.0)[2]),
        cosines=(*cosines[0::3], *cosines[1::3]) if len(cosines) == 9 else (1, 0, 0, 0, 1, 0),
    )


def _header(path: Path) -> sitk.ImageFileReader | None:
    """The reader with the header of `path`; None when it holds no image or no SeriesInstanceUID."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return reader if reader.HasMetaDataKey(SERIES) else None


def _text(reader: sitk.ImageFileReader, key: str) -> str:
    return str(reader.GetMetaData(key)).strip(" \0") if reader.HasMetaDataKey(key) else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def series_grid(series: SeriesFolder) -> tuple[Grid, list[float]]:
    """The grid of the volume that its slices make, without reading voxels, and LPS z in mm of each slice in order.

    Raises GenesisError as `ordered_files` does: missing or doubled slices, uneven distances, a tilted gantry.
    """
    slices = {one.path: one for one in guarded.read_slices(series.path, series.files)}
    others = [one for one in slices.values() if one.series != series.uid]
    if others:
        raise GenesisError(f"{others[0].path}: of another series than {series.files[0].name}; give it its own folder")
    ordered = [slices[path] for path in ordered_files(list(slices.values()), series.path)]
    if len(ordered) < 2 or ordered[0].position is None or ordered[-1].position is None:
        raise GenesisError(f"{series.path}: a single slice or slices without position; copy the series again")
    first, last = ordered[0].position, ordered[-1].position
    apart = sum((a - b) ** 2 for a, b in zip(first, last, strict=True)) ** 0.5 / (len(ordered) - 1)
    rows, columns = series.cosines[:3], series.cosines[3:]
    normal = (
        rows[1] * columns[2] - rows[2] * columns[1],
        rows[2] * columns[0] - rows[0] * columns[2],
        rows[0] * columns[1] - rows[1] * columns[0],
    )
    grid = Grid(
        size=(ordered[0].columns, ordered[0].rows, len(ordered)),
        spacing=(*series.pixel, apart),
        origin=first,
        direction=tuple(axis[k] for k in range(3) for axis in (rows, columns, normal)),
    )
    return grid, [one.position[2] for one in ordered if one.position is not None]
