"""The whole comparison on a rented GPU, a stretch at a time: `python -m benchmarks.campaign WORK OUT`.

Goes on with the benchmark in WORK for some minutes and writes what it has, runs and weights, to OUT as groups of pieces
(`benchmarks.pieces`). Where WORK is not there, on another machine, it is put together first, from the `--pieces` named,
else from OUT; weights of a pre-training that are named later are added to it. Phantoms and stores do not travel, for
they are made again alike; neither do checkpoints, so a training that a change of machine interrupts begins anew. On
one machine the same command goes on where it stopped.

All of it takes under 9 minutes: 7 of work, 1 for jobs under way to save their state, half a one to end it, and packing.
Exit status: 0 when every run is finished; 75 when time is up and the same command goes on; else the benchmark's own.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pieces import PRETRAINING, RUNS, groups, pack, unpack
from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.reading import BENCHMARK, FAILURES
from modelsgenesis.files import read_json
from modelsgenesis.run import Run

AGAIN = 75
"""Exit status when time is up (EX_TEMPFAIL)."""
SAVING, ENDING = 60.0, 30.0
"""Seconds for jobs under way to save their state; for the benchmark to end itself before it is killed."""
COMMAND = (sys.executable, "-m", "modelsgenesis", "benchmark")


def main(arguments: Sequence[str] | None = None) -> int:
    """One stretch; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pieces", type=Path, help="of an earlier stretch on another machine")
    parser.add_argument("--plan", default="phantom-full-gpu")
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--processes", type=int, default=9, help="one for each set of phantoms, by default")
    given, more = parser.parse_known_args(arguments)
    limit = time.monotonic() + given.minutes * 60 + SAVING
    try:
        bring([given.pieces, given.out] if given.pieces else [given.out], given.work)
    except GenesisError as error:
        print(f"campaign: {error}", file=sys.stderr)
        return error.exit_code
    stretch = ["--stop-after", str(given.minutes), "--processes", str(given.processes), *more]
    status = _run([*COMMAND, given.plan, "--out", str(given.work), *stretch], limit)
    if (given.work / BENCHMARK).is_file():
        pack(given.work, given.out, carried=given.pieces)
        return _told(given.work, status)
    return AGAIN if status is None else status


def bring(places: Sequence[Path], work: Path) -> None:
    """Put together in `work` what it lacks: all that is there where `work` is not, else weights of pre-trainings.

    A group comes from the first of `places` that has it. Whole or not at all, if this is killed.

    Raises GenesisError when pieces are damaged, or there are weights and no runs.
    """
    found = {name: group for place in reversed(places) for name, group in groups(place).items()}
    fresh, partial = not work.exists(), work.with_name(f".{work.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if fresh and found:
        if RUNS not in found:
            raise GenesisError(f"{places[0]}: holds weights and no runs; bring the group {RUNS} too")
        unpack(found[RUNS], partial)
    for name, group in found.items():
        inside = Path("pretraining", name.removeprefix(PRETRAINING))
        run = Run((partial if fresh else work) / inside)
        if name != RUNS and run.finished and not run.weights.is_file():
            unpack(group, partial)
            if not fresh:
                (partial / inside / run.weights.name).replace(run.weights)
    if partial.exists() and fresh:
        partial.rename(work)
    shutil.rmtree(partial, ignore_errors=True)


def _run(command: Sequence[str], limit: float) -> int | None:
    """The exit status of `command`; None when it had to be ended after `limit` on the monotonic clock."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
        return None


def _told(work: Path, status: int | None) -> int:
    """Say in a line how far the benchmark in `work` is, whose own exit status is given; the status of this command."""
    cells = read_json(work / BENCHMARK)["cells"]
    done = sum(Run(work / cell["run"]).finished for cell in cells)
    lost = len(read_json(work / FAILURES)) if (work / FAILURES).is_file() else 0
    if status is None or (status == 0 and done < len(cells)):
        status, rest = AGAIN, "time is up; the same command goes on, elsewhere with these pieces"
    else:
        rest = "it is complete" if status == 0 else f"the benchmark ended with {status}; mend what it says above first"
    failed = f", {lost} jobs failed or could not be run" if lost else ""
    print(f"campaign: {done} of {len(cells)} runs are finished{failed}; {rest}")
    return status


if __name__ == "__main__":
    sys.exit(main())
