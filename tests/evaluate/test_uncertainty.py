"""Errors over seeds and subjects: against two-way clustered formulas, a plain crossed bootstrap, and the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from modelsgenesis.evaluate.cells import Runs, scores
from modelsgenesis.evaluate.resampling import resampled
from modelsgenesis.evaluate.uncertainty import Estimate, combination, difference_estimate, mean_estimate
from tests.evaluate.simulated_runs import Spreads, names, segmented, segmented_pair


def difference(arm: Runs, reference: Runs, resamples: int = 300) -> Estimate:
    table = resampled((*arm, *reference), resamples=resamples)
    columns = range(len(arm)), range(len(arm), len(arm) + len(reference))
    return difference_estimate(arm, reference, table.of(columns[0]), table.of(columns[1]))


def matrix(runs: Runs) -> np.ndarray:
    return np.array([[case.score for case in run.cases.values()] for run in runs])


def crossed_bootstrap(difference: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Means of (runs, subjects) differences when runs and subjects are both drawn: slow and obvious."""
    runs, subjects = difference.shape
    return np.array(
        [difference[rng.integers(0, runs, runs)][:, rng.integers(0, subjects, subjects)].mean() for _ in range(draws)]
    )


def test_error_is_that_of_two_way_clusters() -> None:
    spreads = Spreads(pair=0.02, seed=0.08, arm_subject=0.1, chance=0.05)
    ours, theirs = segmented_pair(np.random.default_rng(0), spreads, runs=4, subjects=12, per_subject=1)
    apart = matrix(ours) - matrix(theirs)
    residual = apart - apart.mean(axis=0) - apart.mean(axis=1, keepdims=True) + apart.mean()
    of_seeds = apart.mean(axis=1).var(ddof=1) / 4
    of_subjects = apart.mean(axis=0).var(ddof=1) / 12
    of_both = (residual**2).sum() / (3 * 11) / (4 * 12)
    found = difference(ours, theirs, resamples=20_000)
    assert found.value == pytest.approx(apart.mean())
    assert found.error**2 == pytest.approx(of_seeds + of_subjects - of_both, rel=0.05)
    freedom = (of_seeds + of_subjects - of_both) ** 2 / (of_seeds**2 / 3 + of_subjects**2 / 11)
    assert found.freedom == pytest.approx(freedom, rel=0.05)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, found.freedom) * found.error)
    assert (found.over, found.reason) == (("seeds", "subjects"), "")


def test_error_is_that_of_a_crossed_bootstrap_with_many_of_both() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = segmented_pair(rng, Spreads(seed=0.01, arm_subject=0.06), runs=30, subjects=60, per_subject=1)
    drawn = crossed_bootstrap(matrix(ours) - matrix(theirs), rng, 3000)
    assert difference(ours, theirs, 3000).error == pytest.approx(drawn.std(), rel=0.08)


def test_common_chance_of_a_seed_cancels_when_seeds_match() -> None:
    rng = np.random.default_rng(2)
    ours, theirs = segmented_pair(rng, Spreads(pair=0.1, seed=0.005), runs=6)
    shifted = segmented(matrix(theirs), names(20, 2), arm="scratch", seeds=[6, 7, 8, 9, 10, 11])
    assert difference(ours, shifted).error > 5 * difference(ours, theirs).error
    welch = stats.ttest_ind(scores(ours), scores(shifted), equal_var=False).confidence_interval(0.95)
    found = difference(ours, shifted)
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high), abs=0.01)


@pytest.mark.parametrize(
    "spreads",
    [Spreads(seed=0.03), Spreads(arm_subject=0.08), Spreads(seed=0.02, arm_subject=0.05, chance=0.03)],
    ids=["seeds", "subjects", "both"],
)
def test_coverage_with_three_seeds(spreads: Spreads) -> None:
    rng = np.random.default_rng(3)
    found = [difference(*segmented_pair(rng, spreads, runs=3, effect=0.02), 150) for _ in range(250)]
    covered = np.mean([one.low <= 0.02 <= one.high for one in found])
    assert 0.91 < covered < 0.985


def test_percentiles_of_a_crossed_bootstrap_would_be_too_narrow_with_three_seeds() -> None:
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(100):
        ours, theirs = segmented_pair(rng, Spreads(seed=0.03), runs=3, per_subject=1)
        drawn = crossed_bootstrap(matrix(ours) - matrix(theirs), rng, 100)
        low, high = np.quantile(drawn, [0.025, 0.975])
        covered.append(low <= 0 <= high)
    assert np.mean(covered) < 0.85


def test_cases_of_a_subject_do_not_count_as_many() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(60):
        ours, theirs = segmented_pair(rng, Spreads(arm_subject=0.05, case=0.0), runs=2, subjects=10, per_subject=8)
        found.append(difference(ours, theirs, 200).error)
    assert np.mean(found) == pytest.approx(0.05 * math.sqrt(2 / 10), rel=0.1)


def test_one_seed_leaves_subjects_and_one_subject_leaves_seeds() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(6), Spreads(seed=0.02), runs=1)
    found = difference(ours, theirs)
    assert found.over == ("subjects",)
    assert found.low < found.value < found.high
    assert "one seed" in found.reason
    ours, theirs = segmented_pair(np.random.default_rng(7), Spreads(seed=0.02), subjects=1)
    found = difference(ours, theirs)
    t = stats.ttest_rel(scores(ours), scores(theirs)).confidence_interval(0.95)
    assert found.over == ("seeds",)
    assert (found.low, found.high) == pytest.approx((t.low, t.high))
    assert "one test subject" in found.reason


def test_nothing_to_go_by_is_no_interval() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(8), Spreads(), runs=1, subjects=1)
    found = difference(ours, theirs)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.over == ()
    assert "one seed" in found.reason
    assert "one test subject" in found.reason
    assert math.isnan(mean_estimate((), resampled(())).value)


def test_the_same_runs_differ_by_nothing() -> None:
    ours, _ = segmented_pair(np.random.default_rng(9), Spreads(seed=0.02))
    found = difference(ours, ours)
    assert (found.value, found.low, found.high, found.error) == (0, 0, 0, 0)


def test_other_test_subjects_are_not_resampled_together() -> None:
    rng = np.random.default_rng(10)
    first, second = segmented(rng.random((3, 4)), list("abcd")), segmented(rng.random((3, 4)), list("abce"))
    found = combination([(1.0, first, resampled(first)), (-1.0, second, resampled(second))])
    assert found.over == ("seeds",)
    assert "other test subjects" in found.reason
