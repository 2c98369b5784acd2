"""The vessel-oriented form of a candidate in CT angiography: the cube turned so that its vessel lies along X.

An embolus is a dark spot in a bright tube, but tubes run every way; turned alike they need fewer examples (PAPER 3,
after Tajbakhsh et al., MICCAI 2015).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.types import FloatArray

CONTRAST = 0.575
"""Contrast-filled blood is brighter: 150 HU in the usual CT window of -1000 to 1000 HU."""
REACH_MM = 6.0
"""How far from the centre the vessel may begin."""
CLOT_MM = 3.0
"""Filling defects up to twice this wide inside the vessel are filled."""
SMOOTH_MM = 0.8
"""Standard deviation of the smoothing before the threshold: noise has no axis."""
RADIUS_SHARE = 0.5
"""The axis is that of the vessel within this share of the cube's side from the centre: a ball, which has no corners."""
VERSION = 1
"""Counts up when the axes of the same scan change."""
_LEAST_TURN = 1e-3

_Points = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]


def block_side(side: int) -> int:
    """Voxels a side of the block that holds the cube of `side` voxels however it is turned; odd, so it has a middle."""
    return 2 * int(np.ceil(side / 2 * np.sqrt(3))) + 3


def align(block: FloatArray, side: int, spacing: float = 0.625, contrast: float = CONTRAST) -> FloatArray:
    """The cube around the middle of `block`, turned so that the vessel there lies along X.

    X is the first principal axis of the vessel. Its sense, and Y, follow the brightness around: the first moment of
    the intensities in a ball lies in the half plane of +X and +Y. Z completes a right-handed frame, so nothing is
    mirrored. Turning the scan therefore turns nothing in the result but for interpolation. The cube is left as it
    lies in the grid when no vessel is within 6 mm of the middle.

    Args:
        block: (X, Y, Z) float32 in [0, 1], isotropic, of `block_side(side)` voxels a side or more, else corners
            are 0. Its middle is voxel n // 2 on each axis.
        side: voxels a side of the result, whose middle is voxel side // 2.
        spacing: mm a voxel.
        contrast: what is brighter is contrast-filled.

    Returns:
        (side, side, side) float32 in [0, 1].
    """
    return turned(block, side, vessel_axes(block, side * spacing * RADIUS_SHARE, spacing, contrast))


def turned(block: FloatArray, side: int, axes: _Points) -> FloatArray:
    """The cube of `side` voxels around the middle of `block` whose X, Y and Z run along the rows of `axes`."""
    steps = np.arange(side) - side // 2
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1)
    places = axes.T @ offsets + np.array([[n // 2] for n in block.shape])
    cube = ndimage.map_coordinates(block, places, order=1, mode="constant", cval=0.0)
    return np.asarray(cube.reshape(side, side, side), np.float32)


def vessel_axes(block: FloatArray, radius: float, spacing: float, contrast: float = CONTRAST) -> _Points:
    """The directions of X, Y and Z of the turned cube in the grid of `block`, as rows; the identity without a vessel.

    `radius`, mm around the middle, is where the vessel is looked at.
    """
    middle = np.array([n // 2 for n in block.shape])
    margin = int(np.ceil((radius + 2 * CLOT_MM) / spacing))
    corner = np.maximum(0, middle - margin)
    near = block[tuple(slice(start, start + 2 * margin + 1) for start in corner)]
    offsets = (np.moveaxis(np.indices(near.shape), 0, -1) - (middle - corner)) * spacing
    distances = np.linalg.norm(offsets, axis=-1)
    smooth = ndimage.gaussian_filter(near, SMOOTH_MM / spacing)
    vessel = _vessel(smooth, distances, spacing, contrast)
    if vessel is None:
        return np.eye(3)
    weights = np.exp(-0.5 * (2 * distances / radius) ** 2) * (distances <= radius)
    inside = vessel & (distances <= radius)
    moments, directions = _principal(offsets[inside], weights[inside])
    if moments[0] <= 0:
        return np.eye(3)
    bright = (weights * smooth)[..., None] * offsets
    return _frame(directions, bright.reshape(-1, 3).sum(axis=0) / max(float(weights.sum()), 1e-9))


def _vessel(smooth: Any, distances: Any, spacing: float, contrast: float) -> _Mask | None:
    """The contrast-filled part nearest the middle, with its clot; None when it is further away than `REACH_MM`."""
    parts, count = ndimage.label(smooth >= contrast, structure=np.ones((3, 3, 3)))
    if not count:
        return None
    nearest = ndimage.minimum(distances, parts, np.arange(1, count + 1))
    reached = np.flatnonzero(np.asarray(nearest) <= REACH_MM)
    if not len(reached):
        return None
    # Of several in reach the one with most voxels there: a clot's rim may be torn into small pieces.
    sizes = np.bincount(parts[distances <= REACH_MM], minlength=count + 1)[1:]
    part = int(reached[sizes[reached].argmax()]) + 1
    return _closed(parts == part, CLOT_MM / spacing)


def _closed(mask: _Mask, radius: float) -> _Mask:
    """Closing by a ball, by distances: grown by `radius` voxels and shrunk again, the border taken as outside."""
    pad = int(np.ceil(radius)) + 1
    grown = ndimage.distance_transform_edt(~np.pad(mask, pad)) <= radius
    shrunk = ndimage.distance_transform_edt(np.pad(grown, 1, constant_values=True)) > radius
    return np.asarray(shrunk[(slice(pad + 1, -pad - 1),) * 3], np.bool_) | mask


def _principal(points: _Points, weights: _Points) -> tuple[_Points, _Points]:
    """Variances, largest first, and their directions as rows, of weighted points (n, 3)."""
    total = float(weights.sum())
    if total <= 0:
        return np.zeros(3), np.eye(3)
    centred = points - (weights[:, None] * points).sum(axis=0) / total
    variances, columns = np.linalg.eigh((weights[:, None] * centred).T @ centred / total)
    return variances[::-1], columns.T[::-1]


def _frame(directions: _Points, bright: _Points) -> _Points:
    """A right-handed frame: X along the first direction, +X and +Y on the side to which `bright` points.

    Where `bright` runs along X, so that it does not tell Y, Y is the second direction.
    """
    x = directions[0] * (1.0 if directions[0] @ bright >= 0 else -1.0)
    across = bright - (bright @ x) * x
    length = float(np.linalg.norm(across))
    y = across / length if length > _LEAST_TURN else directions[1]
    return np.stack([x, y, np.cross(x, y)])
