"""Random 64x64x32 cubes a second from a store, one core, warm; and what other chunks and codecs would give.

    python benchmarks/store.py STORE [--cubes 2000]

At most 20 scans of the store are read. The first row is the store as it is; the others are copies in a temporary
folder. Cold reads, from a disk, are not measured.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from modelsgenesis.data import arrays
from modelsgenesis.data.manifest import Scan
from modelsgenesis.data.store import Store, open_store

CUBE = (64, 64, 32)

CODECS: dict[str, dict[str, Any]] = {
    "blosc lz4 5 shuffle": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"},
    "blosc lz4 5 bitshuffle": {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle"},
    "blosc zstd 1 bitshuffle": {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle"},
}
CHUNKS = ((16, 16, 16), (32, 32, 16), (32, 32, 32), (64, 64, 32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--cubes", type=int, default=2000)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    store = open_store(arguments.store)
    scans = [scan for scan in store.scans if all(n >= side for n, side in zip(scan.shape, CUBE, strict=True))][:20]
    print(f"{len(scans)} scans, median shape {np.median([scan.shape for scan in scans], axis=0).tolist()}")
    print("chunk, codec, cubes a second without cache, with 64 MiB, bytes raw / stored")
    print(f"as stored: {row(arguments.store, scans, arguments.cubes)}")
    for chunk in CHUNKS:
        for name, blosc in CODECS.items():
            with tempfile.TemporaryDirectory() as temporary:
                copy(store, scans, Path(temporary), chunk, blosc)
                print(f"{'x'.join(map(str, chunk))}, {name}: {row(Path(temporary), scans, arguments.cubes)}")


def row(folder: Path, scans: list[Scan], cubes: int) -> str:
    """One line of figures for the store in `folder`."""
    raw = sum(int(np.prod(scan.shape)) * np.dtype(scan.dtype).itemsize for scan in scans)
    stored = sum(arrays.stored_bytes(arrays.array_path(folder, scan.id)) for scan in scans)
    rates = [cubes_a_second(Store(folder, scans, cache_bytes=cache), cubes) for cache in (2**20, 64 * 2**20)]
    return f"{rates[0]:.0f}, {rates[1]:.0f}, {raw / stored:.2f}"


def cubes_a_second(store: Store, cubes: int) -> float:
    """Random cubes after one warming read of each scan, so that the files are in the system's cache."""
    rng = np.random.default_rng(0)
    for scan in store.scans:
        store.read(scan)
    picks = []
    for number in rng.integers(len(store), size=cubes):
        scan = store.scans[int(number)]
        picks.append((scan, [int(rng.integers(n - side + 1)) for n, side in zip(scan.shape, CUBE, strict=True)]))
    began = time.perf_counter()
    for scan, corner in picks:
        store.read(scan, corner, CUBE)
    return cubes / (time.perf_counter() - began)


def copy(store: Store, scans: list[Scan], folder: Path, chunk: tuple[int, ...], blosc: dict[str, Any]) -> None:
    """The scans once more with another chunk and codec."""
    import tensorstore

    arrays.create_groups(folder)
    for scan in scans:
        metadata = arrays.array_metadata(scan.shape, np.dtype(scan.dtype))
        whole = [-(-n // side) * side for n, side in zip(scan.shape, chunk, strict=True)]
        metadata["chunk_grid"]["configuration"]["chunk_shape"] = whole
        sharding = metadata["codecs"][0]["configuration"]
        sharding["chunk_shape"] = list(chunk)
        sharding["codecs"][1]["configuration"] |= blosc
        place = {"driver": "file", "path": str(arrays.array_path(folder, scan.id))}
        spec = {"driver": "zarr3", "kvstore": place, "metadata": metadata, "store_data_equal_to_fill_value": True}
        tensorstore.open(spec, create=True).result().write(store.read(scan)).result()


if __name__ == "__main__":
    main()
