"""The paragraph says what the statistics say: a win, no difference, one seed, a leak, failures, nothing to compare."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.analysis import analyse
from modelsgenesis.evaluate.results import CaseResult, Comparison, Failure, Leak, Result
from modelsgenesis.report.verdict import headline, verdict


def runs(arm: str, mean: float, seeds: int, target: str = "lcs", subjects: int = 20) -> list[Result]:
    """Runs of an arm; every test subject is as hard for all arms."""
    hardness = np.random.default_rng(1).normal(0, 0.05, subjects)
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, *arm.encode()])
        scores = mean + hardness + rng.normal(0, 0.01, subjects) + rng.normal(0, 0.004)
        cases = {f"s{n}": CaseResult(f"s{n}", float(score)) for n, score in enumerate(scores)}
        score = float(scores.mean())
        place = Path(f"{target}/{arm}/{seed}")
        found.append(Result(place, target, arm, "unet3d", 1.0, seed, "segmentation", "dice", score, cases))
    return found


def told(comparison: Comparison) -> tuple[str, str]:
    """Headline and paragraph."""
    analysis = analyse(comparison)
    return headline(comparison, analysis), " ".join(one.text for one in verdict(comparison, analysis))


def test_clear_win() -> None:
    head, text = told(Comparison((*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5))))
    assert head == "Pre-training helps on the one target"
    assert "Genesis is better than scratch on LCS (+0.1" in text
    assert "20 test subjects a target" in text
    assert "five seeds an arm" in text
    assert "say little" not in text


def test_clear_loss() -> None:
    head, text = told(Comparison((*runs("scratch", 0.75, 5), *runs("genesis", 0.6, 5))))
    assert head == "Pre-training hurts on the one target"
    assert "Genesis is worse than scratch on LCS (\N{MINUS SIGN}0.1" in text


def test_no_difference_is_no_proof_of_equality() -> None:
    head, text = told(Comparison((*runs("scratch", 0.7, 5), *runs("genesis", 0.7001, 5))))
    assert head == "No difference shown"
    assert "No difference between genesis and scratch is shown on LCS" in text
    assert "which is no proof of equality" in text
    assert "better than" not in text


def test_one_seed_is_a_caution() -> None:
    _, text = told(Comparison((*runs("scratch", 0.6, 1), *runs("genesis", 0.75, 1))))
    assert "With one seed nothing is known of how far training again would move the numbers." in text


def test_few_seeds_are_a_caution() -> None:
    _, text = told(Comparison((*runs("scratch", 0.6, 2), *runs("genesis", 0.75, 2))))
    assert "Two seeds say little about the spread." in text


def test_another_scale_is_a_caution() -> None:
    other = "voxels of 2 mm in pre-training, voxels of 4 mm here, a factor of 2.0"
    seen = [replace(one, scale=other) for one in runs("genesis", 0.75, 5)]
    head, text = told(Comparison((*runs("scratch", 0.6, 5), *seen)))
    assert head == "Pre-training helps on the one target"
    assert f"LCS mixes up scale and pre-training for genesis: {other}." in text
    assert "mixes up scale" not in told(Comparison((*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5))))[1]


def test_leak_takes_the_win_away() -> None:
    leak = Leak(Path("pretraining"), "genesis", "lcs", "subject", ("s1", "s2", "s3"), "test")
    head, text = told(Comparison((*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5)), leaks=(leak,)))
    assert head == "Pre-training saw the test data"
    assert "LCS leaks: three subjects of its test or validation data were seen by the pre-training of genesis" in text
    assert "does not count" in text


def test_a_leak_of_one_arm_leaves_the_others() -> None:
    leak = Leak(Path("pretraining"), "other", "lcs", "subject", ("s1",), "test")
    results = (*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5), *runs("other", 0.75, 5))
    head, text = told(Comparison(results, leaks=(leak,)))
    assert head == "Pre-training helps on the one target"
    assert "Genesis is better than scratch" in text
    assert "Other is better" not in text


def test_a_finding_with_fewer_labels_is_told() -> None:
    few = [replace(one, fraction=0.1) for one in (*runs("scratch", 0.6, 5), *runs("genesis", 0.5, 5))]
    head, text = told(Comparison((*runs("scratch", 0.6, 5), *runs("genesis", 0.6, 5), *few)))
    assert head == "With 10\N{NO-BREAK SPACE}% of the labels pre-training hurts on the one target"
    assert "No difference between genesis and scratch is shown on LCS" in text
    assert "With 10\N{NO-BREAK SPACE}% of the labels, genesis is worse than scratch on LCS" in text
    only_few = [*few, *runs("scratch", 0.6, 5, "mine"), *runs("genesis", 0.6, 5, "mine")]
    assert "With 10\N{NO-BREAK SPACE}% of the labels, genesis is worse" in told(Comparison(tuple(only_few)))[1]


def test_arms_that_differ_are_named() -> None:
    arms = (*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5), *runs("other", 0.5, 5))
    assert told(Comparison(arms))[0] == "Genesis helps on the one target; other hurts on the one target"


def test_another_reference_than_scratch() -> None:
    arms = Comparison((*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5), *runs("other", 0.9, 5)))
    head, text = told(arms.against("genesis"))
    assert head == "Scratch is worse than genesis on the one target; other is better than genesis on the one target"
    assert "compare scratch and other with genesis" in text
    assert "Scratch is worse than genesis on LCS (\N{MINUS SIGN}0.1" in text
    more = Comparison((*arms.results, *runs("third", 0.5, 5)))
    assert told(more.against("genesis"))[0] == "Three of three arms differ from genesis"
    assert told(more)[0] == "Three of three arms differ from scratch"
    with pytest.raises(UsageError, match=r"no finished run is of the arm 'gensis'; there are scratch, genesis, other"):
        arms.against("gensis")


def test_the_headline_counts_the_targets_of_each_arm() -> None:
    mine = (*runs("scratch", 0.6, 5, "mine"), *runs("genesis", 0.6, 5, "mine"))
    arms = (*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5), *runs("other", 0.5, 5), *mine)
    assert told(Comparison(arms))[0] == "Genesis helps on one of two targets; other hurts on the one target"
    level = (*runs("scratch", 0.6, 5), *runs("genesis", 0.6, 5), *runs("other", 0.5, 5))
    assert told(Comparison(level))[0] == "Other hurts on the one target"


def test_the_headline_says_where_only_fewer_labels_differ() -> None:
    shares = [
        replace(one, fraction=fraction)
        for fraction, gain in ((0.1, 0.1), (0.5, 0.1), (1.0, 0.0))
        for one in (*runs("scratch", 0.6, 5), *runs("genesis", 0.6 + gain, 5))
    ]
    assert told(Comparison(tuple(shares)))[0] == "With fewer labels pre-training helps on the one target"


def test_fewer_labels_need_a_gain_that_is_shown() -> None:
    """One seed reads 27 % off the curve too, and nothing tells by how much that may be wrong."""
    for seeds in (1, 5):
        curves = [
            replace(one, fraction=share)
            for share, lost in ((0.25, 0.1), (1.0, 0.0))
            for one in (*runs("scratch", 0.6 - lost, seeds), *runs("genesis", 0.7 - lost, seeds))
        ]
        assert ("needs fewer on LCS" in told(Comparison(tuple(curves)))[1]) == (seeds == 5)


def test_fewer_steps_need_five_seeds() -> None:
    for seeds in (4, 5):
        slow, fast = (
            [
                replace(one, monitor="dice", curve=tuple((s, min(s / end, 1)) for s in range(10, 101, 10)))
                for one in ones
            ]
            for end, ones in ((100, runs("scratch", 0.6, seeds)), (50, runs("genesis", 0.6, seeds)))
        )
        told_fast = "it needs fewer steps on LCS (50\N{NO-BREAK SPACE}%), without correction"
        assert (told_fast in told(Comparison((*slow, *fast)))[1]) == (seeds == 5)


def test_nothing_tested_is_no_difference_shown() -> None:
    head, text = told(Comparison((*runs("scratch", 0.6, 1), *runs("genesis", 0.75, 1))))
    assert head == "No difference could be tested"
    assert "Whether genesis differs from scratch cannot be tested on LCS." in text


def test_two_metrics_of_a_target_are_told_apart() -> None:
    better = (*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5))
    worse = [replace(one, metric="nsd") for one in (*runs("scratch", 0.6, 5), *runs("genesis", 0.5, 5))]
    _, text = told(Comparison((*better, *worse)))
    assert "better than scratch on LCS (+0.1" in text
    assert "worse than scratch on LCS (\N{MINUS SIGN}0.1" in text


def test_runs_that_cannot_be_paired_are_a_caution() -> None:
    results = (*runs("scratch", 0.6, 4), *runs("genesis", 0.75, 5))
    assert "Genesis on LCS had other seeds than scratch" in told(Comparison(results))[1]


def test_failures_and_what_is_to_come_are_told() -> None:
    names = ("runs/lcs/genesis-1-3", "tuning/lcs/genesis-1-1000-a", "prepared/bms")
    failures = tuple(Failure(Path(name), name, "out of memory") for name in names)
    results = (*runs("scratch", 0.6, 3), *runs("genesis", 0.75, 3))
    _, text = told(Comparison(results, failures=failures, waiting=("runs/lcs/scratch-1-3", "runs/lcs/scratch-1-4")))
    assert "One run of 9 did not finish and is not in the numbers." in text
    assert "Two runs of 9 are still to come." in text
    assert "Two jobs before the runs (data, pre-training or tuning) failed." in text


def test_a_structure_that_died_is_a_caution() -> None:
    results = [*runs("scratch", 0.6, 3), *runs("genesis", 0.75, 3)]
    assert "nowhere" not in told(Comparison(tuple(results)))[1]
    results[1] = replace(results[1], missed=("liver",))
    said = "One run of 6 kept weights that predict a structure nowhere in the validation cases, which have it: "
    assert f"{said}liver of LCS (scratch, seed 1)." in told(Comparison(tuple(results)))[1]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (runs("scratch", 0.6, 3), "No target has both scratch and another arm"),
        (runs("genesis", 0.6, 3), "No run starts from scratch, so there is nothing to compare with."),
        ([], "No fine-tuning run is among the folders"),
    ],
)
def test_nothing_to_compare(results: list[Result], expected: str) -> None:
    head, text = told(Comparison(tuple(results)))
    assert expected in text
    assert "helps" not in head


def test_several_targets_are_told_apart() -> None:
    both = (*runs("scratch", 0.6, 5), *runs("genesis", 0.75, 5))
    other = (*runs("scratch", 0.6, 5, "mine"), *runs("genesis", 0.6, 5, "mine"))
    head, text = told(Comparison((*both, *other)))
    assert head == "Pre-training helps on one of two targets"
    assert "the data do not decide" in text
    assert "on mine (" in text
