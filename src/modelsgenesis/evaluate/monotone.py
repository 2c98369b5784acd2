"""Where a curve that can only rise reaches a goal."""

import math

import numpy as np
from scipy.optimize import isotonic_regression

from modelsgenesis.evaluate.statistics import Values


def isotonic(means: Values, weights: Values) -> Values:
    """The rising sequence nearest to `means` (K,) in weighted squares."""
    return np.asarray(isotonic_regression(means, weights=weights).x, dtype=np.float64)


def share_needed(shares: Values, curve: Values, goal: float) -> float:
    """The smallest share at which a curve is at its goal, linear in the logarithm of the share.

    Args:
        shares: (K,) rising, above 0.
        curve: (K,) scores at each share, never falling.
        goal: score to reach.

    Returns a share between the first and the last; 0 where the first is enough; infinity where the last is not.
    """
    enough = np.flatnonzero(curve >= goal)
    if not len(enough):
        return math.inf
    if enough[0] == 0:
        return 0.0
    after, before = enough[0], enough[0] - 1
    part = (goal - curve[before]) / (curve[after] - curve[before])
    return float(shares[before] * (shares[after] / shares[before]) ** part)
