"""How much faster the distortions are than the plain reference: `python -m benchmarks.mixture`.

Each row times both on one thread, in turns, on the same smooth random cube; figures are medians, for the mixture means
(a cube that is not shuffled costs little, so the median would not tell the throughput).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.reference import Reference
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.transforms.mixture import mixture
from modelsgenesis.types import FloatArray, Shape

SHAPES: tuple[Shape, ...] = ((1, 64, 64, 32), (1, 128, 128, 64), (1, 224, 224))
DISTORTIONS = ("shuffle", "nonlinear", "inpaint", "outpaint")


def seconds(call: Callable[[], Any]) -> float:
    """Duration of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def in_turns(ours: Callable[[], Any], theirs: Callable[[], Any], turns: int, calls: int) -> tuple[float, float]:
    """Median over turns of the mean seconds a call: `calls` of ours, then one in `calls` as many of theirs."""
    ours()
    theirs()
    fast, slow = [], []
    for _ in range(turns):
        fast.append(statistics.fmean(seconds(ours) for _ in range(calls)))
        slow.append(statistics.fmean(seconds(theirs) for _ in range(max(1, calls // 10))))
    return statistics.median(fast), statistics.median(slow)


def row(name: str, x: FloatArray, turns: int, calls: int) -> tuple[float, float]:
    """Seconds a cube of ours and of the reference for the distortion (or "mixture") called `name`."""
    rng = np.random.default_rng(0)
    reference = Reference(0)
    slow = getattr(reference, name)
    if name == "mixture":
        released = mixture("released")
        return in_turns(lambda: released.views(x, rng), lambda: slow(x), turns, calls)
    made = TRANSFORMS.get(name)()
    return in_turns(lambda: made.apply(x, made.sample(rng, x.shape)), lambda: slow(x), turns, calls)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="repeats, ours and the reference in turns")
    parser.add_argument("--calls", type=int, default=40, help="calls of ours in each repeat; a tenth of the reference")
    options = parser.parse_args()
    print(f"{'shape':>18} {'distortion':>10} {'ours ms':>9} {'plain ms':>9} {'ratio':>6}")
    for shape in SHAPES:
        x = np.random.default_rng(1).random(shape, np.float32)
        for name in ("mixture", *DISTORTIONS):
            fast, slow = row(name, x, options.turns, options.calls)
            print(f"{shape!s:>18} {name:>10} {1e3 * fast:9.3f} {1e3 * slow:9.2f} {slow / fast:6.0f}", flush=True)


if __name__ == "__main__":
    main()
