"""Draws of seeds for what is no mean, such as steps needed, and limits where "never" is one of the values.

With n seeds, n - 1 of them are drawn with replacement: means over the draws then have the variance that means over n
seeds have, where n draws would show (n - 1) / n of it, half of it for two seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.evaluate.cells import Runs, seeds
from modelsgenesis.evaluate.statistics import LEVEL, RESAMPLES, Values

Drawn = dict[int, npt.NDArray[np.int64]]
"""Seed -> (draws,) how often it was drawn."""


@dataclass(frozen=True)
class Limits:
    """A value in [0, infinity] and its percentile limits.

    Args:
        value: NaN undefined; 0 and infinity stand for "less than measured" and "never".
        low, high: limits, themselves draws, never between two of them; NaN without an interval.
        reason: why there is no interval; "" otherwise.
    """

    value: float
    low: float
    high: float
    reason: str = ""


def draw_seeds(groups: Sequence[Runs], seed: int, draws: int = RESAMPLES) -> Drawn:
    """How often each seed is drawn, the same for all groups of runs, since runs of one seed go together.

    Args:
        groups: runs of an arm each, of two seeds at least.
        seed: of the drawing.
        draws: how many.
    """
    every = sorted({number for runs in groups for number in seeds(runs)})
    chance = np.full(len(every), 1 / len(every))
    counts = np.random.default_rng(seed).multinomial(len(every) - 1, chance, draws)
    return dict(zip(every, counts.T, strict=True))


def mean_of_drawn(runs: Runs, values: Values, drawn: Drawn) -> Values:
    """(places, draws) means over the drawn runs of `values` (places, runs); NaN where none of the runs was drawn."""
    weights = np.stack([drawn[number] for number in seeds(runs)])
    total = weights.sum(axis=0)
    means: Values = np.divide(values @ weights, total, out=np.full((len(values), len(total)), np.nan), where=total > 0)
    return means


def limits(value: float, repeated: Values, level: float = LEVEL) -> Limits:
    """Percentile limits in the order of values: "never" is larger than every number and is averaged with none."""
    known = repeated[~np.isnan(repeated)]
    if math.isnan(value) or not len(known):
        return Limits(value, math.nan, math.nan, "undefined on every draw")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Limits(value, float(low), float(high))
