"""Steps to the reference's validation score: on curves whose answer is known, and all that may be lacking."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modelsgenesis.evaluate.cells import Runs, cells
from modelsgenesis.evaluate.comparison import CellTable
from modelsgenesis.evaluate.convergence import Goal, Speed, best_so_far, speed
from modelsgenesis.evaluate.draws import draw_seeds, limits, mean_of_drawn
from tests.evaluate.simulated_runs import segmented


def curve(score: Callable[[int], float], last: int = 400, every: int = 10) -> tuple[tuple[int, float], ...]:
    return tuple((step, score(step)) for step in range(every, last + 1, every))


def runs(arm: str, curves: list[tuple[tuple[int, float], ...]]) -> Runs:
    blank = segmented(np.full((len(curves), 1), 0.5), ["a"], arm=arm)
    return tuple(replace(run, curve=one, monitor="dice") for run, one in zip(blank, curves, strict=True))


def compared(ours: Runs, theirs: Runs, **settings: object) -> Speed:
    ((cell, arms),) = cells((*ours, *theirs)).items()
    return speed(CellTable(cell, arms), "genesis", "scratch", **settings)  # type: ignore[arg-type]


def test_twice_as_fast_is_a_ratio_of_a_half() -> None:
    ours = runs("genesis", [curve(lambda step: min(step / 200, 1.0))] * 3)
    theirs = runs("scratch", [curve(lambda step: step / 400)] * 3)
    found = compared(ours, theirs)
    assert (found.outcome, found.goal, found.steps, found.reference_steps) == ("reached", 1.0, 200, 400)
    assert (found.ratio, found.low, found.high, found.seeds) == (0.5, 0.5, 0.5, 3)
    assert (found.monitor, found.reason) == ("dice", "")


@pytest.mark.parametrize(("goal", "score", "steps"), [("final", 0.6, 100), ("best", 0.9, 300)])
def test_final_or_best(goal: Goal, score: float, steps: int) -> None:
    """The reference falls from 0.9 to 0.6; the arm is at 0.6 after 100 steps and at 0.9 after 300."""
    ours = runs("genesis", [curve(lambda step: 0.9 if step >= 300 else 0.6 if step >= 100 else 0.0)] * 2)
    theirs = runs("scratch", [curve(lambda step: 0.9 if step == 200 else 0.6 if step > 200 else 0.1)] * 2)
    found = compared(ours, theirs, goal=goal)
    assert (found.goal, found.steps, found.reference_steps) == (pytest.approx(score), steps, 200)


def test_a_run_that_stops_early_keeps_its_best() -> None:
    short = runs("genesis", [curve(lambda step: 0.8 if step == 20 else 0.3, last=50)])
    best = best_so_far(short, np.array([10, 20, 30, 400]))
    assert best[:, 0].tolist() == [0.3, 0.8, 0.8, 0.8]


def test_nothing_is_reached_before_the_first_validation() -> None:
    ours = runs("genesis", [curve(lambda _: 1.0, every=100)] * 2)
    theirs = runs("scratch", [curve(lambda step: step / 400)] * 2)
    found = compared(ours, theirs)
    assert (found.steps, found.ratio, found.low, found.high) == (100, 0.25, 0.25, 0.25)


def test_not_reached() -> None:
    ours = runs("genesis", [curve(lambda _: 0.4)] * 3)
    theirs = runs("scratch", [curve(lambda step: step / 400)] * 3)
    found = compared(ours, theirs)
    assert (found.outcome, found.steps, found.ratio) == ("not reached", math.inf, math.inf)
    assert (found.low, found.high) == (math.inf, math.inf)


def test_interval_is_over_seeds_and_holds_the_truth() -> None:
    rng, covered = np.random.default_rng(0), []
    for k in range(60):
        pairs = [[400 * factor * math.exp(rng.normal(0, 0.1)) for factor in (0.5, 0.9)] for _ in range(8)]
        arms = [
            runs(arm, [curve(lambda step, end=end: min(step / end, 1.0)) for end in ends])  # type: ignore[misc]
            for arm, ends in zip(("genesis", "scratch"), zip(*pairs, strict=True), strict=True)
        ]
        found = compared(*arms, seed=k)
        covered.append(found.low <= 0.5 / 0.9 <= found.high)
        assert found.high - found.low < 0.5
    assert np.mean(covered) > 0.8


def test_one_seed_has_a_ratio_and_no_interval() -> None:
    found = compared(
        runs("genesis", [curve(lambda step: step / 200)]), runs("scratch", [curve(lambda step: step / 400)])
    )
    assert found.ratio == 0.5
    assert math.isnan(found.low)
    assert "one seed" in found.reason


def test_undefined() -> None:
    some = runs("genesis", [curve(lambda step: step / 400)] * 2)
    none = tuple(replace(run, arm="scratch", curve=()) for run in some)
    other = tuple(replace(run, arm="scratch", monitor="loss") for run in some)
    nan = tuple(replace(run, arm="scratch", curve=((10, math.nan),)) for run in some)
    for theirs, reason in ((none, "no validation scores"), (nan, "no validation scores"), (other, "dice, loss")):
        found = compared(some, theirs)
        assert found.outcome == "undefined"
        assert all(math.isnan(value) for value in (found.steps, found.ratio, found.low, found.high))
        assert reason in found.reason
    from_start = tuple(replace(run, arm="scratch", curve=((0, 0.5), (10, 0.5))) for run in some)
    found = compared(some, from_start)
    assert math.isnan(found.ratio)
    assert "before its first step" in found.reason


def test_draws_of_seeds_show_the_whole_variance() -> None:
    rng = np.random.default_rng(1)
    for count in (2, 4):
        scores = rng.random((1, count))
        group = runs("genesis", [curve(lambda _: 0.5)] * count)
        means = mean_of_drawn(group, scores, draw_seeds([group], 0, 20_000))[0]
        assert means.var() == pytest.approx(scores.var(ddof=1) / count, rel=0.05)


def test_never_is_larger_than_any_number() -> None:
    values = np.array([0.0] * 10 + list(np.linspace(0.2, 0.4, 80)) + [math.inf] * 10)
    found = limits(0.3, values)
    assert (found.low, found.high) == (0, math.inf)
    assert limits(0.3, values[2:-9]).high < 0.41
