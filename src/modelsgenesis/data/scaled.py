"""Boxes of a scan at a wanted spacing: which level to read, where, and linear interpolation between its voxels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.data.manifest import Scan
from modelsgenesis.types import FloatArray, IntegerArray, Shape

COARSEST = 2.0
"""From one voxel of a cube to the next are at most so many of the coarsest level: beyond, what lies between aliases."""
_SLACK = 1e-6


@dataclass(frozen=True)
class Box:
    """A place in a scan at a spacing, ready to be read from a level.

    Attributes:
        level: number of the level.
        corner: the first voxel of the level to read.
        size: how many of its voxels to read along each axis.
        first: where the centre of the first wanted voxel lies, in voxels of what is read.
        step: from one wanted voxel to the next, in voxels of the level.
        shape: wanted voxels along each axis.
    """

    level: int
    corner: Shape
    size: Shape
    first: tuple[float, ...]
    step: tuple[float, ...]
    shape: Shape


def level_for(scan: Scan, spacing: float) -> int:
    """The coarsest level of which no axis that was averaged is coarser than `spacing` (mm)."""
    return max(level for level in range(len(scan.levels)) if _begins(scan, level) <= spacing * (1 + _SLACK))


def _begins(scan: Scan, level: int) -> float:
    """The finest spacing that is read from a level: that of the coarsest axis that was averaged."""
    averaged = (f * h for f, h in zip(scan.levels[level], scan.spacing, strict=True) if f > 1)
    return max(averaged, default=0.0)


def reach(scan: Scan) -> float:
    """The coarsest spacing (mm) that the levels of a scan are good for."""
    return COARSEST * min(scan.level_spacing(len(scan.levels) - 1)) * (1 + _SLACK)


def coarsest_that_fits(scan: Scan, shape: Shape) -> float:
    """The coarsest spacing (mm) at which a cube of `shape` lies inside the scan, whole blocks of a level counting."""
    coarsest = 0.0
    for level in range(len(scan.levels)):
        sides = zip(scan.level_shape(level), scan.level_spacing(level), shape, strict=True)
        largest = min(whole * step / n for whole, step, n in sides) * (1 + _SLACK)
        if largest < _begins(scan, level):
            break
        ends = _begins(scan, level + 1) * (1 - 2 * _SLACK) if level + 1 < len(scan.levels) else largest
        coarsest = min(largest, ends)
    return coarsest


def _steps(scan: Scan, level: int, spacing: float) -> tuple[float, ...]:
    """`spacing` (mm) in voxels of a level, along each axis."""
    return tuple(spacing / h for h in scan.level_spacing(level))


def room(scan: Scan, level: int, spacing: float, shape: Shape) -> tuple[float, ...]:
    """How far (voxels of the level) a cube of `shape` at `spacing`, which fits, can be moved along each axis."""
    sides = zip(scan.level_shape(level), _steps(scan, level, spacing), shape, strict=True)
    return tuple(max(whole - step * n, 0.0) for whole, step, n in sides)


def box_at(scan: Scan, level: int, spacing: float, start: tuple[float, ...], shape: Shape) -> Box:
    """The box of a cube of `shape` at `spacing` whose edge lies `start` voxels of the level from the scan's."""
    step = _steps(scan, level, spacing)
    # A voxel's centre is half a step behind its edge; voxel i of the level has its centre at i + 1/2.
    first = [edge + (one - 1) / 2 for edge, one in zip(start, step, strict=True)]
    whole = scan.level_shape(level)
    corner = tuple(min(max(0, int(np.floor(at))), n - 1) for at, n in zip(first, whole, strict=True))
    last = [at + one * (n - 1) for at, one, n in zip(first, step, shape, strict=True)]
    ends = [min(int(np.floor(at)) + 2, n) for at, n in zip(last, whole, strict=True)]
    size = tuple(max(end - at, 1) for end, at in zip(ends, corner, strict=True))
    return Box(level, corner, size, tuple(at - c for at, c in zip(first, corner, strict=True)), step, shape)


def interpolate(samples: IntegerArray, box: Box, levels: int) -> FloatArray:
    """The voxels of `box` from what was read for it, linearly interpolated and divided by `levels`: float32 in [0, 1].

    Beyond the outermost centres, half a voxel wide, the outermost voxel counts.
    """
    filled = (1,) * (3 - len(box.shape))
    out = np.empty((*box.shape, *filled), np.float32)
    first, step = ((*values, *(0.0,) * len(filled)) for values in (box.first, box.step))
    flat = np.ascontiguousarray(samples).reshape(*samples.shape, *filled)
    _interpolate(flat, first, step, np.float32(1 / levels), out)
    return out.reshape(box.shape)


@compiled
def _places(
    first: float, step: float, count: int, side: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Lower neighbour, upper neighbour and the weight of the upper one, of each wanted place along an axis."""
    low, high, weight = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.float32)
    for i in range(count):
        at = min(max(first + i * step, 0.0), side - 1.0)
        low[i] = int(at)
        high[i] = min(low[i] + 1, side - 1)
        weight[i] = at - low[i]
    return low, high, weight


@compiled
def _interpolate(
    samples: np.ndarray[Any, Any],
    first: tuple[float, ...],
    step: tuple[float, ...],
    factor: np.float32,
    out: np.ndarray[Any, Any],
) -> None:
    """Axis by axis: four neighbouring rows become one along Z, and this is interpolated."""
    x0, x1, wx = _places(first[0], step[0], out.shape[0], samples.shape[0])
    y0, y1, wy = _places(first[1], step[1], out.shape[1], samples.shape[1])
    z0, z1, wz = _places(first[2], step[2], out.shape[2], samples.shape[2])
    row = np.empty(samples.shape[2], np.float32)
    one = np.float32(1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            a = (one - wx[i]) * (one - wy[j]) * factor
            b = (one - wx[i]) * wy[j] * factor
            c = wx[i] * (one - wy[j]) * factor
            d = wx[i] * wy[j] * factor
            p, q = samples[x0[i], y0[j]], samples[x0[i], y1[j]]
            r, s = samples[x1[i], y0[j]], samples[x1[i], y1[j]]
            for k in range(row.size):
                row[k] = a * np.float32(p[k]) + b * np.float32(q[k]) + c * np.float32(r[k]) + d * np.float32(s[k])
            for k in range(out.shape[2]):
                value = row[z0[k]] + wz[k] * (row[z1[k]] - row[z0[k]])
                out[i, j, k] = min(max(value, np.float32(0)), one)
