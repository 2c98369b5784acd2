"""From voxels to one patient's anatomy: every patient has other proportions and is bent a little differently."""

import itertools

import numpy as np
import numpy.typing as npt

from modelsgenesis.types import FloatArray, Shape, Spacing

Points = npt.NDArray[np.float64]
"""(N, 3) positions in mm."""

_WAVES = 3


class Frame:
    """The mapping between a voxel grid in mm (LPS, origin at its centre) and the coordinates anatomy is drawn in.

    Anatomical = (grid - offset) / scale + a sum of smooth waves of a few millimetres.

    Args:
        rng: source of the patient's proportions, place and bending.
        shape: voxels along (X, Y, Z).
        spacing: mm per voxel along (X, Y, Z).
    """

    def __init__(self, rng: np.random.Generator, shape: Shape, spacing: Spacing) -> None:
        self.shape, self.spacing = shape, np.asarray(spacing, dtype=float)
        self._scale = rng.uniform((0.88, 0.88, 0.92), (1.06, 1.08, 1.08))
        self._offset = rng.uniform((-6, -8, -10), (6, 8, 10))
        self._direction = rng.normal(size=(_WAVES, 3)) / 45
        self._phase = rng.uniform(0, 2 * np.pi, _WAVES)
        self._bend = rng.uniform(-3, 3, (_WAVES, 3))

    def axes(self) -> list[Points]:
        """Positions of the voxel centres along each axis, mm."""
        return [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(self.shape, self.spacing, strict=True)]

    def anatomical(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Anatomical x, y, z of every voxel, mm, each (X, Y, Z)."""
        grid = np.meshgrid(*(axis.astype(np.float32) for axis in self.axes()), indexing="ij", sparse=True)
        waves = [
            np.sin(sum(g * np.float32(d) for g, d in zip(grid, direction, strict=True)) + np.float32(phase))
            for direction, phase in zip(self._direction, self._phase, strict=True)
        ]
        x, y, z = (
            (grid[axis] - np.float32(self._offset[axis])) / np.float32(self._scale[axis])
            + sum(np.float32(bend[axis]) * wave for bend, wave in zip(self._bend, waves, strict=True))
            for axis in range(3)
        )
        return x, y, z

    def to_grid(self, points: Points) -> Points:
        """Anatomical points (N, 3) to positions in the grid, mm; one fixed-point step inverts the waves well enough."""
        straight = points * self._scale + self._offset
        waves = np.sin(straight @ self._direction.T + self._phase)
        points_in_grid: Points = straight - (waves @ self._bend) * self._scale
        return points_in_grid

    def position(self, voxels: npt.NDArray[np.int64]) -> Points:
        """Voxel indices (N, 3) to positions in the grid, mm."""
        positions: Points = (voxels - (np.array(self.shape) - 1) / 2) * self.spacing
        return positions

    def tube(self, path: Points, radii: Points) -> FloatArray:
        """Share of each voxel (X, Y, Z) inside the tapering tube along `path` (N, 3) with `radii` (N,), in grid mm."""
        coverage = np.zeros(self.shape, dtype=np.float32)
        axes = self.axes()
        for (start, end), (r0, r1) in zip(itertools.pairwise(path), itertools.pairwise(radii), strict=True):
            self.capsule(coverage, axes, start, end, r0, r1)
        return coverage

    def capsule(
        self, coverage: FloatArray, axes: list[Points], start: Points, end: Points, r0: float, r1: float
    ) -> None:
        """Add one tapering capsule to `coverage` (X, Y, Z), in place, looking only at the box around it."""
        reach = max(r0, r1) + self.spacing.max()
        low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
        box = tuple(slice(*np.searchsorted(axis, (a, b))) for axis, a, b in zip(axes, low, high, strict=True))
        if any(part.start >= part.stop for part in box):
            return
        dx, dy, dz = (
            (axis[part] - origin).reshape([-1 if i == k else 1 for i in range(3)])
            for k, (axis, part, origin) in enumerate(zip(axes, box, start, strict=True))
        )
        along = end - start
        t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / max(float(along @ along), 1e-6), 0, 1)
        distance = np.sqrt((dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2 + (dz - t * along[2]) ** 2)
        radius = r0 + t * (r1 - r0)
        voxel = self.spacing.mean()
        # A vessel thinner than a voxel fills only the share of it that its cross-section covers.
        share = np.minimum(1.0, np.pi * radius**2 / voxel**2)
        filled = share * np.clip(0.5 + (np.maximum(radius, voxel / 2) - distance) / voxel, 0, 1)
        np.maximum(coverage[box], filled, out=coverage[box], casting="same_kind")
