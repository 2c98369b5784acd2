"""The scale at which a network sees anatomy: mm per voxel, or, of images whose pixel size nobody told, pixels across.

Weights carry it in their provenance as plain values:

    spacing   {median, low, high}: mm per voxel along each axis of the cubes, over the scans or as drawn
    drawn     whether a spacing is drawn for each cube; then all between low and high are alike
    across    of images: pixels along each side of the whole image, median over the images
    share     of images: how much of each side of the image a cube covers
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from modelsgenesis.data.manifest import Scan
from modelsgenesis.errors import UsageError
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


def limits_of(spacing: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """`cubes.spacing` as the finest and the coarsest spacing in mm; UsageError when it is none."""
    if spacing is None:
        return None
    low, high = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    if not 0 < low <= high < math.inf:
        raise UsageError(f"cubes.spacing: {spacing} mm; give a positive number, or the smaller and the larger of two")
    return low, high


def _spread(seen: Sequence[Spacing | np.ndarray]) -> JSON:
    rows = np.array(seen, np.float64).round(4)
    spread = {"median": np.median(rows, axis=0), "low": rows.min(axis=0), "high": rows.max(axis=0)}
    return {name: values.tolist() for name, values in spread.items()}


@dataclass(frozen=True)
class Mismatch:
    """Weights that saw anatomy at another scale than they are shown it at.

    Attributes:
        factor: by which the scale differs along the axis where it differs most, at least 1.
        weights: the scale they saw, in words.
        here: the scale at which they are used, in words.
        mend: what to do.
    """

    factor: float
    weights: str
    here: str
    mend: str

    @property
    def sentence(self) -> str:
        """For the console and the manifest."""
        return (
            f"the init source saw {self.weights}, here it is shown {self.here}, a factor of {self.factor:.1f}; "
            f"{self.mend}, unless the difference is meant"
        )


def mismatch(weights: JSON, here: JSON) -> Mismatch | None:
    """How two scales differ; None where they agree within `FACTOR` or cannot be compared, as a volume with an image."""
    if "spacing" in weights and "spacing" in here:
        saw, shown = weights["spacing"], here["spacing"]["median"]
        if len(saw["median"]) != len(shown):
            return None
        low, high = (saw["low"], saw["high"]) if weights.get("drawn") else (saw["median"], saw["median"])
        factors = [max(a / b, b / c, 1.0) for a, b, c in zip(low, shown, high, strict=True)]
        names = _by_mm(low, high if weights.get("drawn") else low), _by_mm(shown, shown)
        wide = f"{min(*low, *shown):.3g} {max(*high, *shown):.3g}"
        mend = f"set images.spacing to what it saw, or pre-train with cubes.spacing {wide}"
    elif "across" in weights and "across" in here:
        saw, shown = weights["across"], here["across"]
        if len(saw) != len(shown):
            return None
        factors = [max(a / b, b / a) for a, b in zip(saw, shown, strict=True)]
        names = _by_pixels(saw), _by_pixels(shown)
        mend = f"pre-train on a store prepared with --resize {' '.join(f'{side:.0f}' for side in shown)}"
    else:
        return None
    worst = max(factors)
    return Mismatch(worst, *names, mend) if worst > FACTOR else None


def _by_mm(low: Sequence[float], high: Sequence[float]) -> str:
    if list(low) != list(high):
        return f"voxels of {low[0]:.3g} to {high[0]:.3g} mm"
    return f"voxels of {'x'.join(f'{step:.3g}' for step in low)} mm"


def _by_pixels(sides: Sequence[float]) -> str:
    return f"images of {'x'.join(f'{side:.0f}' for side in sides)} pixels"
