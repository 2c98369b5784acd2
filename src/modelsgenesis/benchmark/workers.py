"""Worker processes that do jobs: each with its own threads, its own device and its own process group.

A worker that crashes costs its job alone. A first signal to stop reaches workers from here only, so that a training
saves its state once and is not ended by a second one meant for the terminal.
"""

import contextlib
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from modelsgenesis.benchmark.jobs import Job
from modelsgenesis.data.guarded import guarding
from modelsgenesis.data.workers import deaf_to_ctrl_c, end_with_parent, exit_cause
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import JSON

_SPAWN = multiprocessing.get_context("spawn")
GRACE = 300.0
"""Seconds that a training has to save its state when it is asked to stop."""


@dataclass(frozen=True)
class Place:
    """Where and with what a worker works.

    Args:
        folder: of the benchmark; its working directory.
        threads: of PyTorch.
        device: number of the CUDA device it sees; None leaves the choice to the settings.
    """

    folder: Path
    threads: int
    device: str | None = None


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    place: Place
    job: Job | None = None
    began: float = 0.0


class Workers:
    """A few processes, started when first needed, that do one job at a time each.

    Args:
        places: one a process.
        perform: does a job in the working directory; a module-level function.
    """

    def __init__(self, places: Sequence[Place], perform: Callable[[Job], JSON]) -> None:
        self._free_places, self._perform = list(places), perform
        self._busy: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._stopping = False

    @property
    def free(self) -> bool:
        """Whether another job can be handed out."""
        return bool(self._idle or self._free_places)

    @property
    def busy(self) -> dict[str, float]:
        """Name of each job under way -> seconds since it was handed out."""
        now = time.monotonic()
        return {worker.job.name: now - worker.began for worker in self._busy if worker.job is not None}

    def start(self, job: Job) -> None:
        """Hand out `job` to a free worker."""
        worker = self._idle.pop() if self._idle else self._started(self._free_places.pop(0))
        worker.job, worker.began = job, time.monotonic()
        self._busy.append(worker)
        with contextlib.suppress(OSError):  # it died meanwhile: its closed pipe is seen next
            worker.connection.send(job)

    def _started(self, place: Place) -> _Worker:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(theirs, place, self._perform))
        with deaf_to_ctrl_c():
            process.start()
        theirs.close()
        return _Worker(process, ours, place)

    def finished(self, seconds: float) -> list[tuple[Job, JSON]]:
        """Jobs that have come to an end within `seconds`, with `status` (finished, failed, interrupted), `seconds`, and
        `message` or what the job returned."""
        heard = wait([worker.connection for worker in self._busy], seconds)
        found = []
        for worker in [one for one in self._busy if one.connection in heard]:
            self._busy.remove(worker)
            job, outcome = worker.job, self._outcome(worker)
            outcome["seconds"] = round(time.monotonic() - worker.began, 1)
            worker.job = None
            if outcome["status"] == "finished" and not self._stopping:
                self._idle.append(worker)
            else:  # whatever it left behind in the process must not meet the next job
                self._ended(worker)
            if job is not None:
                found.append((job, outcome))
        return found

    def _outcome(self, worker: _Worker) -> JSON:
        try:
            outcome: JSON = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(10)
            if self._stopping:
                return {"status": "interrupted", "message": "stopped"}
            cause = exit_cause(worker.process.exitcode)
            hint = "; out of memory? use fewer --processes" if cause == "SIGKILL" else ""
            return {"status": "failed", "message": f"its process ended ({cause}){hint}"}
        return outcome

    def _ended(self, worker: _Worker) -> None:
        _end(worker)
        self._free_places.append(worker.place)

    def stop(self) -> None:
        """Ask every worker to save what it does and end; `finished` then tells of them."""
        self._stopping = True
        for worker in self._busy:
            if worker.process.is_alive():
                worker.process.terminate()

    def close(self) -> None:
        """End all workers: idle ones by themselves, busy ones at once."""
        for worker in self._busy:
            worker.process.kill()
        for worker in self._busy + self._idle:
            _end(worker)
        self._busy, self._idle = [], []


def _end(worker: _Worker) -> None:
    """Let a worker that waits for a job end by itself, which gives back its semaphores; else kill it."""
    worker.connection.close()
    worker.process.join(10)
    worker.process.kill()
    worker.process.join()


def log_of(folder: Path, name: str) -> Path:
    """Where the output of a job goes."""
    return folder / "logs" / f"{name.replace('/', '__')}.log"


def _work(connection: Connection, place: Place, perform: Callable[[Job], JSON]) -> None:
    """The life of a worker: jobs until the pipe closes."""
    os.setsid()
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.chdir(place.folder)
    _limit_threads(place.threads)
    if place.device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = place.device
    with guarding():
        while True:
            try:
                job: Job = connection.recv()
            except EOFError:
                return
            connection.send(_done(job, perform))


def _done(job: Job, perform: Callable[[Job], JSON]) -> JSON:
    with _logged(log_of(Path(), job.name)):
        try:
            return {"status": "finished", **perform(job)}
        except GenesisError as error:
            print(f"genesis: error: {error}", file=sys.stderr)
            status = "interrupted" if error.exit_code == 130 else "failed"
            return {"status": status, "message": str(error).replace(f"{Path.cwd()}/", "")}  # the folder may be moved
        except Exception as error:  # a fault of one job, whatever it is, must not cost the others
            traceback.print_exc()
            shown = " ".join(str(error).split())[:300]
            return {"status": "failed", "message": f"unexpected {type(error).__name__}: {shown}"}


def _limit_threads(threads: int) -> None:
    """PyTorch asks the environment when it is imported; where the main module has done so, it is told."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send what the job prints, also from C++ and child processes, to the end of the file `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for number in (1, 2):
            os.dup2(log, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)
        os.close(log)
