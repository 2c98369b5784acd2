"""NCC: lung nodule or false alarm? The candidates of LUNA16 in CT (PAPER 2 and 4).

Each candidate is a case: the cube around its place, at the scan's own spacing as in pre-training. A case is called
`<series UID>-<line of the table>`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelsgenesis.config import settings
from modelsgenesis.data.guarded import read_grid
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import SIDES, Case, Target, TargetTask
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
from modelsgenesis.targets.luna16 import DOWNLOAD, SUBSETS, LunaScan, find_scans, find_table, side_of

CANDIDATES = ("candidates_V2.csv", "candidates.csv")
ANNOTATIONS = "annotations.csv"


@settings
class NccOptions:
    """What can be chosen of LUNA16."""

    candidates: str = ""
    """Name of the candidate table; empty: candidates_V2.csv, or candidates.csv where that is absent."""


def _read(data: Path, options: NccOptions, cache: Path) -> Target:  # noqa: ARG001 - nothing is derived
    return read_ncc(data, options)


def read_ncc(data: Path, options: NccOptions) -> Target:
    """The candidates of the LUNA16 download at `data`; subjects are series UIDs, findings the annotated nodules.

    Raises GenesisError naming file and line: no scans or table, damaged lines, a candidate outside its scan, a scan in
    two subsets or without its voxels. What a partial download lacks is in the notes of the target.
    """
    scans = find_scans(data)
    names = (options.candidates,) if options.candidates else CANDIDATES
    table = find_table(data, names)
    if table is None:
        raise _no_table(data, options.candidates)
    candidates = read_candidates(table)
    annotations = find_table(data, (ANNOTATIONS,))
    lesions = read_annotations(annotations) if annotations else {}
    tally = _Tally()
    cases = [case for scan in scans for case in _cases_of(scan, candidates, lesions, table, tally)]
    if not cases:
        raise GenesisError(f"{table}: no candidate is in any of the {plural(len(scans), 'scan')} of {data}; {DOWNLOAD}")
    return Target(
        task="classification",
        labels={0: "false alarm", 1: "nodule"},
        cases=cases,
        source=table,
        sides=_sides(scans),
        findings={lesion.name: scan.uid for scan in scans for lesion in lesions.get(scan.uid, ())},
        notes=(*_absent(data, scans, candidates, annotations), *tally.notes(scans, annotations)),
    )


def _no_table(data: Path, wanted: str) -> GenesisError:
    if wanted:
        return UsageError(f"options.candidates: {wanted} is not in {data}; known tables: {', '.join(CANDIDATES)}")
    return GenesisError(f"{data}: holds no {' or '.join(CANDIDATES)}; {DOWNLOAD}")


@dataclass
class _Tally:
    """What is odd about the candidates, counted while they become cases."""

    empty: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def notes(self, scans: Sequence[LunaScan], annotations: Path | None) -> Iterator[str]:
        if self.empty:
            yield f"{plural(len(self.empty), 'scan')} of {len(scans)} without candidates: {first_few(self.empty)}"
        if self.counts["unhit"] and annotations:
            yield f"{plural(self.counts['unhit'], 'candidate')} of class 1 in reach of no nodule in {annotations.name}"
        if self.counts["hit"]:
            yield f"{plural(self.counts['hit'], 'candidate')} of class 0 within a nodule; the class of the table holds"


def _cases_of(
    scan: LunaScan,
    candidates: dict[str, list[Candidate]],
    lesions: dict[str, list[Lesion]],
    table: Path,
    tally: _Tally,
) -> Iterator[Case]:
    found = candidates.get(scan.uid)
    if not found:
        tally.empty.append(scan.uid)
        return
    require_inside(found, read_grid(scan.path), table, scan.path)
    images = (scan.path,)
    for one, hit in zip(found, hits(found, lesions.get(scan.uid, ())), strict=True):
        tally.counts["unhit"] += one.label and not hit
        tally.counts["hit"] += bool(hit) and not one.label
        yield Case(f"{scan.uid}-{one.line}", scan.uid, images, one.label, one.centre, hit if one.label else "")


def _sides(scans: Sequence[LunaScan]) -> dict[str, str]:
    """The papers' sides; none when all scans are of one, for then the settings of the split must part them."""
    sides = {scan.uid: side_of(scan.subset) for scan in scans}
    return sides if len(set(sides.values())) > 1 else {}


def _absent(
    data: Path, scans: Sequence[LunaScan], candidates: dict[str, list[Candidate]], annotations: Path | None
) -> Iterator[str]:
    there = {scan.subset for scan in scans}
    absent = [subset for subset in range(SUBSETS) if subset not in there]
    without = [side for side in SIDES if side not in {side_of(subset) for subset in there}]
    if absent:
        lacking = f": no {' or '.join(without)} scans of the papers' split" if without else ""
        yield f"subset{', subset'.join(map(str, absent))} absent{lacking}"
    if len(without) == 2:
        yield "all scans are of one side of the papers' split, so they are divided by the settings of the split"
    dropped = set(candidates) - {scan.uid for scan in scans}
    if dropped:
        count = sum(len(candidates[uid]) for uid in dropped)
        yield f"{plural(count, 'candidate')} of {plural(len(dropped), 'scan')} that are not there left out"
    if annotations is None:
        yield f"{ANNOTATIONS} is not in {data}: nodules are unknown, so FROC and CPM cannot be computed"


TASK = TargetTask(
    about="lung nodule or false alarm: candidates of LUNA16 in CT",
    download=DOWNLOAD,
    read=_read,
    options=NccOptions,
    recipe={
        "images": {"modality": "ct"},
        "patch": {"shape": [64, 64, 32]},
        "sampling": "balanced",
        "augmentation": "strong",
        "loss": "ce",
        "optim": {"lr": 1e-3},
    },
)
