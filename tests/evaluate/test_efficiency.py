"""Labels needed: on curves whose answer is known, with intervals that hold it, and with every other outcome."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import t

from modelsgenesis.evaluate.cells import Runs
from modelsgenesis.evaluate.comparison import CellTable
from modelsgenesis.evaluate.efficiency import LabelsNeeded, by_target, curves, labels_needed
from modelsgenesis.evaluate.family import cell_tables
from modelsgenesis.evaluate.monotone import isotonic, share_needed
from modelsgenesis.evaluate.results import Comparison
from tests.evaluate.simulated_runs import Spreads, names, segmented, two_tables

SLOPE = 0.1
FRACTIONS = (0.1, 0.25, 0.5, 1.0)
EXACT = Spreads(subject=0.0, case=0.0)


def tables(
    ahead: float,
    spreads: Spreads = EXACT,
    *,
    seed: int = 0,
    runs: int = 3,
    subjects: int = 10,
    fractions: tuple[float, ...] = FRACTIONS,
    training: int = 0,
    resamples: int = 150,
) -> list[CellTable]:
    """Scores that rise by SLOPE with the logarithm of the labels; "genesis" is `ahead` of "scratch"."""
    rng = np.random.default_rng(seed)
    found: list[Runs] = []
    # who is easy for an arm stays so whatever the number of labels
    easy = two_tables(
        rng, Spreads(subject=0.0, arm_subject=spreads.arm_subject, case=0.0), runs=1, subjects=subjects, per_subject=1
    )
    rest = Spreads(0.0, spreads.seed, 0.0, 0.0, spreads.chance, spreads.case)
    for fraction in fractions:
        drawn = two_tables(rng, rest, runs=runs, subjects=subjects, per_subject=1)
        for arm, bonus, own, scores in zip(("genesis", "scratch"), (ahead, 0.0), easy, drawn, strict=True):
            level = 0.7 + bonus + SLOPE * math.log(fraction)
            fields = {"arm": arm, "fraction": fraction, "training_subjects": round(training * fraction)}
            found.append(segmented(level + own + scores, names(subjects, 1), **fields))  # type: ignore[arg-type]
    results = tuple(run for of_cell in found for run in of_cell)
    return cell_tables(Comparison(results), seed=seed, resamples=resamples)


def needed(*arguments: object, arm: str = "genesis", **settings: object) -> LabelsNeeded:
    (group,) = by_target(tables(*arguments, **settings))  # type: ignore[arg-type]
    return labels_needed(group, arm, "scratch")


@pytest.mark.parametrize("ahead", [0.02, 0.07, 0.15])
def test_known_answer(ahead: float) -> None:
    found = needed(ahead)
    expected = math.exp(-ahead / SLOPE)
    assert found.goal == pytest.approx(0.7)
    assert (found.outcome, found.share) == ("reached", pytest.approx(expected))
    assert (found.low, found.high) == (pytest.approx(expected), pytest.approx(expected))  # nothing varies
    assert found.saved == pytest.approx(100 * (1 - expected))
    assert (found.saved_low, found.saved_high) == (pytest.approx(found.saved), pytest.approx(found.saved))


def test_the_reference_needs_all_labels_for_what_it_reaches_with_all() -> None:
    assert needed(0.05, arm="scratch").share == pytest.approx(1)


def test_fewer_than_the_smallest_share_tried() -> None:
    found = needed(0.4, Spreads(subject=0.0, seed=0.001, case=0.0))
    assert (found.outcome, found.share, found.saved) == ("fewer", 0.1, pytest.approx(90))
    assert (found.low, found.high, found.saved_high) == (0, 0, 100)


def test_not_reached() -> None:
    found = needed(-0.05, Spreads(subject=0.0, seed=0.001, case=0.0))
    assert (found.outcome, found.share, found.saved) == ("not reached", math.inf, -math.inf)
    assert (found.low, found.high) == (math.inf, math.inf)


def test_limits_may_be_open_to_both_sides() -> None:
    found = needed(0.1, Spreads(subject=0.0, seed=0.15), runs=2)
    assert (found.low, found.high) == (0, math.inf)
    assert (found.saved_low, found.saved_high) == (-math.inf, 100)


@pytest.mark.parametrize(
    ("spreads", "runs"),
    [(Spreads(seed=0.02), 3), (Spreads(arm_subject=0.03), 3), (Spreads(seed=0.01, arm_subject=0.03, chance=0.03), 8)],
    ids=["three seeds", "subjects", "both"],
)
def test_coverage(spreads: Spreads, runs: int) -> None:
    found = [needed(0.07, spreads, seed=k, runs=runs, subjects=20, resamples=100) for k in range(70)]
    covered = np.mean([one.low <= math.exp(-0.07 / SLOPE) <= one.high for one in found])
    assert covered > 0.88
    assert np.mean([one.high < 1 and one.low > 0.1 for one in found]) > 0.3  # not by being useless


def test_limit_is_where_a_t_test_stops_telling_curve_and_goal_apart() -> None:
    """One test subject: the error is over seeds alone; at a number of labels that was tried it is a paired t-test."""
    (group,) = by_target(tables(0.07, Spreads(seed=0.01, subject=0.0), subjects=1, runs=6, seed=4))
    found = labels_needed(group, "genesis", "scratch")
    goal = np.array([run.score for run in group[-1].arms["scratch"]])
    for table in group:
        apart = np.array([run.score for run in table.arms["genesis"]]) - goal
        half = t.ppf(0.975, 5) * apart.std(ddof=1) / math.sqrt(6)
        inside = found.low <= table.cell.fraction <= found.high
        assert inside == (abs(apart.mean()) <= half)
    assert found.over == ("seeds",)


def test_shares_are_counted_in_subjects_where_they_are_known() -> None:
    (group,) = by_target(tables(0.07, training=15, fractions=(0.1, 0.5, 1.0)))
    (curve,) = (one for one in curves(group) if one.arm == "genesis")
    assert [point.subjects for point in curve.points] == [2, 8, 15]
    assert [point.share for point in curve.points] == pytest.approx([2 / 15, 8 / 15, 1])
    found = labels_needed(group, "genesis", "scratch")
    assert found.subjects == pytest.approx(15 * found.share)
    assert math.isnan(needed(0.07).subjects)


def test_curves_hold_mean_and_interval_of_every_arm() -> None:
    found = curves(tables(0.07, Spreads(seed=0.01, subject=0.0)))
    assert [one.arm for one in found] == ["genesis", "scratch"]
    for curve in found:
        assert [point.fraction for point in curve.points] == list(FRACTIONS)
        assert all(
            point.reached.mean.low < point.reached.mean.value < point.reached.mean.high for point in curve.points
        )


def test_one_seed_has_limits_over_subjects_and_says_so() -> None:
    found = needed(0.07, Spreads(arm_subject=0.02), runs=1)
    assert found.over == ("subjects",)
    assert "one seed" in found.reason
    assert found.low < found.share < found.high
    alone = needed(0.07, Spreads(subject=0.0), runs=1, subjects=1)
    assert alone.outcome == "reached"
    assert math.isnan(alone.low)
    assert "one test subject" in alone.reason


@pytest.mark.parametrize("subjects", [10, 1])
def test_one_seed_at_one_number_of_labels_leaves_no_interval(subjects: int) -> None:
    """The error there would be that of subjects alone, and the limits of the whole curve too near."""
    (group,) = by_target(tables(0.07, Spreads(seed=0.02), runs=5, subjects=subjects))
    runs = {arm: of_arm[:1] for arm, of_arm in group[2].arms.items()}
    thin = CellTable(group[2].cell, runs, resamples=150)
    found = labels_needed([group[0], group[1], thin, group[3]], "genesis", "scratch")
    assert found.outcome == "reached"
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert "one seed" in found.reason


@pytest.mark.parametrize(
    ("fractions", "reason"), [((0.1, 0.5), "not run with all labels"), ((1.0,), "fewer than two numbers of labels")]
)
def test_undefined(fractions: tuple[float, ...], reason: str) -> None:
    found = needed(0.07, fractions=fractions)
    assert found.outcome == "undefined"
    assert all(math.isnan(value) for value in (found.share, found.low, found.high, found.saved))
    assert reason in found.reason


def test_a_dip_of_the_curve_is_levelled_out() -> None:
    means, weights = np.array([0.2, 0.6, 0.4, 0.7]), np.array([1.0, 1.0, 3.0, 1.0])
    curve = isotonic(means, weights)
    assert curve == pytest.approx([0.2, 0.45, 0.45, 0.7])
    for rising in itertools.combinations_with_replacement(np.linspace(0.2, 0.7, 11), 4):  # nothing rising is nearer
        assert (weights * (curve - means) ** 2).sum() <= (weights * (np.array(rising) - means) ** 2).sum() + 1e-12
    shares = np.array([0.1, 0.2, 0.5, 1.0])
    assert share_needed(shares, curve, 0.45) == pytest.approx(0.2)
    assert share_needed(shares, curve, 0.575) == pytest.approx(math.sqrt(0.5))
    assert share_needed(shares, curve, 0.2) == 0
    assert share_needed(shares, curve, 0.71) == math.inf
