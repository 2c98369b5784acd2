"""Two arms in a cell: everything together, and everything that may be lacking."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from modelsgenesis.evaluate.cells import Runs
from modelsgenesis.evaluate.comparison import compare
from tests.evaluate.simulated_runs import Spreads, classified_pair, segmented_pair

Maker = Callable[..., tuple[Runs, Runs]]
SPREADS = Spreads(pair=0.01, seed=0.01, arm_subject=0.02)
LOGITS = Spreads(seed=0.2, subject=0.7, arm_subject=0.3, chance=0.3, case=0.3)
MAKERS = pytest.mark.parametrize(("make", "spreads"), [(segmented_pair, SPREADS), (classified_pair, LOGITS)])


def test_means_deviations_and_difference() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(0), SPREADS, effect=0.05)
    found = compare(ours, theirs)
    scores = [run.score for run in ours]
    assert found.arm.seeds == (0, 1, 2, 3, 4)
    assert found.arm.scores == tuple(scores)
    assert found.arm.mean.value == pytest.approx(np.mean(scores))
    assert found.arm.deviation == pytest.approx(np.std(scores, ddof=1))
    assert found.arm.mean.low < found.arm.mean.value < found.arm.mean.high
    assert found.difference.value == pytest.approx(found.arm.mean.value - found.reference.mean.value)
    assert (found.arm.arm, found.reference.arm, found.arm.subjects) == ("genesis", "scratch", 20)


@MAKERS
def test_p_is_below_a_twentieth_exactly_where_the_interval_excludes_0(make: Maker, spreads: Spreads) -> None:
    rng, sides = np.random.default_rng(1), set()
    for effect in np.linspace(-1, 1, 30) * (0.03 if make is segmented_pair else 1.5):
        found = compare(*make(rng, spreads, effect=effect), resamples=100)
        excludes = found.difference.low > 0 or found.difference.high < 0
        assert (found.tests["both"].p < 0.05) == excludes
        assert found.outcome == ("undecided" if not excludes else "better" if found.difference.value > 0 else "worse")
        sides.add(found.outcome)
    assert sides == {"better", "worse", "undecided"}


def test_turned_around_everything_is_the_opposite() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(2), SPREADS, effect=0.02)
    there, back = compare(ours, theirs), compare(theirs, ours)
    assert back.difference.low == pytest.approx(-there.difference.high)
    assert back.effects.hedges_g == pytest.approx(-there.effects.hedges_g)
    for test, found in there.tests.items():
        assert back.tests[test].p == pytest.approx(found.p), test


def test_same_seed_same_numbers() -> None:
    ours, theirs = classified_pair(np.random.default_rng(3), LOGITS)
    assert compare(ours, theirs, seed=1).difference == compare(ours, theirs, seed=1).difference
    assert compare(ours, theirs, seed=1).difference != compare(ours, theirs, seed=2).difference


def test_missed_structures_are_counted_over_runs() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(4), SPREADS, runs=2)
    ours = tuple(
        replace(run, outcomes={"found": 17, "missed": missed, "absent": 4})
        for run, missed in zip(ours, (3, 1), strict=True)
    )
    found = compare(ours, theirs)
    assert (found.arm.missed, found.arm.structures) == (4, 38)
    assert (found.reference.missed, found.reference.structures) == (0, 0)


def test_one_seed_is_untested_but_has_an_interval_over_subjects() -> None:
    found = compare(*segmented_pair(np.random.default_rng(5), SPREADS, runs=1))
    assert found.outcome == "untested"
    assert math.isnan(found.arm.deviation)
    assert found.difference.over == ("subjects",)
    assert found.tests["cases"].is_defined
    for test in ("papers", "welch", "seeds", "both"):
        assert not found.tests[test].is_defined
        assert "seed" in found.tests[test].reason


def test_one_subject_has_an_interval_over_seeds_and_no_test_over_both() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(6), Spreads(seed=0.02), subjects=1)
    found = compare(ours, theirs)
    apart = [our.score - their.score for our, their in zip(ours, theirs, strict=True)]
    expected = stats.ttest_1samp(apart, 0).confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(expected))
    assert found.difference.over == ("seeds",)
    assert found.outcome == "untested"
    assert "one test subject" in found.tests["both"].reason
    assert not found.tests["cases"].is_defined
    assert found.effects.reasons["paired"]


def test_a_metric_without_cases_is_tested_over_seeds() -> None:
    ours, theirs = (
        tuple(replace(run, metric="cpm") for run in runs) for runs in classified_pair(np.random.default_rng(7), LOGITS)
    )
    found = compare(ours, theirs)
    assert found.difference.over == ("seeds",)
    assert "cpm" in found.tests["both"].reason
    assert found.outcome == "untested"  # over seeds alone it would be another test


@MAKERS
def test_identical_arms_are_untested_with_a_difference_of_exactly_0(make: Maker, spreads: Spreads) -> None:
    ours, _ = make(np.random.default_rng(8), spreads)
    found = compare(ours, tuple(replace(run, arm="copy") for run in ours))
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.outcome == "untested"
    for test in ("seeds", "cases", "both"):
        assert found.tests[test].reason == "both arms have the same scores"
    assert found.tests["papers"].p == pytest.approx(1)  # two samples that happen to be equal


def test_runs_without_a_score_are_left_out() -> None:
    ours, theirs = classified_pair(np.random.default_rng(9), LOGITS, runs=4)
    found = compare((replace(ours[0], score=math.nan), *ours[1:]), theirs)
    assert found.arm.seeds == (1, 2, 3)
    assert not found.paired
    none = compare(tuple(replace(run, score=math.nan) for run in ours), theirs)
    assert math.isnan(none.difference.value)
    assert none.outcome == "untested"


def test_test_cases_of_one_class_are_no_crash() -> None:
    ours, theirs = (
        tuple(replace(run, cases={name: replace(case, truth=1) for name, case in run.cases.items()}) for run in runs)
        for runs in classified_pair(np.random.default_rng(10), LOGITS)
    )
    found = compare(ours, theirs)
    assert found.difference.over == ("seeds",)
    assert "too few test subjects of one class" in found.difference.reason
    assert not found.tests["cases"].is_defined


def test_only_two_arms_of_one_cell_can_be_compared() -> None:
    ours, theirs = segmented_pair(np.random.default_rng(11), SPREADS)
    with pytest.raises(ValueError, match="two arms"):
        compare(ours, tuple(replace(run, fraction=0.5) for run in theirs))
    with pytest.raises(ValueError, match="two arms"):
        compare(ours[:2], ours[2:])
