"""One arm against another in one cell, from their runs over seeds: means, difference, tests, effect sizes, misses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelsgenesis.evaluate.cells import Cell, Runs, cells, defined, scores, seeds, subject_differences
from modelsgenesis.evaluate.effects import Effects, effects
from modelsgenesis.evaluate.resampling import Resampled, resampled
from modelsgenesis.evaluate.results import Result
from modelsgenesis.evaluate.significance import (
    OVER_BOTH,
    OVER_CASES,
    OVER_SEEDS,
    PAPERS,
    WELCH,
    PValue,
    over_both,
    over_cases,
    over_cases_together,
    paired_over_seeds,
    two_sample,
)
from modelsgenesis.evaluate.statistics import LEVEL, RESAMPLES, over_seeds
from modelsgenesis.evaluate.uncertainty import Estimate, difference_estimate, mean_estimate


@dataclass(frozen=True)
class ArmSummary:
    """What an arm reached in a cell.

    Args:
        arm: its name.
        seeds: of its runs, in order.
        scores: of each of them.
        deviation: sample standard deviation of the scores (the papers' "±"); NaN for one run.
        mean: mean score with its confidence interval over seeds and subjects.
        missed: structures of which nothing was found, summed over the runs.
        structures: structures that are there, summed over the runs; 0 for classes.
        subjects: test subjects.
    """

    arm: str
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    deviation: float
    mean: Estimate
    missed: int
    structures: int
    subjects: int


@dataclass(frozen=True)
class ArmComparison:
    """An arm against a reference in one cell.

    Args:
        cell: target, backbone, fraction and metric.
        arm, reference: what each reached.
        difference: arm minus reference, with its interval over seeds and subjects.
        paired: whether both have the same seeds; if not, seeds count as independent in `difference`.
        tests: by name: "papers" (independent two-sample t-test), "welch", "seeds" (paired t-test), "cases" (paired,
            over subjects), "both" (over seeds and subjects: the one that decides).
        adjusted: the same p-values after Holm's correction over the family; NaN where undefined, empty before.
        effects: effect sizes.
    """

    cell: Cell
    arm: ArmSummary
    reference: ArmSummary
    difference: Estimate
    paired: bool
    tests: Mapping[str, PValue]
    effects: Effects
    adjusted: Mapping[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """ "better", "worse" or "undecided" by the corrected test over seeds and subjects; "untested" without its p."""
        return self.decide()

    def decide(self, test: str = OVER_BOTH, alpha: float = 1 - LEVEL) -> str:
        """The outcome by another test or threshold; p as it is where no correction was made."""
        p = self.adjusted.get(test, self.tests[test].p)
        if math.isnan(p):
            return "untested"
        if p >= alpha:
            return "undecided"
        return "better" if self.difference.value > 0 else "worse"


def compare(
    arm: tuple[Result, ...], reference: tuple[Result, ...], *, seed: int = 0, resamples: int = RESAMPLES
) -> ArmComparison:
    """Compare the runs of two arms that have target, backbone, fraction and metric in common.

    Args:
        arm, reference: finished runs; each seed once in an arm.
        seed: of the resampling.
        resamples: how often to resample the test subjects.

    Raises:
        UsageError: a seed comes twice in an arm.
        ValueError: the runs are not of two arms in one cell.
    """
    found = cells((*arm, *reference))
    if len(found) != 1 or len(next(iter(found.values()))) != 2:
        raise ValueError("compare takes the runs of two arms with target, backbone, fraction and metric in common")
    ((cell, arms),) = found.items()
    return CellTable(cell, arms, seed=seed, resamples=resamples).compare(arm[0].arm, reference[0].arm)


class CellTable:
    """All arms of a cell on the same resampled subjects, so that the resampling is done once."""

    def __init__(self, cell: Cell, arms: Mapping[str, Runs], *, seed: int = 0, resamples: int = RESAMPLES) -> None:
        """Args: `arms`, name -> runs; `seed` and `resamples`, of the resampling."""
        self.cell = cell
        self.all = dict(arms)
        self.arms = {name: defined(runs) for name, runs in arms.items()}
        runs = [run for of_arm in self.arms.values() for run in of_arm]
        self._drawn = resampled(runs, seed=seed, resamples=resamples)
        ends = [sum(len(of_arm) for of_arm in list(self.arms.values())[: k + 1]) for k in range(len(self.arms))]
        self._columns = {n: range(end - len(self.arms[n]), end) for n, end in zip(self.arms, ends, strict=True)}

    def drawn(self, arm: str) -> Resampled:
        """Scores of the arm's runs on the resampled subjects."""
        return self._drawn.of(self._columns[arm])

    def summary(self, arm: str) -> ArmSummary:
        """What an arm reached."""
        runs = self.arms[arm]
        outcomes = [run.outcomes for run in runs]
        missed = sum(counts.get("missed", 0) for counts in outcomes)
        return ArmSummary(
            arm,
            seeds(runs),
            tuple(run.score for run in runs),
            over_seeds([run.score for run in runs]).deviation if runs else math.nan,
            mean_estimate(runs, self.drawn(arm)),
            missed,
            missed + sum(counts.get("found", 0) for counts in outcomes),
            len({case.subject for run in runs for case in run.cases.values()}),
        )

    def compare(self, arm: str, reference: str) -> ArmComparison:
        """One arm against another."""
        ours, theirs = self.arms[arm], self.arms[reference]
        drawn, other = self.drawn(arm), self.drawn(reference)
        difference = difference_estimate(ours, theirs, drawn, other)
        apart = subject_differences(ours, theirs)
        tests = {
            PAPERS: two_sample(scores(ours), scores(theirs)),
            WELCH: two_sample(scores(ours), scores(theirs), equal_variance=False),
            OVER_SEEDS: paired_over_seeds(ours, theirs),
            OVER_CASES: over_cases(apart) if len(apart) else over_cases_together(ours, theirs, drawn, other),
            OVER_BOTH: over_both(difference, len(ours) + len(theirs)),
        }
        return ArmComparison(
            self.cell,
            self.summary(arm),
            self.summary(reference),
            difference,
            seeds(ours) == seeds(theirs),
            tests,
            effects(scores(ours), scores(theirs), apart),
        )
