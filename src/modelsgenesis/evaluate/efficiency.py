"""Label efficiency: scores against the number of labels, and how many of them an arm needs for the reference's best.

The curve of an arm is made monotone (isotonic regression, weighted by the number of runs: more labels do not harm), and
read linearly in the logarithm of the share of labels. Nothing is extrapolated beyond the shares that were tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelsgenesis.evaluate.cells import Runs, Values, scores
from modelsgenesis.evaluate.comparison import ArmSummary, CellTable
from modelsgenesis.evaluate.draws import Limits, draw_seeds, limits, mean_of_drawn
from modelsgenesis.evaluate.monotone import shares_needed

REACHED = "reached"
FEWER = "fewer"
NOT_REACHED = "not reached"
UNDEFINED = "undefined"


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
        outcomes: share of resamples of each outcome.
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
    outcomes: dict[str, float]
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


def labels_needed(group: Sequence[CellTable], arm: str, reference: str, *, seed: int = 0) -> LabelsNeeded:
    """How many labels `arm` needs for the mean score that `reference` reaches with all of them.

    Args:
        group: cells of one target, backbone and metric, from `by_target`.
        arm, reference: names; the same name reads the reference's own curve.
        seed: of the drawing of seeds.
    """
    first = group[0].cell
    ours = [table for table in group if table.arms.get(arm)]
    full = [table for table in group if table.cell.fraction == 1 and table.arms.get(reference)]
    lacking = _lacking(arm, reference, len(ours), bool(full))
    goal = float(scores(full[0].arms[reference]).mean()) if full else math.nan
    if lacking:
        found = Limits(math.nan, math.nan, math.nan, {}, (), lacking)
        return _needed((first.target, first.backbone, first.metric, arm, reference), goal, found, math.nan, math.nan)
    points = _points(ours, arm)
    shares = np.array([point.share for point in points])
    weights = np.array([len(table.arms[arm]) for table in ours], dtype=np.float64)
    means = np.array([point.reached.mean.value for point in points])
    value = float(shares_needed(shares, means[None], np.array([goal]), weights)[0])
    runs = [*(table.arms[arm] for table in ours), full[0].arms[reference]]
    tables = [*(table.drawn(arm).scores for table in ours), full[0].drawn(reference).scores]
    drawn, over, reason = _drawn_means(runs, tables, seed)
    repeated = shares_needed(shares, drawn[:, :-1], drawn[:, -1], weights)
    found = limits(value, repeated, over, reason)
    per_share = points[-1].subjects / points[-1].share if points[-1].subjects else math.nan
    key = (first.target, first.backbone, first.metric, arm, reference)
    return _needed(key, goal, found, float(shares[0]), per_share)


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


def _drawn_means(runs: Sequence[Runs], tables: Sequence[Values], seed: int) -> tuple[Values, tuple[str, ...], str]:
    """(draws, points): mean scores when seeds and test subjects are drawn, and what could be drawn."""
    whole = all(len(table) for table in tables)
    same = len({frozenset(case.subject for run in of_arm for case in run.cases.values()) for of_arm in runs}) == 1
    several = min(len(of_arm) for of_arm in runs) > 1
    over = tuple(name for name, can in (("seeds", several), ("subjects", whole and same)) if can)
    if not over:
        return np.empty((0, len(runs))), (), "one seed, and no test subjects that could be resampled"
    drawn = draw_seeds(runs, len(tables[0]) if "subjects" in over else 0, seed) if several else None
    columns = []
    for index, of_arm in enumerate(runs):
        table = tables[index] if "subjects" in over else None
        columns.append(mean_of_drawn(of_arm, table, drawn))
    reason = "" if len(over) == 2 else "over seeds only" if several else "over test subjects only: one seed"
    return np.stack(columns, axis=1), over, reason


def _needed(
    key: tuple[str, str, str, str, str], goal: float, found: Limits, smallest: float, per_share: float
) -> LabelsNeeded:
    share, outcome = found.value, REACHED
    if math.isnan(share):
        outcome = UNDEFINED
    elif share == 0:
        share, outcome = smallest, FEWER
    elif math.isinf(share):
        outcome = NOT_REACHED
    saved, saved_low, saved_high = (100 * (1 - value) for value in (share, found.high, found.low))
    names = {"below": FEWER, "inside": REACHED, "above": NOT_REACHED}
    outcomes = {names[name]: part for name, part in found.parts.items()}
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
        outcomes,
        found.over,
        found.reason,
    )
