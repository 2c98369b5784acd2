"""All speed measurements in one table: `make bench`, or `python -m benchmarks`.

Each row is a ratio of two things timed in turns in the same run, so that it means the same on any machine. The single
benchmarks tell more (`python -m benchmarks.mixture`, `benchmarks.training_step`, `benchmarks.store`).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.mixture import mixed, single
from benchmarks.training_step import PLAIN, default_variant, make_step, measure, warm
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import Store, open_store
from modelsgenesis.data.volume import read_volume
from modelsgenesis.phantoms.chest import write_unlabelled
from modelsgenesis.transforms.mixture import mixture

DISTORTED = (64, 64, 32)
WIDTH, CUBE, BATCH = 8, (32, 32, 32), 8
SCANS, SCAN_SHAPE, SCAN_SPACING = 3, (192, 192, 128), (1.7, 1.7, 2.0)


class Row(NamedTuple):
    """Seconds of `ours` and of what it is compared with."""

    name: str
    ours: float
    against: str
    other: float


def distortions(repeats: int) -> Iterator[Row]:
    """The mixture and each distortion against the plain NumPy code of benchmarks/reference.py."""
    x = np.random.default_rng(1).random((1, *DISTORTED), np.float32)
    mixture("default").views(x, np.random.default_rng(0))
    yield Row("mixture, a cube", *_pair(mixed(x, 4 * repeats), "plain NumPy"))
    for name in ("shuffle", "nonlinear", "inpaint", "outpaint"):
        yield Row(f"{name}, a cube", *_pair(single(name, x, repeats), "plain NumPy"))


def _pair(seconds: tuple[float, float], against: str) -> tuple[float, str, float]:
    return seconds[0], against, seconds[1]


def store(repeats: int) -> Iterator[Row]:
    """Random cubes from a store against the files it was made of, and a batch of distorted ones against training."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = write_unlabelled(Path(temporary, "scans"), SCANS, 0, SCAN_SHAPE, SCAN_SPACING)
        prepare(paths, Path(temporary, "store"), workers=1)
        opened, rng = open_store(Path(temporary, "store")), np.random.default_rng(0)
        for scan in opened.scans:
            opened.read(scan)
        from_store, from_file = [], []
        for number in range(repeats):
            path = paths[number % SCANS]
            from_store += [_seconds(lambda: _random_cube(opened, rng, DISTORTED)) for _ in range(50)]
            from_file.append(_seconds(lambda: _cut(read_volume(path).array, DISTORTED, rng)))  # noqa: B023
        yield Row("cube from the store", statistics.median(from_store), "from .nii.gz", statistics.median(from_file))
        step = warm(default_variant(), WIDTH, CUBE, BATCH) or make_step(PLAIN, WIDTH, CUBE, BATCH)
        batches, steps = [], []
        for _ in range(repeats):
            batches += [_seconds(lambda: [_distorted_cube(opened, rng) for _ in range(BATCH)]) for _ in range(5)]
            steps.append(_seconds(step))
        yield Row("a batch of cubes", statistics.median(batches), "training on it", statistics.median(steps))


def _random_cube(opened: Store, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    scan = opened.scans[int(rng.integers(len(opened)))]
    corner = [int(rng.integers(n - side + 1)) for n, side in zip(scan.shape, shape, strict=True)]
    return scan.intensity.unit(opened.read(scan, corner, shape))


def _distorted_cube(opened: Store, rng: np.random.Generator) -> Any:
    return mixture("default").views(_random_cube(opened, rng, CUBE)[None], rng)


def _cut(array: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    corner = [int(rng.integers(n - side + 1)) for n, side in zip(array.shape, shape, strict=True)]
    window = tuple(slice(c, c + side) for c, side in zip(corner, shape, strict=True))
    return np.clip((array[window] + 1000) / 2000, 0, 1)


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def training(repeats: int, compiled: bool) -> Iterator[Row]:
    """A step with the default settings against plain float32 and against the best variant."""
    times, chosen = measure(WIDTH, CUBE, BATCH, repeats, compiled), default_variant()
    best = min(times, key=lambda variant: times[variant])
    yield Row(f"step, defaults ({chosen})", times[chosen], str(PLAIN), times[PLAIN])
    yield Row(f"step, defaults ({chosen})", times[chosen], f"best: {best}", times[best])


def main() -> None:
    """Print the rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each measurement; medians are shown")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes minutes")
    given = parser.parse_args()
    parts: tuple[Callable[[], Iterator[Row]], ...] = (
        lambda: distortions(given.repeats),
        lambda: store(given.repeats),
        lambda: training(given.repeats, not given.no_compile),
    )
    print(f"{'ours':<48} {'ms':>9}   {'against':<36} {'ms':>9} {'ratio':>7}")
    for part in parts:
        for row in part():
            print(
                f"{row.name:<48} {1e3 * row.ours:9.2f}   {row.against:<36} {1e3 * row.other:9.2f} "
                f"{row.other / row.ours:6.2f}x",
                flush=True,
            )


if __name__ == "__main__":
    main()
