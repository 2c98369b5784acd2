"""Loader processes: Ctrl-C is not for them, and what goes wrong in one is told as if it had happened here."""

import signal
import threading
from collections.abc import Generator, Sequence
from multiprocessing.connection import wait
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from modelsgenesis.data.workers import deaf_to_ctrl_c, exit_cause
from modelsgenesis.errors import GenesisError

_DYING_SECONDS = 5.0
"""At most, from a broken connection to the exit code of the process at its other end."""


class LostLoaderError(GenesisError):
    """A loader process was killed or crashed; the training itself stands where it stood."""


def delivered(loader: DataLoader[Any]) -> Generator[tuple[Tensor, ...], None, None]:
    """The batches of `loader`, whose processes, if it has any, are started now and end when this is closed.

    Raises LostLoaderError when a process is lost, and only where a batch is asked for, never within a step; the
    GenesisError of an item in one line, as without processes.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGCHLD)
    with deaf_to_ctrl_c():
        batches = iter(loader)
    if in_main_thread and before is not None:  # None: not set from Python, and so not to be set back
        signal.signal(signal.SIGCHLD, before)  # PyTorch's handler would raise in the middle of a step
    return _told(batches)


def _told(batches: Any) -> Generator[tuple[Tensor, ...], None, None]:
    try:
        for batch in batches:
            yield tuple(batch)
    except GenesisError as error:
        raise type(error)(_own_message(str(error))) from error
    except (RuntimeError, OSError, EOFError) as error:
        cause = _cause_of_death(getattr(batches, "_workers", []))
        if cause is None:
            raise
        hint = {"SIGKILL": ": out of memory?", "SIGBUS": ": too little shared memory?"}.get(cause, "")
        raise LostLoaderError(f"a loader process ended ({cause}{hint}); use fewer --loop.workers") from error
    finally:
        if hasattr(batches, "_shutdown_workers"):  # else they live as long as a traceback that leads here
            batches._shutdown_workers()


def _cause_of_death(workers: Sequence[Any]) -> str | None:
    """What ended the first process that is no more; None when all are alive."""
    ending = wait([one.sentinel for one in workers], _DYING_SECONDS) if workers else []
    for one in (one for one in workers if one.sentinel in ending):
        one.join(_DYING_SECONDS)  # its connections break a moment before it has an exit code
        return exit_cause(one.exitcode)
    return None


def _own_message(told: str) -> str:
    """The message of an error that PyTorch has wrapped in the traceback of a loader process."""
    if "Original Traceback" not in told:
        return told
    return told.rstrip().splitlines()[-1].partition(": ")[2]
