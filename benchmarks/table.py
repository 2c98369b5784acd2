"""The parts of the table of speed, and the page that it becomes."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.rows import Row
from modelsgenesis.run import PACKAGES, versions

PARTS = (
    "startup",
    "mixture",
    "extraction",
    "store",
    "loader",
    "spacing",
    "norms",
    "training_step",
    "inference",
    "pretraining",
    "preparing",
    "scaling",
    "memory",
)
ONE_THREAD = ("mixture", "extraction", "store", "loader", "spacing", "norms", "inference", "preparing", "memory")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEADING = """\
# Performance

Written by `make bench`; the figures of another machine differ, the ratios should not by much.

{machine}

**Method.** Two things that are compared take turns in one process, so that whatever else the machine does meets them
alike; medians (of the mixture, whose cost depends on what is drawn, means over the same draws). Compiling and the first
calls are not counted. One thread, unless the row says otherwise. `must` and `goal` are what the project asks of itself.

| what | measured | must | goal | reached | figures |
|---|---|---|---|---|---|
{rows}

## What limits each

{limits}
"""


def part(name: str, folder: Path, repeats: int) -> list[Row]:
    """The rows of a part, in this process."""
    import torch

    torch.set_num_threads(1 if name in ONE_THREAD else len(os.sched_getaffinity(0)))
    return list(import_module(f"benchmarks.{name}").rows(folder, repeats))


def page(rows: Sequence[Row], gpu: str) -> str:
    """The document."""
    table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row.cells())} |" for row in rows)
    limits = "\n".join(f"- *{row.what}*: {row.limit}." for row in rows if row.limit)
    return HEADING.format(machine=_machine(), rows=table, limits=limits) + gpu


def _machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")),
        platform.processor(),
    )
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    flags = set(next((line.split(":")[1].split() for line in _cpuinfo().splitlines() if line.startswith("flags")), []))
    cores, able = len(os.sched_getaffinity(0)), ", ".join(flag for flag in known if flag in flags)
    used = ", ".join(f"{name} {number}" for name, number in versions(PACKAGES).items())
    place = f"{model}, {cores} logical cores, {able}; {platform.system()}, {datetime.now(UTC):%Y-%m-%d}"
    return f"**Machine.** {place}. {used}."


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.is_file() else ""
