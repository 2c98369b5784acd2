"""The progress of a benchmark in one line: jobs done, failed, time left, what is under way."""

import math
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from modelsgenesis.progress import spoken

_TERMINAL, _PIPE = 1.0, 30.0


class Meter:
    """Shows a line that renews itself on a terminal; a new one every half minute otherwise.

    Args:
        total: jobs in all.
    """

    def __init__(self, total: int) -> None:
        self._total, self._width = total, 0
        self._terminal = sys.stderr.isatty()
        self._shown = -math.inf

    def __enter__(self) -> "Meter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    @property
    def due(self) -> bool:
        """Whether it is time for another line."""
        return time.monotonic() - self._shown >= (_TERMINAL if self._terminal else _PIPE)

    def show(self, done: int, seconds_left: float, failed: int, busy: Sequence[str]) -> None:
        """Show where things stand; `seconds_left` NaN: unknown."""
        self._shown = time.monotonic()
        parts = [f"benchmark: {done}/{self._total} jobs", *([f"{failed} failed or not run"] if failed else [])]
        parts.append("time left unknown yet" if math.isnan(seconds_left) else f"about {spoken(seconds_left)} left")
        line = ", ".join(parts) + (f"; now {', '.join(busy)}" if busy else "")
        if not self._terminal:
            print(line, file=sys.stderr, flush=True)
            return
        self._clear()
        self._width = len(line)
        print(line[:200], end="\r", file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        """Print a line of its own."""
        self._clear()
        print(message, file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._terminal and self._width:
            print(" " * min(self._width, 200), end="\r", file=sys.stderr, flush=True)
            self._width = 0
