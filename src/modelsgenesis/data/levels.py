"""Coarser copies of a scan beside it, its levels: means of blocks of voxels, described as OME-Zarr multiscales.

Cubes at a wanted spacing are read from the nearest finer level (`data/scaled`), so that they cost few bytes and nothing
finer than their voxels is left to alias. A level halves those axes that are finest, so that anisotropic scans become
isotropic first: 0.7x0.7x2.5 mm, then 1.4x1.4x2.5, then 2.8x2.8x2.5.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.types import JSON, IntegerArray, Shape, Spacing

AXES = ("x", "y", "z")
ALIKE = math.sqrt(2)
"""Axes whose spacing is within this factor of the finest are halved together."""

NGFF = "0.5"
"""Version of OME-NGFF, the specification of OME-Zarr: the first for Zarr v3."""


def level_factors(shape: Shape, spacing: Spacing, levels: int) -> tuple[Shape, ...]:
    """For each level how many voxels of the scan one of its voxels spans along each axis; the first is the scan itself.

    There are fewer than `levels` where an axis has no voxels left to halve.
    """
    found: list[Shape] = [(1,) * len(shape)]
    while len(found) < levels:
        steps = [step * factor for step, factor in zip(spacing, found[-1], strict=True)]
        halved = tuple(
            factor * (2 if step < ALIKE * min(steps) else 1) for step, factor in zip(steps, found[-1], strict=True)
        )
        if any(side < factor for side, factor in zip(shape, halved, strict=True)):
            break
        found.append(halved)
    return tuple(found)


def level_shape(shape: Shape, factors: Shape) -> Shape:
    """The shape of a level: whole blocks only, what is left over at the end of an axis is in no voxel of the level."""
    return tuple(side // factor for side, factor in zip(shape, factors, strict=True))


def level_spacing(spacing: Spacing, factors: Shape) -> Spacing:
    """The mm per voxel of a level."""
    return tuple(step * factor for step, factor in zip(spacing, factors, strict=True))


def level_of(array: IntegerArray, factors: Shape) -> IntegerArray:
    """The level of `array`, (X, Y, Z) or (X, Y): the mean of every block of `factors` voxels, halves rounded up."""
    flat = np.ascontiguousarray(array).reshape(*array.shape, *(1,) * (3 - array.ndim))
    means = np.empty(level_shape(flat.shape, (*factors, 1)[:3]), array.dtype)
    _average(flat, (*factors, 1)[:3], means)
    return means.reshape(level_shape(array.shape, factors))


def multiscales(name: str, spacing: Spacing, factors: Sequence[Shape], measured: bool) -> JSON:
    """The attributes by which viewers of OME-Zarr know the levels of a scan.

    The origin is the centre of the scan's first voxel, so the first of a level lies half a block further.

    Args:
        name: of the scan.
        spacing: mm per voxel of the scan.
        factors: of every level.
        measured: whether `spacing` is in mm; pixels of unknown size have no unit.
    """
    unit = {"unit": "millimeter"} if measured else {}
    datasets = []
    for number, factor in enumerate(factors):
        scale = [float(step) for step in level_spacing(spacing, factor)]
        start = [step * (n - 1) / 2 for step, n in zip(spacing, factor, strict=True)]
        places = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": start}]
        datasets.append({"path": str(number), "coordinateTransformations": places})
    described = {
        "name": name,
        "axes": [{"name": axis, "type": "space", **unit} for axis in AXES[: len(spacing)]],
        "datasets": datasets,
        "type": "mean of blocks",
    }
    return {"ome": {"version": NGFF, "multiscales": [described]}}


@compiled
def _average(samples: np.ndarray[Any, Any], factors: Shape, means: np.ndarray[Any, Any]) -> None:
    fx, fy, fz = factors
    count = fx * fy * fz
    sums = np.empty(means.shape[2], np.int64)
    for x in range(means.shape[0]):
        for y in range(means.shape[1]):
            sums[:] = count // 2
            for i in range(x * fx, (x + 1) * fx):
                for j in range(y * fy, (y + 1) * fy):
                    for z in range(means.shape[2]):
                        for k in range(z * fz, (z + 1) * fz):
                            sums[z] += samples[i, j, k]
            for z in range(means.shape[2]):
                means[x, y, z] = sums[z] // count
