"""What detectors mistake for nodules: vessel forks, thickened fissures, scars, bumps of the pleura, micronodules."""

import numpy as np

from modelsgenesis.phantoms.anatomy import LABELS, Drawing, Mask
from modelsgenesis.phantoms.findings import Candidate, Finding, distance, position
from modelsgenesis.phantoms.frame import Points

_GAP = 6.0  # mm between the surface of a nodule and a decoy
_EXPECTED = {"fissure": 2.0, "scar": 2.0, "pleural": 2.5, "micronodule": 2.0}  # mean number per patient
_FORKS = 12


def decoys(drawing: Drawing, findings: list[Finding]) -> list[Candidate]:
    """Paint the decoys that are structures of their own and list them all, none of them near a finding."""
    rng = drawing.rng
    lung = drawing.labels == LABELS["lung"]
    made: list[Candidate] = []
    for kind, paint in (("fissure", _fissure), ("scar", _scar), ("pleural", _pleural), ("micronodule", _micronodule)):
        for _ in range(int(rng.poisson(_EXPECTED[kind]))):
            for point in _places(drawing, lung, kind):
                if _free(drawing, findings, point):
                    paint(drawing, lung, point)
                    made.append(Candidate(position(point), kind))
                    break
    forks = [t.forks(1.0, 4.0)[:, 3:6] for t in drawing.arteries + drawing.veins]
    points = np.concatenate([*forks, np.zeros((0, 3))])
    chosen = rng.permutation(points)[: 4 * _FORKS]
    voxels = drawing.frame.voxel(chosen)
    inside = drawing.frame.inside(chosen, 3)
    kept = [p for p, v, ok in zip(chosen, voxels, inside, strict=True) if ok and lung[tuple(v)]]
    made += [Candidate(position(p), "fork") for p in kept if _free(drawing, findings, p)][:_FORKS]
    return made


def _free(drawing: Drawing, findings: list[Finding], point: Points) -> bool:
    """Whether a decoy of about 10 mm fits into the grid there without touching a finding."""
    if not drawing.frame.inside(point[None], 3)[0]:
        return False
    return all(distance(position(point), f.centre) > f.diameter + _GAP for f in findings)


def _places(drawing: Drawing, lung: Mask, kind: str) -> Points:
    """Some random places in the lungs where a decoy of this kind may sit, in grid mm."""
    points = drawing.scatter(600, lung)
    if kind == "micronodule" or not len(points):
        return points[:20]
    at = drawing.frame.to_anatomical(points)
    x, y, z = at.T.astype(np.float32)
    if kind == "fissure":
        away = np.where(x < 0, drawing.fissure((x, y, z), "right"), drawing.fissure((x, y, z), "left"))
        return points[np.argsort(np.abs(away))[:10]]
    rim = drawing.cavity[tuple(drawing.frame.voxel(points).clip(0, np.array(lung.shape) - 1).T)]
    low, high = (0.9, 0.97) if kind == "scar" else (0.94, 1.0)
    chosen: Points = points[(rim > low) & (rim < high)][:20]
    return chosen


def _fissure(drawing: Drawing, lung: Mask, point: Points) -> None:
    """A lens of fluid or fat in the oblique fissure, flat along it."""
    flat = drawing.frame.spacing.mean() + 1.0
    radius = float(drawing.rng.uniform(2.5, 5))
    offset = np.array([0, 0.72, 0.69]) * radius  # along the fissure
    segment = np.concatenate([point - offset, point + offset, [flat, flat * 0.6]])[None]
    drawing.pour(segment, float(drawing.rng.uniform(-50, 30)), inside=lung)


def _scar(drawing: Drawing, lung: Mask, point: Points) -> None:
    """An irregular band of a centimetre or two, thin and dense."""
    rng = drawing.rng
    steps = np.cumsum(np.concatenate([np.zeros((1, 3)), rng.normal(0, 3.5, (4, 3))]), axis=0)
    steps = steps + rng.normal(0, 1, 3) * np.arange(5)[:, None] * 2.5
    line = point + steps - steps.mean(axis=0)
    radii = rng.uniform(0.8, 2.0, (5, 1))
    drawing.pour(
        np.concatenate([line[:-1], line[1:], radii[:-1], radii[1:]], axis=1), rng.uniform(-100, 30), inside=lung
    )


def _pleural(drawing: Drawing, lung: Mask, point: Points) -> None:
    """A plaque: a flat cap of soft tissue or calcium on the rib side of the lung."""
    radius = float(drawing.rng.uniform(4, 9))
    box = drawing.frame.box(point - 2 * radius, point + 2 * radius)
    axes = np.meshgrid(
        *(axis[part] for axis, part in zip(drawing.frame.axes(), box, strict=True)), indexing="ij", sparse=True
    )
    near = sum((a - c) ** 2 for a, c in zip(axes, point, strict=True)) < (1.6 * radius) ** 2
    rim = near & lung[box] & (drawing.cavity[box] > 1 - 0.028 * float(drawing.rng.uniform(0.7, 1.4)))
    drawing.image[box][rim] = drawing.rng.choice([35.0, 260.0], p=[0.8, 0.2])


def _micronodule(drawing: Drawing, lung: Mask, point: Points) -> None:
    """A nodule below 3 mm, too small to count."""
    radius = float(drawing.rng.uniform(0.9, 1.5))
    segment = np.concatenate([point, point + 0.1, [radius, radius]])[None]
    drawing.pour(segment, float(drawing.rng.uniform(20, 300)), inside=lung)
