"""Files that a target makes from its data, in the cache: named after their sources, on a plain grid."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import digest
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import Spacing


def stamp(*sources: Path) -> str:
    """16 hexadecimal digits that change when one of these files does; part of the name of what is made from them."""
    try:
        states = [(path, path.stat()) for path in sources]
    except OSError as error:
        raise GenesisError(f"{error.filename}: cannot be read ({error.strerror}); check the file") from error
    return digest([[str(path), state.st_size, state.st_mtime_ns] for path, state in states])


def write_plain(array: npt.NDArray[Any], spacing: Spacing, path: Path) -> None:
    """Write (X, Y) or (X, Y, Z) with the first voxel at 0 and axes along LPS, atomically; spacing in mm per voxel."""
    from modelsgenesis.data.geometry import Grid
    from modelsgenesis.data.volume import Volume, write_volume

    axes = array.ndim
    grid = Grid(array.shape, spacing, (0.0,) * axes, tuple(np.eye(axes).ravel().tolist()))
    like = Volume(np.empty(array.shape, np.float32), spacing, grid.affine, path.name, grid, array.dtype.name)
    write_volume(array, like, path)
