"""Phantoms as LUNA16 lies on disk: ten subsets of MetaImages, annotations, candidates, lung masks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modelsgenesis.files import write_csv
from modelsgenesis.phantoms.chest import LUNGS, Phantom, chest
from modelsgenesis.phantoms.findings import Finding, Position, distance, position
from modelsgenesis.phantoms.images import hounsfield, placed, write_detached
from modelsgenesis.phantoms.patients import check_cases, middle, patient, series_uid
from modelsgenesis.streams import LUNA, LUNA_CANDIDATES, generator
from modelsgenesis.types import Shape, Spacing

SHAPE: Shape = (256, 256, 128)
_FLIPPED = 0.25  # share of scans with reversed x and y axes; LUNA16 has some
_MISSED = 0.06  # share of nodules without any candidate, as the detectors behind LUNA16's lists miss them
_RANDOM = 12  # candidates of a scan at random places in its lungs
_FAR = 5.0  # mm from the surface of a nodule, beyond which a random candidate may lie
_FIRST = (0, 5, 7, 1, 6, 8, 2, 9, 3, 4)  # subsets in the order they fill: training 0-4, validation 5-6, test 7-9
COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "class")
_SURE = 3  # scans at the start, one for each side of the split, that have nodules for certain

Row = Mapping[str, object]


def write_luna16(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = None) -> Path:
    """Write `cases` scans in LUNA16's layout to `folder` and return `folder`.

    `subset0..9/<seriesuid>.mhd` with `.raw`; `annotations.csv`; `candidates.csv` (one candidate a nodule, rounded) and
    `candidates_V2.csv` (several a nodule); `seg-lungs-LUNA16/<seriesuid>.mhd` with `.zraw` (3 left lung, 4 right lung,
    5 airways). A quarter of the scans has reversed x and y axes, which only the direction in the header tells.

    Args:
        shape: voxels along (X, Y, Z); fields narrower than 240 mm show one lung.
        spacing: mm; None draws each scan's as in real ones.

    Raises:
        UsageError: no cases, or a bad shape or spacing.
        GenesisError: the disk refuses.
    """
    check_cases(cases)
    for subset in range(10):
        (folder / f"subset{subset}").mkdir(parents=True, exist_ok=True)
    annotations: list[Row] = []
    first: list[Row] = []
    second: list[Row] = []
    for index in range(cases):
        phantom = luna_patient(seed, index, shape, spacing)
        uid, at = series_uid(seed, index), middle(seed, index)
        rng = generator(seed, LUNA_CANDIDATES, index)
        flipped = bool(rng.random() < _FLIPPED) or index == 1
        image = placed(hounsfield(phantom.array), phantom.spacing, at, flipped)
        write_detached(image, folder / f"subset{_FIRST[index % 10]}" / f"{uid}.mhd")
        write_detached(
            placed(phantom.lungs, phantom.spacing, at, flipped), folder / f"seg-lungs-LUNA16/{uid}.mhd", True
        )
        for finding in phantom.findings:
            annotations.append({**row(uid, finding.centre, at), "diameter_mm": round(finding.diameter, 4)})
        missed = [f for f in phantom.findings if rng.random() < _MISSED]
        listed = [f for f in phantom.findings if f not in missed]
        false = [c.centre for c in phantom.candidates] + anywhere(rng, phantom)
        for rows, near in ((first, 1), (second, 3)):
            rows += [{**row(uid, p, at), "class": 0} for p in false]
            rows += [{**row(uid, p, at), "class": 1} for f in listed for p in hits(rng, f, near)]
    write_csv(folder / "annotations.csv", (*COLUMNS[:-1], "diameter_mm"), annotations)
    write_csv(folder / "candidates.csv", COLUMNS, first)
    write_csv(folder / "candidates_V2.csv", COLUMNS, second)
    return folder


def luna_patient(seed: int, index: int, shape: Shape, spacing: Spacing | None) -> Phantom:
    """The scan that LUNA16 and LIDC-IDRI share; the first ones have nodules, so that a handful is enough."""
    return chest(patient(seed, LUNA, index), shape, spacing, nodules=2 if index < _SURE else None)


def row(uid: str, at: Position, world: Sequence[float]) -> dict[str, object]:
    """A position in the scan as a row of LUNA16's tables, in the scanner's world."""
    x, y, z = (round(a + w, 4) for a, w in zip(at, world, strict=True))
    return {"seriesuid": uid, "coordX": x, "coordY": y, "coordZ": z}


def hits(rng: np.random.Generator, finding: Finding, most: int) -> list[Position]:
    """One to `most` places where detectors saw the finding: within it, near its middle."""
    reach = min(0.2 * finding.diameter, 2.5)
    away = rng.normal(size=(int(rng.integers(1, most + 1)), 3))
    away *= reach * rng.random((len(away), 1)) / np.linalg.norm(away, axis=1, keepdims=True)
    return [position(np.array(finding.centre) + a) for a in away]


def anywhere(rng: np.random.Generator, phantom: Phantom, count: int = _RANDOM) -> list[Position]:
    """Random places in the lungs, away from what there is to find."""
    voxels = np.argwhere(np.isin(phantom.lungs, (LUNGS["left"], LUNGS["right"])))
    if not len(voxels):
        return []
    chosen = voxels[rng.integers(0, len(voxels), count)]
    points = [position(p) for p in (chosen - (np.array(phantom.array.shape) - 1) / 2) * phantom.spacing]
    return [p for p in points if far(p, phantom.findings)]


def far(point: Position, findings: Sequence[Finding]) -> bool:
    """Whether no finding reaches within 5 mm of the point."""
    return all(distance(point, f.centre) > 0.75 * f.diameter + _FAR for f in findings)
