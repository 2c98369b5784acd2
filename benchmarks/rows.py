"""Rows of the table of speed: what was measured, what was asked for, and what limits it."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measurement.

    Args:
        what: that was measured.
        value: to be judged, in `unit`.
        unit: "x" for a ratio of two things timed in turns, "cubes/s", "s", "MB".
        detail: the absolute figures behind it.
        limit: what keeps it from being better.
        must, goal: the values asked for; None: only reported.
        less: whether less is better.
    """

    what: str
    value: float
    unit: str
    detail: str
    limit: str
    must: float | None = None
    goal: float | None = None
    less: bool = False

    @property
    def verdict(self) -> str:
        """Which of the values asked for is reached."""
        for name, wanted in (("goal", self.goal), ("must", self.must)):
            if wanted is not None and (self.value <= wanted if self.less else self.value >= wanted):
                return name
        return "reported" if self.must is None else "below"

    def cells(self) -> list[str]:
        """As in the table: what, value, must, goal, verdict, detail."""
        wanted = ["-" if value is None else f"{value:g}" for value in (self.must, self.goal)]
        return [self.what, f"{self.value:.3g} {self.unit}", *wanted, self.verdict, self.detail]


def seconds(call: Callable[[], Any]) -> float:
    """Duration of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def turns(calls: Mapping[str, Callable[[], Any]], repeats: int, warm: bool = True) -> dict[str, float]:
    """Median seconds of each call; they take turns, so that whatever else the machine does meets them alike."""
    if warm:
        for call in calls.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return {name: statistics.median(found) for name, found in times.items()}


def milliseconds(value: float) -> str:
    """With three digits."""
    return f"{1e3 * value:.3g} ms"


def name_of(weights: Path) -> str:
    """What to call a file of weights: its name, or that of the run folder it lies in."""
    return weights.parent.name if weights.stem == "weights" else weights.stem
