"""Effect sizes against statsmodels and their definitions."""

import math

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import effectsize_smd

from modelsgenesis.evaluate.effects import effects, hedges_g, rank_biserial


def test_hedges_g_is_that_of_statsmodels_up_to_its_approximation() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.8, 0.02, 10), rng.normal(0.78, 0.03, 8)
    expected, _ = effectsize_smd(ours.mean(), ours.std(ddof=1), 10, theirs.mean(), theirs.std(ddof=1), 8)
    assert hedges_g(ours, theirs) == pytest.approx(float(expected), rel=2e-3)


def test_hedges_g_is_unbiased_with_few_seeds() -> None:
    rng = np.random.default_rng(1)
    found = [hedges_g(rng.normal(1, 1, 3), rng.normal(0, 1, 3)) for _ in range(6000)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.05)  # Cohen's d would be 1.25


def test_rank_biserial_counts_ranks() -> None:
    assert rank_biserial(np.array([0.1, 0.2, 0.3, -0.05, 0.0])) == pytest.approx((9 - 1) / 10)
    assert rank_biserial(np.array([-0.1, -0.2])) == -1


def test_effect_over_subjects_is_in_units_of_its_spread() -> None:
    found = effects(np.array([0.8, 0.9]), np.array([0.7, 0.9]), np.array([0.1, 0.3]))
    assert found.paired == pytest.approx(0.2 / np.std([0.1, 0.3], ddof=1))
    assert found.reasons == {}


def test_undefined_effects_have_reasons() -> None:
    found = effects(np.array([0.8]), np.array([0.7]), np.empty(0))
    assert all(math.isnan(value) for value in (found.hedges_g, found.paired, found.rank_biserial))
    assert set(found.reasons) == {"hedges_g", "paired", "rank_biserial"}
    same = effects(np.array([0.8, 0.8]), np.array([0.8, 0.8]), np.zeros(3))
    assert same.reasons["rank_biserial"] == "both arms have the same scores"
    assert "no spread" in same.reasons["hedges_g"]
