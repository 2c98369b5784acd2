"""The grid of an affine to LPS mm, refused where it cannot be one: the same for every format that states a matrix."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError

_FINEST_MM, _COARSEST_MM = 1e-4, 100.0  # from microscopy to nonsense
_ROUNDED, _SHEARED = 1e-4, 0.02  # cosine between two axes: within that of float32, beyond that of rounded digits


def lps_grid(path: Path, affine: npt.NDArray[np.float64], shape: tuple[int, ...], notes: list[str]) -> Grid:
    """The grid of `affine`, 4x4, voxel index to LPS mm, for a scan of `shape` (i, j(, k)); adds to `notes`.

    The spacing is the length of the columns, whatever else the header says of it.

    Raises GenesisError when it is not finite, has voxels of no possible size, or axes that are not at right angles.
    """
    axes = len(shape)
    steps = np.linalg.norm(affine[:3, :axes], axis=0)
    if not np.isfinite(affine).all() or not ((steps >= _FINEST_MM) & (steps <= _COARSEST_MM)).all():
        raise GenesisError(f"{path}: voxels of {times(steps)} mm cannot be; repair the spacing or matrix in its header")
    cosines = affine[:3, :axes] / steps
    across = float(np.abs(cosines.T @ cosines - np.eye(axes)).max())
    if across > _SHEARED:
        degrees = float(np.degrees(np.arcsin(min(across, 1.0))))
        raise GenesisError(f"{path}: its axes are {degrees:.1f} degrees off a right angle (sheared); resample it first")
    if across > _ROUNDED:
        notes.append(f"the direction cosines are rounded ({across:.1g} off a right angle); taken as they are")
    plane = cosines[:axes]
    if abs(np.linalg.det(plane)) < 0.5:  # a 2D image that does not lie in the axial plane
        notes.append("a 2D image in another plane than the axial; its first axis is taken as x, its second as y")
        plane = np.eye(axes)
    origin, spacing = (tuple(float(value) for value in row) for row in (affine[:axes, 3], steps))
    return Grid(shape, spacing, origin, tuple(float(value) for value in plane.ravel()))


def times(steps: npt.NDArray[np.float64]) -> str:
    """Sizes of voxels in words, as "0.8 x 0.9 x 2.5"."""
    return " x ".join(f"{step:.4g}" for step in steps)
