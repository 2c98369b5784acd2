"""From voxels to one patient's anatomy: every patient has other proportions and is bent a little differently."""

import itertools

import numpy as np
import numpy.typing as npt

from modelsgenesis.phantoms.raster import Segments, cover
from modelsgenesis.types import FloatArray, Shape, Spacing

Points = npt.NDArray[np.float64]
"""(N, 3) positions in mm."""

Box = tuple[slice, slice, slice]
"""A part of the voxel grid."""

_WAVES = 3
_WHOLE = 240.0  # mm; a field narrower than this is laid over one lung, as radiographers do
_LUNG = 62.0  # mm from the middle of the body to the middle of a lung


class Frame:
    """The mapping between a voxel grid in mm (LPS, origin at its centre) and the coordinates anatomy is drawn in.

    Anatomical = (grid - offset) / scale + a sum of smooth waves of a few millimetres.

    Args:
        rng: source of the patient's proportions, place and bending.
        shape: voxels along (X, Y, Z).
        spacing: mm per voxel along (X, Y, Z).
        one_lung: lay a field that is too narrow for a chest over one of the lungs rather than over the middle.
    """

    def __init__(self, rng: np.random.Generator, shape: Shape, spacing: Spacing, one_lung: bool = False) -> None:
        self.shape, self.spacing = shape, np.asarray(spacing, dtype=float)
        self._scale = rng.uniform((0.90, 0.88, 0.92), (1.08, 1.10, 1.10))
        self._offset = rng.uniform((-6, -8, -10), (6, 8, 10))
        self._direction = rng.normal(size=(_WAVES, 3)) / 55
        self._phase = rng.uniform(0, 2 * np.pi, _WAVES)
        self._bend = rng.uniform(-3, 3, (_WAVES, 3))
        side = rng.choice([-1.0, 1.0])
        if one_lung and shape[0] * spacing[0] < _WHOLE:
            self._offset[0] -= side * _LUNG

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

    def to_anatomical(self, points: Points) -> Points:
        """Positions in the grid (N, 3), mm, to anatomical points."""
        waves = np.sin(points @ self._direction.T + self._phase)
        anatomical: Points = (points - self._offset) / self._scale + waves @ self._bend
        return anatomical

    def to_grid(self, points: Points) -> Points:
        """Anatomical points (N, 3) to positions in the grid, mm; two fixed-point steps invert the waves well enough."""
        straight = points * self._scale + self._offset
        found = straight
        for _ in range(2):
            found = straight - (np.sin(found @ self._direction.T + self._phase) @ self._bend) * self._scale
        return found

    def position(self, voxels: npt.NDArray[np.int64]) -> Points:
        """Voxel indices (N, 3) to positions in the grid, mm."""
        positions: Points = (voxels - (np.array(self.shape) - 1) / 2) * self.spacing
        return positions

    def voxel(self, points: Points) -> npt.NDArray[np.int64]:
        """The voxel indices (N, 3) nearest to positions in the grid, mm; they may lie outside of it."""
        voxels: npt.NDArray[np.int64] = np.rint(points / self.spacing + (np.array(self.shape) - 1) / 2).astype(np.int64)
        return voxels

    def inside(self, points: Points, margin: float = 0.0) -> npt.NDArray[np.bool_]:
        """Which positions (N, 3) lie in the grid, at least `margin` mm from its border."""
        half = np.array(self.shape) / 2 * self.spacing - margin
        within: npt.NDArray[np.bool_] = (np.abs(points) <= half).all(axis=1)
        return within

    def box(self, low: Points, high: Points) -> Box:
        """The voxels between two positions in the grid (3,), mm; empty where they lie outside of it."""
        first = np.ceil(low / self.spacing + (np.array(self.shape) - 1) / 2).astype(int)
        last = np.floor(high / self.spacing + (np.array(self.shape) - 1) / 2).astype(int) + 1
        x, y, z = (
            slice(min(max(a, 0), n), min(max(a, b, 0), n)) for a, b, n in zip(first, last, self.shape, strict=True)
        )
        return x, y, z

    def around(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> Box:
        """The voxels that an anatomical cuboid may touch."""
        corners = self.to_grid(np.array(list(itertools.product(*zip(low, high, strict=True))), dtype=float))
        slack = np.abs(self._bend).sum(axis=0) * self._scale
        return self.box(corners.min(axis=0) - slack, corners.max(axis=0) + slack)

    def covered(self, segments: Segments) -> tuple[Box, FloatArray]:
        """The voxels around the tubes and the share of each of them, in [0, 1], that lies inside one."""
        reach = segments[:, 6:].max(axis=1, keepdims=True) + self.spacing
        low = np.minimum(segments[:, :3], segments[:, 3:6]) - reach
        high = np.maximum(segments[:, :3], segments[:, 3:6]) + reach
        box = self.box(low.min(axis=0), high.max(axis=0))
        coverage = np.zeros([part.stop - part.start for part in box], dtype=np.float32)
        origin = self.position(np.array([part.start for part in box]))
        if coverage.size:
            cover(coverage, segments, origin, self.spacing)
        return box, coverage

    def path(self, points: Points, radii: Points) -> Segments:
        """The tapering tube along anatomical `points` (N, 3) with `radii` (N,) in mm, as N - 1 segments."""
        at, wide = self.to_grid(points), np.asarray(radii, dtype=float)[:, None]
        return np.concatenate([at[:-1], at[1:], wide[:-1], wide[1:]], axis=1)

    def texture(self, rng: np.random.Generator, size: float, rounded: bool = False) -> FloatArray:
        """Smooth noise (X, Y, Z) of standard deviation about 1 whose grains are `size` mm wide.

        Between the middles of grains it runs straight, or `rounded`, without kinks.
        """
        counts = [int(np.ceil(n * step / size)) + 2 for n, step in zip(self.shape, self.spacing, strict=True)]
        values = rng.standard_normal(counts, dtype=np.float32) * np.float32(1.6 if rounded else 1.9)
        for axis, (n, step) in enumerate(zip(self.shape, self.spacing, strict=True)):
            place = np.arange(n) * step / size
            first = place.astype(int)
            weight = (place - first).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
            if rounded:
                weight = weight * weight * (3 - 2 * weight)
            low, high = np.take(values, first, axis), np.take(values, first + 1, axis)
            high -= low
            high *= weight
            low += high
            values = low
        return values
