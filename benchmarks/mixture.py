"""How much faster the distortions are than the plain reference: `python -m benchmarks.mixture`.

Both run on one thread, in turns, on the same noise cube; compile time is not counted. A distortion's row holds medians.
The mixture's row holds the mean over many drawn cubes, as training meets them; both sides apply the same steps to each.
"""

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.reference import Reference
from benchmarks.rows import Row, milliseconds, seconds
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.transforms.mixture import mixture
from modelsgenesis.types import FloatArray, Shape

SHAPES: tuple[Shape, ...] = ((1, 64, 64, 32), (1, 128, 128, 64), (1, 224, 224))
DISTORTIONS = ("shuffle", "nonlinear", "inpaint", "outpaint")
PER_TURN = 5
"""Calls of ours for one of the reference: they are that much shorter, and as exposed to a busy machine."""


def single(name: str, x: FloatArray, cubes: int) -> tuple[float, float]:
    """Median seconds a cube of ours and of the reference for the distortion called `name`."""
    rng, made, slow = np.random.default_rng(0), TRANSFORMS.get(name)(), getattr(Reference(0), name)
    made.apply(x, made.sample(rng, x.shape))
    fast, plain = [], []
    for _ in range(cubes):
        fast += [seconds(lambda: made.apply(x, made.sample(rng, x.shape))) for _ in range(PER_TURN)]
        plain.append(seconds(lambda: slow(x)))
    return statistics.median(fast), statistics.median(plain)


def mixed(x: FloatArray, cubes: int) -> tuple[float, float]:
    """Mean seconds a cube of ours and of the reference for the released mixture."""
    released, reference = mixture("released"), Reference(0)
    fast, plain = [], []
    for seed in range(cubes):
        steps = released.sample(np.random.default_rng(seed), x.shape).applied
        turns = [seconds(lambda: released.views(x, np.random.default_rng(seed))) for _ in range(PER_TURN)]  # noqa: B023
        fast.append(statistics.median(turns))
        plain.append(seconds(lambda: reference.views(x, steps)))  # noqa: B023
    return statistics.fmean(fast), statistics.fmean(plain)


ASKED = {
    (SHAPES[0], "mixture"): (60.0, 100.0),
    (SHAPES[0], "shuffle"): (40.0, 80.0),
    (SHAPES[1], "mixture"): (30.0, 60.0),
    (SHAPES[2], "mixture"): (30.0, 60.0),
}
LIMITS = {
    "mixture": "half of it is shuffling, the rest the noise of out-painting and one look at every voxel for each step",
    "shuffle": "a look at every voxel of every window, a random number and a jump in memory for every voxel kept",
    "nonlinear": "a look-up for every voxel; the curve is solved for 1,024 cells",
    "inpaint": "drawing and calling; the plain way is fast too",
    "outpaint": "a 64-bit hash for two voxels of noise",
}


def rows(_folder: Path, repeats: int) -> Iterator[Row]:
    """The rows of the table."""
    mixture("default").views(np.zeros((1, 64, 64, 32), np.float32), np.random.default_rng(0))
    for shape, name, fast, plain in measured(4 * repeats):
        if (shape, name) in ASKED or shape == SHAPES[0]:
            must, goal = ASKED.get((shape, name), (None, None))
            yield Row(
                f"{name}, {'x'.join(map(str, shape[1:]))}",
                plain / fast,
                "x",
                f"{milliseconds(fast)} a cube, {milliseconds(plain)} by the plain reference",
                LIMITS[name],
                must,
                goal,
            )


def measured(cubes: int) -> Iterator[tuple[Shape, str, float, float]]:
    """Shape, name, seconds of ours and of the reference."""
    for shape in SHAPES:
        x = np.random.default_rng(1).random(shape, np.float32)
        yield (shape, "mixture", *mixed(x, 2 * cubes))
        for name in DISTORTIONS:
            yield (shape, name, *single(name, x, cubes))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cubes", type=int, default=20, help="cubes a row of the reference; twice as many mixed ones")
    cubes = parser.parse_args().cubes
    mixture("default").views(np.zeros((1, 64, 64, 32), np.float32), np.random.default_rng(0))
    print(f"{'shape':>18} {'distortion':>10} {'ours ms':>9} {'plain ms':>9} {'ratio':>6}")
    for shape, name, fast, plain in measured(cubes):
        print(f"{shape!s:>18} {name:>10} {1e3 * fast:9.3f} {1e3 * plain:9.2f} {plain / fast:6.1f}", flush=True)


if __name__ == "__main__":
    main()
