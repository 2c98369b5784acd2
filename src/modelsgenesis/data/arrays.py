"""Zarr v3 arrays on disk: how a scan is laid out, written whole or not at all, and opened.

One scan is one group with an array a level (`data/levels`), `0` being the scan itself; one shard, a single file, holds
up to 512 voxels a side. Inside it small chunks are compressed and carry a checksum each, so a random cube touches few
bytes and damage is an error, never silent noise.
`benchmarks/store.py` measures the choice of chunk and codec.
"""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from modelsgenesis.data.levels import AXES, level_of, multiscales
from modelsgenesis.data.tissue import FILE as TISSUE
from modelsgenesis.data.tissue import count_blocks
from modelsgenesis.errors import GenesisError, first_line
from modelsgenesis.files import write_json
from modelsgenesis.types import JSON, IntegerArray, Shape, Spacing

SCANS = "scans"

CHUNK_3D = (32, 32, 16)
CHUNK_2D = (128, 128)
SHARD_3D = 512
SHARD_2D = 4096


def chunk_shape(shape: Shape) -> Shape:
    """The inner chunk of an array of `shape`, (X, Y, Z) or (X, Y): never longer than the array."""
    return tuple(min(n, side) for n, side in zip(shape, CHUNK_3D if len(shape) == 3 else CHUNK_2D, strict=True))


def shard_shape(shape: Shape) -> Shape:
    """The shard of an array of `shape`: whole chunks, the whole array up to 512 voxels a side (4096 in 2D)."""
    limit = SHARD_3D if len(shape) == 3 else SHARD_2D
    chunks = chunk_shape(shape)
    return tuple(min(-(-n // side), max(limit // side, 1)) * side for n, side in zip(shape, chunks, strict=True))


def array_metadata(shape: Shape, dtype: np.dtype[Any]) -> JSON:
    """The Zarr v3 metadata of a scan."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    plain = little if dtype.itemsize > 1 else {"name": "bytes"}
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": dtype.itemsize, "blocksize": 0}
    sharding = {
        "chunk_shape": list(chunk_shape(shape)),
        "codecs": [plain, {"name": "blosc", "configuration": blosc}, {"name": "crc32c"}],
        "index_codecs": [little, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard_shape(shape))}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "fill_value": 0,
        "dimension_names": list(AXES[: len(shape)]),
    }


def create_groups(store: Path) -> None:
    """Make `store` and its folder of scans Zarr groups, so that any Zarr reader can walk them."""
    for folder in (store, store / SCANS):
        if not (folder / "zarr.json").exists():
            _write_group(folder, {})


def scan_path(store: Path, identifier: str) -> Path:
    """The folder of a scan."""
    return store / SCANS / identifier


def array_path(store: Path, identifier: str, level: int = 0) -> Path:
    """The folder of a scan's array, or of a coarser level of it."""
    return scan_path(store, identifier) / str(level)


def write_scan(
    store: Path,
    identifier: str,
    array: IntegerArray,
    spacing: Spacing,
    levels: Sequence[Shape],
    measured: bool = True,
    tissue: int | None = None,
) -> int:
    """Store `array`, (X, Y, Z) or (X, Y) unsigned integers, as the scan `identifier`; returns its bytes on disk.

    It is written under another name, flushed and renamed, and takes the place of an older scan of that name.

    Args:
        store: the folder of the store.
        identifier: name of the scan.
        array: its samples.
        spacing: mm per voxel.
        levels: the factors of each level (`data/levels`).
        measured: whether the spacing is in mm indeed.
        tissue: the smallest integer that is tissue; with it every level of a volume gets its table (`data/tissue`).

    Raises:
        GenesisError: when the disk refuses (full, read-only).
    """
    final = scan_path(store, identifier)
    partial, old = (final.with_name(f".{identifier}.{kind}") for kind in ("partial", "old"))
    try:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        for number, factors in enumerate(levels):
            _write_level(partial / str(number), level_of(array, factors) if number else array, tissue)
        _write_group(partial, multiscales(identifier, spacing, levels, measured))
        size = stored_bytes(partial)
        if final.exists():
            final.replace(old)
        partial.replace(final)
        _flush_folder(final.parent)
    except (OSError, ValueError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise GenesisError(f"{final}: could not be written ({_cause(error)}); free space or rights?") from error
    shutil.rmtree(old, ignore_errors=True)
    return size


def _write_level(folder: Path, array: IntegerArray, tissue: int | None) -> None:
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(folder)},
        "metadata": array_metadata(array.shape, array.dtype),
        "store_data_equal_to_fill_value": True,  # so that a chunk that is missing is always damage
    }
    tensorstore.open(spec, create=True).result().write(array).result()
    if tissue is not None and array.ndim == 3:
        np.save(folder / TISSUE, count_blocks(array, tissue))


def _write_group(folder: Path, attributes: JSON) -> None:
    write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})


def open_array(store: Path, identifier: str, context: Any, level: int = 0) -> Any:
    """A TensorStore handle for reading a level; missing chunks are errors, the file is not looked at again once cached.

    Raises:
        GenesisError: when it is absent or damaged.
    """
    path = array_path(store, identifier, level)
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "fill_missing_data_reads": False,
        "recheck_cached_data": False,
        "recheck_cached_metadata": False,
    }
    try:
        return tensorstore.open(spec, context=context, open=True, read=True).result()
    except (OSError, ValueError) as error:
        raise GenesisError(f"{path}: cannot be opened ({_cause(error)}); prepare the scan again") from error


def stored_bytes(folder: Path) -> int:
    """Bytes of all files under `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _flush_folder(folder: Path) -> None:
    """Flush a rename to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cause(error: Exception) -> str:
    """The cause in short: TensorStore's words end with the system's error, behind names of files that may be long."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code is not None:
        return os.strerror(int(code[1]))
    return first_line(error)
