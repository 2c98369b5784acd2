"""FUMPE: CT angiography in `CT_scans/PAT001/*.dcm`, masks of emboli in `GroundTruth/PAT001.mat` (PAPER 4).

The array `Mask` of a .mat file has the axes (x, y, z): columns, rows, and the slices in the order of the files' names.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from modelsgenesis.data.formats import suffixes
from modelsgenesis.data.formats.dicom import stacked
from modelsgenesis.data.geometry import closest_to_lps
from modelsgenesis.data.guarded import read_headers, read_series
from modelsgenesis.data.volume import Volume
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.spot_cache import SearchedScan
from modelsgenesis.targets.spots import Found, from_mask, refuse_air
from modelsgenesis.types import IntegerArray

SCANS, MASKS, KEY = "CT_scans", "GroundTruth", "Mask"
Axes = Literal["xyz", "yxz"]


def is_fumpe(data: Path) -> bool:
    """Whether the folder is laid out as FUMPE."""
    return (data / SCANS).is_dir() and (data / MASKS).is_dir()


def find_fumpe(data: Path, axes: Axes) -> tuple[list[SearchedScan], list[str]]:
    """The patients with scan and mask, and notes about those without a mask; `axes` are those of the masks.

    Raises GenesisError naming the file: no scan, a mask without its scan, damaged, or of another size than its scan.
    """
    scans, unmasked = [], []
    for folder in sorted((data / SCANS).absolute().iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        mask = data.absolute() / MASKS / f"{folder.name}.mat"
        if mask.is_file():
            scans.append(_scan(folder, mask, axes))
        else:
            unmasked.append(folder.name)
    if not scans:
        raise GenesisError(f"{data}: holds no {SCANS}/<patient>/*.dcm with a mask {MASKS}/<patient>.mat")
    named = {scan.id for scan in scans}
    for mask in sorted((data / MASKS).glob("*.mat")):
        if not mask.name.startswith(".") and mask.stem not in named:
            raise GenesisError(f"{mask}: a mask without its scan {SCANS}/{mask.stem}; download that too")
    return scans, [f"scans without a mask left out: {', '.join(unmasked)}"] if unmasked else []


def _scan(folder: Path, mask: Path, axes: Axes) -> SearchedScan:
    files = tuple(
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in suffixes.DICOM and not path.name.startswith(".")
    )
    if not files:
        raise GenesisError(f"{folder}: holds no .dcm file; download it again")
    (first,) = read_headers(folder, files[:1])
    expected = _ordered((first.columns, first.rows, len(files)), axes)
    size = _declared(mask)
    if size != expected:
        raise GenesisError(
            f"{mask}: {KEY} has the size {size}, but {folder} makes {expected}; "
            + ("are slices missing? " if size[:2] == expected[:2] else "")
            + "download both again"
        )

    def find() -> Found:
        volume = read_series(folder, files)
        clots = _read_mask(mask, axes, folder, files, volume)
        other = "yxz" if axes == "xyz" else "xyz"
        refuse_air(volume, clots, mask, f"its axes may have another order; try the option mask_axes={other}")
        return from_mask(volume, clots, folder.name, by_value=False)

    return SearchedScan(folder.name, folder.name, folder, (*files, mask), f"fumpe {axes}", find)


def _ordered(size: tuple[int, int, int], axes: Axes) -> tuple[int, ...]:
    return size if axes == "xyz" else (size[1], size[0], size[2])


def _declared(mask: Path) -> tuple[int, ...]:
    """The size of the array, from its header."""
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        sizes = {name: shape for name, shape, _ in whosmat(mask)}
    except (OSError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
        raise GenesisError(f"{mask}: cannot be read as a MATLAB file ({error}); copy it again") from None
    if KEY not in sizes:
        raise GenesisError(f"{mask}: holds {', '.join(sizes) or 'nothing'}, not {KEY}; copy it again")
    return tuple(int(side) for side in sizes[KEY])


def _read_mask(mask: Path, axes: Axes, folder: Path, files: tuple[Path, ...], volume: Volume) -> IntegerArray:
    """The mask in the order of `volume.array`, (X, Y, Z) in LPS."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values: Any = loadmat(mask, variable_names=[KEY])[KEY]
    except (OSError, ValueError, TypeError, KeyError, MatReadError) as error:
        raise GenesisError(f"{mask}: cannot be read as a MATLAB file ({error}); copy it again") from None
    in_order = values if axes == "xyz" else values.transpose(1, 0, 2)
    ranks = {path: rank for rank, path in enumerate(files)}
    order = [ranks[path] for path in stacked(read_headers(folder, files), folder).files]
    clots = (in_order[:, :, order] > 0).astype(np.int32)
    return closest_to_lps(volume.grid).apply(clots)
