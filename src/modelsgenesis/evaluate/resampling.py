"""The scores that runs would have got on other test subjects: a bootstrap of subjects with all their cases.

All runs are scored on the same resampled subjects, so that differences between them keep their pairing. A resample is a
row of weights, how often each subject was drawn, and scores are sums over weighted subjects: nothing is copied.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.evaluate.results import Result
from modelsgenesis.evaluate.statistics import RESAMPLES, Values

_BLOCK = 1_000_000  # weights held at once in a block of resamples

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Resampled:
    """Scores of runs on resampled test subjects.

    Args:
        scores: (resamples, runs); NaN where undefined. Of no rows when the cases of the runs cannot be resampled.
        names: of the test subjects.
        independent: subjects that settle the degrees of freedom: all of them for a mean over cases; for AUC those of
            the rarer of "has" and "has not", mean over classes.
        reason: why `scores` is empty; "" otherwise.
    """

    scores: Values
    names: tuple[str, ...]
    independent: float
    reason: str = ""

    @property
    def subjects(self) -> int:
        """How many test subjects there are."""
        return len(self.names)

    def of(self, columns: Sequence[int]) -> "Resampled":
        """The same for some of the runs."""
        return Resampled(self.scores[:, list(columns)], self.names, self.independent, self.reason)


def resampled(runs: Sequence[Result], *, seed: int = 0, resamples: int = RESAMPLES) -> Resampled:
    """Score every run on the same resampled test subjects.

    Scores with a value for each case are averaged over cases; AUC is computed from the cases' probabilities.

    Args:
        runs: of one cell.
        seed: of the resampling; runs with as many test subjects get the same draws from the same seed.
        resamples: how often to resample.
    """
    subjects = tuple(sorted({case.subject for run in runs for case in run.cases.values()}))
    by_case = all(any(not math.isnan(case.score) for case in run.cases.values()) for run in runs)
    by_class = all(run.metric == "auc" and _has_probabilities(run) for run in runs)
    nothing = np.empty((0, len(runs)))
    if not runs or not (by_case or by_class):
        metric = runs[0].metric if runs else "score"
        return Resampled(nothing, subjects, 0, f"{metric} has no value on single cases: subjects not resampled")
    if len(subjects) < 2:
        return Resampled(nothing, subjects, 0, "one test subject: no spread over subjects")
    number = {subject: index for index, subject in enumerate(subjects)}
    weights = np.random.default_rng(seed).multinomial(
        len(subjects), np.full(len(subjects), 1 / len(subjects)), resamples
    )
    if by_case:
        return Resampled(_means(runs, number, weights), subjects, len(subjects))
    columns, independent = [], []
    for run in runs:
        cases = list(run.cases.values())
        of_subject = np.array([number[case.subject] for case in cases])
        hot, probabilities = _labels(run)
        columns.append(_macro_auc(hot, probabilities, of_subject, weights))
        independent.append(_rarer(hot, of_subject))
    return Resampled(np.stack(columns, axis=1), subjects, min(independent))


def weighted_auc(truth: Indices, score: Values, of_subject: Indices, weights: Indices) -> Values:
    """Area under the ROC curve for each row of weights.

    Args:
        truth: (cases,) of 0 and 1.
        score: (cases,); equal scores count half.
        of_subject: (cases,) column of `weights` for each case.
        weights: (resamples, subjects) how often each subject counts.

    Returns (resamples,); NaN where the cases with weight are all of one class.
    """
    negative, positive = np.flatnonzero(truth == 0), np.flatnonzero(truth == 1)
    negative = negative[np.argsort(score[negative], kind="stable")]
    below = np.searchsorted(score[negative], score[positive], side="left")
    not_above = np.searchsorted(score[negative], score[positive], side="right")
    step = max(1, _BLOCK // max(1, len(truth)))
    areas = np.full(len(weights), np.nan)
    for start in range(0, len(weights), step):
        rows = weights[start : start + step]
        passed = np.zeros((len(rows), len(negative) + 1))
        np.cumsum(rows[:, of_subject[negative]], axis=1, out=passed[:, 1:])
        won = (passed[:, below] + passed[:, not_above]) / 2
        counted = rows[:, of_subject[positive]]
        pairs = counted.sum(axis=1) * passed[:, -1]
        np.divide((counted * won).sum(axis=1), pairs, out=areas[start : start + step], where=pairs > 0)
    return areas


def _means(runs: Sequence[Result], number: dict[str, int], weights: Indices) -> Values:
    sums, counts = np.zeros((len(number), len(runs))), np.zeros((len(number), len(runs)))
    for column, run in enumerate(runs):
        for case in run.cases.values():
            if not math.isnan(case.score):
                sums[number[case.subject], column] += case.score
                counts[number[case.subject], column] += 1
    drawn = weights @ counts
    means: Values = np.divide(weights @ sums, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
    return means


def _macro_auc(hot: Indices, probabilities: Values, of_subject: Indices, weights: Indices) -> Values:
    """Mean over the classes that a resample defines, as `classification_scores` has it."""
    areas = np.stack([weighted_auc(t, p, of_subject, weights) for t, p in zip(hot.T, probabilities.T, strict=True)])
    counted = (~np.isnan(areas)).sum(axis=0)
    means: Values = np.divide(np.nansum(areas, axis=0), counted, out=np.full(len(weights), np.nan), where=counted > 0)
    return means


def _labels(run: Result) -> tuple[Indices, Values]:
    """Truth of 0 and 1 and probabilities, (cases, classes) each; the last class alone when there are two to choose."""
    probabilities = np.array([case.probabilities for case in run.cases.values()], dtype=np.float64)
    truth = np.array([case.truth for case in run.cases.values()], dtype=np.int64)
    hot = truth if truth.ndim == 2 else np.eye(probabilities.shape[1], dtype=np.int64)[truth]
    if truth.ndim == 1 and probabilities.shape[1] == 2:
        return hot[:, 1:], probabilities[:, 1:]
    return hot, probabilities


def _rarer(hot: Indices, of_subject: Indices) -> float:
    """Subjects with a class or without it, whichever are fewer; mean over the classes that have both."""
    both = [(len(set(of_subject[label == 1])), len(set(of_subject[label == 0]))) for label in hot.T]
    fewest = [min(pair) for pair in both if min(pair)]
    return float(np.mean(fewest)) if fewest else 0.0


def _has_probabilities(run: Result) -> bool:
    return bool(run.cases) and all(case.truth is not None and case.probabilities for case in run.cases.values())
