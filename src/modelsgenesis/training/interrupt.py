"""Ctrl-C and SIGTERM become a flag the loop reads between steps, so that it can save first."""

import os
import signal
import threading
from types import FrameType, TracebackType

from modelsgenesis.errors import GenesisError


class InterruptedRunError(GenesisError):
    """A run was asked to stop and has saved its state."""

    exit_code = 130


class StopSignal:
    """Context in which the first SIGINT or SIGTERM sets `asked`; a second one acts as it did before.

    Args:
        said: printed to stderr at the first one, so that nobody takes the saving for a hang; empty: nothing.
    """

    def __init__(self, said: str = "") -> None:
        self.asked, self._said = False, said
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's signature
        self.asked = True
        self._restore()
        if self._said:
            os.write(2, f"\n{self._said}\n".encode())  # print is not safe in a handler

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
