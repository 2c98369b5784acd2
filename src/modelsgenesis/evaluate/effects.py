"""How large a difference is beside the spread: effect sizes over seeds and over test subjects."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import rankdata

from modelsgenesis.evaluate.statistics import Values
from modelsgenesis.evaluate.uncertainty import flat


@dataclass(frozen=True)
class Effects:
    """Effect sizes, positive where the arm is better; NaN where undefined.

    Args:
        hedges_g: difference of the means over seeds in pooled standard deviations, corrected for few seeds.
        paired: mean difference over test subjects in standard deviations of that difference.
        rank_biserial: share of ranks of |difference| in favour of the arm minus share against, in [-1, 1].
        reasons: name of an undefined one -> why.
    """

    hedges_g: float
    paired: float
    rank_biserial: float
    reasons: dict[str, str]


def effects(arm: Values, reference: Values, differences: Values) -> Effects:
    """Effect sizes from the scores of runs and the `subject_differences`."""
    reasons = {}
    if min(len(arm), len(reference)) < 2:
        reasons["hedges_g"] = "fewer than two seeds in one arm"
    elif flat(arm) and flat(reference):
        reasons["hedges_g"] = "no spread over seeds in either arm"
    if len(differences) < 2:
        reasons["paired"] = reasons["rank_biserial"] = "fewer than two test subjects with a score of their own"
    elif flat(differences):
        reasons["paired"] = "no spread over test subjects"
        if flat(np.append(differences, 0.0)):
            reasons["rank_biserial"] = "both arms have the same scores"
    return Effects(
        math.nan if "hedges_g" in reasons else hedges_g(arm, reference),
        math.nan if "paired" in reasons else float(differences.mean() / differences.std(ddof=1)),
        math.nan if "rank_biserial" in reasons else rank_biserial(differences),
        reasons,
    )


def hedges_g(arm: Values, reference: Values) -> float:
    """Cohen's d of two independent samples times the exact small-sample correction."""
    freedom = len(arm) + len(reference) - 2
    squares = (len(arm) - 1) * np.var(arm, ddof=1) + (len(reference) - 1) * np.var(reference, ddof=1)
    d = (arm.mean() - reference.mean()) / math.sqrt(squares / freedom)
    correction = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return float(d * correction)


def rank_biserial(differences: Values) -> float:
    """Matched-pairs rank-biserial correlation; differences of 0 do not count."""
    counted = differences[differences != 0]
    ranks = rankdata(np.abs(counted))
    return float((ranks[counted > 0].sum() - ranks[counted < 0].sum()) / ranks.sum())
