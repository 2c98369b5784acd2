"""Runs whose truth is known: scores of cases as sums of what belongs to seeds, subjects, arms and chance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelsgenesis.evaluate.cells import Runs
from modelsgenesis.evaluate.classification import auc
from modelsgenesis.evaluate.results import CaseResult, Result


@dataclass(frozen=True)
class Spreads:
    """Standard deviations of what adds up to a score.

    Attributes:
        pair: of a seed, in both arms alike.
        seed: of a run.
        subject: of a subject, in both arms alike.
        arm_subject: of a subject in one arm, over all seeds: who is easy for the arm.
        chance: of a subject in one run.
        case: of a case in one run.
    """

    pair: float = 0.0
    seed: float = 0.0
    subject: float = 0.1
    arm_subject: float = 0.0
    chance: float = 0.0
    case: float = 0.02


def segmented(
    scores: np.ndarray, subjects: list[str], *, arm: str = "genesis", seeds: list[int] | None = None, **fields: object
) -> Runs:
    """Runs of an arm from (runs, cases) scores."""
    named = {"target": "lung", "backbone": "unet3d", "fraction": 1.0, "metric": "dice"} | fields
    return tuple(
        Result(
            Path(f"runs/{arm}-{seed}"),
            arm=arm,
            seed=seed,
            task="segmentation",
            score=float(np.nanmean(row)),
            cases={
                f"c{k}": CaseResult(subject, float(x)) for k, (subject, x) in enumerate(zip(subjects, row, strict=True))
            },
            **named,  # type: ignore[arg-type]
        )
        for seed, row in zip(seeds or range(len(scores)), scores, strict=True)
    )


def classified(
    truth: np.ndarray, probabilities: np.ndarray, subjects: list[str], *, arm: str = "genesis", **fields: object
) -> Runs:
    """Runs of an arm on two classes from (cases,) truth and (runs, cases) probabilities of the second."""
    named = {"target": "nodule", "backbone": "unet3d", "fraction": 1.0, "metric": "auc"} | fields
    return tuple(
        Result(
            Path(f"runs/{arm}-{seed}"),
            arm=arm,
            seed=seed,
            task="classification",
            score=auc(truth, row),
            cases={
                f"c{k}": CaseResult(subjects[k], float("nan"), int(truth[k]), (1 - float(p), float(p)))
                for k, p in enumerate(row)
            },
            **named,  # type: ignore[arg-type]
        )
        for seed, row in enumerate(probabilities)
    )


def names(subjects: int, per_subject: int) -> list[str]:
    """The subject of each case."""
    return [f"s{k:03d}" for k in range(subjects) for _ in range(per_subject)]


def two_tables(
    rng: np.random.Generator, spreads: Spreads, *, runs: int, subjects: int, per_subject: int
) -> tuple[np.ndarray, np.ndarray]:
    """(runs, cases) of two arms that are equally good: sums of the parts in `spreads`, around 0."""

    def over_cases(sd: float, *shape: int) -> np.ndarray:
        return np.repeat(rng.normal(0, sd, (*shape, subjects)), per_subject, axis=-1)

    pair, base = rng.normal(0, spreads.pair, (runs, 1)), over_cases(spreads.subject)
    first, second = (
        pair
        + base
        + rng.normal(0, spreads.seed, (runs, 1))
        + over_cases(spreads.arm_subject)
        + over_cases(spreads.chance, runs)
        + rng.normal(0, spreads.case, (runs, subjects * per_subject))
        for _ in range(2)
    )
    return first, second


def segmented_pair(
    rng: np.random.Generator,
    spreads: Spreads,
    *,
    runs: int = 5,
    subjects: int = 20,
    per_subject: int = 2,
    effect: float = 0.0,
) -> tuple[Runs, Runs]:
    """Segmentation runs of two arms; `effect` is how much better the first one is."""
    ours, theirs = two_tables(rng, spreads, runs=runs, subjects=subjects, per_subject=per_subject)
    of = names(subjects, per_subject)
    return segmented(0.7 + effect + ours, of), segmented(0.7 + theirs, of, arm="scratch")


def classified_pair(
    rng: np.random.Generator,
    spreads: Spreads,
    *,
    runs: int = 3,
    subjects: int = 40,
    per_subject: int = 2,
    effect: float = 0.0,
) -> tuple[Runs, Runs]:
    """Classification runs of two arms; `effect` shifts the positives of the first one (in logits).

    The spreads of seeds are of how well positives and negatives are told apart.
    """
    told = Spreads(0, 0, spreads.subject, spreads.arm_subject, spreads.chance, spreads.case)
    ours, theirs = two_tables(rng, told, runs=runs, subjects=subjects, per_subject=per_subject)
    truth = (rng.random(subjects * per_subject) < 0.4).astype(np.int64)
    pair = 1.2 + rng.normal(0, spreads.pair, (runs, 1))
    own, other = (pair + rng.normal(0, spreads.seed, (runs, 1)) for _ in range(2))
    probabilities = [1 / (1 + np.exp(-x)) for x in (ours + truth * (own + effect), theirs + truth * other)]
    of = names(subjects, per_subject)
    return classified(truth, probabilities[0], of), classified(truth, probabilities[1], of, arm="scratch")
