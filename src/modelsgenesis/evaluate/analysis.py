"""All statistics of a comparison in one call, and what they come to for each arm: numbers and outcomes, no words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelsgenesis.evaluate.comparison import ArmComparison, CellTable
from modelsgenesis.evaluate.convergence import Goal, Speed, speed
from modelsgenesis.evaluate.efficiency import Curve, LabelsNeeded, by_target, curves, labels_needed
from modelsgenesis.evaluate.family import Row, against_reference, cell_tables, one_network_each, row
from modelsgenesis.evaluate.results import Comparison
from modelsgenesis.evaluate.statistics import RESAMPLES


@dataclass(frozen=True)
class Tally:
    """Comparisons of one arm with the reference by outcome, at one number of labels; see `ArmComparison.outcome`."""

    fraction: float
    better: tuple[ArmComparison, ...]
    worse: tuple[ArmComparison, ...]
    undecided: tuple[ArmComparison, ...]
    untested: tuple[ArmComparison, ...]


@dataclass(frozen=True)
class Verdict:
    """What a comparison says of one arm, on the targets of which neither arm saw test or validation data before.

    Args:
        arm, reference: names.
        backbone: name of the network, where a target was run with several; else "": all targets.
        tallies: by rising fraction.
        most: target -> the largest fraction at which it was compared.
        labels: of each target where the curve allows it.
        speeds: of each target at its largest fraction.
        missed, reference_missed: structures missed by each, and
        structures, reference_structures: of how many, over all targets, each at its largest fraction.
    """

    arm: str
    reference: str
    backbone: str
    tallies: tuple[Tally, ...]
    most: Mapping[str, float]
    labels: tuple[LabelsNeeded, ...]
    speeds: tuple[Speed, ...]
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
        verdicts: of each arm; of each arm and network where a target was run with several.
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
    family: Sequence[str] | None = None,
    goal: Goal = "final",
) -> Analysis:
    """Everything that can be said of the runs of a comparison; the same seed gives the same numbers.

    Args:
        comparison: finished runs and the name of the reference.
        seed: of all resampling.
        resamples: how often test subjects are resampled.
        family: what the comparisons of a family of Holm's correction have in common; None: see `usual_family`.
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
        _verdicts(comparison, compared, needed, speeds),
    )


def _verdicts(
    comparison: Comparison, compared: Sequence[ArmComparison], needed: Sequence[LabelsNeeded], speeds: Sequence[Speed]
) -> tuple[Verdict, ...]:
    """What the comparisons that are worth something come to."""
    merged = one_network_each(compared)
    sound = [one for one in compared if not comparison.spoilt(one.arm.arm, one.cell.target)]
    groups: dict[tuple[str, str], list[ArmComparison]] = {}
    for one in sound:
        groups.setdefault((one.arm.arm, "" if merged else one.cell.backbone), []).append(one)
    return tuple(_verdict(arm, backbone, ours, needed, speeds) for (arm, backbone), ours in groups.items())


def _verdict(
    arm: str, backbone: str, ours: Sequence[ArmComparison], needed: Sequence[LabelsNeeded], speeds: Sequence[Speed]
) -> Verdict:
    networks = {(one.cell.target, one.cell.backbone) for one in ours}
    most: dict[str, float] = {}
    for one in ours:
        most[one.cell.target] = max(one.cell.fraction, most.get(one.cell.target, 0.0))
    full = [one for one in ours if one.cell.fraction == most[one.cell.target]]
    cells = {one.cell for one in full}
    return Verdict(
        arm,
        ours[0].reference.arm,
        backbone,
        tuple(_tally(fraction, ours) for fraction in sorted({one.cell.fraction for one in ours})),
        most,
        tuple(one for one in needed if one.arm == arm and (one.target, one.backbone) in networks),
        tuple(one for one in speeds if one.arm == arm and one.cell in cells),
        sum(one.arm.missed for one in full),
        sum(one.arm.structures for one in full),
        sum(one.reference.missed for one in full),
        sum(one.reference.structures for one in full),
    )


def _tally(fraction: float, ours: Sequence[ArmComparison]) -> Tally:
    found: dict[str, list[ArmComparison]] = {"better": [], "worse": [], "undecided": [], "untested": []}
    for one in ours:
        if one.cell.fraction == fraction:
            found[one.outcome].append(one)
    return Tally(fraction, *(tuple(ones) for ones in found.values()))


def _others(tables: Sequence[CellTable], reference: str) -> list[str]:
    return [arm for arm in dict.fromkeys(arm for table in tables for arm in table.arms) if arm != reference]
