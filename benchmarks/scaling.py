"""Whether sixteen times the work takes sixteen times as long: `python -m benchmarks scaling`."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.material import store
from benchmarks.rows import Row, seconds
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.phantoms.chest import write_unlabelled
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.streams import generator

CUBE, TIMES = (64, 64, 32), (1, 4, 16)


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Time for sixteen times the work over sixteen times the time; one is linear."""
    path = store(folder).path
    cubes = 20 * repeats
    taken = [_distorted(path, 0, times * cubes) for times in TIMES]
    yield _row("cubes", taken, "cubes", cubes)
    with tempfile.TemporaryDirectory() as temporary:
        scans = write_unlabelled(Path(temporary, "scans"), TIMES[-1], 0, (96, 96, 48), (3.5, 3.5, 5.0))
        out, taken = Path(temporary, "store"), []
        prepare(scans[:1], out, workers=1)
        for times in TIMES:
            shutil.rmtree(out)
            taken.append(seconds(lambda: prepare(scans[:times], out, workers=1)))  # noqa: B023
        start = (TIMES[1] * taken[0] - taken[1]) / (TIMES[1] - 1)  # of the worker, the same for any number of scans
        yield _row("scans prepared, without the worker's start", [t - max(0.0, start) for t in taken], "scans", 1)
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        list(pool.map(_distorted, [path] * cores, range(cores), [20] * cores))
        alone = pool.submit(_distorted, path, 0, 4 * cubes).result()
        together = seconds(lambda: list(pool.map(_distorted, [path] * cores, range(cores), [4 * cubes] * cores)))
    yield Row(
        f"cubes by {cores} loader processes against one",
        cores * alone / together,
        "x",
        f"{4 * cubes / alone:.0f} and {4 * cubes * cores / together:.0f} cubes/s",
        "cores that share caches and, where they are threads of one, arithmetic",
    )


def _row(what: str, taken: list[float], unit: str, first: int) -> Row:
    detail = ", ".join(f"{first * times} {unit} {one:.3g} s" for times, one in zip(TIMES, taken, strict=True))
    ratio, name = taken[-1] / (TIMES[-1] * taken[0]), f"{TIMES[-1]} times the {what}, over {TIMES[-1]} times the time"
    return Row(name, ratio, "x", detail, "", must=1.3, less=True)


def _distorted(path: Path, stream: int, cubes: int) -> float:
    """Seconds for so many cubes, read and distorted."""
    opened = open_store(path)
    sampler, restoration = CubeSampler(opened, opened.scans, CubeSettings(shape=CUBE)), Restoration()
    sampler.cube(generator(stream))

    def work() -> None:
        for item in range(cubes):
            rng = generator(stream, item)
            restoration.views(sampler.cube(rng).array, rng)

    return seconds(work)
