"""Worker processes for jobs that may crash or hang: each failure is laid at the door of its own job.

A pool that breaks as a whole cannot say which file crashed a C++ reader. Here every worker has a pipe of its own and
one job at a time, so a dead or overdue worker names its job, is replaced, and the others go on.
"""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from modelsgenesis.errors import GenesisError

Job = TypeVar("Job")
Result = TypeVar("Result")

_START_SECONDS = 300.0
_BLOCK = 2**20

_SPAWN = multiprocessing.get_context("spawn")  # TensorStore's threads do not survive a fork


@dataclass(frozen=True)
class Lost:
    """What is left of a job whose worker crashed, hung or ran out of memory.

    Args:
        reason: what happened, for the list of rejections.
        retry: whether it may do better alone, with the memory for itself.
    """

    reason: str
    retry: bool


@dataclass
class _Worker(Generic[Job]):
    process: SpawnProcess
    connection: Connection
    job: Job
    deadline: float
    ready: bool = False

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def run_jobs(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int, seconds: float
) -> Iterator[tuple[Job, Result | Lost]]:
    """Run `function` on every job in worker processes; yields (job, result) as they finish, in any order.

    No more than `workers` jobs are taken from `jobs` ahead of their results. Workers end with the generator, and with
    this process, however it ends.

    Args:
        function: a module-level function; an exception it raises becomes a `Lost`.
        jobs: what to run it on.
        workers: processes at a time.
        seconds: a job that takes longer is killed.

    Raises:
        GenesisError: when workers cannot be started at all.
    """
    waiting = iter(jobs)
    busy: list[_Worker[Job]] = []
    idle: list[_Worker[Job]] = []
    try:
        while True:
            while len(busy) < workers and (job := next(waiting, None)) is not None:
                busy.append(_hand_out(function, job, idle, seconds))
            if not busy:
                return
            for worker in _finished(busy):
                outcome = _outcome(worker, seconds)
                if outcome is None:
                    continue
                busy.remove(worker)
                if worker.process.is_alive():
                    idle.append(worker)
                yield worker.job, outcome[0]
    finally:
        for worker in busy + idle:
            worker.end()


def _hand_out(function: Callable[[Job], Any], job: Job, idle: list[_Worker[Job]], seconds: float) -> _Worker[Job]:
    if idle:
        worker = idle.pop()
        worker.job, worker.deadline = job, time.monotonic() + seconds
    else:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(theirs, function), daemon=True)
        with deaf_to_ctrl_c():
            process.start()
        theirs.close()
        worker = _Worker(process, ours, job, time.monotonic() + _START_SECONDS)
    with suppress(OSError):  # it died while idle or starting: its closed pipe is seen next
        worker.connection.send(job)
    return worker


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started in the block never hear Ctrl-C, not even while they come up: it is for this process alone.

    One that comes meanwhile is heard when the block ends.
    """
    resource_tracker.ensure_running()  # started in the block, it would lift what the block holds back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _finished(busy: list[_Worker[Job]]) -> list[_Worker[Job]]:
    """The workers that have something to say, have died, or are overdue."""
    patience = max(min(worker.deadline for worker in busy) - time.monotonic(), 0)
    heard = wait([worker.connection for worker in busy], patience)
    now = time.monotonic()
    return [worker for worker in busy if worker.connection in heard or worker.deadline <= now]


def _outcome(worker: _Worker[Job], seconds: float) -> tuple[Any] | None:
    """The result of a worker's job in a tuple; None when it has only come up."""
    try:
        if not worker.connection.poll():
            worker.end()
            return (Lost(f"took longer than {seconds:.0f} seconds", retry=False),)
        result = _receive(worker.connection)
    except (EOFError, OSError):
        worker.end()
        if not worker.ready:
            raise GenesisError(
                "worker processes cannot start; run from a file guarded by __name__ == '__main__'"
            ) from None
        return (Lost(f"the reader crashed ({exit_cause(worker.process.exitcode)})", retry=True),)
    if not worker.ready:
        worker.ready, worker.deadline = True, time.monotonic() + seconds  # starting up is not the job's fault
        return None
    return (result,)


def exit_cause(code: int | None) -> str:
    """The exit code of a process in words: the name of the signal that ended it, if one did."""
    try:
        return signal.Signals(-(code or 0)).name
    except ValueError:
        return f"exit code {code}"


def _work(connection: Connection, function: Callable[[Any], Any]) -> None:
    """The life of a worker: announce itself, then answer jobs until the pipe closes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    _send(connection, None)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            result = function(job)
        except MemoryError:
            result = Lost("out of memory", retry=True)
        except Exception as error:  # whatever a library raises on a damaged file must not stop the other jobs
            result = Lost(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", retry=False)
        _send(connection, result)


def _send(connection: Connection, result: Any) -> None:
    """Send any value; the voxels of arrays go through the pipe as they are, several times as fast as pickled."""
    voxels: list[pickle.PickleBuffer] = []
    rest = pickle.dumps(result, protocol=5, buffer_callback=voxels.append)
    connection.send((rest, [one.raw().nbytes for one in voxels]))
    for one in voxels:
        left = one.raw()
        while left:
            left = left[os.write(connection.fileno(), left[:_BLOCK]) :]


def _receive(connection: Connection) -> Any:
    """What `_send` sent; EOFError when the sender died meanwhile."""
    import numpy as np

    rest, sizes = connection.recv()
    voxels = [np.empty(size, np.uint8) for size in sizes]
    for one in voxels:
        left = one.data
        while left:
            count = os.readv(connection.fileno(), [left])
            if count == 0:
                raise EOFError
            left = left[count:]
    return pickle.loads(rest, buffers=voxels)


def end_with_parent() -> None:
    """In a thread of a worker: end the process when the one that started it does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
