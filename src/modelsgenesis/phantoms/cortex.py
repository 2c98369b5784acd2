"""The folded cortex: the outline of the cerebrum, and a level set that carves sulci into it.

Sulci are the zero level of a smooth random pattern on the outline, carried inwards along its normals. Most of the
pattern is the same in every patient and in both hemispheres, and the deepest sulci (lateral, central, cingulate,
parieto-occipital, calcarine) have fixed places: folding varies, yet can be recognised.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from modelsgenesis.phantoms.head import smooth_intersection, smooth_union
from modelsgenesis.types import FloatArray

Place = tuple[FloatArray, FloatArray, FloatArray]
"""One value an axis for each voxel (X, Y, Z)."""

_STEP = 2.0  # mm between the samples of the pattern
_LOW, _HIGH = np.array((-80, -100, -64)), np.array((80, 104, 92))  # mm, corners of the box the pattern fills
_COMMON = 2019  # seed of the pattern that all patients share


@dataclass(frozen=True)
class Folding:
    """How one patient's cortex is folded; lengths in mm.

    Args:
        pattern: band-passed noise over the box, every `_STEP` mm.
        depth: of an ordinary sulcus.
        gap: half the width of a sulcus, filled with fluid.
        thickness: of the grey matter.
    """

    pattern: FloatArray
    depth: float
    gap: float
    thickness: float


def folding(rng: np.random.Generator, atrophy: float) -> Folding:
    """One patient's folding; `atrophy` in [0, 1] widens the sulci."""
    size = tuple(int(n) for n in (_HIGH - _LOW) / _STEP + 1)
    pattern = _common(size) + 0.75 * _band(rng, size, rng.uniform(21, 25))
    return Folding(pattern, rng.uniform(13, 17), 0.25 + 0.7 * atrophy + rng.uniform(0, 0.25), rng.uniform(3.0, 3.6))


@lru_cache(maxsize=1)
def _common(size: tuple[int, int, int]) -> FloatArray:
    """The pattern that all patients share, mirrored about the midline."""
    half = _band(np.random.default_rng(_COMMON), size, 23.0)
    middle = size[0] // 2
    return np.concatenate([half[: middle + 1], half[middle - 1 :: -1]])


def _band(rng: np.random.Generator, size: tuple[int, ...], wavelength: float) -> FloatArray:
    """Noise (X, Y, Z) of unit variance whose waves all have about one length (mm)."""
    spectrum = np.fft.rfftn(rng.standard_normal(size, dtype=np.float32))
    frequency = np.meshgrid(
        *(np.fft.fftfreq(n, _STEP) for n in size[:-1]), np.fft.rfftfreq(size[-1], _STEP), indexing="ij", sparse=True
    )
    ratio = np.sqrt(sum(f * f for f in frequency)) * wavelength
    spectrum *= np.exp(-0.5 * ((ratio - 1) / 0.22) ** 2)
    noise = np.fft.irfftn(spectrum, size, axes=range(len(size)))
    band: FloatArray = (noise / noise.std()).astype(np.float32)
    return band


def outline(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Depth (roughly mm) below the outline of the cerebrum, both hemispheres as one body; negative outside.

    x, y, z are anatomical mm, of any one shape.
    """
    across = np.abs(x)
    above = z - 8
    height = np.where(above > 0, np.float32(65), np.float32(50))
    ratios = (across / (63 + 0.06 * y), np.abs(y) / 87, np.abs(above) / height)
    powers = [r * r * np.sqrt(r) for r in ratios]
    radius = (powers[0] + powers[1] + powers[2]) ** np.float32(0.4)  # a body between an ellipsoid and a box
    upper = (1 - radius) * 64
    tent = np.exp(-(((y - 30) / 30) ** 2)) * np.exp(-((across / 26) ** 2))
    floor = z + 20 + 5 * np.exp(-(((y + 50) / 26) ** 2)) - 15 * tent - 6 * np.exp(-(((y - 85) / 30) ** 2))
    temporal = np.sqrt(((across - 38) / 26) ** 2 + ((y - 4) / 50) ** 2 + ((z + 21 - 0.08 * y) / 24) ** 2)
    return smooth_union(smooth_intersection(upper, floor, 14), (1 - temporal) * 24, 6)


def interior(y: FloatArray, z: FloatArray) -> FloatArray:
    """Radial coordinate of the region between the hemispheres that the corpus callosum arches over, 1 at its middle."""
    radius: FloatArray = np.sqrt(((y + 13) / 33) ** 2 + ((z - 1) / 23) ** 2)
    return radius


def hemispheres(x: FloatArray, y: FloatArray, z: FloatArray, spacing: tuple[float, ...]) -> tuple[FloatArray, ...]:
    """True depth (mm) below the surface of the two hemispheres and its gradient along the axes of the grid."""
    body = outline(x, y, z)
    medial = np.maximum(np.abs(x) - 0.7, (1 - interior(y, z)) * 24)
    depth = np.minimum(body, medial)
    gradient = np.gradient(depth, *spacing)
    steepness = np.sqrt(sum(g * g for g in gradient))
    np.clip(steepness, 0.4, 2.0, out=steepness)
    return (depth / steepness, *(g / steepness for g in gradient))


def sulci(place: Place, warp: Place, spacing: tuple[float, ...], fold: Folding) -> tuple[FloatArray, FloatArray]:
    """Depth below the surface of the hemispheres and distance to the middle of the nearest sulcus, both in mm.

    `place` are the anatomical coordinates; `warp`, smooth noise of unit variance, makes the sulci wind.
    """
    depth, *normal = hemispheres(*place, spacing)
    near = (depth > -3) & (depth < fold.depth + 12)
    below = depth[near]
    turn = np.minimum(below, 12) * np.float32(0.35)
    surface = [c[near] - below * n[near] + turn * w[near] for c, n, w in zip(place, normal, warp, strict=True)]
    places = np.stack([(c - low) / _STEP for c, low in zip(surface, _LOW, strict=True)])
    values = np.full(depth.shape, 9.0, dtype=np.float32)  # far from any sulcus
    values[near] = ndimage.map_coordinates(fold.pattern, places, order=1, mode="nearest", output=np.float32)
    slope = np.sqrt(sum(g * g for g in np.gradient(values, *spacing)))
    distance = np.abs(values) / np.maximum(slope, 0.02)
    x, y, z = (c + np.float32(2.2) * w for c, w in zip(place, warp, strict=True))
    bottom = fold.depth * (1 + 0.3 * np.sin(x / 19 + y / 13) * np.sin(z / 15 - y / 17))
    distance = np.hypot(distance, np.maximum(depth - bottom, 0))
    return depth, np.minimum(distance, _named(x, y, z, depth))


def _named(x: FloatArray, y: FloatArray, z: FloatArray, depth: FloatArray) -> FloatArray:
    """Distance (mm) to the sulci that every brain has."""
    across = np.abs(x)
    rise = z - (-7 + 0.16 * (y + 40))  # above the lateral sulcus, which climbs to the back
    reach = np.maximum(np.abs(y + 14) - 30, 0)
    sheet = np.hypot(rise, np.maximum(38.5 - across, 0))
    insula = np.hypot(across - 40 + (rise / 6) ** 2 / 3 + (y + 14) ** 2 / 350, np.maximum(np.abs(rise - 3) - 13, 0))
    lateral = np.hypot(np.minimum(sheet, insula), reach)
    wave = 3 * np.sin(across / 6 + z / 9)
    central = np.hypot(np.abs(y - 14 + 0.45 * across + wave) * 0.9, np.maximum(depth - 17, 0))
    central = np.hypot(central, np.maximum(14 - rise, 0))
    ring = (interior(y, z) - 1) * 27
    cingulate = np.hypot(np.abs(ring - 15 + wave), np.maximum(across - 12, 0) + np.maximum(8 - z, 0))
    occipital = np.hypot((y - 46 - 0.45 * (z - 20)) * 0.9, np.maximum(across - 16, 0) + np.maximum(6 - z, 0))
    calcarine = np.hypot(z - 2, np.maximum(across - 18, 0) + np.maximum(34 - y, 0))
    named: FloatArray = np.minimum.reduce([lateral, central, cingulate, occipital, calcarine])
    return named
