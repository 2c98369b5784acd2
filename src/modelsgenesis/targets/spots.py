"""Candidates for CT angiography that comes with masks or slice labels only: clots, and dark spots that are none.

A detector of emboli looks for dark spots in contrast-filled vessels. What it finds are emboli, and false alarms where
vessels fork, where blood mixes, where a node or a wall lies between two vessels. The generator here looks for the same
by grey-scale closing; it is a stand-in for the private detector behind the papers' candidates (PAPER 2, ECC).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.data.geometry import Affine
from modelsgenesis.data.volume import Volume
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import IntegerArray

COARSE_MM = 1.5
"""Dark spots are looked for at about this spacing: fine enough for segmental arteries, and noise averages out."""
SMOOTH_MM = 1.0
"""Standard deviation of the smoothing: sharp kernels are so noisy that closing would find spots in any tissue."""
WIDEST_MM = 9.0
"""Spots narrower than this are found."""
BLOOD_HU, LUNG_HU = 180.0, -500.0
DEPTH_HU = 80.0
"""How much darker than the contrast around it a spot is."""
SOFT_HU = -50.0
"""Darker spots are air or fat between vessels."""
APART_MM = 10.0
"""Least distance of two candidates, and of a false alarm from any clot: half the papers' cube."""
MOST = 50
"""False alarms a scan; the papers have 46 on average."""
AIR_HU = -300.0
SMALLEST_MM3 = 5.0
"""Parts of a mask smaller than this are debris of drawing, no clots."""
VERSION = 1
"""Counts up when the candidates of the same scan change."""

Point = tuple[float, float, float]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Spot:
    """A candidate: LPS mm, class 0 or 1, and the clot it hits ("" for none)."""

    centre: Point
    label: int
    finding: str = ""


@dataclass(frozen=True)
class Found:
    """The candidates of a scan, and all its clots by name, also those without a candidate."""

    spots: tuple[Spot, ...]
    findings: tuple[str, ...]


def from_mask(volume: Volume, clots: IntegerArray, name: str, by_value: bool) -> Found:
    """A candidate in every clot and at most `MOST` false alarms, at least `APART_MM` from clots and each other.

    A clot's candidate is its voxel nearest to its centroid. Clots are called `<name>-clot1`, 2, ...

    Args:
        volume: the scan, in HU.
        clots: (X, Y, Z) on the grid of `volume.array`; 0 is no clot.
        name: of the scan.
        by_value: each value is a clot; else each connected part is, of `SMALLEST_MM3` or more.
    """
    parts = clots if by_value else ndimage.label(clots > 0, structure=np.ones((3, 3, 3)))[0]
    least = 0.0 if by_value else SMALLEST_MM3 / float(np.prod(volume.spacing))
    spots: list[Spot] = []
    for value, box in enumerate(ndimage.find_objects(parts.astype(np.int32)), start=1):
        if box is None:
            continue
        places = np.argwhere(parts[box] == value) + [side.start for side in box]
        if len(places) < least:
            continue
        middle = _nearest_to_middle(places, volume.spacing)
        spots.append(Spot(_world(volume.affine, middle), 1, f"{name}-clot{len(spots) + 1}"))
    taken = [_world(volume.affine, place) for place in _surface(clots > 0)]
    false = separated([point for point, _ in dark_spots(volume)], taken)[:MOST]
    return Found((*spots, *(Spot(point, 0) for point in false)), tuple(spot.finding for spot in spots))


def refuse_air(volume: Volume, clots: IntegerArray, mask: Path, cause: str) -> None:
    """GenesisError when most of the mask lies in air, where no clot can be: it does not belong to the scan as read."""
    inside = volume.array[clots > 0]
    if inside.size and np.median(inside) < AIR_HU:
        raise GenesisError(f"{mask}: most of it lies in air (median {np.median(inside):.0f} HU), so {cause}")


def separated(points: Sequence[Point], taken: Sequence[Point]) -> list[Point]:
    """Those of `points`, in order, that are `APART_MM` or more from `taken` and from those before them."""
    kept: list[Point] = []
    others = np.array(taken, np.float64).reshape(-1, 3)
    for point in points:
        if not len(others) or np.linalg.norm(others - point, axis=1).min() >= APART_MM:
            kept.append(point)
            others = np.vstack([others, point])
    return kept


def dark_spots(volume: Volume) -> list[tuple[Point, float]]:
    """Dark spots inside contrast-filled vessels of the chest: (LPS mm, HU summed over its voxels), strongest first."""
    factors = [
        max(1, min(size, round(COARSE_MM / step)))
        for size, step in zip(volume.array.shape, volume.spacing, strict=True)
    ]
    steps = np.array(volume.spacing) * factors
    coarse = ndimage.gaussian_filter(_shrunk(volume.array, factors), SMOOTH_MM / steps)
    width = tuple(2 * round(WIDEST_MM / step / 2) + 1 for step in steps)
    closed = ndimage.grey_closing(coarse, size=width)
    depth = closed - coarse
    dark = (closed >= BLOOD_HU) & (depth >= DEPTH_HU) & (coarse >= SOFT_HU) & _in_vessels(coarse)
    parts, _ = ndimage.label(dark)
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        places = np.argwhere(parts[box] == number) + [side.start for side in box]
        middle = (_nearest_to_middle(places, steps) + 0.5) * factors - 0.5
        found.append((_world(volume.affine, middle), float(depth[tuple(places.T)].sum())))
    return sorted(found, key=lambda spot: -spot[1])


def _nearest_to_middle(places: npt.NDArray[np.int64], steps: Any) -> npt.NDArray[np.int64]:
    """Of the voxels `places` (n, 3), of `steps` mm, the one nearest to their centroid: bent spots are met too."""
    nearest: npt.NDArray[np.int64] = places[np.linalg.norm((places - places.mean(axis=0)) * steps, axis=1).argmin()]
    return nearest


def _shrunk(array: npt.NDArray[np.float32], factors: Sequence[int]) -> npt.NDArray[np.float32]:
    """Means of blocks of `factors` voxels; what is left over at the far sides is cut off."""
    x, y, z = (size // factor * factor for size, factor in zip(array.shape, factors, strict=True))
    fx, fy, fz = factors
    blocks = array[:x, :y, :z].reshape(x // fx, fx, y // fy, fy, z // fz, fz)
    return np.asarray(blocks.mean(axis=(1, 3, 5)), np.float32)


def _in_vessels(hu: npt.NDArray[np.float32]) -> _Mask:
    """Where vessels of the heart and lungs may be; bones, which have dark marrow in a bright shell, are not.

    Lung on all four sides, as within the lungs; or lung to the left and right and near the largest contrast-filled
    part, the heart with its great vessels. Everywhere when there is no lung (a crop).
    """
    lung = _lung(hu)
    if not lung.any():
        return np.ones(hu.shape, np.bool_)
    right, left, front, behind = (_beyond(lung, axis, back) for axis in (0, 1) for back in (False, True))
    blood = ndimage.binary_opening(hu >= BLOOD_HU, np.ones((5, 5, 5), np.bool_))  # no shells of bones
    parts, count = ndimage.label(blood)
    heart = np.zeros(hu.shape, np.bool_)
    if count:
        heart = ndimage.binary_dilation(parts == np.bincount(parts.ravel())[1:].argmax() + 1, iterations=3)
    inside: _Mask = right & left & ((front & behind) | heart)
    return inside


def _lung(hu: npt.NDArray[np.float32]) -> _Mask:
    """Air that is not connected with the sides of the image."""
    parts, count = ndimage.label(hu < LUNG_HU)
    outer = np.unique(np.concatenate([parts[[0, -1]].ravel(), parts[:, [0, -1]].ravel()]))
    return np.isin(parts, np.setdiff1d(np.arange(1, count + 1), outer))


def _beyond(mask: _Mask, axis: int, back: bool) -> _Mask:
    """Whether `mask` is met somewhere further along `axis` (towards its start, or its end)."""
    turned = np.flip(mask, axis) if back else mask
    met: Any = np.maximum.accumulate(turned, axis=axis)
    return np.asarray(np.flip(met, axis) if back else met, np.bool_)


def _surface(mask: _Mask) -> npt.NDArray[np.int64]:
    """Indices of the outermost voxels of `mask`: as good for distances from outside, and far fewer."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def _world(affine: Affine, place: npt.NDArray[Any]) -> Point:
    x, y, z = affine[:3, :3] @ place + affine[:3, 3]
    return (float(x), float(y), float(z))
