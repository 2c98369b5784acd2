"""Classification metrics against their definitions, and what undefined data give."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.classification import (
    auc,
    average_precision,
    balanced_accuracy,
    brier,
    classification_scores,
    expected_calibration_error,
)


def sample(seed: int, cases: int = 30, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, cases)
    truth[:classes] = np.arange(classes)
    return truth, rng.dirichlet(np.ones(classes), cases)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_auc_is_the_share_of_ordered_pairs_and_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score = rng.integers(0, 2, 15), rng.integers(0, 5, 15) / 4  # with ties
    truth[:2] = 0, 1
    pairs = [(p > n) + (p == n) / 2 for p in score[truth == 1] for n in score[truth == 0]]
    assert auc(truth, score) == pytest.approx(np.mean(pairs))
    assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    assert average_precision(truth, score) == pytest.approx(average_precision_score(truth, score))


def test_average_precision_by_hand() -> None:
    # ranked: 1 0 1 0 -> precision 1 at recall 1/2, 2/3 at recall 1
    assert average_precision(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])) == pytest.approx((1 + 2 / 3) / 2)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_calibration_error_from_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, correct = rng.integers(1, 31, 40) / 30, rng.random(40) < 0.6  # on and between the edges of the bins
    expected = 0.0
    for bin_ in range(15):
        members = [i for i, c in enumerate(np.rint(confidence * 30).astype(int)) if 2 * bin_ < c <= 2 * (bin_ + 1)]
        if members:
            gap = abs(np.mean(correct[members]) - np.mean(confidence[members]))
            expected += len(members) / 40 * gap
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_brier() -> None:
    assert brier(np.array([1, 0]), np.array([[0.2, 0.8], [0.7, 0.3]])) == pytest.approx((0.2**2 + 0.3**2) / 2)
    assert brier(np.array([2]), np.array([[0.2, 0.3, 0.5]])) == pytest.approx(0.04 + 0.09 + 0.25)
    assert brier(np.array([[1, 0]]), np.array([[0.9, 0.4]])) == pytest.approx((0.01 + 0.16) / 2)


def test_balanced_accuracy_weighs_classes_equally() -> None:
    assert balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == 0.5


def test_two_classes_report_the_positive_one() -> None:
    truth, probabilities = sample(1, classes=2)
    scores = classification_scores(truth, probabilities, ["benign", "malignant"])
    assert scores.values["auc"] == auc(truth, probabilities[:, 1])
    assert scores.values["average_precision"] == average_precision(truth, probabilities[:, 1])
    assert scores.values["accuracy"] == np.mean((probabilities[:, 1] > 0.5) == truth)
    assert not scores.reasons


def test_macro_of_several_classes() -> None:
    truth, probabilities = sample(2)
    scores = classification_scores(truth, probabilities)
    expected = np.mean([auc((truth == c).astype(int), probabilities[:, c]) for c in range(3)])
    assert scores.values["auc"] == pytest.approx(expected)
    assert scores.values["auc"] == pytest.approx(np.mean([scores.values[f"auc/{c}"] for c in range(3)]))


def test_several_labels_a_case() -> None:
    rng = np.random.default_rng(0)
    truth, probabilities = rng.integers(0, 2, (40, 3)), rng.random((40, 3))
    scores = classification_scores(truth, probabilities, ["a", "b", "c"])
    assert scores.values["auc/b"] == auc(truth[:, 1], probabilities[:, 1])
    assert scores.values["accuracy"] == pytest.approx(np.mean((probabilities >= 0.5) == truth))


def test_one_class_only_is_undefined_with_a_reason() -> None:
    probabilities = np.array([[0.4, 0.6], [0.2, 0.8]])
    scores = classification_scores(np.array([1, 1]), probabilities, ["benign", "malignant"])
    assert math.isnan(scores.values["auc"])
    assert math.isnan(scores.values["average_precision"])
    assert "malignant" in scores.reasons["auc"]
    assert scores.values["accuracy"] == 1


def test_an_unseen_class_is_left_out_of_the_mean_and_told() -> None:
    truth, probabilities = sample(3)
    truth[truth == 2] = 1
    scores = classification_scores(truth, probabilities, ["a", "b", "c"])
    assert scores.values["auc"] == pytest.approx((scores.values["auc/a"] + scores.values["auc/b"]) / 2)
    assert math.isnan(scores.values["auc/c"])
    assert "c" in scores.reasons["auc"]


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        ([0, 2], [[0.5, 0.5]] * 2, "outside"),
        ([0], [[0.5, 0.5]] * 2, "same cases"),
        ([0, 1], [[1.5, -0.5]] * 2, "softmax"),
    ],
)
def test_what_does_not_fit_is_refused(truth: list[int], probabilities: list[list[float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        classification_scores(np.array(truth), np.array(probabilities))
