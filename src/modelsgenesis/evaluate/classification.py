"""Classification metrics over all cases; what the data leave undefined is NaN with a reason, never an exception.

With two classes the ranking metrics are those of the last class (the positive one); with more, or with several labels a
case, `auc` and `average_precision` are the mean over the classes for which they are defined (macro).
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from modelsgenesis.errors import UsageError

Probabilities = npt.NDArray[np.float64]
"""(cases, classes), each in [0, 1]."""

Truths = npt.NDArray[np.int64]
"""(cases,) class indices, or (cases, labels) of 0 and 1 when a case may carry several labels."""

BINS = 15
"""Equal-width confidence bins of the expected calibration error."""


@dataclass
class Scores:
    """`values`: metric to value; `reasons`: why a metric is NaN or leaves classes out."""

    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def classification_scores(truth: Truths, probabilities: Probabilities, names: list[str] | None = None) -> Scores:
    """Score every case at once.

    Args:
        truth: (cases,) class indices, or (cases, labels) of 0 and 1.
        probabilities: (cases, classes) in [0, 1].
        names: of the classes, for the keys of the per-class values ("auc/malignant"); indices by default.

    Returns auc, average_precision (macro, and per class), accuracy, balanced_accuracy, ece, brier.

    Raises UsageError when the shapes or values do not fit.
    """
    hot = _one_hot(truth, probabilities)
    scores = _ranking(hot, probabilities, names or [str(index) for index in range(hot.shape[1])], truth.ndim == 1)
    scores.values |= _decisions(truth, probabilities)
    scores.values["brier"] = brier(truth, probabilities)
    return scores


def auc(truth: Truths, score: Probabilities) -> float:
    """Area under the ROC curve of `score` (cases,) for `truth` (cases,) of 0 and 1; NaN when one of them is lacking.

    From ranks (Mann-Whitney), since scikit-learn's checks cost far more than the sum in a thousand bootstrap resamples.
    """
    positives = int(truth.sum())
    pairs = positives * (len(truth) - positives)
    ranks = rankdata(score)[truth == 1].sum() - positives * (positives + 1) / 2
    return float(ranks / pairs) if pairs else math.nan


def average_precision(truth: Truths, score: Probabilities) -> float:
    """Average precision (step-wise area under precision-recall); NaN without positives or without negatives."""
    positives = int(truth.sum())
    if positives in (0, len(truth)):
        return math.nan
    order = np.argsort(-score)
    last_of_equals = np.append(np.diff(score[order]) != 0, True)
    found = np.cumsum(truth[order])[last_of_equals]
    precision = found / (np.flatnonzero(last_of_equals) + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / positives)


def expected_calibration_error(confidence: Probabilities, correct: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Mean over cases of |accuracy - mean confidence| of the case's bin; `bins` equal-width bins on (0, 1]."""
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(which, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def brier(truth: Truths, probabilities: Probabilities) -> float:
    """Brier score: the squared error of the probabilities, summed over classes, mean over cases.

    With two classes it is halved, and with several labels a case averaged over labels: then it is (p - y)^2 in [0, 1].
    """
    squared = (probabilities - _one_hot(truth, probabilities)) ** 2
    if truth.ndim == 2:
        return float(squared.mean())
    return float(squared.sum(axis=1).mean() / (2 if probabilities.shape[1] == 2 else 1))


def balanced_accuracy(truth: Truths, predicted: Truths) -> float:
    """Mean over the classes present in `truth` (cases,) of the share of their cases predicted right."""
    return float(np.mean([np.mean(predicted[truth == value] == value) for value in np.unique(truth)]))


def _one_hot(truth: Truths, probabilities: Probabilities) -> Truths:
    if probabilities.ndim != 2 or len(truth) != len(probabilities) or not len(truth):
        raise UsageError(f"truth {truth.shape} and probabilities {probabilities.shape} must be of the same cases")
    if not (np.isfinite(probabilities).all() and probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-6):
        raise UsageError("probabilities must lie in [0, 1]; apply softmax or sigmoid to the network's output first")
    classes = probabilities.shape[1]
    fits = truth.shape == probabilities.shape if truth.ndim == 2 else True
    if not fits or truth.min() < 0 or truth.max() >= (classes if truth.ndim == 1 else 2):
        raise UsageError(f"truth holds labels outside the {classes} classes predicted; check the order of the classes")
    return truth if truth.ndim == 2 else np.eye(classes, dtype=np.int64)[truth]


def _ranking(hot: Truths, probabilities: Probabilities, names: list[str], exclusive: bool) -> Scores:
    scores = Scores()
    lacking = [n for n, column in zip(names, hot.T, strict=True) if column.min() == column.max()]
    reason = f"no case with and without {', '.join(lacking)}"
    for metric, function in (("auc", auc), ("average_precision", average_precision)):
        values = [function(column, score) for column, score in zip(hot.T, probabilities.T, strict=True)]
        defined = [value for value in values if not math.isnan(value)]
        two = exclusive and len(names) == 2
        scores.values[metric] = values[-1] if two else float(np.mean(defined)) if defined else math.nan
        scores.values |= {f"{metric}/{name}": value for name, value in zip(names, values, strict=True)}
        if lacking:
            scores.reasons[metric] = reason if math.isnan(scores.values[metric]) else f"{reason}: left out of the mean"
            scores.reasons |= {f"{metric}/{name}": f"no case with and without {name}" for name in lacking}
    return scores


def _decisions(truth: Truths, probabilities: Probabilities) -> dict[str, float]:
    """The most probable class, or each label at p >= 0.5 on its own and the mean over labels."""
    if truth.ndim == 1:
        predicted = probabilities.argmax(axis=1)
        right = predicted == truth
        return {
            "accuracy": float(right.mean()),
            "balanced_accuracy": balanced_accuracy(truth, predicted),
            "ece": expected_calibration_error(probabilities.max(axis=1), right),
        }
    chosen = (probabilities >= 0.5).astype(np.int64)
    sure = np.maximum(probabilities, 1 - probabilities)
    columns = list(zip(truth.T, chosen.T, sure.T, strict=True))
    return {
        "accuracy": float((chosen == truth).mean()),
        "balanced_accuracy": float(np.mean([balanced_accuracy(t, c) for t, c, _ in columns])),
        "ece": float(np.mean([expected_calibration_error(s, t == c) for t, c, s in columns])),
    }
