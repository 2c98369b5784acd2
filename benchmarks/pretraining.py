"""Pre-training from end to end on this machine: `python -m benchmarks.pretraining FOLDER`.

Real runs of `genesis pretrain` at a quarter of the width on cubes of 32x32x32, from start to stop: one process with all
threads, and one process a core that average their gradients (DDP over gloo), with the same cubes a step. Beside them
the released way: plain distortions, then an eager float32 step.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.material import store
from benchmarks.reference import Reference
from benchmarks.rows import Row, milliseconds, seconds
from benchmarks.training_step import PLAIN, make_step

WIDTH, SIDE, CUBES, STEPS = 8, 32, 8, 40


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Cubes a second of both ways to use the cores, and of the released way."""
    path, cores = store(folder).path, len(os.sched_getaffinity(0))
    rates: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(max(1, repeats // 2)):
        for processes in rates:
            rates[processes].append(_rate(path, folder / "pretraining", processes, cores // processes))
    one, several = (statistics.median(rates[n]) for n in (1, cores))
    plain = _released(repeats)
    yield Row(
        f"pre-training, width {WIDTH}, {SIDE}x{SIDE}x{SIDE}, from end to end",
        max(one, several),
        "cubes/s",
        f"{cores} cores; the released way {1 / plain:.3g} cubes/s ({max(one, several) * plain:.3g}x)",
        "convolutions: the data side is a few percent",
        must=33,
        goal=60,
    )
    yield Row(
        f"{cores} processes of one thread against one of {cores} threads",
        several / one,
        "x",
        f"{several:.3g} and {one:.3g} cubes/s, {CUBES} cubes a step",
        "the sum of gradients over gloo after each step; cores that share their caches",
        must=1.1,
        goal=1.3,
    )


def _rate(store_path: Path, run: Path, processes: int, threads: int) -> float:
    """Cubes a second of a short run on the CPU."""
    flags = {
        "cubes.shape": (SIDE,) * 3,
        "backbone.width": (WIDTH,),
        "loop.steps": (2 * STEPS,),
        "loop.validate-every": (STEPS,),
        "loop.batch-size": (CUBES // processes,),
        "loop.devices": (processes,),
        "loop.accelerator": ("cpu",),
    }
    return rate(store_path, run, flags, threads)


def rate(store_path: Path, run: Path, flags: Mapping[str, Sequence[Any]], threads: int | None = None) -> float:
    """Cubes a second of `genesis pretrain` with these flags and a short validation, up to its last validation."""
    shutil.rmtree(run, ignore_errors=True)
    short = {"check.cubes": (8,), "check.cubes-alone": (8,), "check.probe-cubes": (16,)}
    words = [word for name, values in {**flags, **short}.items() for word in (f"--{name}", *map(str, values))]
    command = [sys.executable, "-m", "modelsgenesis", "pretrain", str(store_path), "--out", str(run), *words]
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
    last: float = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["rate"]
    return last


def _released(repeats: int) -> float:
    """Seconds a cube: plain distortions of a batch, then an eager step with all threads."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    step, reference = make_step(PLAIN, WIDTH, (SIDE,) * 3, CUBES), Reference(0)
    x = np.random.default_rng(0).random((1, *(SIDE,) * 3), np.float32)
    step()
    times = [seconds(lambda: [reference.mixture(x) for _ in range(CUBES)]) + seconds(step) for _ in range(repeats)]
    return statistics.median(times) / CUBES


if __name__ == "__main__":
    for row in rows(Path(sys.argv[1]), 4):
        print(*row.cells(), sep="  ")
    print(milliseconds(_released(4)), "a cube in the released way")
