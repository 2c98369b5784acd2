"""How long commands take to say what they do: `python -m benchmarks startup`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row, turns


def rows(_folder: Path, repeats: int) -> Iterator[Row]:
    """`genesis --help`, and the help of a command that trains."""

    def command(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "modelsgenesis", *words], check=True, capture_output=True)

    times = turns({name: lambda name=name: command(*name.split(), "--help") for name in ("", "pretrain")}, repeats)
    limit = "the interpreter's start"
    yield Row("genesis --help", times[""], "s", "with the interpreter's start", limit, must=0.5, goal=0.3, less=True)
    yield Row("genesis pretrain --help", times["pretrain"], "s", "", "importing torch and Lightning Fabric", less=True)
