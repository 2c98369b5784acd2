"""Tests against statsmodels, exhaustive permutations, and data in which nothing differs."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm, rankdata, t
from statsmodels.stats import weightstats

from modelsgenesis.evaluate.cells import Runs, subject_differences
from modelsgenesis.evaluate.classification import auc
from modelsgenesis.evaluate.comparison import compare
from modelsgenesis.evaluate.resampling import resampled
from modelsgenesis.evaluate.significance import over_cases, over_cases_together, paired_over_seeds, two_sample
from tests.evaluate.simulated_runs import Spreads, classified_pair, segmented, segmented_pair

SEEDS_AND_SUBJECTS = Spreads(pair=0.02, seed=0.04, arm_subject=0.09, chance=0.02)


def sign_flips(differences: np.ndarray) -> float:
    """Exact two-sided p of |sum| over all 2^n signs."""
    signs = np.array(list(itertools.product((-1, 1), repeat=len(differences))))
    sums = np.abs((signs * differences).sum(axis=1))
    return float((sums >= abs(differences.sum()) - 1e-12).mean())


@pytest.mark.parametrize(("equal", "method"), [(True, "pooled"), (False, "unequal")])
def test_two_sample_t_is_that_of_statsmodels(equal: bool, method: str) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.8, 0.02, 10), rng.normal(0.78, 0.05, 7)
    statistic, p, _ = weightstats.ttest_ind(ours, theirs, usevar=method)
    found = two_sample(ours, theirs, equal_variance=equal)
    assert (found.p, found.statistic, found.count) == (pytest.approx(p), pytest.approx(statistic), 17)


def test_paired_t_is_over_the_seeds_in_common() -> None:
    rng = np.random.default_rng(1)
    ours = segmented(rng.random((5, 1)), ["a"], seeds=[0, 1, 2, 3, 8])
    theirs = segmented(rng.random((4, 1)), ["a"], arm="scratch", seeds=[3, 1, 2, 9])
    common = [(ours[k].score - theirs[j].score) for k, j in ((1, 1), (2, 2), (3, 0))]
    statistic, p, _ = weightstats.DescrStatsW(common).ttest_mean(0)
    found = paired_over_seeds(ours, theirs)
    assert (found.p, found.statistic, found.count) == (pytest.approx(p), pytest.approx(statistic), 3)


def test_paired_t_is_near_an_exact_permutation_test() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        ours, theirs = rng.normal(0.5, 0.05, (10, 1)), rng.normal(0.47, 0.05, (10, 1))
        found = paired_over_seeds(segmented(ours, ["a"]), segmented(theirs, ["a"], arm="scratch"))
        assert found.p == pytest.approx(sign_flips((ours - theirs)[:, 0]), abs=0.06)


def test_signed_ranks_are_an_exact_permutation_test() -> None:
    rng = np.random.default_rng(3)
    differences = rng.normal(0.05, 0.1, 9)
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    assert over_cases(differences).p == pytest.approx(sign_flips(ranks * np.sign(differences)))


def test_auc_test_is_near_one_that_swaps_the_arms_within_subjects() -> None:
    rng = np.random.default_rng(4)
    for effect in (0.0, 0.4, 0.8):
        ours, theirs = classified_pair(rng, Spreads(subject=1.0, chance=0.7), runs=2, effect=effect)
        table = resampled((*ours, *theirs), resamples=2000)
        found = over_cases_together(ours, theirs, table.of(range(2)), table.of(range(2, 4)))
        cases = list(ours[0].cases.values())
        truth = np.array([case.truth for case in cases])
        subject = np.unique([case.subject for case in cases], return_inverse=True)[1]
        of_arm, of_reference = (
            np.array([[case.probabilities[1] for case in run.cases.values()] for run in runs])
            for runs in (ours, theirs)
        )

        def difference(swapped: np.ndarray) -> float:
            first = np.where(swapped, of_reference, of_arm)  # noqa: B023
            second = np.where(swapped, of_arm, of_reference)  # noqa: B023
            return float(np.mean([auc(truth, a) - auc(truth, b) for a, b in zip(first, second, strict=True)]))  # noqa: B023

        observed = abs(difference(np.zeros(len(cases), dtype=bool)))
        draws = [abs(difference(rng.integers(0, 2, 40)[subject] == 1)) for _ in range(400)]
        assert found.p == pytest.approx(np.mean(np.array(draws) >= observed), abs=0.06)


def rejected(
    make: Callable[..., tuple[Runs, Runs]], spreads: Spreads, simulations: int, **sizes: float
) -> dict[str, float]:
    """How often each test is below 0.05."""
    rng = np.random.default_rng(5)
    found = [compare(*make(rng, spreads, **sizes), resamples=150) for _ in range(simulations)]
    return {test: float(np.mean([one.tests[test].p < 0.05 for one in found])) for test in found[0].tests}


def test_false_positives_over_seeds_and_subjects() -> None:
    """Arms differ by chance of seeds and of who is in the test set: only the test over both may be believed."""
    rate = rejected(segmented_pair, SEEDS_AND_SUBJECTS, 300)
    assert 0.02 < rate["both"] < 0.09
    assert rate["seeds"] > 0.1  # the test subjects are taken for the whole world
    assert rate["cases"] > 0.1  # the networks are taken for the only ones


def test_false_positives_when_only_seeds_matter() -> None:
    rate = rejected(segmented_pair, Spreads(seed=0.03), 250)
    assert all(0.02 < rate[test] < 0.09 for test in ("papers", "seeds", "both"))
    assert rate["welch"] < 0.09


def test_false_positives_when_only_subjects_matter() -> None:
    rate = rejected(segmented_pair, Spreads(arm_subject=0.05, case=0.05), 250)
    assert 0.02 < rate["cases"] < 0.09
    assert 0.02 < rate["both"] < 0.09


def test_false_positives_of_auc() -> None:
    """Correlated cases of a subject, seeds in pairs."""
    rate = rejected(classified_pair, Spreads(subject=0.7, arm_subject=0.7, chance=0.1, case=0.3), 200, subjects=30)
    assert 0.02 < rate["cases"] < 0.09
    assert 0.015 < rate["both"] < 0.09
    of_seeds = rejected(classified_pair, Spreads(pair=0.3, seed=0.5, subject=0.7, case=0.3), 100, subjects=60)
    assert of_seeds["both"] < 0.1


def test_pairing_of_seeds_gives_power_that_the_papers_test_lacks() -> None:
    rate = rejected(segmented_pair, Spreads(pair=0.05, seed=0.01), 60, effect=0.03)
    assert rate["both"] > 0.85
    assert rate["seeds"] > 0.85
    assert rate["papers"] < 0.5


def test_power_of_auc() -> None:
    rate = rejected(classified_pair, Spreads(seed=0.05, subject=0.7, chance=0.3, case=0.3), 60, effect=1.0)
    assert rate["cases"] > 0.9
    assert rate["both"] > 0.9


def test_what_is_undefined_has_a_reason_and_no_p() -> None:
    one, two = segmented(np.array([[0.5]]), ["a"]), segmented(np.array([[0.5], [0.6]]), ["a"], arm="scratch")
    flat = segmented(np.array([[0.7], [0.7]]), ["a"])
    undefined = [
        (two_sample(np.array([0.5]), np.array([0.4, 0.6])), "fewer than two seeds in one arm"),
        (two_sample(np.array([0.5, 0.5]), np.array([0.4, 0.4])), "no spread over seeds in either arm"),
        (paired_over_seeds(one, two), "fewer than two seeds in common"),
        (paired_over_seeds(flat, flat), "both arms have the same scores"),
        (
            paired_over_seeds(flat, segmented(np.full((2, 1), 0.1), ["a"])),
            "the same difference on all seeds: no spread",
        ),
        (over_cases(np.array([0.1])), "fewer than two test subjects"),
        (over_cases(np.zeros(5)), "both arms have the same scores"),
    ]
    for found, reason in undefined:
        assert not found.is_defined
        assert math.isnan(found.p)
        assert reason in found.reason


def test_subjects_without_a_difference_keep_their_rank() -> None:
    """Pratt's z: equal subjects are ranked with the others, then left out of the sums."""
    differences = np.concatenate([np.zeros(20), np.linspace(0.02, 0.9, 26), -np.linspace(0.01, 0.3, 14)])
    ranks = rankdata(np.abs(differences))
    less = ranks[differences < 0].sum()
    mean = (60 * 61 - 20 * 21) / 4
    variance = (60 * 61 * 121 - 20 * 21 * 41) / 24
    found = over_cases(differences)
    assert found.count == 60
    assert found.p == pytest.approx(2 * norm.sf(abs(less - mean) / math.sqrt(variance)), rel=0.02)


def test_auc_of_few_positives_has_few_degrees_of_freedom() -> None:
    ours, theirs = classified_pair(np.random.default_rng(7), Spreads(subject=0.7, arm_subject=0.7), per_subject=1)
    positives = sum(case.truth == 1 for case in ours[0].cases.values())
    found = compare(ours, theirs).tests["cases"]
    assert positives < 20
    assert found.p == pytest.approx(2 * t.sf(abs(found.statistic), positives - 1))


def test_differences_of_subjects_reach_the_test() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(6), SEEDS_AND_SUBJECTS, subjects=12)
    found = compare(ours, theirs).tests["cases"]
    assert found.count == 12
    assert found.p == over_cases(subject_differences(ours, theirs)).p
