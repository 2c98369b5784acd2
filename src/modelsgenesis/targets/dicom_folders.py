"""The DICOM series below a folder, whatever its scheme: one header a folder is enough to know them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.data import guarded
from modelsgenesis.data.formats.dicom import NO_SERIES, Header, is_dicom, stacked
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError


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
    origin: tuple[float, ...]
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
    if first.series != last.series:
        raise GenesisError(
            f"{folder}: {files[0].name} and {files[-1].name} are of two series; give each its own folder"
        )
    if first.modality == "CT" and first.missing:
        raise GenesisError(f"{files[0]}: {', '.join(first.missing)}; copy it again")
    plane = first.planes[0]
    return SeriesFolder(
        path=folder,
        files=files,
        uid=first.series,
        study=first.study,
        patient=first.patient,
        modality=first.modality or "unknown",
        pixel=plane.pixel or (1.0, 1.0),
        thickness=first.thickness,
        origin=plane.position or (0.0, 0.0, 0.0),
        cosines=plane.orientation or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    )


def _header(path: Path) -> Header | None:
    """The header of `path`; None when it holds no image or names no series."""
    try:
        (header,) = guarded.read_headers(path, [path])
    except GenesisError:
        return None
    return header if header.series != NO_SERIES else None


def series_grid(series: SeriesFolder) -> tuple[Grid, list[float]]:
    """The grid of the volume that its slices make, without reading voxels, and LPS z in mm of each slice in order.

    Raises GenesisError as `stacked` does: missing or doubled slices, uneven distances, a tilted gantry.
    """
    headers = guarded.read_headers(series.path, series.files)
    others = [one for one in headers if one.series != series.uid]
    if others:
        raise GenesisError(f"{others[0].path}: of another series than {series.files[0].name}; give it its own folder")
    stack = stacked(headers, series.path)
    positions = [header.planes[number].position for header, number in stack.frames]
    heights = [position[2] for position in positions if position is not None]
    if len(heights) < 2:
        raise GenesisError(f"{series.path}: a single slice or slices without position; copy the series again")
    return stack.grid, heights
