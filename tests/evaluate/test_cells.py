"""Runs in their cells; cases over seeds; one value a subject."""

import math
from dataclasses import replace

import numpy as np
import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.cells import Cell, cells, defined, per_case, seeds, subject_differences
from tests.evaluate.simulated_runs import segmented


def test_runs_are_grouped_by_all_that_must_be_the_same() -> None:
    scores = np.full((2, 3), 0.5)
    genesis = segmented(scores, ["a", "b", "c"], seeds=[4, 1])
    few = segmented(scores, ["a", "b", "c"], fraction=0.1)
    other_metric = segmented(scores, ["a", "b", "c"], metric="iou")
    found = cells((*genesis, *few, *other_metric))
    assert list(found) == [
        Cell("lung", "unet3d", 1.0, "dice"),
        Cell("lung", "unet3d", 0.1, "dice"),
        Cell("lung", "unet3d", 1.0, "iou"),
    ]
    assert seeds(found[Cell("lung", "unet3d", 1.0, "dice")]["genesis"]) == (1, 4)


def test_a_seed_twice_names_both_runs() -> None:
    (run,) = segmented(np.array([[0.5]]), ["a"])
    with pytest.raises(UsageError, match=r"runs/genesis-0 and .*again are both seed 0 of genesis on lung"):
        cells([run, replace(run, run=run.run / "again")])


def test_cases_over_seeds() -> None:
    runs = segmented(np.array([[0.2, math.nan, math.nan], [0.6, 0.9, math.nan]]), ["a", "a", "b"])
    found = per_case(runs)
    assert (found["c0"].subject, found["c0"].mean, found["c0"].count) == ("a", pytest.approx(0.4), 2)
    assert found["c0"].deviation == pytest.approx(np.std([0.2, 0.6], ddof=1))
    assert (found["c1"].mean, found["c1"].count) == (0.9, 1)
    assert math.isnan(found["c1"].deviation)
    assert math.isnan(found["c2"].mean)


def test_subjects_count_once_however_many_cases_they_have() -> None:
    subjects = ["b", "b", "a", "c"]
    ours = segmented(np.array([[0.5, 0.7, 0.9, 0.3]]), subjects)
    theirs = segmented(np.array([[0.4, 0.4, 0.8, math.nan]]), subjects, arm="scratch")
    assert subject_differences(ours, theirs) == pytest.approx([0.1, 0.2])  # a, b; c has no score in one arm


def test_runs_without_a_score_are_told_apart() -> None:
    runs = segmented(np.array([[0.5], [0.6]]), ["a"])
    assert seeds(defined((replace(runs[0], score=math.nan), runs[1]))) == (1,)
