"""All statistics of a comparison at once, and what they come to."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from modelsgenesis.evaluate.analysis import Tally, analyse
from modelsgenesis.evaluate.cells import Runs
from modelsgenesis.evaluate.results import Comparison, Leak
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


def targets(tally: Tally) -> tuple[list[str], ...]:
    """Of better, worse, undecided and untested."""
    outcomes = (tally.better, tally.worse, tally.undecided, tally.untested)
    return tuple([one.cell.target for one in ones] for ones in outcomes)


def test_verdict_counts_targets_by_outcome() -> None:
    found = analyse(comparison(), resamples=200)
    (verdict,) = found.verdicts
    assert (verdict.arm, verdict.reference, verdict.backbone) == ("genesis", "scratch", "")
    assert [tally.fraction for tally in verdict.tallies] == list(FRACTIONS)
    for tally in verdict.tallies:
        assert targets(tally) == (["up"], ["down"], ["even"], [])
    assert verdict.most == dict.fromkeys(EFFECTS, 1.0)
    assert {one.target: one.outcome for one in verdict.labels} | {"even": ""} == {
        "up": "reached",
        "even": "",
        "down": "not reached",
    }
    assert [one.cell.fraction for one in verdict.speeds] == [1.0] * 3
    assert (verdict.missed, verdict.structures) == (0, 3 * 4 * 9)  # three targets, with all labels alone
    assert (verdict.reference_missed, verdict.reference_structures) == (3 * 4, 3 * 4 * 10)


def test_networks_are_claims_of_their_own_only_where_a_target_has_several() -> None:
    whole = comparison()
    nested = replace(
        whole, results=tuple(replace(one, backbone="unet2d") if one.target == "up" else one for one in whole.results)
    )
    crossed = replace(whole, results=(*whole.results, *(replace(one, backbone="unet2d") for one in whole.results)))
    assert [one.backbone for one in analyse(nested, resamples=50).verdicts] == [""]
    assert [one.backbone for one in analyse(crossed, resamples=50).verdicts] == ["unet3d", "unet2d"]


def test_what_leaks_is_in_no_verdict() -> None:
    leaks = (Leak(Path("p"), "genesis", "up", "subject", ("s",), "test"),)
    (verdict,) = analyse(replace(comparison(), leaks=leaks), resamples=50).verdicts
    assert [targets(tally) for tally in verdict.tallies] == [([], ["down"], ["even"], [])] * 3
    assert {one.target for one in verdict.labels} == {one.cell.target for one in verdict.speeds} == {"even", "down"}
    by_reference = replace(leaks[0], arm="scratch")
    (verdict,) = analyse(replace(comparison(), leaks=(by_reference,)), resamples=50).verdicts
    assert "up" not in verdict.most


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
    assert all(targets(tally) == ([], [], [], list(EFFECTS)) for tally in verdict.tallies)


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
    assert found.labels == found.verdicts[0].labels == ()
    assert len(found.verdicts[0].speeds) == 3
