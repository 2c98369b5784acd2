"""Whether the files of a case lie on one grid."""

from pathlib import Path

import numpy as np

from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.guarded import read_grid
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Case

OFF_GRID = 0.1
"""How far, in voxels, the corners of a label map may lie from those of its image: headers are rounded."""


def check_grid(case: Case) -> None:
    """All images of a case and its label map must lie on one grid; GenesisError naming the file that does not."""
    first, *others = (*case.images, *([case.label] if isinstance(case.label, Path) else []))
    grid = read_grid(first)
    for path in others:
        other = read_grid(path)
        if other.size != grid.size:
            raise GenesisError(f"{path}: size {other.size}, but {first} has {grid.size}; resample it onto that grid")
        apart = _farthest_corner(grid, other)
        if apart > OFF_GRID:
            raise GenesisError(
                f"{path}: does not lie on the grid of {first} (spacing, origin or direction differ, by up to "
                f"{apart:.1f} voxels); resample it onto that grid"
            )


def _farthest_corner(grid: Grid, other: Grid) -> float:
    """Largest distance between corresponding corners, in voxels of the finest axis."""
    axes = len(grid.size)
    corners = np.stack(np.meshgrid(*([0, n - 1] for n in grid.size), indexing="ij"), -1).reshape(-1, axes)
    places = [corners @ one.affine[:axes, :axes].T + one.affine[:axes, 3] for one in (grid, other)]
    return float(np.linalg.norm(places[0] - places[1], axis=1).max() / min(grid.spacing))
