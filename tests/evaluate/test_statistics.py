"""Bootstrap intervals: seeded, of the right width and coverage, and honest about repeated subjects."""

import math

import numpy as np
import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.classification import auc
from modelsgenesis.evaluate.statistics import mean_interval, over_seeds, statistic_intervals


def test_interval_has_the_width_theory_gives() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 400)
    interval = mean_interval(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_coverage_of_the_true_mean() -> None:
    rng = np.random.default_rng(1)
    intervals = [mean_interval(rng.exponential(1.0, 60), resamples=400, seed=i) for i in range(200)]
    covered = np.mean([one.low <= 1.0 <= one.high for one in intervals])
    assert 0.86 < covered < 0.99


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(20)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_repeated_subjects_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=20), 10)
    subjects = np.repeat([f"s{i}" for i in range(20)], 10).tolist()
    naive, clustered = mean_interval(values), mean_interval(values, subjects)
    assert clustered.value == naive.value
    assert (clustered.high - clustered.low) > 2.5 * (naive.high - naive.low)


def test_clusters_of_one_equal_no_clusters() -> None:
    values = [0.3, 0.6, 0.2]
    assert mean_interval(values, ["a", "b", "c"]) == mean_interval(values)


def test_blocks_do_not_lose_resamples() -> None:
    interval = mean_interval(np.random.default_rng(0).random(30_000), resamples=70)
    assert interval.resamples == 70
    assert interval.low < interval.value < interval.high


def test_undefined_values_are_left_out_and_counted() -> None:
    interval = mean_interval([0.2, math.nan, 0.4])
    assert interval.value == pytest.approx(0.3)
    assert interval.cases == 2


@pytest.mark.parametrize("values", [[], [math.nan], [0.4]])
def test_too_little_data_give_no_interval(values: list[float]) -> None:
    interval = mean_interval(values)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_statistic_of_truth_and_score() -> None:
    rng = np.random.default_rng(4)
    truth = np.repeat([0, 1], 40)
    score = truth + rng.normal(size=80)
    statistic = lambda drawn: {"auc": auc(truth[drawn], score[drawn])}  # noqa: E731
    interval = statistic_intervals(statistic, 80, resamples=300)["auc"]
    assert interval.value == auc(truth, score)
    assert interval.low < interval.value < interval.high
    # Hanley and McNeil's standard error
    a = interval.value
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = math.sqrt((a * (1 - a) + 39 * (q1 - a * a) + 39 * (q2 - a * a)) / 1600)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_resamples_of_one_class_are_left_out_and_counted() -> None:
    truth, score = np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9])
    interval = statistic_intervals(lambda drawn: {"auc": auc(truth[drawn], score[drawn])}, 4, resamples=200)["auc"]
    assert interval.value == 1
    assert 80 < interval.resamples < 190


def test_statistic_draws_whole_subjects() -> None:
    drawn_together = []

    def statistic(drawn: np.ndarray) -> dict[str, float]:
        drawn_together.append(np.bincount(drawn, minlength=4)[0] == np.bincount(drawn, minlength=4)[2])
        return {"n": float(len(drawn))}

    statistic_intervals(statistic, 4, ["a", "b", "a", "c"], resamples=50)
    assert all(drawn_together)


def test_over_seeds() -> None:
    spread = over_seeds([0.7, 0.8, 0.9])
    assert (spread.mean, spread.deviation, spread.count) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    assert math.isnan(over_seeds([0.5]).deviation)
    with pytest.raises(UsageError):
        over_seeds([])


def test_subjects_must_fit_the_cases() -> None:
    with pytest.raises(UsageError, match="2 cases but 1 subjects"):
        mean_interval([0.1, 0.2], ["a"])
