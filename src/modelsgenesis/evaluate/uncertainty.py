"""How far a mean over seeds, or a difference of two, may be off: other seeds and other test subjects at once.

Runs x subjects is a table of which both sides are samples. Its error is put together from three parts, as two-way
clustered standard errors are (Cameron, Gelbach and Miller 2011):

    variance = seeds + subjects - both

`seeds` is the variance of the runs' scores over their number, `subjects` that of the mean over runs when test subjects
are resampled, and `both` what is in each of them: chance of one run on one subject. The sum is never taken smaller than
the larger of the first two. The limits are those of Student's t with Satterthwaite's degrees of freedom. Percentiles of
draws of seeds and subjects would be far too narrow with three seeds, and too wide where most is chance of single runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from modelsgenesis.evaluate.cells import Runs, scores, seeds
from modelsgenesis.evaluate.resampling import Resampled
from modelsgenesis.evaluate.statistics import LEVEL, Values

SEEDS = "seeds"
SUBJECTS = "subjects"

FLAT = 1e-12
"""Numbers that differ by less than this, relative to the largest, are equal up to rounding."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, or a difference of two such means, and its confidence interval.

    Args:
        value: in units of the metric; NaN without runs.
        low, high: limits of the interval; NaN where nothing tells how far off the value may be.
        error: standard error.
        freedom: degrees of freedom of `error`.
        over: what the interval accounts for: "seeds", "subjects", both or neither.
        reason: what is left out of the interval, or why there is none; "" when it covers seeds and subjects.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    error: float = math.nan
    freedom: float = math.nan
    over: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class _Part:
    """A share of the variance and the degrees of freedom it is estimated with; NaN when it cannot be estimated."""

    variance: float = math.nan
    freedom: float = math.nan
    reason: str = ""


def flat(values: Values) -> bool:
    """Whether all values are equal up to rounding."""
    return bool(np.ptp(values) <= FLAT * max(1.0, float(np.abs(values).max())))


def mean_estimate(runs: Runs, table: Resampled, level: float = LEVEL) -> Estimate:
    """Mean score of the runs of an arm; `table` holds one column a run."""
    return combination([(1.0, runs, table)], level)


def difference_estimate(
    arm: Runs, reference: Runs, of_arm: Resampled, of_reference: Resampled, level: float = LEVEL
) -> Estimate:
    """Mean of the arm minus mean of the reference."""
    return combination([(1.0, arm, of_arm), (-1.0, reference, of_reference)], level)


def combination(parts: Sequence[tuple[float, Runs, Resampled]], level: float = LEVEL) -> Estimate:
    """A weighted sum of the mean scores of several arms or cells.

    Runs of parts that have the same seeds go together, seed by seed; other parts count as independent. Test subjects
    are resampled for all parts at once, which takes the same subjects in all of them.

    Args:
        parts: weight, runs, and the scores of the runs on resampled subjects.
        level: coverage of the interval, in (0, 1).
    """
    if not all(runs for _, runs, _ in parts):
        return Estimate(math.nan, reason="no run with a score")
    value = sum(weight * float(scores(runs).mean()) for weight, runs, _ in parts)
    groups: dict[tuple[int, ...], Values] = {}
    tables: dict[tuple[int, ...], Values] = {}
    for weight, runs, _ in parts:
        groups[seeds(runs)] = groups.get(seeds(runs), 0) + weight * scores(runs)
    first = parts[0][2]
    reason = next((drawn.reason for _, _, drawn in parts if drawn.reason), "")
    if not reason and any(drawn.names != first.names for _, _, drawn in parts):
        reason = "other test subjects in other runs: subjects not resampled"
    if not reason:
        for weight, runs, drawn in parts:
            tables[seeds(runs)] = tables.get(seeds(runs), 0) + weight * drawn.scores
    independent = min(drawn.independent for _, _, drawn in parts)
    table = Resampled(np.empty((0, 0)), first.names, independent, reason)
    return _estimate(value, list(groups.values()), list(tables.values()), table, level)


def _estimate(
    value: float, groups: Sequence[Values], tables: Sequence[Values], table: Resampled, level: float
) -> Estimate:
    """The sum of the means of independent groups of runs: `groups` on the test subjects, `tables` on resampled ones."""
    over_seeds, over_subjects = _seeds(groups), _subjects(tables, table)
    parts = {SEEDS: over_seeds, SUBJECTS: over_subjects}
    known = {name: part for name, part in parts.items() if not math.isnan(part.variance)}
    reason = "; ".join(part.reason for part in parts.values() if part.reason)
    if not known:
        return Estimate(value, reason=reason)
    shared = _shared(tables, table) if len(known) == 2 else 0.0
    largest = max(part.variance for part in known.values())
    variance = max(sum(part.variance for part in known.values()) - shared, largest)
    freedom = _satterthwaite(variance, list(known.values()))
    error = math.sqrt(variance)
    half = float(student.ppf((1 + level) / 2, freedom)) * error
    return Estimate(value, value - half, value + half, error, freedom, tuple(known), reason)


def _seeds(groups: Sequence[Values]) -> _Part:
    if min(len(group) for group in groups) < 2:
        return _Part(reason="one seed: how much training again would change is not known")
    parts = [_Part(0.0 if flat(x) else float(np.var(x, ddof=1)) / len(x), len(x) - 1) for x in groups]
    total = sum(part.variance for part in parts)
    return _Part(total, _satterthwaite(total, parts))


def _subjects(tables: Sequence[Values], table: Resampled) -> _Part:
    if table.reason:
        return _Part(reason=table.reason)
    means = sum(runs.mean(axis=1) for runs in tables)
    drawn = means[np.isfinite(means)]
    if len(drawn) < 2 or table.independent < 2:
        return _Part(reason="too few test subjects of one class to resample them")
    variance = 0.0 if flat(drawn) else float(np.var(drawn, ddof=1)) * _small(table)
    return _Part(variance, table.independent - 1)


def _shared(tables: Sequence[Values], table: Resampled) -> float:
    """Chance of single runs on single subjects, which both `_seeds` and `_subjects` contain."""
    total = 0.0
    for runs in tables:
        count = runs.shape[1]
        apart = runs - runs.mean(axis=1, keepdims=True)
        total += float(np.nanvar(apart, axis=0, ddof=1).sum()) / (count * (count - 1))
    return total * _small(table)


def _small(table: Resampled) -> float:
    """Resampling n subjects shows (n - 1) / n of the variance."""
    return table.subjects / (table.subjects - 1)


def _satterthwaite(variance: float, parts: Sequence[_Part]) -> float:
    """Degrees of freedom of a sum of variances; never fewer than the least of its parts."""
    least = min(part.freedom for part in parts)
    spread = sum(part.variance**2 / part.freedom for part in parts)
    return max(variance**2 / spread, least) if spread else least
