"""CAD-PE: CT angiography in `images/001.nrrd` and masks in `rs/0001RefStd.nrrd`, one value a clot (PAPER 4).

The two number with different padding, so they are matched by number.
"""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.guarded import read_grid, read_volume
from modelsgenesis.data.volume import Volume
from modelsgenesis.data.whole import whole_numbers
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.grid import OFF_GRID
from modelsgenesis.targets.spot_cache import SearchedScan
from modelsgenesis.targets.spots import Found, from_mask, refuse_air
from modelsgenesis.types import IntegerArray

IMAGES, MASKS = "images", "rs"


def is_cad_pe(data: Path) -> bool:
    """Whether the folder is laid out as CAD-PE."""
    return (data / IMAGES).is_dir() and (data / MASKS).is_dir()


def find_cad_pe(data: Path) -> tuple[list[SearchedScan], list[str]]:
    """The scans with a mask, subjects being their numbers, and notes about those without.

    Raises GenesisError naming the file: no scan, a mask without a scan or on another grid.
    """
    images = _numbered(data / IMAGES, r"(\d+)\.nrrd")
    masks = _numbered(data / MASKS, r"(\d+)RefStd\.nrrd")
    for number, mask in masks.items():
        if number not in images:
            raise GenesisError(f"{mask}: a mask without its scan {IMAGES}/{number:03d}.nrrd; download that too")
        _refuse_other_grid(mask, images[number])
    scans = [_scan(f"{number:03d}", images[number], mask) for number, mask in sorted(masks.items())]
    if not scans:
        raise GenesisError(f"{data}: holds no {IMAGES}/<number>.nrrd with a mask {MASKS}/<number>RefStd.nrrd")
    unmasked = [images[number].name for number in sorted(set(images) - set(masks))]
    return scans, [f"scans without a mask left out: {', '.join(unmasked)}"] if unmasked else []


def _numbered(folder: Path, pattern: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(folder.absolute().iterdir()):
        match = re.fullmatch(pattern, path.name)
        if match is not None:
            first = found.setdefault(int(match[1]), path)
            if first is not path:
                raise GenesisError(f"{path}: of the same number as {first.name}; remove one of them")
    return found


def _scan(name: str, image: Path, mask: Path) -> SearchedScan:
    def find() -> Found:
        volume, clots = read_volume(image), _labels(read_volume(mask), mask)
        refuse_air(volume, clots, mask, "it is of another scan")
        return from_mask(volume, clots, name, by_value=True)

    return SearchedScan(name, name, image, (image, mask), "cad-pe", find)


def _labels(mask: Volume, path: Path) -> IntegerArray:
    """The values of a label map; GenesisError when they are no whole numbers of 0 or more."""
    values = whole_numbers(mask.array, f"{path}: no label map")
    if values.min() < 0:
        raise GenesisError(f"{path}: no label map, holds {values.min()}; copy it again")
    return values.astype(np.int32)


def _refuse_other_grid(mask: Path, image: Path) -> None:
    """GenesisError when the headers of the two say that their voxels do not lie at the same places."""
    first, other = read_grid(image), read_grid(mask)
    if first.size != other.size:
        raise GenesisError(f"{mask}: size {other.size}, but {image} has {first.size}; download both again")
    apart = np.abs(_corners(first) - _corners(other)).max() / min(first.spacing)
    if apart > OFF_GRID:
        raise GenesisError(
            f"{mask}: does not lie on the grid of {image} (spacing, origin or direction differ, by up to {apart:.1f} "
            "voxels); resample it onto that grid"
        )


def _corners(grid: Grid) -> npt.NDArray[np.float64]:
    """(8, 3): LPS mm of the outermost voxels."""
    last = np.array(grid.size) - 1
    ends = np.array([[(corner >> axis & 1) * last[axis] for axis in range(3)] for corner in range(8)])
    return np.asarray(ends @ grid.affine[:3, :3].T + grid.affine[:3, 3], np.float64)
