"""Compiled kernels: tapering tubes into voxels, and the growth of branching trees."""

import numpy as np
import numpy.typing as npt

from modelsgenesis.compiled import compiled
from modelsgenesis.types import FloatArray

_POWER = 0.4  # a branch that serves n points is this power of n thick: diameters of pulmonary casts add up so
_STEP = 0.45  # share of the way to the centre of what is left to serve that a branch goes before it forks

Segments = npt.NDArray[np.float64]
"""(N, 8): start (x, y, z), end (x, y, z), radius at the start and at the end, all in grid mm."""


@compiled
def cover(
    coverage: FloatArray, segments: Segments, origin: npt.NDArray[np.float64], spacing: npt.NDArray[np.float64]
) -> None:
    """Raise `coverage` (X, Y, Z) in [0, 1] to the share of each voxel inside any of the tapering `segments`, in place.

    Args:
        coverage: what is covered already.
        segments: the tubes.
        origin: mm of voxel (0, 0, 0).
        spacing: mm per voxel.
    """
    voxel = spacing.mean()
    for n in range(segments.shape[0]):
        a, b, r0, r1 = segments[n, :3], segments[n, 3:6], segments[n, 6], segments[n, 7]
        along = b - a
        squared = max(along[0] ** 2 + along[1] ** 2 + along[2] ** 2, 1e-6)
        first, last = np.empty(3, np.int64), np.empty(3, np.int64)
        for axis in range(3):
            reach = max(r0, r1) + spacing[axis]
            low, high = min(a[axis], b[axis]) - reach, max(a[axis], b[axis]) + reach
            first[axis] = max(0, np.ceil((low - origin[axis]) / spacing[axis]))
            last[axis] = min(coverage.shape[axis] - 1, np.floor((high - origin[axis]) / spacing[axis]))
        for i in range(first[0], last[0] + 1):
            dx = origin[0] + i * spacing[0] - a[0]
            for j in range(first[1], last[1] + 1):
                dy = origin[1] + j * spacing[1] - a[1]
                for k in range(first[2], last[2] + 1):
                    dz = origin[2] + k * spacing[2] - a[2]
                    t = min(1.0, max(0.0, (dx * along[0] + dy * along[1] + dz * along[2]) / squared))
                    ox, oy, oz = dx - t * along[0], dy - t * along[1], dz - t * along[2]
                    distance = np.sqrt(ox * ox + oy * oy + oz * oz)
                    radius = r0 + t * (r1 - r0)
                    width = voxel
                    if distance > 1e-3:  # the voxel's extent along the way out of the tube
                        width = (abs(ox) * spacing[0] + abs(oy) * spacing[1] + abs(oz) * spacing[2]) / distance
                    # A tube thinner than a voxel fills only the share of it that its cross-section covers.
                    share = min(1.0, np.pi * radius * radius / (voxel * voxel))
                    filled = share * min(1.0, max(0.0, 0.5 + (max(radius, width / 2) - distance) / width))
                    if filled > coverage[i, j, k]:
                        coverage[i, j, k] = filled


@compiled
def grow(
    points: npt.NDArray[np.float64], root: npt.NDArray[np.float64], thinnest: float, draws: npt.NDArray[np.float64]
) -> tuple[Segments, npt.NDArray[np.int64]]:
    """Branches from `root` (3,) that reach all `points` (N, 3), and how many points each serves.

    A branch goes part of the way to the centre of its points, then they are cut in two across their longest extent.
    A branch that serves n points has radius thinnest * n^0.4. `draws` (N, 4) are uniform numbers.
    """
    count = points.shape[0]
    branches, served = np.empty((2 * count - 1, 8)), np.empty(2 * count - 1, np.int64)
    order = np.arange(count)
    stack_low, stack_high, stack_from = (
        np.empty(count + 1, np.int64),
        np.empty(count + 1, np.int64),
        np.empty((count + 1, 4)),
    )
    stack_low[0], stack_high[0] = 0, count
    stack_from[0, :3], stack_from[0, 3] = root, thinnest * count**_POWER
    depth, made, forks = 1, 0, 0
    while depth > 0:
        depth -= 1
        low, high, start = stack_low[depth], stack_high[depth], stack_from[depth].copy()
        size = high - low
        centre = np.zeros(3)
        for n in range(low, high):
            centre += points[order[n]] / size
        end = start[:3] + (1.0 if size == 1 else _STEP) * (centre - start[:3])
        radius = thinnest * size**_POWER
        branches[made, :3], branches[made, 3:6], branches[made, 6], branches[made, 7] = start[:3], end, start[3], radius
        served[made] = size
        made += 1
        if size == 1:
            continue
        spread = np.zeros((3, 3))
        for n in range(low, high):
            d = points[order[n]] - centre
            for i in range(3):
                for j in range(3):
                    spread[i, j] += d[i] * d[j]
        direction = draws[forks, :3] - 0.5
        for _ in range(4):  # power iteration; stopped early it leaves some chance in the direction
            turned = np.zeros(3)
            for i in range(3):
                for j in range(3):
                    turned[i] += spread[i, j] * direction[j]
            direction = turned / max(np.sqrt((turned**2).sum()), 1e-12)
        along = np.empty(size)
        for n in range(size):
            d = points[order[low + n]] - centre
            along[n] = d[0] * direction[0] + d[1] * direction[1] + d[2] * direction[2]
        order[low:high] = order[low:high][np.argsort(along)]
        cut = low + min(size - 1, max(1, int(size * (0.28 + 0.44 * draws[forks, 3]))))
        forks += 1
        for a, b in ((low, cut), (cut, high)):
            stack_low[depth], stack_high[depth] = a, b
            stack_from[depth, :3], stack_from[depth, 3] = end, radius
            depth += 1
    return branches, served
