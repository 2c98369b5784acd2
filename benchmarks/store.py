"""Random 64x64x32 cubes a second from a store, one core, warm; and what other chunks and codecs would give.

    python benchmarks/store.py STORE [--cubes 2000]

At most 20 scans of the store are read. The first row is the store as it is; the others are copies in a temporary
folder. The table of `python -m benchmarks` compares with the layout of a peer, warm and cold.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import store as stored_phantoms
from benchmarks.rows import Row, milliseconds, seconds
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
    for scan in store.scans:
        store.read(scan)
    picks = _picks(store, cubes)
    began = time.perf_counter()
    for scan, corner in picks:
        store.read(scan, corner, CUBE)
    return cubes / (time.perf_counter() - began)


def _picks(store: Store, cubes: int) -> list[tuple[Scan, list[int]]]:
    rng = np.random.default_rng(0)
    picks = []
    for number in rng.integers(len(store), size=cubes):
        scan = store.scans[int(number)]
        picks.append((scan, [int(rng.integers(n - side + 1)) for n, side in zip(scan.shape, CUBE, strict=True)]))
    return picks


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


PEER = {"chunks": (1, 64, 64, 64), "blocks": (1, 16, 16, 16), "codec": "zstd", "clevel": 8}
"""How nnssl and nnU-Net v2 store a scan for patches of 64x64x32: float32, blocks that fit the first cache, chunks that
fit the last one, blosc2 with Zstandard."""


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Random cubes, warm and cold, against the layout of nnssl with the same voxels."""
    opened = stored_phantoms(folder)
    with tempfile.TemporaryDirectory() as temporary:
        peers = {scan.id: _peer(Path(temporary), scan, opened) for scan in opened.scans}
        picks = _picks(opened, 100 * repeats)

        def ours(scan: Scan, corner: list[int]) -> Any:
            return scan.intensity.unit(opened.read(scan, corner, CUBE))

        def theirs(scan: Scan, corner: list[int]) -> Any:
            return _peer_cube(peers[scan.id], corner)

        for scan, corner in picks[:20]:
            if not np.allclose(ours(scan, corner), theirs(scan, corner)):
                raise RuntimeError(f"{scan.id} at {corner}: other voxels than in the peer's layout")
        mean, peer = (float(np.mean([seconds(lambda: read(*pick)) for pick in picks])) for read in (ours, theirs))  # noqa: B023
        yield Row(
            "random cube of the store, 64x64x32, warm",
            peer / mean,
            "x",
            f"{milliseconds(mean)} a cube, {milliseconds(peer)} from nnssl's layout (blosc2, float32)",
            "decompressing 12 to 27 chunks of 32x32x16; a chunk held in memory costs a copy",
            must=3,
            goal=7,
        )
        fresh, cold = Store(opened.path, opened.scans, cache_bytes=0), ([], [])  # type: tuple[list[float], list[float]]
        for scan, corner in picks[: 10 * repeats]:
            _forget(arrays.array_path(opened.path, scan.id))
            cold[0].append(seconds(lambda: fresh.read(scan, corner, CUBE)))  # noqa: B023
            _forget(peers[scan.id])
            cold[1].append(seconds(lambda: theirs(scan, corner)))  # noqa: B023
        mean, peer = (float(np.median(times)) for times in cold)
        yield Row(
            "the same, cold",
            peer / mean,
            "x",
            f"{milliseconds(mean)} a cube, {milliseconds(peer)} in nnssl's layout",
            "the disk: a read for each run of neighbouring chunks",
            must=1,
        )


def _peer(folder: Path, scan: Scan, opened: Store) -> Path:
    import blosc2

    path = folder / f"{scan.id}.b2nd"
    parameters = {"codec": blosc2.Codec.ZSTD, "clevel": PEER["clevel"]}
    values = np.ascontiguousarray(scan.intensity.unit(opened.read(scan))[None])
    blosc2.asarray(values, urlpath=str(path), chunks=PEER["chunks"], blocks=PEER["blocks"], cparams=parameters)
    return path


def _peer_cube(path: Path, corner: Any) -> Any:
    import blosc2

    blosc2.set_nthreads(1)
    opened = blosc2.open(urlpath=str(path), mode="r", dparams={"nthreads": 1}, mmap_mode="r")
    return opened[(slice(0, 1), *(slice(c, c + side) for c, side in zip(corner, CUBE, strict=True)))][0]


def _forget(path: Path) -> None:
    """Drop a file, or the files of a folder, from the system's cache."""
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
