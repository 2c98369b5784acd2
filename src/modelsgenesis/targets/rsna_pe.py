"""RSNA-PE 2020: CT angiography in `train/<Study>/<Series>/<SOP>.dcm`, and in `train.csv` which slices show an embolus.

It does not say where in the slice. Candidates are therefore weakly labelled dark spots inside contrast-filled vessels:

- class 1: the strongest spot of each run of neighbouring slices with an embolus; the run is the finding.
- class 0: spots `APART_MM` or more from every such slice.
- The other spots of those slices, and the spots near them, may or may not be emboli, and are left out.
"""

from pathlib import Path

from modelsgenesis.data.guarded import read_headers, read_series
from modelsgenesis.errors import GenesisError
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.candidates import first_few, plural
from modelsgenesis.targets.spot_cache import SearchedScan
from modelsgenesis.targets.spots import APART_MM, MOST, Found, Spot, dark_spots, separated

TABLE, SCANS = "train.csv", "train"
COLUMNS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "pe_present_on_image")

Slices = dict[str, bool]
"""SOPInstanceUID -> whether an embolus is in the slice."""


def is_rsna_pe(data: Path) -> bool:
    """Whether the folder is laid out as RSNA-PE."""
    return (data / TABLE).is_file() and (data / SCANS).is_dir()


def find_rsna_pe(data: Path) -> tuple[list[SearchedScan], list[str]]:
    """The series that are there, subjects being their studies (one a patient), and what a user should know.

    Raises GenesisError naming file and line: a damaged table, no series, slices that are missing or not in the table.
    """
    table = data.absolute() / TABLE
    labels = _labels(table)
    folders = [path for path in sorted((data / SCANS).absolute().glob("*/*")) if _is_shown(path) and path.is_dir()]
    scans = [_scan(folder, labels, table) for folder in folders]
    if not scans:
        raise GenesisError(f"{data}: holds no {SCANS}/<study>/<series>/*.dcm; download the images of RSNA-PE")
    notes = ["emboli are known by slice only, so class 1 is weak: the strongest dark spot of each run of slices"]
    absent = sorted(set(labels) - {scan.id for scan in scans})
    if absent:
        notes.append(f"{plural(len(absent), 'series')} of {TABLE} not there: {first_few(absent)}")
    return scans, notes


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".") and not path.parent.name.startswith(".")


def _labels(table: Path) -> dict[str, Slices]:
    """SeriesInstanceUID -> its slices."""
    found: dict[str, Slices] = {}
    for line, (_, series, sop, present) in read_columns(table, COLUMNS):
        if present not in ("0", "1"):
            raise GenesisError(
                f"{table}, line {line}: pe_present_on_image {present!r} must be 0 or 1; copy the file again or correct "
                "the line"
            )
        found.setdefault(series, {})[sop] = present == "1"
    return found


def _scan(folder: Path, labels: dict[str, Slices], table: Path) -> SearchedScan:
    slices = labels.get(folder.name)
    if slices is None:
        raise GenesisError(f"{folder}: no such series in {table}; remove it, or copy the table again")
    files = tuple(path for path in sorted(folder.glob("*.dcm")) if not path.name.startswith("."))
    there = {path.stem for path in files}
    missing, unknown = sorted(set(slices) - there), sorted(there - set(slices))
    if missing:
        raise GenesisError(f"{folder}: misses {plural(len(missing), 'slice')} of {table.name}: {first_few(missing)}")
    if unknown:
        raise GenesisError(f"{folder / unknown[0]}.dcm: no such slice in {table}; remove it or copy the table again")

    def find() -> Found:
        return _weak(folder, files, slices)

    # Of the table only this series' slices matter, so a longer table does not undo the search.
    marks = "".join("01"[slices[path.stem]] for path in files)
    return SearchedScan(folder.name, folder.parent.name, folder, files, f"rsna-pe {marks}", find)


def _weak(folder: Path, files: tuple[Path, ...], slices: Slices) -> Found:
    """The candidates of one series; see the text of this module."""
    heights = {}
    for one in read_headers(folder, files):
        if one.position is None:
            raise GenesisError(f"{one.path}: a slice without position; copy it again")
        heights[one.path.stem] = one.position[2]
    ordered = sorted(slices, key=heights.__getitem__)
    runs = _runs([(heights[sop], slices[sop]) for sop in ordered])
    spots = [point for point, _ in dark_spots(read_series(folder, files))]
    names = [f"{folder.name}-run{number}" for number in range(1, len(runs) + 1)]
    half = (heights[ordered[-1]] - heights[ordered[0]]) / max(len(ordered) - 1, 1) / 2
    found = []
    for name, (low, high) in zip(names, runs, strict=True):
        strongest = next((point for point in spots if low - half <= point[2] <= high + half), None)
        if strongest is not None:
            found.append(Spot(strongest, 1, name))
    clear = [point for point in spots if all(not low - APART_MM < point[2] < high + APART_MM for low, high in runs)]
    false = [Spot(point, 0) for point in separated(clear, [])[:MOST]]
    return Found((*found, *false), tuple(names))


def _runs(marked: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Lowest and highest z of each run of marked slices, given from low to high."""
    runs: list[tuple[float, float]] = []
    before = False
    for height, mark in marked:
        if mark:
            runs = [*runs[:-1], (runs[-1][0], height)] if before else [*runs, (height, height)]
        before = mark
    return runs
