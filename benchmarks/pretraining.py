"""Pre-training from end to end on this machine: `python -m benchmarks pretraining`.

Real runs of `genesis pretrain` at a quarter of the width on cubes of 32x32x32: the published network and the light one;
one process with all threads, and one process a core that average their gradients (DDP over gloo), with the same cubes a
step. Beside them the released way: plain distortions, then an eager float32 step.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.material import store
from benchmarks.reference import Reference
from benchmarks.rows import Row, seconds, turns
from benchmarks.training_step import PLAIN, make_step

WIDTH, SIDE, CUBES, STEPS = 8, 32, 8, 40
PUBLISHED = "unet3d"


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Cubes a second of the networks and of the ways to use the cores, and of the released way."""
    path, cores = store(folder).path, len(os.sched_getaffinity(0))
    calls = {
        PUBLISHED: lambda: _rate(path, folder / "published", cores),
        "light": lambda: _rate(path, folder / "light", cores, network="unet3d_light"),
        "compiled": lambda: _rate(path, folder / "compiled", cores, network="unet3d_light", compiled=True),
        "processes": lambda: _rate(path, folder / "processes", 1, processes=cores),
        "alone": lambda: _alone(path, folder, cores),
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(max(1, repeats // 2)):
        for name, call in calls.items():
            found[name].append(call())
    rates = {name: statistics.median(values) for name, values in found.items()}
    plain = _released(repeats)
    yield Row(
        f"pre-training, width {WIDTH}, {SIDE}x{SIDE}x{SIDE}, from end to end, unet3d_light, compiled",
        rates["compiled"],
        "cubes/s",
        f"{cores} cores; not compiled {rates['light']:.3g}, the published network {rates[PUBLISHED]:.3g}, "
        f"the released way {1 / plain:.3g} cubes/s",
        f"convolutions: the data side is a few percent; these cores multiply matrices at {_peak():.0f} GFLOP/s",
        must=33,
        goal=60,
    )
    yield Row(
        f"{cores} processes of one thread against one of {cores} threads",
        rates["processes"] / rates[PUBLISHED],
        "x",
        f"{rates['processes']:.3g} and {rates[PUBLISHED]:.3g} cubes/s, {CUBES} cubes a step; "
        f"{cores} runs that know nothing of one another {rates['alone']:.3g} cubes/s",
        "the runs that know nothing of one another; then the sum of gradients over gloo after each step",
        must=1.1,
        goal=1.3,
    )


def _rate(
    store_path: Path, run: Path, threads: int, processes: int = 1, network: str = "unet3d", compiled: bool = False
) -> float:
    """Cubes a second of a short run on the CPU."""
    flags = {
        "cubes.shape": (SIDE,) * 3,
        "backbone.name": (network,),
        "backbone.width": (WIDTH,),
        "loop.steps": (2 * STEPS,),
        "loop.validate-every": (STEPS,),
        "loop.batch-size": (CUBES // processes,),
        "loop.devices": (processes,),
        "loop.accelerator": ("cpu",),
        **({"loop.compile": ()} if compiled else {}),
    }
    return rate(store_path, run, flags, threads)


def _alone(store_path: Path, folder: Path, cores: int) -> float:
    """Cubes a second of one run a core, all at once, each with its own network."""
    with ThreadPoolExecutor(cores) as pool:
        return sum(pool.map(lambda core: _rate(store_path, folder / f"alone-{core}", 1), range(cores)))


def _peak() -> float:
    """GFLOP a second of a product of matrices on all cores, float32."""
    side = 1024
    a = torch.rand(side, side)
    return 2 * side**3 / turns({"product": lambda: a @ a}, 20)["product"] / 1e9


def rate(store_path: Path, run: Path, flags: Mapping[str, Sequence[Any]], threads: int | None = None) -> float:
    """Cubes a second of `genesis pretrain` with these flags, from its last validation but one to the end of the last.

    Start-up and compiling lie before; a validation, short here, lies within.
    """
    shutil.rmtree(run, ignore_errors=True)
    short = {"check.cubes": (8,), "check.cubes-alone": (8,), "check.probe-cubes": (16,)}
    words = [word for name, values in {**flags, **short}.items() for word in (f"--{name}", *map(str, values))]
    command = [sys.executable, "-m", "modelsgenesis", "pretrain", str(store_path), "--out", str(run), *words]
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (first, before), (last, after) = ((entry["step"], entry["step"] / entry["rate"]) for entry in entries[-2:])
    return float((last - first) / (after - before))  # rates count from the start: step / rate is the time in their unit


def _released(repeats: int) -> float:
    """Seconds a cube: plain distortions of a batch, then an eager step with all threads."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    step, reference = make_step(PLAIN, WIDTH, (SIDE,) * 3, CUBES), Reference(0)
    x = np.random.default_rng(0).random((1, *(SIDE,) * 3), np.float32)
    step()
    times = [seconds(lambda: [reference.mixture(x) for _ in range(CUBES)]) + seconds(step) for _ in range(repeats)]
    return statistics.median(times) / CUBES
