"""Writes the nodules of an LIDC scan as one label map on the scan's own grid."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.writing import write_array
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.dicom_folders import SeriesFolder, series_grid
from modelsgenesis.targets.lidc_xml import Patch

NODULE = 1


def write_mask(path: Path, series: SeriesFolder, nodules: Sequence[Sequence[Patch]], source: Path) -> None:
    """Write the pixels of `nodules` as 1 in a uint8 label map at `path`, atomically; raises as `mask_of` does."""
    mask, grid = mask_of(series, nodules, source)
    write_array(mask.T, grid, path)


def mask_of(
    series: SeriesFolder, nodules: Sequence[Sequence[Patch]], source: Path
) -> tuple[npt.NDArray[np.uint8], Grid]:
    """The pixels of `nodules` as 1, (Z, Y, X), and the grid of the scan; only headers of slices are read.

    Raises GenesisError naming `source`, the XML file, for an outline in a slice that is not there or beyond the image,
    and naming the series for missing slices.
    """
    grid, heights = series_grid(series)
    columns, rows, _ = grid.size
    mask = np.zeros(grid.size[::-1], np.uint8)
    for patch in (patch for nodule in nodules for patch in nodule):
        nearest = int(np.abs(np.array(heights) - patch.z).argmin())
        if abs(heights[nearest] - patch.z) > grid.spacing[2] / 2:
            raise GenesisError(
                f"{source}: outlines a nodule at z = {patch.z:g} mm, where {series.path} has no slice "
                f"({min(heights):g} to {max(heights):g} mm); copy the series again"
            )
        x, y = np.nonzero(patch.mask) + np.array(patch.corner)[:, None]
        if min(x.min(initial=0), y.min(initial=0)) < 0 or (x >= columns).any() or (y >= rows).any():
            raise GenesisError(f"{source}: an outline reaches beyond the {columns}x{rows} pixels of {series.path}")
        mask[nearest, y, x] = NODULE
    return mask, grid
