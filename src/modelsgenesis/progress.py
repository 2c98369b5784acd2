"""Progress of long jobs: a bar with rate and time left on a terminal, plain lines otherwise."""

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts finished units of a job; on a pipe it prints a line at most every `every` seconds.

    Args:
        total: units in all.
        label: what is going on.
        unit: name of the unit, plural ("cubes", "scans").
        start: units done before this process began (a resumed job).
    """

    def __init__(self, total: int, label: str, unit: str, start: int = 0, every: float = 30.0) -> None:
        self._bar = tqdm(
            total=total, initial=start, desc=label, unit=f" {unit}", dynamic_ncols=True, disable=not sys.stderr.isatty()
        )
        self._plain = not sys.stderr.isatty()
        self._label, self._unit, self._total, self._every = label, unit, total, every
        self._done, self._first, self._note = start, start, ""
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._plain:
            self._line()
        self._bar.close()

    @property
    def rate(self) -> float:
        """Units a second since this process began."""
        return (self._done - self._first) / max(time.monotonic() - self._began, 1e-9)

    def advance(self, units: int = 1, note: str = "") -> None:
        """`units` more are done; `note` is shown behind the bar."""
        self._done += units
        self._note = note or self._note
        self._bar.update(units)
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        if self._plain and time.monotonic() - self._printed > self._every:
            self._line()

    def say(self, message: str) -> None:
        """Print a line without breaking the bar."""
        tqdm.write(message, file=sys.stderr)

    def _line(self) -> None:
        self._printed = time.monotonic()
        left = (self._total - self._done) / self.rate if self.rate > 0 else float("inf")
        tail = f", {self._note}" if self._note else ""
        timing = f"{self.rate:.1f} {self._unit}/s, {left:.0f} s left"
        print(f"{self._label}: {self._done}/{self._total} {self._unit}, {timing}{tail}", file=sys.stderr, flush=True)
