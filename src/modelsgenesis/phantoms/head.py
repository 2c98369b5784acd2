"""Where a patient's head lies in a scan: the mapping from voxels to the coordinates its anatomy is drawn in.

Anatomical coordinates are mm along LPS axes (x to the left, y to the back, z to the head) from the middle of the brain
at the height of the commissures.
"""

import itertools

import numpy as np
import numpy.typing as npt

from modelsgenesis.types import FloatArray, Shape, Spacing

Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]

WHOLE: Box = (slice(None), slice(None), slice(None))

_HEIGHT = 4.0  # mm; a brain reaches further up from the commissures than down
_WAVES = 3
_BEND = 2.0  # mm, largest part of one wave in bending the head
_SLACK = 2 * _WAVES * _BEND  # mm around a box; covers the waves, which boxes ignore, and mass effect


class Head:
    """Proportions, tilt, place and bending of one patient, and the part of the grid that is worth drawing.

    Args:
        rng: the patient.
        shape: voxels along (X, Y, Z) of the whole scan.
        spacing: mm per voxel along (X, Y, Z).
        low: anatomical corner (mm) of what has to be drawn, towards the right, front and feet.
        high: the opposite corner.

    `x`, `y`, `z` are the anatomical coordinates of the voxels of `window`, the part of the grid between the corners.
    """

    def __init__(self, rng: np.random.Generator, shape: Shape, spacing: Spacing, low: Point, high: Point) -> None:
        self.spacing = np.asarray(spacing, dtype=float)
        self._axes = [((np.arange(n) - (n - 1) / 2) * step) for n, step in zip(shape, self.spacing, strict=True)]
        self._matrix = _rotation(rng.normal(0, 0.03, 3)) * rng.uniform((0.90, 0.89, 0.90), (1.02, 1.01, 1.01))
        self._offset = rng.uniform((-3, -4, -3), (3, 4, 3)) + self._matrix @ (0, 0, -_HEIGHT)
        direction = rng.normal(size=(_WAVES, 3)) / 40
        phase = rng.uniform(0, 2 * np.pi, _WAVES)
        bend = rng.uniform(-_BEND, _BEND, (_WAVES, 3))
        self.window: Box = self._between(low, high, (0, 0, 0))
        self.x, self.y, self.z = self._coordinates(direction, phase, bend)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the window along (X, Y, Z)."""
        x, y, z = self.x.shape
        return (x, y, z)

    @property
    def voxel(self) -> float:
        """Mean side of a voxel in mm, the width over which an edge fades."""
        return float(self.spacing.mean())

    def box(self, low: Point, high: Point) -> Box:
        """The voxels of the window that may lie between two anatomical corners (mm)."""
        x, y, z = (part.start for part in self.window)
        return self._between(low, high, (x, y, z))

    def grid_axes(self) -> list[npt.NDArray[np.float64]]:
        """Positions of the window's voxel centres along each axis of the scan, mm from its middle."""
        return [axis[part] for axis, part in zip(self._axes, self.window, strict=True)]

    def _between(self, low: Point, high: Point, origin: tuple[int, int, int]) -> Box:
        corners = np.array(list(itertools.product(*zip(low, high, strict=True)))) @ self._matrix.T + self._offset
        least, most = corners.min(axis=0) - _SLACK, corners.max(axis=0) + _SLACK
        x, y, z = (
            slice(*(max(0, int(at) - start) for at in np.searchsorted(axis, (a, b))))
            for axis, a, b, start in zip(self._axes, least, most, origin, strict=True)
        )
        return (x, y, z)

    def _coordinates(
        self, direction: npt.NDArray[np.float64], phase: npt.NDArray[np.float64], bend: npt.NDArray[np.float64]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        grid = np.meshgrid(*(axis.astype(np.float32) for axis in self.grid_axes()), indexing="ij", sparse=True)
        inverse = np.linalg.inv(self._matrix).astype(np.float32)
        centred = [g - np.float32(o) for g, o in zip(grid, self._offset, strict=True)]
        out = [inverse[a, 0] * centred[0] + inverse[a, 1] * centred[1] + inverse[a, 2] * centred[2] for a in range(3)]
        for (dx, dy, dz), turn, amplitude in zip(
            direction.astype(np.float32), phase, bend.astype(np.float32), strict=True
        ):
            wave = np.sin(dx * grid[0] + dy * grid[1] + dz * grid[2] + np.float32(turn))
            for axis in range(3):
                out[axis] += amplitude[axis] * wave
        x, y, z = out
        return x, y, z


def _rotation(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rotation matrix from three angles (rad) around x, y and z."""
    (a, b, c), (sa, sb, sc) = np.cos(angles), np.sin(angles)
    around_x = np.array([[1, 0, 0], [0, a, -sa], [0, sa, a]])
    around_y = np.array([[b, 0, sb], [0, 1, 0], [-sb, 0, b]])
    around_z = np.array([[c, -sc, 0], [sc, c, 0], [0, 0, 1]])
    matrix: npt.NDArray[np.float64] = around_z @ around_y @ around_x
    return matrix


def smooth_noise(rng: np.random.Generator, head: Head, length: float, box: Box = WHOLE) -> FloatArray:
    """Gaussian noise of unit variance over `box` of the window (X, Y, Z) that changes over about `length` mm.

    Knots half a length apart are spread by a Gaussian along one axis after the other: three small matrix products.
    """
    axes = [axis[part] for axis, part in zip(head.grid_axes(), box, strict=True)]
    step = max(length / 2, head.voxel)
    counts = [int((axis[-1] - axis[0]) / step) + 4 if len(axis) else 1 for axis in axes]
    field = rng.standard_normal(counts, dtype=np.float32)
    for axis, count in zip(axes, counts, strict=True):
        knots = (axis[0] if len(axis) else 0) + (np.arange(count) - 1) * step
        weight = np.exp(-0.5 * ((axis[:, None] - knots) / (0.7 * step)) ** 2)
        weight /= np.sqrt((weight**2).sum(axis=1, keepdims=True))
        field = np.tensordot(field, weight.astype(np.float32), axes=(0, 1))  # the new axis goes last: three turns
    return np.ascontiguousarray(field)


def smooth_union(a: FloatArray, b: FloatArray, width: float) -> FloatArray:
    """Union of two bodies given by their depths (mm), with the seam rounded over `width` mm."""
    seam = np.maximum(width - np.abs(a - b), 0)
    united: FloatArray = np.maximum(a, b) + seam * seam / (4 * width)
    return united


def smooth_intersection(a: FloatArray, b: FloatArray, width: float) -> FloatArray:
    """Intersection of two bodies given by their depths (mm), with the edge rounded over `width` mm."""
    met: FloatArray = -smooth_union(-a, -b, width)
    return met
