"""Your own candidates: a table in LUNA16's form beside scans of any format, which it names by their file names."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.data.formats.dicom import is_dicom
from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.guarded import read_grid
from modelsgenesis.data.index import VOLUME_SUFFIXES
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Case
from modelsgenesis.targets.candidates import (
    Candidate,
    Lesion,
    first_few,
    hits,
    plural,
    read_annotations,
    read_candidates,
    require_inside,
)
from modelsgenesis.targets.dicom_folders import find_series, series_grid, visible
from modelsgenesis.targets.luna16 import find_table

ANNOTATIONS = "annotations.csv"


@dataclass(frozen=True)
class Listed:
    """Cases, their lesions (name -> subject), and notes, as of a target."""

    cases: list[Case]
    findings: dict[str, str]
    notes: list[str]


def listed(data: Path, table: Path) -> Listed:
    """The candidates of `table` in the volumes (or folders of a DICOM series) below `data` that have their name.

    Subjects are those of the column `subject`, else each scan is one. Lesions are those of the column `finding`, else
    of `annotations.csv` by their radius, else unknown.

    Raises GenesisError naming file and line: no scan of the table, two of one name, a candidate outside its scan, a
    scan of two subjects, a finding of class 0.
    """
    candidates = read_candidates(table)
    places = _places(data, set(candidates))
    if not places:
        raise GenesisError(f"{data}: holds none of the {plural(len(candidates), 'scan')} of {table.name}; add them")
    annotations = find_table(data, (ANNOTATIONS,))
    lesions = read_annotations(annotations) if annotations else {}
    named = any(one.finding for found in candidates.values() for one in found)
    cases: list[Case] = []
    findings: dict[str, str] = {}
    for scan, path in sorted(places.items()):
        found, subject = candidates[scan], _subject(scan, candidates[scan], table)
        require_inside(found, _grid(path), table, path)
        own = [] if named else lesions.get(scan, [])
        hit = _named_hits(scan, found, table) if named else hits(found, own)
        pairs = list(zip(found, hit, strict=True))
        cases += [
            Case(f"{scan}-{one.line}", subject, (path,), one.label, one.centre, name if one.label else "")
            for one, name in pairs
        ]
        findings |= dict.fromkeys([lesion.name for lesion in own] or [name for _, name in pairs if name], subject)
    return Listed(cases, findings, list(_notes(candidates, places, lesions, named)))


def _places(data: Path, wanted: set[str]) -> dict[str, Path]:
    """Name -> volume file, or folder of DICOM files, of the wanted scans that are there."""
    found: dict[str, Path] = {}
    for folder, names in visible(data):
        paths = [folder / name for name in names if _stem(name) in wanted]
        if folder.name in wanted and any(is_dicom(folder / name) for name in names if name != "DICOMDIR"):
            paths.append(folder)
        for path in paths:
            name = path.name if path == folder else str(_stem(path.name))
            first = found.setdefault(name, path)
            if first != path:
                raise GenesisError(f"{path}: of the same name as {first}; remove one of them")
    return found


def _stem(name: str) -> str | None:
    """The name of a volume file without its suffix; None for other files."""
    suffix = next((known for known in VOLUME_SUFFIXES if name.lower().endswith(known)), None)
    return name[: -len(suffix)] if suffix else None


def _grid(path: Path) -> Grid:
    if path.is_file():
        return read_grid(path)
    series = [one for one in find_series(path) if one.path == path]
    return series_grid(series[0])[0]


def _subject(scan: str, candidates: Sequence[Candidate], table: Path) -> str:
    subjects = Counter(one.subject or scan for one in candidates)
    if len(subjects) > 1:
        other = next(one for one in candidates if (one.subject or scan) != (candidates[0].subject or scan))
        raise GenesisError(
            f"{table}, line {other.line}: {scan} is of {other.subject or scan} here and of "
            f"{candidates[0].subject or scan} before; a scan shows one subject, correct the line"
        )
    return next(iter(subjects))


def _named_hits(scan: str, candidates: Sequence[Candidate], table: Path) -> list[str]:
    wrong = next((one for one in candidates if one.finding and not one.label), None)
    if wrong is not None:
        raise GenesisError(f"{table}, line {wrong.line}: finding {wrong.finding!r} with class 0; correct the line")
    return [f"{scan}-{one.finding}" if one.finding else "" for one in candidates]


def _notes(
    candidates: Mapping[str, Sequence[Candidate]],
    places: Mapping[str, Path],
    lesions: Mapping[str, Sequence[Lesion]],
    named: bool,
) -> Iterator[str]:
    absent = sorted(set(candidates) - set(places))
    if absent:
        count = sum(len(candidates[scan]) for scan in absent)
        yield f"{plural(count, 'candidate')} left out of {plural(len(absent), 'scan')} not there: {first_few(absent)}"
    if not named and not lesions:
        yield f"neither a column finding nor {ANNOTATIONS}: lesions are unknown, so FROC and CPM cannot be computed"
