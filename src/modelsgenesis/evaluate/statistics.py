"""How sure a number is: bootstrap confidence intervals over cases, and the spread over seeds.

The percentile bootstrap resamples subjects with all their cases, since cases of one subject are not independent.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import UsageError

Values = npt.NDArray[np.float64]

RESAMPLES = 1000
"""Bootstrap resamples of every interval."""
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A statistic and its confidence interval.

    Attributes:
        value: on the data itself.
        low, high: percentile bootstrap limits; NaN when fewer than two subjects, or no resample, define the statistic.
        cases: cases that count.
        resamples: resamples on which the statistic was defined (AUC is not when one class is drawn only).
    """

    value: float
    low: float
    high: float
    cases: int
    resamples: int


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (divisor n - 1; NaN for one) of `count` repetitions."""

    mean: float
    deviation: float
    count: int


def mean_interval(
    values: Sequence[float] | Values,
    subjects: Sequence[str] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Mean of `values` over cases with its confidence interval.

    Args:
        values: one a case; NaN (undefined) is left out of value, interval and `cases`.
        subjects: of each case; None means one case a subject.
        seed: of the resampling.
        resamples: how often to resample.
        level: coverage, in (0, 1).
    """
    data = np.asarray(values, dtype=np.float64)
    clusters = _clusters(len(data), subjects)
    kept = ~np.isnan(data)
    data, clusters = data[kept], clusters[kept]
    if not len(data):
        return Interval(math.nan, math.nan, math.nan, 0, 0)
    _, clusters = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(clusters, weights=data).astype(np.float64), np.bincount(clusters)
    means = _resampled_means(sums, counts, resamples, seed) if len(sums) > 1 else np.empty(0)
    return interval(float(data.mean()), means, len(data), level)


def _resampled_means(sums: Values, counts: npt.NDArray[np.integer], resamples: int, seed: int) -> Values:
    """Means of resampled subjects, from the sum and count of each; in blocks, so that memory stays small."""
    rng = np.random.default_rng(seed)
    block = max(1, 1_000_000 // len(sums))
    means = []
    for start in range(0, resamples, block):
        drawn = rng.integers(0, len(sums), (min(block, resamples - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def statistic_intervals(
    statistic: Callable[[npt.NDArray[np.int64]], dict[str, float]],
    cases: int,
    subjects: Sequence[str] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Named statistics of all cases together, such as AUC, each with its confidence interval.

    Args:
        statistic: case indices (with repeats) to named values; NaN where undefined, and such resamples are left out.
        cases: how many cases there are.
        subjects: of each case; None means one case a subject.
    """
    clusters = _clusters(cases, subjects)
    members = [np.flatnonzero(clusters == cluster) for cluster in range(int(clusters.max(initial=-1)) + 1)]
    values = statistic(np.arange(cases))
    rng = np.random.default_rng(seed)
    draws = [rng.integers(0, len(members), len(members)) for _ in range(resamples)] if len(members) > 1 else []
    repeated = [statistic(np.concatenate([members[index] for index in draw])) for draw in draws]
    return {
        name: interval(value, np.array([draw[name] for draw in repeated]), cases, level)
        for name, value in values.items()
    }


def over_seeds(values: Sequence[float]) -> Spread:
    """Mean and standard deviation over repetitions with other seeds."""
    if not len(values):
        raise UsageError("mean over seeds: no values given; name at least one run")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), deviation, len(values))


def _clusters(cases: int, subjects: Sequence[str] | None) -> npt.NDArray[np.int64]:
    if subjects is None:
        return np.arange(cases)
    if len(subjects) != cases:
        raise UsageError(f"{cases} cases but {len(subjects)} subjects; give the subject of each case")
    return np.unique(np.asarray(subjects, dtype=str), return_inverse=True)[1]


def interval(value: float, repeated: Values, cases: int, level: float) -> Interval:
    """The percentile interval of a statistic: its `value`, and its values on resamples (NaN: undefined there)."""
    defined = repeated[~np.isnan(repeated)]
    if math.isnan(value) or not len(defined):
        return Interval(value, math.nan, math.nan, cases, len(defined))
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), cases, len(defined))
