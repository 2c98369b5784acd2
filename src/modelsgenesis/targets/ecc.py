"""ECC: embolus or false alarm? Candidates in CT pulmonary angiography (PAPER 2 and 4).

The papers' 121 scans are private. What is read instead:

| data | recognised by | candidates |
|---|---|---|
| your own | `candidates.csv` (LUNA16's form, seriesuid = name of the scan) | those of the table |
| CAD-PE | `images/`, `rs/` | found: each clot, and dark spots in vessels (`spots`) |
| FUMPE | `CT_scans/`, `GroundTruth/` | the same |
| RSNA-PE | `train.csv`, `train/` | found: dark spots with the labels of their slices (`rsna_pe`) |

Candidates that must be found are found when the data are first read, and kept in the cache.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from modelsgenesis.config import settings
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.cad_pe import find_cad_pe, is_cad_pe
from modelsgenesis.targets.candidate_scans import Listed, listed
from modelsgenesis.targets.fumpe import Axes, find_fumpe, is_fumpe
from modelsgenesis.targets.luna16 import find_table
from modelsgenesis.targets.rsna_pe import find_rsna_pe, is_rsna_pe
from modelsgenesis.targets.spot_cache import SearchedScan, search

LABELS = {0: "false alarm", 1: "embolus"}
TEST_SHARE = 0.39
"""The papers' share: 253 + 2,162 of 6,255 candidates are for testing, of patients that are not told."""
DOWNLOAD = (
    "put CT angiographies beside candidates.csv (columns seriesuid,coordX,coordY,coordZ,class), or download FUMPE, "
    "CAD-PE or RSNA-PE and unpack it here"
)


@settings
class EccOptions:
    """What can be chosen of embolus candidates."""

    orientation: Literal["grid", "vessel"] = "grid"
    """grid: cubes as the scan lies; vessel: turned so that the vessel in them lies along X (targets/vessel.py)."""
    candidates: str = ""
    """Name of the candidate table; empty: candidates.csv where there is one."""
    mask_axes: Axes = "xyz"
    """FUMPE: order of the axes of the masks, xyz or yxz."""


def _read(data: Path, options: EccOptions, cache: Path) -> Target:
    """The candidates at `data`. Without a table they are found in the voxels and kept below `cache`: once, minutes.

    Raises GenesisError naming the file: no known layout, damaged tables, masks or scans.
    """
    table = find_table(data, (options.candidates or "candidates.csv",))
    if table is not None:
        return _target(listed(data, table), table, options)
    if options.candidates:
        raise GenesisError(f"{data}: holds no {options.candidates}; {DOWNLOAD}")
    if is_cad_pe(data):
        return _target(_searched(*find_cad_pe(data), cache), data, options)
    if is_fumpe(data):
        return _target(_searched(*find_fumpe(data, options.mask_axes), cache), data, options)
    if is_rsna_pe(data):
        return _target(_searched(*find_rsna_pe(data), cache), data, options)
    raise GenesisError(f"{data}: holds no candidates.csv, and is laid out as none of the known data sets; {DOWNLOAD}")


def _target(found: Listed, source: Path, options: EccOptions) -> Target:
    return Target(
        task="classification",
        labels=LABELS,
        cases=found.cases,
        source=source,
        findings=found.findings,
        orientation=options.orientation,
        notes=tuple(found.notes),
    )


def _searched(scans: Sequence[SearchedScan], notes: Sequence[str], cache: Path) -> Listed:
    cases: list[Case] = []
    findings: dict[str, str] = {}
    for scan, found in zip(scans, search(scans, cache), strict=True):
        cases += [
            Case(f"{scan.id}-{number}", scan.subject, (scan.image,), spot.label, spot.centre, spot.finding)
            for number, spot in enumerate(found.spots, start=1)
        ]
        findings |= dict.fromkeys(found.findings, scan.subject)
    return Listed(cases, findings, list(notes))


TASK = TargetTask(
    about="pulmonary embolus or false alarm: candidates in CT angiography",
    download=DOWNLOAD,
    read=_read,
    options=EccOptions,
    recipe={
        "images": {"modality": "ct", "spacing": [0.625, 0.625, 0.625]},
        "patch": {"shape": [32, 32, 32]},
        "split": {"test": TEST_SHARE},
        "sampling": "balanced",
        "augmentation": "strong",
        "loss": "ce",
        "optim": {"lr": 1e-3},
    },
)
