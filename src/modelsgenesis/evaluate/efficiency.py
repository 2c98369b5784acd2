"""Label efficiency: scores against the number of labels, and how many of them an arm needs for the reference's best.

The curve of an arm is made monotone (isotonic regression, weighted by the number of runs: more labels do not harm), and
read linearly in the logarithm of the share of labels. Nothing is extrapolated beyond the shares that were tried.

The interval holds the shares at which the curve does not differ from the goal: the difference has an error over seeds
and subjects everywhere on the curve, and a share is out where its interval excludes 0. Percentiles of resampled shares
would miss the truth in half of the cases with two seeds, and in a quarter with three.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelsgenesis.evaluate.cells import scores
from modelsgenesis.evaluate.comparison import ArmSummary, CellTable
from modelsgenesis.evaluate.monotone import isotonic, share_needed
from modelsgenesis.evaluate.statistics import LEVEL, Values
from modelsgenesis.evaluate.uncertainty import Estimate, combination

REACHED = "reached"
FEWER = "fewer"
NOT_REACHED = "not reached"
UNDEFINED = "undefined"

GRID = 8
"""Places from one number of labels to the next at which the error of the curve is computed; it bends little."""


@dataclass(frozen=True)
class Point:
    """An arm at one number of labels.

    Args:
        fraction: share of the training subjects, as in the plan.
        share: the same counted in subjects, where the runs tell it: 2 of 15 is 0.133 and not 0.1.
        subjects: training subjects, mean over runs; 0 when unknown.
        reached: mean, deviation and interval.
    """

    fraction: float
    share: float
    subjects: float
    reached: ArmSummary


@dataclass(frozen=True)
class Curve:
    """Scores of an arm against the number of labels, in rising order."""

    target: str
    backbone: str
    metric: str
    arm: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class LabelsNeeded:
    """Labels with which an arm reaches what the reference reaches with all of them.

    Args:
        target, backbone, metric, arm, reference: what is compared.
        goal: mean score of the reference with all labels.
        outcome: "reached"; "fewer": the smallest share tried is already enough; "not reached" with all labels tried;
            "undefined", see `reason`.
        share: of all labels, in (0, 1]; the smallest share tried for "fewer" (an upper bound); infinite for
            "not reached".
        low, high: confidence limits of `share` over seeds and subjects: 0 stands for fewer than the smallest share
            tried, infinity for not reached; NaN without an interval.
        subjects: training subjects of that share; NaN when unknown, infinite for "not reached".
        saved: 1 - share as a percentage; -infinity for "not reached".
        saved_low, saved_high: its limits; 100 and -infinity as 0 and infinity above.
        over: what the interval accounts for: "seeds", "subjects", both or neither.
        reason: why it is undefined, or why there is no interval; "" otherwise.
    """

    target: str
    backbone: str
    metric: str
    arm: str
    reference: str
    goal: float
    outcome: str
    share: float
    low: float
    high: float
    subjects: float
    saved: float
    saved_low: float
    saved_high: float
    over: tuple[str, ...]
    reason: str = ""


def curves(tables: Sequence[CellTable]) -> tuple[Curve, ...]:
    """The curve of every arm of every target and backbone, also where only one number of labels was tried."""
    found = []
    for group in by_target(tables):
        first = group[0].cell
        for arm in dict.fromkeys(arm for table in group for arm in table.arms):
            points = _points(group, arm)
            if points:
                found.append(Curve(first.target, first.backbone, first.metric, arm, points))
    return tuple(found)


def by_target(tables: Sequence[CellTable]) -> list[list[CellTable]]:
    """Cells that differ in the number of labels alone, by rising fraction."""
    groups: dict[tuple[str, str, str], list[CellTable]] = {}
    for table in sorted(tables, key=lambda table: table.cell.fraction):
        groups.setdefault((table.cell.target, table.cell.backbone, table.cell.metric), []).append(table)
    order = list(dict.fromkeys((table.cell.target, table.cell.backbone, table.cell.metric) for table in tables))
    return [groups[key] for key in order]


def labels_needed(group: Sequence[CellTable], arm: str, reference: str, level: float = LEVEL) -> LabelsNeeded:
    """How many labels `arm` needs for the mean score that `reference` reaches with all of them.

    Args:
        group: cells of one target, backbone and metric, from `by_target`.
        arm, reference: names; the same name reads the reference's own curve.
        level: coverage of the interval, in (0, 1).
    """
    first = group[0].cell
    key = (first.target, first.backbone, first.metric, arm, reference)
    ours = [table for table in group if table.arms.get(arm)]
    full = [table for table in group if table.cell.fraction == 1 and table.arms.get(reference)]
    goal = float(scores(full[0].arms[reference]).mean()) if full else math.nan
    reason = _lacking(arm, reference, len(ours), bool(full))
    if reason:
        return _needed(key, goal, math.nan, math.nan, Estimate(math.nan, reason=reason))
    points = _points(ours, arm)
    shares = np.array([point.share for point in points])
    means = np.array([point.reached.mean.value for point in points])
    curve = isotonic(means, np.array([len(table.arms[arm]) for table in ours]))
    share = share_needed(shares, curve, goal)
    found = _limits(ours, full[0], (arm, reference), shares, curve - goal, level)
    per_share = points[-1].subjects / points[-1].share if points[-1].subjects else math.nan
    return _needed(key, goal, share, float(shares[0]), replace(found, value=share), per_share)


def _points(group: Sequence[CellTable], arm: str) -> tuple[Point, ...]:
    present = [table for table in group if table.arms.get(arm)]
    counts = [float(np.mean([run.training_subjects for run in table.arms[arm]])) for table in present]
    every = [
        run.training_subjects
        for table in group
        if table.cell.fraction == 1
        for runs in table.arms.values()
        for run in runs
    ]
    whole = float(np.mean(every)) if every else 0.0
    known = whole > 0 and all(counts) and all(np.diff(counts) > 0)
    return tuple(
        Point(table.cell.fraction, count / whole if known else table.cell.fraction, count, table.summary(arm))
        for table, count in zip(present, counts, strict=True)
    )


def _lacking(arm: str, reference: str, points: int, whole: bool) -> str:
    if not whole:
        return f"{reference} was not run with all labels"
    if points < 2:
        return f"{arm} has scores at fewer than two numbers of labels: no curve"
    return ""


def _limits(
    ours: Sequence[CellTable], full: CellTable, names: tuple[str, str], shares: Values, above: Values, level: float
) -> Estimate:
    """The shares at which `above`, the arm's curve minus the goal, is within its error of 0.

    `low` is the first of them, 0 when that is the smallest share tried; `high` the last, infinite when the largest is
    one of them. Below and above them the curve is surely short of the goal, and surely past it.
    """
    arm, reference = names
    goal = (-1.0, full.arms[reference], full.drawn(reference))
    places = np.append(np.arange(0, len(ours) - 1, 1 / GRID), len(ours) - 1)
    found = []
    for place in places:
        knot, part = int(place), float(place % 1)
        weighted = [(1 - part, ours[knot])] + ([(part, ours[knot + 1])] if part else [])
        parts = [(weight, table.arms[arm], table.drawn(arm)) for weight, table in weighted]
        found.append(combination([*parts, goal], level))
    # An interval is over what all of the curve knows: errors that leave out seeds here and not there do not compare.
    least = min(found, key=lambda one: len(one.over))
    if not least.over or any(one.over != least.over for one in found):
        return Estimate(math.nan, reason=least.reason)
    halves = [(one.high - one.low) / 2 for one in found]
    knots = np.arange(len(ours))
    logs, middle = np.interp(places, knots, np.log(shares)), np.interp(places, knots, above)
    can_be, not_yet = np.flatnonzero(middle + halves >= 0), np.flatnonzero(middle - halves < 0)
    low = math.inf if not len(can_be) else _root(logs, middle + halves, can_be[0] - 1)
    high = 0.0 if not len(not_yet) else _root(logs, middle - halves, not_yet[-1])
    return replace(least, low=low, high=high)


def _root(logs: Values, values: Values, before: int) -> float:
    """Where `values` pass 0 between the places `before` and `before + 1`; 0 and infinity outside the places."""
    if before < 0:
        return 0.0
    if before + 1 >= len(logs):
        return math.inf
    part = -values[before] / (values[before + 1] - values[before])
    return float(np.exp(logs[before] + part * (logs[before + 1] - logs[before])))


def _needed(
    key: tuple[str, str, str, str, str],
    goal: float,
    share: float,
    smallest: float,
    found: Estimate,
    per_share: float = math.nan,
) -> LabelsNeeded:
    outcome = REACHED
    if math.isnan(share):
        outcome = UNDEFINED
    elif share == 0:
        share, outcome = smallest, FEWER
    elif math.isinf(share):
        outcome = NOT_REACHED
    saved, saved_low, saved_high = (100 * (1 - value) for value in (share, found.high, found.low))
    return LabelsNeeded(
        *key,
        goal,
        outcome,
        share,
        found.low,
        found.high,
        share * per_share,
        saved,
        saved_low,
        saved_high,
        found.over,
        found.reason,
    )
