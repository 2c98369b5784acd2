"""Progress of long jobs: a bar with rate and time left on a terminal, plain lines otherwise."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def first_process() -> bool:
    """Whether this is the first of the processes that train together, the one that speaks for all.

    Launchers number them in the environment, before any library knows of the others.
    """
    return not any(int(os.environ.get(name) or 0) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def tell(*lines: str) -> None:
    """Print lines about a job, on the standard error output, in the first process alone."""
    for line in lines if first_process() else ():
        print(line, file=sys.stderr, flush=True)


def spoken(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.1f} days"


def counted(things: Sequence[T], label: str, unit: str) -> Iterator[T]:
    """`things`, one a unit of a part of a job, under a bar that is gone afterwards."""
    with Progress(len(things), label, unit, part=True) as progress:
        yield from progress.over(things, 1)


class Progress:
    """Counts finished units of a job; on a pipe it prints a line at most every `every` seconds.

    Args:
        total: units in all.
        label: what is going on.
        unit: name of the unit, plural ("cubes", "scans").
        start: units done before this process began (a resumed job).
        every: seconds.
        part: of another job, which goes on: a bar that is gone afterwards, on a pipe no line at the end.

    Of the processes that train together only the first shows anything.
    """

    def __init__(
        self, total: int, label: str, unit: str, start: int = 0, every: float = 30.0, part: bool = False
    ) -> None:
        self._plain = first_process() and not sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            initial=start,
            desc=label,
            unit=f" {unit}",
            dynamic_ncols=True,
            leave=not part,
            disable=not (first_process() and sys.stderr.isatty()),
        )
        self._part = part
        self._label, self._unit, self._total, self._every = label, unit, total, every
        self._done, self._first, self._note = start, start, ""
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._plain and not self._part:
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

    def over(self, batches: Iterable[T], units: int) -> Iterator[T]:
        """`batches`, of which each counts `units` when it has been dealt with."""
        for batch in batches:
            yield batch
            self.advance(units)

    def say(self, message: str) -> None:
        """Print a line without breaking the bar; nothing for ""."""
        if message and first_process():
            tqdm.write(message, file=sys.stderr)

    def _line(self) -> None:
        self._printed = time.monotonic()
        left = spoken((self._total - self._done) / self.rate) if self.rate > 0 else "unknown time"
        tail = f", {self._note}" if self._note else ""
        timing = f"{self.rate:.1f} {self._unit}/s, {left} left"
        print(f"{self._label}: {self._done}/{self._total} {self._unit}, {timing}{tail}", file=sys.stderr, flush=True)
