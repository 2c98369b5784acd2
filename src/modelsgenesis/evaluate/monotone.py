"""Where a curve that can only rise reaches a goal."""

import math

import numpy as np

from modelsgenesis.evaluate.cells import Values


def shares_needed(shares: Values, means: Values, goals: Values, weights: Values) -> Values:
    """For each curve the smallest share at which it is at its goal.

    Args:
        shares: (K,) rising, in (0, 1].
        means: (N, K) scores at each share.
        goals: (N,) scores to reach.
        weights: (K,) of the points in the isotonic regression.

    Returns (N,): shares between the first and the last; 0 where the first is enough; infinity where the last is not.
    """
    curve = isotonic(means, weights)
    enough = curve >= goals[:, None]
    after = np.argmax(enough, axis=1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(means))
    low, high = curve[rows, before], curve[rows, after]
    part = np.divide(goals - low, high - low, out=np.ones(len(means)), where=high > low)
    logs = np.log(shares)
    crossed = np.exp(logs[before] + part * (logs[after] - logs[before]))
    crossed = np.where(after == 0, 0.0, np.where(enough.any(axis=1), crossed, math.inf))
    return np.where(np.isnan(means).any(axis=1) | np.isnan(goals), math.nan, crossed)


def isotonic(means: Values, weights: Values) -> Values:
    """Isotonic regression of each row of (N, K) `means`, weighted by `weights` (K,).

    The value at k is the largest, over starts i <= k, of the least mean over i..j, over ends j >= k.
    """
    points = means.shape[1]
    sums = np.concatenate([np.zeros((len(means), 1)), np.cumsum(means * weights, axis=1)], axis=1)
    mass = np.concatenate([[0.0], np.cumsum(weights)])
    fitted = np.full(means.shape, -np.inf)
    for start in range(points):
        ends = np.arange(start, points)
        blocks = (sums[:, ends + 1] - sums[:, [start]]) / (mass[ends + 1] - mass[start])
        least = np.minimum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1]
        fitted[:, start:] = np.maximum(fitted[:, start:], least)
    return fitted
