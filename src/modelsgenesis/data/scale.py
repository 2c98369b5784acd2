"""The scale at which a network sees anatomy: mm per voxel, or, of images whose pixel size nobody told, pixels across.

Weights carry it in their provenance as plain values:

    spacing   {median, low, high}: mm per voxel along each axis of the cubes, over the scans or as drawn
    drawn     whether a spacing is drawn for each cube; then all between low and high are alike
    across    of images: pixels along each side of the whole image, median over the images
    share     of images: how much of each side of the image a cube covers
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from modelsgenesis.data.manifest import Scan
from modelsgenesis.types import JSON, Shape, Spacing

FACTOR = 1.5
"""Scales that differ by more than this factor along an axis are a mismatch."""
ORIENTATION = "LPS"
"""Of all arrays: x to the left, y to the back, z to the head."""


def scale_of(scans: Iterable[Scan], shape: Shape, resized: bool = False) -> JSON:
    """The scale at which cubes of `shape` show these scans, cut at their own voxels.

    Args:
        scans: at least one.
        shape: (X, Y, Z) or (X, Y) of the cubes; two sides of a volume are an axial slice.
        resized: whether each scan is resized as a whole to `shape`.
    """
    axes = len(shape)
    known = {scan.shape + scan.spacing + (scan.measured,): scan for scan in scans}.values()
    shapes = [scan.shape[:axes] for scan in known]
    ratios = [np.divide(whole, shape) if resized else np.ones(axes) for whole in shapes]
    found: JSON = {}
    if all(scan.measured for scan in known):
        seen = [np.array(scan.spacing[:axes]) * ratio for scan, ratio in zip(known, ratios, strict=True)]
        found["spacing"] = _spread(seen)
    if all(len(scan.shape) == 2 for scan in known):
        across = np.median(np.divide(shapes, ratios), axis=0)
        found |= {"across": across.tolist(), "share": np.minimum(np.divide(shape, across), 1).round(4).tolist()}
    return found


def drawn_scale(low: float, high: float, axes: int) -> JSON:
    """The scale of cubes whose spacing is drawn between `low` and `high` mm, every factor being as likely."""
    middle = round(math.sqrt(low * high), 4)
    return {"spacing": {"median": [middle] * axes, "low": [low] * axes, "high": [high] * axes}, "drawn": low < high}


def _spread(seen: Sequence[Spacing | np.ndarray]) -> JSON:
    rows = np.array(seen, np.float64).round(4)
    spread = {"median": np.median(rows, axis=0), "low": rows.min(axis=0), "high": rows.max(axis=0)}
    return {name: values.tolist() for name, values in spread.items()}
