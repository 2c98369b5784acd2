"""All statistics of a comparison at once, and what they come to."""

import math
from dataclasses import replace

import numpy as np
import pytest

from modelsgenesis.evaluate.analysis import analyse, verdicts
from modelsgenesis.evaluate.cells import Runs
from modelsgenesis.evaluate.results import Comparison
from tests.evaluate.simulated_runs import Spreads, names, segmented, two_tables

EFFECTS = {"up": 0.1, "even": 0.0, "down": -0.1}
FRACTIONS = (0.1, 0.5, 1.0)


def comparison(runs: int = 4) -> Comparison:
    """Three targets, on which "genesis" is better, as good, and worse; two numbers of labels."""
    rng = np.random.default_rng(0)
    found: list[Runs] = []
    for target, effect in EFFECTS.items():
        for fraction in FRACTIONS:
            scores = two_tables(rng, Spreads(seed=0.01, subject=0.0), runs=runs, subjects=10, per_subject=1)
            for arm, bonus, of_arm in zip(("scratch", "genesis"), (0.0, effect), scores, strict=True):
                fields = {"arm": arm, "target": target, "fraction": fraction}
                level = 0.7 + bonus + 0.15 * math.log(fraction)
                end = 200 if bonus > 0 else 400
                found.append(
                    tuple(
                        replace(
                            run,
                            curve=tuple((step, min(step / end, 1.0) * level) for step in range(10, 401, 10)),
                            outcomes={"found": 9, "missed": 1 if arm == "scratch" else 0},
                        )
                        for run in segmented(level + of_arm, names(10, 1), **fields)  # type: ignore[arg-type]
                    )
                )
    return Comparison(tuple(run for of_cell in found for run in of_cell))


def test_verdict_counts_targets_by_outcome() -> None:
    found = analyse(comparison(), resamples=200)
    (verdict,) = found.verdicts
    assert (verdict.arm, verdict.reference, verdict.backbone) == ("genesis", "scratch", "unet3d")
    assert [tally.fraction for tally in verdict.tallies] == list(FRACTIONS)
    for tally in verdict.tallies:
        assert (tally.better, tally.worse, tally.untested) == (("up",), ("down",), ())
        assert tally.undecided == ("even",)
    assert {one.target: one.outcome for one in verdict.labels} | {"even": ""} == {
        "up": "reached",
        "even": "",
        "down": "not reached",
    }
    saved = sorted(one.saved for one in verdict.labels)
    assert verdict.median_saved == saved[1]
    assert [one.cell.fraction for one in verdict.speeds] == [1.0] * 3
    assert verdict.median_ratio == sorted(one.ratio for one in verdict.speeds)[1]
    assert (verdict.missed, verdict.structures) == (0, 9 * 4 * 9)
    assert (verdict.reference_missed, verdict.reference_structures) == (4 * 9, 4 * 9 * 10)


def test_medians_count_what_is_not_reached_as_worse_than_any_number() -> None:
    found = analyse(comparison(), resamples=50)
    saved = [replace(found.labels[0], saved=value) for value in (30.0, -math.inf, 50.0, math.nan, 10.0)]
    speeds = [
        replace(found.speeds[2], cell=replace(found.speeds[2].cell, target=f"t{k}"), ratio=ratio)
        for k, ratio in enumerate((1.0, math.inf, 0.5, 0.8))
    ]
    (verdict,) = verdicts(found.comparisons, saved, speeds)
    assert (verdict.median_saved, verdict.median_ratio) == (10.0, 1.0)


def test_everything_is_there_once() -> None:
    found = analyse(comparison(), resamples=100)
    assert len(found.comparisons) == len(found.rows) == len(found.speeds) == 9
    assert len(found.curves) == 6
    assert len(found.labels) == 3
    assert all(one.adjusted for one in found.comparisons)
    assert {row.best for row in found.rows if row.cell.target == "up"} == {"genesis"}


def test_same_seed_same_numbers() -> None:
    first, again, other = (analyse(comparison(), seed=seed, resamples=100) for seed in (1, 1, 2))
    assert repr(first) == repr(again)  # NaN differs from itself
    assert repr(first) != repr(other)


def test_one_seed_is_untested_not_undecided() -> None:
    (verdict,) = analyse(comparison(runs=1), resamples=100).verdicts
    assert all(set(tally.untested) == set(EFFECTS) for tally in verdict.tallies)


def test_nothing_to_compare() -> None:
    found = analyse(Comparison(()))
    assert (found.comparisons, found.rows, found.verdicts) == ((), (), ())
    alone = tuple(run for run in comparison().results if run.arm == "genesis")
    without = analyse(Comparison(alone), resamples=50)
    assert without.verdicts == ()
    assert len(without.rows) == 9
    assert all(one.outcome == "undefined" and "scratch was not run" in one.reason for one in without.labels)


def test_one_number_of_labels_has_no_labels_needed() -> None:
    whole = comparison()
    full = replace(whole, results=tuple(run for run in whole.results if run.fraction == 1))
    found = analyse(full, resamples=50)
    assert found.labels == ()
    assert math.isnan(found.verdicts[0].median_saved)
    assert found.verdicts[0].median_ratio == pytest.approx(1.0, abs=1)
