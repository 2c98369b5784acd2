"""Arrays of one size from arrays of any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.types import Shape


def crop_or_pad(array: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """The last axes of `array` at `shape`: cut around the centre where it is larger, zeros around where smaller."""
    leading = array.ndim - len(shape)
    sides = list(zip(array.shape[leading:], shape, strict=True))
    cut: tuple[Any, ...] = tuple(
        slice(max(0, (old - new) // 2), max(0, (old - new) // 2) + min(old, new)) for old, new in sides
    )
    margins = [((new - old) // 2, new - old - (new - old) // 2) if new > old else (0, 0) for old, new in sides]
    return np.pad(array[(Ellipsis, *cut)], [(0, 0)] * leading + margins)


@dataclass(frozen=True)
class Part:
    """A cube's first voxel, the part of it that lies in the scan, and the voxels missing before and after that."""

    first: Shape
    corner: Shape
    shape: Shape
    margins: list[tuple[int, int]]


def part_around(centre: Sequence[float], shape: Shape, scan: Shape) -> Part:
    """The cube of `shape` (axes it lacks are one voxel thick) around `centre`, which is moved into the scan."""
    full = (*shape, *(1,) * (len(scan) - len(shape)))
    middle = [min(max(round(c), 0), whole - 1) for c, whole in zip(centre, scan, strict=True)]
    first = [m - side // 2 for m, side in zip(middle, full, strict=True)]
    low = [max(f, 0) for f in first]
    high = [min(f + side, whole) for f, side, whole in zip(first, full, scan, strict=True)]
    margins = [(a - f, f + side - b) for f, side, a, b in zip(first, full, low, high, strict=True)]
    return Part(tuple(first), tuple(low), tuple(b - a for a, b in zip(low, high, strict=True)), margins)
