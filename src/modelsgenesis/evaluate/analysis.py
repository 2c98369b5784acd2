"""All statistics of a comparison in one call, and what they come to for each arm: numbers and outcomes, no words."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from modelsgenesis.evaluate.comparison import ArmComparison, CellTable
from modelsgenesis.evaluate.convergence import Goal, Speed, speed
from modelsgenesis.evaluate.efficiency import Curve, LabelsNeeded, by_target, curves, labels_needed
from modelsgenesis.evaluate.family import FAMILY, Row, against_reference, cell_tables, row
from modelsgenesis.evaluate.resampling import RESAMPLES
from modelsgenesis.evaluate.results import Comparison


@dataclass(frozen=True)
class Tally:
    """Targets by outcome of one arm against the reference, at one number of labels; see `ArmComparison.outcome`."""

    fraction: float
    better: tuple[str, ...]
    worse: tuple[str, ...]
    undecided: tuple[str, ...]
    untested: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a comparison says of one arm with one backbone.

    Args:
        arm, reference, backbone: names.
        tallies: by rising fraction.
        labels: of each target where the curve allows it.
        median_saved: labels saved in %, median over targets where it is known (an even number: the lower of the two in
            the middle); "fewer" counts at its bound and "not reached" below every number; NaN without such a target,
            -infinity when the arm does not reach the goal on most.
        speeds: of each target at the largest fraction.
        median_ratio: steps relative to the reference, median over targets likewise (the higher of two); infinity when
            the goal is not reached on most.
        missed, reference_missed: structures missed by each, and
        structures, reference_structures: of how many, over all targets and fractions.
    """

    arm: str
    reference: str
    backbone: str
    tallies: tuple[Tally, ...]
    labels: tuple[LabelsNeeded, ...]
    median_saved: float
    speeds: tuple[Speed, ...]
    median_ratio: float
    missed: int
    structures: int
    reference_missed: int
    reference_structures: int


@dataclass(frozen=True)
class Analysis:
    """All statistics of a comparison.

    Args:
        comparisons: every arm against the reference in every cell, corrected.
        rows: every cell with its best arm.
        curves: every arm's scores against the number of labels.
        labels: labels needed by every arm but the reference, of targets with several numbers of labels.
        speeds: convergence of every arm but the reference in every cell.
        verdicts: an arm and backbone each.
    """

    comparisons: tuple[ArmComparison, ...]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    labels: tuple[LabelsNeeded, ...]
    speeds: tuple[Speed, ...]
    verdicts: tuple[Verdict, ...]


def analyse(
    comparison: Comparison,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    family: Sequence[str] = FAMILY,
    goal: Goal = "final",
) -> Analysis:
    """Everything that can be said of the runs of a comparison; the same seed gives the same numbers.

    Args:
        comparison: finished runs and the name of the reference.
        seed: of all resampling.
        resamples: how often test subjects are resampled.
        family: what the comparisons of a family of Holm's correction have in common; see `family`.
        goal: the validation score of the reference for the speed of convergence.

    Raises:
        UsageError: a seed comes twice in an arm of a cell.
    """
    tables = cell_tables(comparison, seed=seed, resamples=resamples)
    reference = comparison.reference
    compared = against_reference(tables, reference, family)
    needed = [
        labels_needed(group, arm, reference)
        for group in by_target(tables)
        if len(group) > 1
        for arm in _others(group, reference)
    ]
    speeds = [
        speed(table, arm, reference, goal=goal, seed=seed)
        for table in tables
        if reference in table.arms
        for arm in _others([table], reference)
    ]
    return Analysis(
        compared,
        tuple(row(table) for table in tables),
        curves(tables),
        tuple(needed),
        tuple(speeds),
        verdicts(compared, needed, speeds),
    )


def verdicts(
    compared: Sequence[ArmComparison], needed: Sequence[LabelsNeeded], speeds: Sequence[Speed]
) -> tuple[Verdict, ...]:
    """A verdict for each arm and backbone among the comparisons with the reference."""
    keys = dict.fromkeys((one.arm.arm, one.reference.arm, one.cell.backbone) for one in compared)
    return tuple(_verdict(key, compared, needed, speeds) for key in keys)


def _verdict(
    key: tuple[str, str, str],
    compared: Sequence[ArmComparison],
    needed: Sequence[LabelsNeeded],
    speeds: Sequence[Speed],
) -> Verdict:
    ours = [one for one in compared if (one.arm.arm, one.reference.arm, one.cell.backbone) == key]
    labels = tuple(one for one in needed if (one.arm, one.reference, one.backbone) == key)
    fast = [one for one in speeds if (one.arm, one.reference, one.cell.backbone) == key]
    largest = {one.cell.target: max(o.cell.fraction for o in fast if o.cell.target == one.cell.target) for one in fast}
    fast = [one for one in fast if one.cell.fraction == largest[one.cell.target]]
    saved = [one.saved for one in labels if not math.isnan(one.saved)]
    ratios = [one.ratio for one in fast if not math.isnan(one.ratio)]
    return Verdict(
        *key,
        tuple(_tally(fraction, ours) for fraction in sorted({one.cell.fraction for one in ours})),
        labels,
        statistics.median_low(saved) if saved else math.nan,
        tuple(fast),
        statistics.median_high(ratios) if ratios else math.nan,
        sum(one.arm.missed for one in ours),
        sum(one.arm.structures for one in ours),
        sum(one.reference.missed for one in ours),
        sum(one.reference.structures for one in ours),
    )


def _tally(fraction: float, ours: Sequence[ArmComparison]) -> Tally:
    targets: dict[str, list[str]] = {"better": [], "worse": [], "undecided": [], "untested": []}
    for one in ours:
        if one.cell.fraction == fraction:
            targets[one.outcome].append(one.cell.target)
    return Tally(fraction, *(tuple(names) for names in targets.values()))


def _others(tables: Sequence[CellTable], reference: str) -> list[str]:
    return [arm for arm in dict.fromkeys(arm for table in tables for arm in table.arms) if arm != reference]
