"""Holm's correction against statsmodels, which comparisons make a family, and the best of a row."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.cells import Runs
from modelsgenesis.evaluate.family import against_reference, cell_tables, correct, holm, row, usual_family
from modelsgenesis.evaluate.results import Comparison
from tests.evaluate.simulated_runs import Spreads, names, segmented, two_tables


def comparison(
    seed: int, effects: dict[str, float], targets: int = 3, fractions: tuple[float, ...] = (0.5, 1)
) -> Comparison:
    """Every arm with its effect on every target and number of labels."""
    rng = np.random.default_rng(seed)
    runs: list[Runs] = []
    for target in range(targets):
        for fraction in fractions:
            for arm, effect in effects.items():
                scores, _ = two_tables(rng, Spreads(seed=0.02, subject=0.0), runs=5, subjects=8, per_subject=1)
                runs.append(
                    segmented(0.7 + effect + scores, names(8, 1), arm=arm, target=f"t{target}", fraction=fraction)
                )
    return Comparison(tuple(run for of_cell in runs for run in of_cell))


def test_holm_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 21):
        p = rng.random(size) ** 3
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_undefined_p_do_not_count() -> None:
    corrected = holm([0.02, math.nan, 0.04])
    assert corrected[0] == pytest.approx(0.04)
    assert math.isnan(corrected[1])
    assert corrected[2] == pytest.approx(0.04)
    assert math.isnan(holm([math.nan])[0])
    assert holm([]) == []


@pytest.mark.parametrize(("family", "size"), [(("arm", "backbone", "fraction"), 3), (("target",), 4), ((), 12)])
def test_a_family_is_what_it_is_said_to_be(family: tuple[str, ...], size: int) -> None:
    tables = cell_tables(comparison(1, {"scratch": 0.0, "genesis": 0.02, "other": 0.01}), resamples=50)
    found = against_reference(tables, "scratch", family)
    assert len(found) == 12
    keys = [
        tuple(
            {"arm": one.arm.arm, "backbone": "", "fraction": one.cell.fraction, "target": one.cell.target}[k]
            for k in family
        )
        for one in found
    ]
    for key in set(keys):
        members = [one for one, its in zip(found, keys, strict=True) if its == key]
        assert len(members) == size
        for test in ("both",):  # statsmodels collects garbage in every call
            expected = multipletests([one.tests[test].p for one in members], method="holm")[1]
            assert [one.adjusted[test] for one in members] == pytest.approx(expected)


def test_the_usual_family_is_all_targets_of_an_arm() -> None:
    """On whichever network: 2D and 3D targets are one claim, unless a target has both."""
    found = against_reference(cell_tables(comparison(1, {"scratch": 0.0, "genesis": 0.02}), resamples=50), "scratch")
    flat = [replace(one, cell=replace(one.cell, backbone="unet2d")) for one in found]
    mixed = [*flat[:2], *found[2:]]  # both numbers of labels of the first target
    assert usual_family(mixed) == usual_family(found) == ("arm", "fraction")
    assert correct(mixed)[-1].adjusted == correct(found)[-1].adjusted
    assert usual_family([*found, *flat]) == ("arm", "backbone", "fraction")
    assert correct([*found, *flat])[0].adjusted == correct(found)[0].adjusted


def test_the_corrected_p_decides() -> None:
    ones = against_reference(cell_tables(comparison(2, {"scratch": 0.0, "genesis": 0.015}, targets=7)), "scratch", ())
    lost = [one for one in ones if one.tests["both"].p < 0.05 <= one.adjusted["both"]]
    assert lost
    assert all(one.outcome == "undecided" for one in lost)


def test_holm_keeps_any_false_positive_of_a_family_rare() -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(400, 7, 2, 10))
    p = stats.ttest_ind(samples[:, :, 0], samples[:, :, 1], axis=-1).pvalue
    assert np.mean(p.min(axis=1) < 0.05) > 0.2
    assert 0.02 < np.mean([min(holm(of_family)) < 0.05 for of_family in p]) < 0.085


def test_cells_without_the_reference_are_not_compared() -> None:
    whole = comparison(4, {"scratch": 0.0, "genesis": 0.02})
    runs = tuple(run for run in whole.results if run.arm != "scratch" or run.target == "t0")
    found = against_reference(cell_tables(Comparison(runs), resamples=50), "scratch")
    assert {one.cell.target for one in found} == {"t0"}


def test_best_of_a_row_and_those_not_below_it() -> None:
    effects = {"scratch": 0.0, "genesis": 0.1, "close": 0.098, "single": 0.05}
    whole = comparison(5, effects, targets=1, fractions=(1,))
    runs = tuple(run for run in whole.results if run.arm != "single" or run.seed == 0)
    (table,) = cell_tables(Comparison(runs))
    found = row(table)
    scores = {arm: [run.score for run in runs if run.arm == arm] for arm in effects}
    assert found.best == max(effects, key=lambda arm: np.mean(scores[arm]))
    second = {"genesis": "close", "close": "genesis"}[found.best]
    assert found.not_below == (second,)
    assert found.tests["scratch"].p == pytest.approx(stats.ttest_ind(scores["scratch"], scores[found.best]).pvalue)
    assert "fewer than two seeds" in found.tests["single"].reason
    assert [arm.arm for arm in found.arms] == list(effects)


def test_a_row_without_scores_has_no_best() -> None:
    runs = segmented(np.array([[0.5]]), ["a"])
    (table,) = cell_tables(Comparison(tuple(replace(run, score=math.nan) for run in runs)))
    assert (row(table).best, row(table).arms) == ("", ())


def test_a_seed_twice_is_an_error_of_the_user() -> None:
    whole = comparison(6, {"scratch": 0.0}, targets=1, fractions=(1,))
    with pytest.raises(UsageError, match="both seed 0"):
        cell_tables(Comparison((*whole.results, whole.results[0])))
