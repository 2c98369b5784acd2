"""Choosing by validation: every combination once, the best of those that finished, never a look at test cases."""

from pathlib import Path
from typing import Any

import pytest

from modelsgenesis.benchmark.jobs import Job
from modelsgenesis.benchmark.tuning import Candidate, best, candidates, combinations
from modelsgenesis.config import settings
from modelsgenesis.errors import GenesisError
from modelsgenesis.run import Run


@settings
class _Settings:
    """Of a run that nobody trains."""


def test_every_combination_once() -> None:
    found = combinations({"optim.lr": [0.1, 0.2], "optim.head_steps": [0, 5], "backbone.norm": ["batch"]})
    assert len(found) == 4
    assert found["optim.lr=0.2+optim.head_steps=5+backbone.norm=batch"] == {
        "optim": {"lr": 0.2, "head_steps": 5},
        "backbone": {"norm": "batch"},
    }
    assert combinations({}) == {}
    assert list(combinations({"scope": ["a/b c"]})) == ["scope=a_b_c"]  # safe in a path


def trial(folder: Path, name: str, score: float | None, *before: float) -> None:
    run = Run(folder / name)
    run.begin("finetune", _Settings(), "data", False)
    if score is not None:
        for step, value in enumerate((*before, score)):
            run.log(step=step, dice=value, test=1 - value)
        run.finish(monitor="dice", best={"step": 1, "dice": score, "test": 1 - score})


def test_the_best_validation_wins(tmp_path: Path) -> None:
    names: Any = {"t/a": {"x": 1}, "t/b": {"x": 2}, "t/c": {"x": 3}, "t/d": {"x": 4}, "t/e": {"x": 5}}
    job = Job("runs/r", "run", "ncc", tuning=tuple(names), choices=names)
    with pytest.raises(GenesisError, match=r"runs/r: none of its 5 tuning runs is finished"):
        best(tmp_path, job)
    for name, score in {"t/a": 0.4, "t/b": 0.7, "t/c": 0.7, "t/d": None}.items():  # d was cut short, e never began
        trial(tmp_path, name, score)
    assert best(tmp_path, job) == {"x": 2}


def test_the_mean_over_seeds_decides(tmp_path: Path) -> None:
    low, high = {"lr": 1}, {"lr": 2}
    scores = {"t/low-7": 0.9, "t/high-7": 0.8, "t/low-8": 0.4, "t/high-8": 0.6, "t/low-9": 0.5, "t/high-9": None}
    choices: Any = {name: low if "low" in name else high for name in scores}
    job = Job("runs/r", "run", "ncc", tuning=tuple(scores), choices=choices)
    for name, score in scores.items():
        trial(tmp_path, name, score)
    assert candidates(tmp_path, job) == [
        Candidate(low, ("t/low-7", "t/low-8", "t/low-9"), pytest.approx(0.6), pytest.approx(0.6)),
        Candidate(high, ("t/high-7", "t/high-8", "t/high-9"), pytest.approx(0.7), pytest.approx(0.7)),
    ]
    assert best(tmp_path, job) == high


def test_of_equals_the_one_that_was_there_sooner(tmp_path: Path) -> None:
    choices: Any = {"t/late": {"x": 1}, "t/soon": {"x": 2}, "t/lower": {"x": 3}, "t/early": {"x": 4}}
    job = Job("runs/r", "run", "iuc", tuning=tuple(choices), choices=choices)
    trial(tmp_path, "t/late", 1.0, 0.5, 0.6)
    trial(tmp_path, "t/soon", 1.0, 0.5, 0.9)
    trial(tmp_path, "t/lower", 0.99, 0.99, 0.99)
    trial(tmp_path, "t/early", 1.0, 0.5, 0.9)  # equal in all: the first
    assert best(tmp_path, job) == {"x": 2}
