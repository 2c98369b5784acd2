"""Tests of one arm against another: the papers', and paired ones over seeds and over test subjects.

What the data leave undefined is NaN with a reason: never an exception, and never a p of 0 or 1 by default.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from modelsgenesis.evaluate.cells import Runs, scores
from modelsgenesis.evaluate.resampling import Resampled
from modelsgenesis.evaluate.statistics import Values
from modelsgenesis.evaluate.uncertainty import Estimate, flat

PAPERS = "papers"
WELCH = "welch"
OVER_SEEDS = "seeds"
OVER_CASES = "cases"
OVER_BOTH = "both"
TESTS = (PAPERS, WELCH, OVER_SEEDS, OVER_CASES, OVER_BOTH)


@dataclass(frozen=True)
class PValue:
    """A two-sided test of "no difference".

    Args:
        p: in [0, 1]; NaN where undefined.
        statistic: t, or for the signed-rank test the smaller sum of ranks; positive t favours the arm.
        count: what was compared: runs, seeds in common, or test subjects.
        name: of the test.
        reason: why p is NaN, or what it leaves out; "" otherwise.
    """

    p: float
    statistic: float
    count: int
    name: str
    reason: str = ""

    @property
    def is_defined(self) -> bool:
        """Whether there is a p."""
        return not math.isnan(self.p)


def two_sample(arm: Values, reference: Values, *, equal_variance: bool = True) -> PValue:
    """Independent two-sample t-test over runs; the papers' with `equal_variance`, else Welch's."""
    name = "independent two-sample t-test" if equal_variance else "Welch's t-test"
    count = len(arm) + len(reference)
    if min(len(arm), len(reference)) < 2:
        return _undefined(name, count, "fewer than two seeds in one arm")
    if flat(arm) and flat(reference):
        return _undefined(name, count, "no spread over seeds in either arm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "nearly identical", when one of the arms has no spread
        found = stats.ttest_ind(arm, reference, equal_var=equal_variance)
    return PValue(float(found.pvalue), float(found.statistic), count, name)


def paired_over_seeds(arm: Runs, reference: Runs) -> PValue:
    """Paired t-test over the seeds that both arms have."""
    ours = {run.seed: run.score for run in arm}
    theirs = {run.seed: run.score for run in reference}
    common = sorted(ours.keys() & theirs.keys())
    differences = np.array([ours[seed] - theirs[seed] for seed in common], dtype=np.float64)
    name = "paired t-test over seeds"
    if len(common) < 2:
        return _undefined(name, len(common), "fewer than two seeds in common")
    if flat(differences):
        return _undefined(name, len(common), _no_spread(differences, "seeds"))
    found = stats.ttest_1samp(differences, 0.0)
    return PValue(float(found.pvalue), float(found.statistic), len(common), name)


def over_cases(differences: Values) -> PValue:
    """Wilcoxon's signed-rank test over subjects, from `subject_differences`; equal subjects keep their rank (Pratt)."""
    name = "Wilcoxon signed-rank test over subjects"
    if len(differences) < 2:
        return _undefined(name, len(differences), "fewer than two test subjects with a score in both arms")
    if flat(np.append(differences, 0.0)):
        return _undefined(name, len(differences), _no_spread(differences, "subjects"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "sample too small for the normal approximation", in some versions of scipy
        found = stats.wilcoxon(differences, zero_method="pratt")
    return PValue(float(found.pvalue), float(found.statistic), len(differences), name)


def over_cases_together(arm: Runs, reference: Runs, of_arm: Resampled, of_reference: Resampled) -> PValue:
    """Paired bootstrap test over subjects, for scores that only all cases together have (AUC).

    The difference of the mean AUC over seeds, by its standard deviation when subjects are resampled with both arms'
    predictions, against Student's t. Swapping the arms' predictions would test more than AUC: an arm that is as good
    but gives other probabilities would differ.
    """
    name = "paired bootstrap test over subjects"
    if of_arm.reason or not (arm and reference):
        return _undefined(name, of_arm.subjects, of_arm.reason or "no run with a score in one arm")
    drawn = of_arm.scores.mean(axis=1) - of_reference.scores.mean(axis=1)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2 or of_arm.independent < 2:
        return _undefined(name, of_arm.subjects, "fewer than two test subjects of one class")
    if flat(drawn):
        return _undefined(name, of_arm.subjects, _no_spread(drawn, "subjects"))
    error = float(drawn.std(ddof=1)) * math.sqrt(of_arm.subjects / (of_arm.subjects - 1))
    statistic = float(scores(arm).mean() - scores(reference).mean()) / error
    return PValue(_two_sided(statistic, of_arm.independent - 1), statistic, of_arm.subjects, name)


def over_both(difference: Estimate, count: int) -> PValue:
    """Whether the interval of a difference over seeds and subjects excludes 0: p < 0.05 exactly where it does.

    Without seeds, or without subjects that can be resampled, it is undefined: a test over the other alone would be one
    of those above.
    """
    name = "t-test over seeds and subjects"
    if len(difference.over) < 2:
        return _undefined(name, count, difference.reason)
    if not difference.error:
        return _undefined(name, count, _no_spread(np.array([difference.value]), "seeds and subjects"))
    statistic = difference.value / difference.error
    return PValue(_two_sided(statistic, difference.freedom), statistic, count, name)


def _two_sided(statistic: float, freedom: float) -> float:
    return float(2 * stats.t.sf(abs(statistic), freedom))


def _undefined(name: str, count: int, reason: str) -> PValue:
    return PValue(math.nan, math.nan, count, name, reason)


def _no_spread(differences: Values, over: str) -> str:
    if flat(np.append(differences, 0.0)):
        return "both arms have the same scores"
    return f"the same difference on all {over}: no spread to compare it with"
