"""Where a volume holds tissue, counted in blocks of 4 voxels a side: most cubes of air or of tissue alone are known
without reading them.

The counts lie beside the array of a scan as `tissue.npy` (2, X/4, Y/4, Z/4) uint8, about 3 % of its voxels in bytes,
mapped into memory so that processes share them: first the tissue voxels of a block, then those that are none but have
tissue one slice further (PAPER 1.3, accept rule).
"""

from pathlib import Path
from typing import Any

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.data.intensity import Intensity
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import IntegerArray, Shape

FILE = "tissue.npy"
BLOCK = 4
TISSUE_HU = -150.0
"""A CT voxel at or above this is tissue, below it air or lung."""
TISSUE_UNIT = 0.1
"""The same border for other modalities, on the [0, 1] scale."""

Counts = np.ndarray[Any, np.dtype[np.uint8]]


def border(intensity: Intensity, modality: str) -> int:
    """The smallest stored integer that is tissue."""
    return int(np.ceil(intensity.encode(TISSUE_HU) if modality == "ct" else TISSUE_UNIT * intensity.levels))


def count_blocks(samples: IntegerArray, least: int) -> Counts:
    """The table of `samples` (X, Y, Z), of which those of at least `least` are tissue."""
    counts = np.zeros((2, *(-(-n // BLOCK) for n in samples.shape)), np.uint8)
    _count(np.ascontiguousarray(samples), least, counts)
    return counts


def read_counts(folder: Path, shape: Shape) -> Counts | None:
    """The table in the folder of a scan of `shape`, mapped into memory; None where there is none (images).

    Raises GenesisError when it is damaged or of another shape.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        counts: Counts = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise GenesisError(f"{path}: damaged ({error}); delete it, prepare the scan again") from error
    if counts.dtype != np.uint8 or counts.shape != (2, *(-(-n // BLOCK) for n in shape)):
        raise GenesisError(f"{path}: is not of a scan of shape {shape}; delete it, prepare the scan again")
    return counts


def bounds(counts: Counts, corner: Shape, shape: Shape, weights: tuple[int, int]) -> tuple[int, int]:
    """Least and most that the cube of `shape` at `corner` can weigh, from the blocks inside and touching it.

    Args:
        counts: table of the scan.
        weights: of a tissue voxel, and of an air voxel with tissue one slice further.
    """
    return _bounds(counts, corner, shape, weights)


@compiled
def _count(samples: np.ndarray[Any, Any], least: int, counts: np.ndarray[Any, Any]) -> None:
    for x in range(samples.shape[0]):
        for y in range(samples.shape[1]):
            for z in range(samples.shape[2]):
                if samples[x, y, z] >= least:
                    counts[0, x >> 2, y >> 2, z >> 2] += 1
                elif z + 1 < samples.shape[2] and samples[x, y, z + 1] >= least:
                    counts[1, x >> 2, y >> 2, z >> 2] += 1


@compiled
def _bounds(counts: np.ndarray[Any, Any], corner: Shape, shape: Shape, weights: tuple[int, int]) -> tuple[int, int]:
    (x, y, z), (dx, dy, dz) = corner, shape
    low = high = 0
    for i in range(x >> 2, ((x + dx - 1) >> 2) + 1):
        for j in range(y >> 2, ((y + dy - 1) >> 2) + 1):
            row_inside = (i << 2) >= x and (i << 2) + 4 <= x + dx and (j << 2) >= y and (j << 2) + 4 <= y + dy
            for k in range(z >> 2, ((z + dz - 1) >> 2) + 1):
                weight = weights[0] * int(counts[0, i, j, k]) + weights[1] * int(counts[1, i, j, k])
                high += weight
                if row_inside and (k << 2) >= z and (k << 2) + 4 <= z + dz:
                    low += weight
    return low, high
