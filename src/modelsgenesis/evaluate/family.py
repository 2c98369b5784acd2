"""All arms against the reference, Holm's correction over declared families, and the best arm of each row.

A family is what one claim is made of. By default the claim is "this arm helps", made once for an arm and number of
labels over all targets: the family is then the comparisons of that arm with the reference over the targets. Networks
are claims of their own where a target was run with several of them, see `usual_family`. A reader who looks for any star
in a whole table makes another claim: `family=()` corrects over all comparisons at once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelsgenesis.evaluate.cells import Cell, cells, scores
from modelsgenesis.evaluate.comparison import ArmComparison, ArmSummary, CellTable
from modelsgenesis.evaluate.results import Comparison
from modelsgenesis.evaluate.significance import TESTS, PValue, two_sample
from modelsgenesis.evaluate.statistics import LEVEL, RESAMPLES

KEYS: dict[str, Callable[[ArmComparison], object]] = {
    "arm": lambda one: one.arm.arm,
    "backbone": lambda one: one.cell.backbone,
    "fraction": lambda one: one.cell.fraction,
    "target": lambda one: one.cell.target,
}
"""What comparisons of one family may have in common."""


@dataclass(frozen=True)
class Row:
    """The arms of a cell side by side, as a row of the papers' table.

    Args:
        cell: target, backbone, fraction and metric.
        arms: every arm with a score, in the order of the comparison.
        best: the arm of the highest mean; "" when no arm has a score.
        tests: every other arm -> the papers' t-test against the best.
        not_below: arms that are not significantly below the best (the papers' dagger); an undefined test gives none.
    """

    cell: Cell
    arms: tuple[ArmSummary, ...]
    best: str
    tests: dict[str, PValue]
    not_below: tuple[str, ...]


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction of one family; an undefined p stays NaN and does not count towards the family."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)[: int(np.count_nonzero(~np.isnan(values)))]  # NaN is sorted to the end
    steps = values[order] * np.arange(len(order), 0, -1)
    corrected = np.full(len(values), math.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(value) for value in corrected]


def cell_tables(comparison: Comparison, *, seed: int = 0, resamples: int = RESAMPLES) -> list[CellTable]:
    """The arms of each cell with their resampled scores, from which all else is taken.

    Raises:
        UsageError: a seed comes twice in an arm of a cell.
    """
    found = cells(comparison.results)
    return [CellTable(cell, arms, seed=seed, resamples=resamples) for cell, arms in found.items()]


def against_reference(
    tables: Sequence[CellTable], reference: str, family: Sequence[str] | None = None
) -> tuple[ArmComparison, ...]:
    """Every arm against the reference in every cell that has both, with corrected p-values.

    Args:
        tables: from `cell_tables`.
        reference: name of the arm that others are compared with.
        family: what the comparisons of one family have in common, of `KEYS`; () makes all of them one family, None
            takes the usual one.
    """
    found = [
        table.compare(arm, reference)
        for table in tables
        for arm in table.arms
        if reference in table.arms and arm != reference
    ]
    return correct(found, family)


def one_network_each(found: Sequence[ArmComparison]) -> bool:
    """Whether no target was run with several networks: then the network says no more than the target does."""
    return len({one.cell.target for one in found}) == len({(one.cell.target, one.cell.backbone) for one in found})


def usual_family(found: Sequence[ArmComparison]) -> tuple[str, ...]:
    """Arm and number of labels; and the network, where some target was run with several."""
    return ("arm", "fraction") if one_network_each(found) else ("arm", "backbone", "fraction")


def correct(found: Sequence[ArmComparison], family: Sequence[str] | None = None) -> tuple[ArmComparison, ...]:
    """Fill `adjusted` of each comparison, test by test within each family; None takes `usual_family`."""
    keys = usual_family(found) if family is None else family
    members: dict[tuple[object, ...], list[int]] = {}
    for index, one in enumerate(found):
        members.setdefault(tuple(KEYS[key](one) for key in keys), []).append(index)
    corrected = list(found)
    for indices in members.values():
        columns = {test: holm([found[index].tests[test].p for index in indices]) for test in TESTS}
        for position, index in enumerate(indices):
            adjusted = {test: column[position] for test, column in columns.items()}
            corrected[index] = replace(found[index], adjusted=adjusted)
    return tuple(corrected)


def row(table: CellTable, alpha: float = 1 - LEVEL) -> Row:
    """The best arm of a cell and those not significantly below it, by the papers' test without correction."""
    runs = {arm: of_arm for arm, of_arm in table.arms.items() if of_arm}
    best = max(runs, key=lambda arm: float(scores(runs[arm]).mean()), default="")
    tests = {arm: two_sample(scores(runs[arm]), scores(runs[best])) for arm in runs if arm != best}
    equal = tuple(arm for arm, test in tests.items() if test.is_defined and test.p >= alpha)
    return Row(table.cell, tuple(table.summary(arm) for arm in runs), best, tests, equal)
