"""The whole comparison on a lent GPU, a stretch at a time: `python -m benchmarks.campaign WORK OUT [--pieces FOLDER]`.

Goes on with the benchmark in WORK for some minutes and writes what it has, weights and logs, to OUT in pieces of less
than 16 MiB. On another machine, name the folder of these pieces: they are put together in WORK first. Phantoms and
stores do not travel, for they are made again alike; neither do checkpoints, so a training that a change of machine
interrupts begins anew. On one machine the same command goes on where it stopped.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pieces import pack, unpack


def main(arguments: Sequence[str] | None = None) -> int:
    """One stretch; the exit status of the benchmark, 0 when it is complete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pieces", type=Path, help="of an earlier stretch on another machine")
    parser.add_argument("--plan", default="phantom-full-gpu")
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--processes", type=int, default=4)
    given, more = parser.parse_known_args(arguments)
    if given.pieces and not given.work.exists():
        unpack(given.pieces, given.work)
    command = [sys.executable, "-m", "modelsgenesis", "benchmark", given.plan, "--out", str(given.work)]
    stretch = ["--stop-after", str(given.minutes), "--processes", str(given.processes), *more]
    status = subprocess.run([*command, *stretch]).returncode
    pack(given.work, given.out)
    return status


if __name__ == "__main__":
    sys.exit(main())
