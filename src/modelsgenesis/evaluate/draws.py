"""Draws of seeds for what is not a mean (labels or steps needed), and limits where "never" is one of the values.

With n seeds, n - 1 of them are drawn with replacement: means over the draws then have the variance that means over n
seeds have, where n draws would show (n - 1) / n of it, half of it for two seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.evaluate.cells import Runs, Values, scores, seeds
from modelsgenesis.evaluate.resampling import RESAMPLES
from modelsgenesis.evaluate.statistics import LEVEL

Drawn = dict[int, npt.NDArray[np.int64]]
"""Seed -> (draws,) how often it was drawn."""


@dataclass(frozen=True)
class Limits:
    """A value in [0, infinity] and its percentile limits.

    Args:
        value: NaN undefined; 0 and infinity stand for "less than measured" and "never".
        low, high: limits, themselves draws, never between two of them; NaN without an interval.
        parts: share of draws "below" (0), "inside" and "above" (infinity); empty without an interval.
        over: what was drawn.
        reason: why something is NaN, or was not drawn; "" otherwise.
    """

    value: float
    low: float
    high: float
    parts: dict[str, float]
    over: tuple[str, ...]
    reason: str = ""


def draw_seeds(groups: Sequence[Runs], draws: int, seed: int) -> Drawn:
    """How often each seed is drawn, the same for all groups of runs, since runs of one seed go together.

    Args:
        groups: runs of an arm in a cell each, of two seeds at least.
        draws: how many; 0 for the usual number.
        seed: of the drawing.
    """
    every = sorted({number for runs in groups for number in seeds(runs)})
    rng = np.random.default_rng([seed, 1])  # not the numbers that drew the subjects
    chance = np.full(len(every), 1 / len(every))
    counts = rng.multinomial(len(every) - 1, chance, draws or RESAMPLES)
    return dict(zip(every, counts.T, strict=True))


def mean_of_drawn(runs: Runs, table: Values | None, drawn: Drawn | None) -> Values:
    """(draws,) mean score of the drawn runs on drawn subjects; NaN where none of the runs was drawn.

    Args:
        table: (draws, runs) scores on resampled subjects; None for the test subjects as they are.
        drawn: None for every run once.
    """
    values = table if table is not None else scores(runs)[None]
    if drawn is None:
        return np.asarray(values.mean(axis=1), dtype=np.float64)
    weights = np.stack([drawn[number] for number in seeds(runs)], axis=1)
    total = weights.sum(axis=1)
    found: Values = np.divide((values * weights).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)
    return found


def limits(value: float, repeated: Values, over: tuple[str, ...], reason: str = "", level: float = LEVEL) -> Limits:
    """Percentile limits in the order of values: "never" is larger than every number and is averaged with none."""
    known = repeated[~np.isnan(repeated)]
    if math.isnan(value) or not len(known):
        return Limits(value, math.nan, math.nan, {}, (), reason or "undefined on every resample")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    above, below = float(np.isinf(known).mean()), float((known == 0).mean())
    return Limits(
        value, float(low), float(high), {"below": below, "inside": 1 - above - below, "above": above}, over, reason
    )
