"""Scores on resampled subjects, against the same cases copied and scored by other libraries."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from modelsgenesis.evaluate.resampling import resampled, weighted_auc
from modelsgenesis.evaluate.results import CaseResult, Result
from tests.evaluate.simulated_runs import classified, names, segmented


def weights_of(subjects: int, resamples: int, seed: int) -> np.ndarray:
    """The documented draws: a multinomial count a subject."""
    return np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), resamples)


def test_weighted_auc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, of_subject = rng.integers(0, 2, 60), rng.integers(0, 20, 60)
    score = rng.integers(0, 8, 60) / 8 + 0.1 * truth  # many equal scores
    score = np.round(score, 1)
    weights = weights_of(20, 30, 1)
    areas = weighted_auc(truth, score, of_subject, weights)
    expected = [roc_auc_score(truth, score, sample_weight=row[of_subject]) for row in weights]
    assert areas == pytest.approx(expected)


def test_blocks_of_resamples_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth, score, weights = rng.integers(0, 2, 30), rng.random(30), weights_of(30, 50, 2)
    whole = weighted_auc(truth, score, np.arange(30), weights)
    monkeypatch.setattr("modelsgenesis.evaluate.resampling._BLOCK", 90)
    assert weighted_auc(truth, score, np.arange(30), weights) == pytest.approx(whole, abs=0)


def test_one_class_alone_has_no_area() -> None:
    areas = weighted_auc(np.array([0, 1]), np.array([0.1, 0.9]), np.array([0, 1]), np.array([[2, 0], [1, 1], [0, 2]]))
    assert math.isnan(areas[0])
    assert areas[1] == 1
    assert math.isnan(areas[2])


def test_means_are_of_whole_subjects_and_the_same_for_all_runs() -> None:
    rng = np.random.default_rng(3)
    subjects = ["a", "b", "b", "b", "c", "d"]
    scores = rng.random((2, 6))
    scores[1, 2] = math.nan
    table = resampled(segmented(scores, subjects), seed=7, resamples=25)
    assert (table.names, table.independent) == (("a", "b", "c", "d"), 4)
    for row, weights in zip(table.scores, weights_of(4, 25, 7), strict=True):
        copied = np.repeat(scores, weights[[0, 1, 1, 1, 2, 3]], axis=1)
        assert row == pytest.approx(np.nanmean(copied, axis=1))


def test_auc_of_runs_and_the_subjects_that_settle_it() -> None:
    rng = np.random.default_rng(4)
    truth = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    probabilities = rng.random((2, 8))
    table = resampled(classified(truth, probabilities, names(4, 2)), seed=1, resamples=40)
    weights = weights_of(4, 40, 1)
    for run in range(2):
        expected = weighted_auc(truth, probabilities[run], np.repeat(np.arange(4), 2), weights)
        assert table.scores[:, run] == pytest.approx(expected, nan_ok=True)
    assert table.independent == 1  # both positives are of one subject


def test_several_labels_are_averaged() -> None:
    rng = np.random.default_rng(5)
    truth, probabilities = rng.integers(0, 2, (30, 3)), rng.random((30, 3))
    cases = {
        str(k): CaseResult(str(k), math.nan, tuple(int(t) for t in truth[k]), tuple(probabilities[k]))
        for k in range(30)
    }
    run = Result(Path("r"), "dxc", "a", "unet2d", 1.0, 0, "multilabel", "auc", 0.5, cases)
    table = resampled([run], seed=2, resamples=20)
    order = [int(name) for name in table.names]
    for value, row in zip(table.scores[:, 0], weights_of(30, 20, 2), strict=True):
        weight = np.empty(30)
        weight[order] = row
        assert value == pytest.approx(roc_auc_score(truth, probabilities, average="macro", sample_weight=weight))


def test_what_cannot_be_resampled_says_why() -> None:
    (run,) = segmented(np.array([[0.5, 0.6]]), ["a", "a"])
    assert resampled([run]).reason == "one test subject: no spread over subjects"
    cases = {"c0": CaseResult("a", math.nan), "c1": CaseResult("b", math.nan)}
    froc = replace(run, metric="cpm", cases=cases)
    assert "cpm has no value on single cases" in resampled([froc]).reason
    assert resampled([froc]).scores.shape == (0, 1)
    assert resampled([]).reason
