"""Branching vessels that fill an organ: a tree grown by splitting the points it has to reach."""

import numpy as np

from modelsgenesis.phantoms.frame import Frame, Points
from modelsgenesis.types import FloatArray

_THINNEST = 1.2  # mm, radius of a twig that serves one point
_STEP = 0.45  # share of the way to the centre of what is left to serve that a branch goes before it forks


def tree(rng: np.random.Generator, frame: Frame, root: Points, targets: Points) -> FloatArray:
    """Coverage (X, Y, Z) in [0, 1] of a vessel tree from `root` (3,) that reaches all `targets` (N, 3), in grid mm.

    A branch serving n points has radius ~ n^(1/3) (Murray's law), so the tree tapers as it forks.
    """
    coverage = np.zeros(frame.shape, dtype=np.float32)
    axes = frame.axes()
    pending = [(root, _radius(len(targets)), targets)]
    while pending:
        start, r0, served = pending.pop()
        step = 1.0 if len(served) == 1 else _STEP
        end = start + step * (served.mean(axis=0) - start)
        r1 = _radius(len(served))
        frame.capsule(coverage, axes, start, end, r0, r1)
        if len(served) > 1:
            pending += [(end, r1, half) for half in _split(rng, served)]
    return coverage


def _radius(served: int) -> float:
    return float(_THINNEST * served ** (1 / 3))


def _split(rng: np.random.Generator, points: Points) -> tuple[Points, Points]:
    """Cut the points in two, across the longest extent, at a random place near the middle."""
    spread = points - points.mean(axis=0)
    direction = np.linalg.svd(spread, full_matrices=False)[2][0] + rng.normal(0, 0.25, 3)
    order = np.argsort(spread @ direction)
    cut = int(np.clip(round(len(points) * rng.uniform(0.3, 0.7)), 1, len(points) - 1))
    return points[order[:cut]], points[order[cut:]]
