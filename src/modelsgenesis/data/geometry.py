"""Where the voxels of an array lie in the patient: source grids, and the closest orientation to LPS and back."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from modelsgenesis.types import Shape, Spacing

Element = TypeVar("Element", bound=np.generic)

Affine = npt.NDArray[np.float64]
"""4x4: voxel index to LPS mm; 2D grids leave the third axis alone."""


@dataclass(frozen=True)
class Grid:
    """The geometry of an image as its file tells it, in SimpleITK's terms: axes i, j(, k) in file order, LPS mm.

    Args:
        size: voxels along each axis.
        spacing: mm per voxel along each axis.
        origin: LPS mm of the first voxel's centre.
        direction: row-major cosine matrix; its columns are the directions of the axes.
    """

    size: Shape
    spacing: Spacing
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def cosines(self) -> npt.NDArray[np.float64]:
        """The direction as a matrix, axes as columns."""
        return np.reshape(np.array(self.direction, np.float64), (len(self.size), len(self.size)))

    @property
    def affine(self) -> Affine:
        """Voxel index in file order to LPS mm."""
        affine, axes = np.eye(4), len(self.size)
        affine[:axes, :axes] = self.cosines * np.array(self.spacing)
        affine[:axes, 3] = self.origin
        return affine


@dataclass(frozen=True)
class Orientation:
    """How file axes become LPS axes: LPS axis k is the file axis `order[k]`, reversed when `flipped[k]`."""

    order: tuple[int, ...]
    flipped: tuple[bool, ...]

    def apply(self, array: npt.NDArray[Element]) -> npt.NDArray[Element]:
        """An array in file order as one in LPS order (a view)."""
        return np.flip(array.transpose(self.order), self._flips())

    def undo(self, array: npt.NDArray[Element]) -> npt.NDArray[Element]:
        """An array in LPS order as one in file order (a view)."""
        return np.flip(array, self._flips()).transpose(np.argsort(self.order))

    def _flips(self) -> tuple[int, ...]:
        return tuple(axis for axis, flip in enumerate(self.flipped) if flip)

    def values(self, along_file_axes: tuple[Any, ...]) -> tuple[Any, ...]:
        """A value an axis (size, spacing), from file order to LPS order."""
        return tuple(along_file_axes[axis] for axis in self.order)

    def affine(self, grid: Grid) -> Affine:
        """Voxel index of the array in LPS order to LPS mm; a rotation is kept, axes are only permuted and flipped."""
        source = grid.affine
        affine = source.copy()
        for axis, (old, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            affine[:, axis] = -source[:, old] if flip else source[:, old]
            affine[:, 3] += source[:, old] * (grid.size[old] - 1) if flip else 0.0
        return affine


def closest_to_lps(grid: Grid) -> Orientation:
    """The permutation and flips after which every axis points as far as possible to the left, back and head."""
    cosines = grid.cosines
    axes = range(len(grid.size))
    order = max(permutations(axes), key=lambda order: sum(abs(cosines[k, order[k]]) for k in axes))
    return Orientation(order, tuple(bool(cosines[k, order[k]] < 0) for k in axes))
