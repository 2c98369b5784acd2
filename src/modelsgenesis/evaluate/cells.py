"""Runs in their places: which ones are repetitions of one another, and what each test case got over them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.results import Result
from modelsgenesis.evaluate.statistics import Values

Runs = tuple[Result, ...]
"""Runs of one arm in one cell, in the order of their seeds; each seed once."""


@dataclass(frozen=True, order=True)
class Cell:
    """What two arms must have in common to be compared.

    Args:
        target: name of the labelled data.
        backbone: name of the network.
        fraction: share of the training subjects whose labels were used.
        metric: of the scores; runs scored by another metric are in another cell.
    """

    target: str
    backbone: str
    fraction: float
    metric: str


@dataclass(frozen=True)
class CaseScores:
    """What one test case got from an arm.

    Args:
        subject: whom it shows.
        mean: over seeds; NaN where no run scores this case alone.
        deviation: over seeds, divisor n - 1; NaN below two.
        count: runs that score it.
    """

    subject: str
    mean: float
    deviation: float
    count: int


def cells(results: Iterable[Result]) -> dict[Cell, dict[str, Runs]]:
    """Runs by cell and arm, in the order in which cells and arms first come.

    Raises:
        UsageError: two runs are of one cell, arm and seed; they are not independent repetitions.
    """
    table: dict[Cell, dict[str, dict[int, Result]]] = {}
    for result in results:
        cell = Cell(result.target, result.backbone, result.fraction, result.metric)
        of_seed = table.setdefault(cell, {}).setdefault(result.arm, {})
        if result.seed in of_seed:
            raise UsageError(
                f"{of_seed[result.seed].run} and {result.run} are both seed {result.seed} of {result.arm} on "
                f"{result.target}; leave one out, or name them as two arms"
            )
        of_seed[result.seed] = result
    return {
        cell: {arm: tuple(of_seed[seed] for seed in sorted(of_seed)) for arm, of_seed in arms.items()}
        for cell, arms in table.items()
    }


def defined(runs: Iterable[Result]) -> Runs:
    """The runs whose score is a number (AUC is not where the test cases are of one class)."""
    return tuple(run for run in runs if not math.isnan(run.score))


def scores(runs: Sequence[Result]) -> Values:
    """The score of each run."""
    return np.array([run.score for run in runs], dtype=np.float64)


def seeds(runs: Sequence[Result]) -> tuple[int, ...]:
    """The seed of each run."""
    return tuple(run.seed for run in runs)


def per_case(runs: Sequence[Result]) -> Mapping[str, CaseScores]:
    """Each test case's scores over the runs of an arm; a case that a run leaves undefined does not count there."""
    found: dict[str, list[float]] = {}
    subjects: dict[str, str] = {}
    for run in runs:
        for name, case in run.cases.items():
            subjects.setdefault(name, case.subject)
            found.setdefault(name, [])
            if not math.isnan(case.score):
                found[name].append(case.score)
    return {name: _case(subjects[name], values) for name, values in found.items()}


def _case(subject: str, values: list[float]) -> CaseScores:
    mean = math.fsum(values) / len(values) if values else math.nan
    squares = math.fsum((value - mean) ** 2 for value in values)
    deviation = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else math.nan
    return CaseScores(subject, mean, deviation, len(values))


def subject_differences(arm: Sequence[Result], reference: Sequence[Result]) -> Values:
    """Arm minus reference for each test subject: of the mean over seeds of each case, mean over the subject's cases.

    One value a subject with a case that both arms score, by name of subject: cases of a subject are not independent.
    """
    ours, theirs = per_case(arm), per_case(reference)
    found: dict[str, list[float]] = {}
    for name in sorted(ours.keys() & theirs.keys()):
        difference = ours[name].mean - theirs[name].mean
        if not math.isnan(difference):
            found.setdefault(ours[name].subject, []).append(difference)
    return np.array([float(np.mean(found[subject])) for subject in sorted(found)], dtype=np.float64)
