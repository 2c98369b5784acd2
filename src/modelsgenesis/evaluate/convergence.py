"""Convergence: the steps in which an arm reaches the validation score that the reference ends with.

The curve of an arm is the mean over its runs of each run's best validation score so far, held after the run has
stopped, since that is the network which early stopping keeps. Steps are those at which a validation took place: nothing
is interpolated between them, and nothing extrapolated beyond the last.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from modelsgenesis.evaluate.cells import Cell, Runs
from modelsgenesis.evaluate.comparison import CellTable
from modelsgenesis.evaluate.draws import Limits, draw_seeds, limits, mean_of_drawn
from modelsgenesis.evaluate.statistics import Values

Goal = Literal["final", "best"]

REACHED = "reached"
NOT_REACHED = "not reached"
UNDEFINED = "undefined"

NOT_YET = -1e9
"""The best score of a run before its first validation; finite, for runs that were not drawn count 0 times it."""


@dataclass(frozen=True)
class Speed:
    """Steps of an arm until the validation score that the reference ends with.

    Args:
        cell: target, backbone, fraction and metric.
        arm, reference: names.
        monitor: name of the validation score.
        goal: the score to reach: mean over the reference's runs of the last ("final") or the best validation score.
        outcome: "reached", "not reached" in the steps trained, or "undefined", see `reason`.
        steps: of the arm; infinite when not reached, NaN when undefined.
        reference_steps: of the reference until the same score.
        ratio: steps / reference_steps; under 1 is faster.
        low, high: confidence limits of `ratio` over seeds; infinity stands for not reached; NaN without an interval.
        seeds: validated runs of the arm or of the reference, whichever are fewer.
        reason: why it is undefined, or why there is no interval; "" otherwise.
    """

    cell: Cell
    arm: str
    reference: str
    monitor: str
    goal: float
    outcome: str
    steps: float
    reference_steps: float
    ratio: float
    low: float
    high: float
    seeds: int
    reason: str = ""


def speed(table: CellTable, arm: str, reference: str, *, goal: Goal = "final", seed: int = 0) -> Speed:
    """How fast `arm` is at the score that `reference` ends with.

    Args:
        table: a cell that has both.
        arm, reference: names of arms.
        goal: which score of the reference; "best" is what early stopping keeps, which the reference itself reaches
            only when its last run has improved for the last time.
        seed: of the drawing of seeds.
    """
    ours, theirs = (_with_curve(table.all[name]) for name in (arm, reference))
    reason = _lacking(arm, ours, reference, theirs)
    if reason:
        monitor = next((run.monitor for run in (*ours, *theirs)), "")
        nothing = Limits(math.nan, math.nan, math.nan, reason)
        return _speed(table.cell, arm, reference, monitor, 0, math.nan, math.nan, math.nan, nothing)
    steps = np.array(sorted({step for run in (*ours, *theirs) for step, _ in run.curve}), dtype=np.int64)
    our_best, their_best = best_so_far(ours, steps), best_so_far(theirs, steps)
    ends = np.array([run.curve[-1][1] for run in theirs]) if goal == "final" else their_best[-1]
    target = float(ends.mean())
    taken = float(first_reached(steps, our_best.mean(axis=1)[:, None], np.array([target]))[0])
    needed = float(first_reached(steps, their_best.mean(axis=1)[:, None], np.array([target]))[0])
    found = Limits(_ratio(taken, needed), math.nan, math.nan, "one seed in an arm: no interval")
    fewest = min(len(ours), len(theirs))
    if fewest > 1:
        drawn = draw_seeds([ours, theirs], seed)
        goals = mean_of_drawn(theirs, ends[None], drawn)[0]
        repeated = [
            first_reached(steps, mean_of_drawn(runs, curve, drawn), goals)
            for runs, curve in ((ours, our_best), (theirs, their_best))
        ]
        ratios = np.array([_ratio(a, b) for a, b in zip(*repeated, strict=True)])
        found = limits(_ratio(taken, needed), ratios)
    return _speed(table.cell, arm, reference, theirs[0].monitor, fewest, target, taken, needed, found)


def best_so_far(runs: Runs, steps: npt.NDArray[np.int64]) -> Values:
    """(steps, runs) the best score until each step; `NOT_YET` before a run has one."""
    columns = []
    for run in runs:
        at = np.array([step for step, _ in run.curve])
        best = np.maximum.accumulate(np.array([score for _, score in run.curve], dtype=np.float64))
        columns.append(np.append(NOT_YET, best)[np.searchsorted(at, steps, side="right")])
    return np.stack(columns, axis=1)


def first_reached(steps: npt.NDArray[np.int64], curves: Values, goals: Values) -> Values:
    """For each column of `curves` (steps, N) the first step at which it is at its goal; infinity where it never is."""
    enough = curves >= goals - 1e-12
    found = np.where(enough.any(axis=0), steps[np.argmax(enough, axis=0)].astype(np.float64), math.inf)
    return np.where(np.isnan(curves).any(axis=0) | np.isnan(goals), math.nan, found)


def _with_curve(runs: Runs) -> Runs:
    """Runs that were validated, on numbers."""
    return tuple(run for run in runs if run.curve and not any(math.isnan(score) for _, score in run.curve))


def _lacking(arm: str, ours: Runs, reference: str, theirs: Runs) -> str:
    for name, runs in ((arm, ours), (reference, theirs)):
        if not runs:
            return f"{name} has no validation scores"
    monitors = sorted({run.monitor for run in (*ours, *theirs)})
    return "" if len(monitors) == 1 else f"validated by different scores: {', '.join(monitors)}"


def _ratio(steps: float, reference: float) -> float:
    if math.isnan(steps) or math.isnan(reference) or not reference or math.isinf(reference):
        return math.nan
    return steps / reference


def _speed(
    cell: Cell,
    arm: str,
    reference: str,
    monitor: str,
    fewest: int,
    goal: float,
    steps: float,
    reference_steps: float,
    found: Limits,
) -> Speed:
    outcome = UNDEFINED if math.isnan(steps) else NOT_REACHED if math.isinf(steps) else REACHED
    reason = found.reason
    if reference_steps == 0:
        reason = f"{reference} is there before its first step: no ratio"
    return Speed(
        cell,
        arm,
        reference,
        monitor,
        goal,
        outcome,
        steps,
        reference_steps,
        found.value,
        found.low,
        found.high,
        fewest,
        reason,
    )
