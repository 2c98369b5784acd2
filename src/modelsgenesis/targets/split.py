"""Training, validation and test subjects of a target, and the part of the training subjects a run may use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError
from modelsgenesis.targets.base import SIDES, Target


@settings
class SplitChoice:
    """How subjects are divided. The data's own division comes before shares and folds, subjects by name before it."""

    validation: float = 0.2
    """Share of the subjects that are not for testing used for validation."""
    test: float = 0.2
    """Share of the subjects used for testing; 0: none."""
    folds: int = 5
    """Cross-validation: number of parts, of which the run's `fold` is for testing in place of the share `test`."""
    seed: int = 0
    """Decides the division; apart from the seed of a run, so that all runs of a comparison share it."""
    validation_subjects: tuple[str, ...] = ()
    """Validation subjects by name."""
    test_subjects: tuple[str, ...] = ()
    """Test subjects by name."""


@dataclass(frozen=True)
class Split:
    """Subjects of each side, sorted, disjoint."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def split(target: Target, choice: SplitChoice, fold: int = -1) -> Split:
    """Divide the subjects of `target`; a function of its cases, `choice` and `fold` (-1: no cross-validation) alone.

    Classes are spread evenly over the sides (a subject counts by its first case). Raises UsageError for names that are
    not there or on two sides, and when training or validation would be empty.
    """
    strata = strata_of(target)
    sides = _named(target, choice, fold)
    free = spread([subject for subject in strata if subject not in sides], strata, choice.seed)
    if "test" not in sides.values():
        for subject in _test_part(free, len(strata), choice, fold):
            sides[subject] = "test"
        free = [subject for subject in free if subject not in sides]
    if "validation" not in sides.values():
        count = min(max(1, round(choice.validation * len(free))), len(free))
        sides |= dict.fromkeys(free[:count], "validation")
    members = {side: tuple(sorted(s for s in strata if sides.get(s, "training") == side)) for side in SIDES}
    for side in ("training", "validation"):
        if not members[side]:
            raise UsageError(
                f"split: no subject is left for {side} ({len(strata)} subjects in {target.source}, "
                f"{len(members['test'])} for testing); add cases or lower split.test"
            )
    return Split(**members)


def _named(target: Target, choice: SplitChoice, fold: int) -> dict[str, str]:
    """Sides that the settings or the data give; subjects that a full table names "training" are not drawn either."""
    named = {"validation": choice.validation_subjects, "test": choice.test_subjects}
    subjects = {case.subject for case in target.cases}
    for side, names in named.items():
        unknown = sorted(set(names) - subjects)
        if unknown:
            raise UsageError(f"split.{side}_subjects: not in {target.source}: {', '.join(unknown)}")
    both = sorted(set(choice.validation_subjects) & set(choice.test_subjects))
    if both:
        raise UsageError(f"split: {', '.join(both)} named for validation and for test; choose one side")
    by_name = {subject: side for side, names in named.items() for subject in names}
    if fold >= 0 and choice.test_subjects:
        raise UsageError("split.test_subjects and a fold both say who is for testing; leave one out")
    of_data = {s: side for s, side in target.sides.items() if fold < 0 and not named.get(side)}
    whole = {"training", "validation"} <= set(of_data.values())
    return {**{s: side for s, side in of_data.items() if whole or side != "training"}, **by_name}


def _test_part(order: Sequence[str], subjects: int, choice: SplitChoice, fold: int) -> Sequence[str]:
    if fold < 0:
        count = round(choice.test * subjects)
        return order[: max(1, count) if choice.test > 0 else 0]
    if fold >= choice.folds or len(order) < choice.folds:
        raise UsageError(f"fold {fold} of {choice.folds} folds of {len(order)} subjects does not exist")
    return order[fold :: choice.folds]


def fraction_of(training: Sequence[str], strata: Mapping[str, str], fraction: float, seed: int) -> tuple[str, ...]:
    """The share `fraction` of the training subjects, at least one, sorted; for one seed smaller shares are subsets.

    Raises UsageError when `fraction` is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"label_fraction {fraction} must be above 0 and at most 1")
    count = max(1, round(fraction * len(training)))
    return tuple(sorted(spread(training, strata, seed)[:count]))


def strata_of(target: Target) -> dict[str, str]:
    """Subject -> what it is to be spread by: the label of its first case, nothing for segmentations."""
    strata: dict[str, str] = {}
    for case in target.cases:
        strata.setdefault(case.subject, "" if target.task == "segmentation" else str(case.label))
    return dict(sorted(strata.items()))


def spread(subjects: Sequence[str], strata: Mapping[str, str], seed: int) -> list[str]:
    """A random order of `subjects` of which every stretch holds the strata in nearly their overall proportions."""
    groups: dict[str, list[str]] = defaultdict(list)
    for subject in np.random.default_rng(seed).permutation(sorted(subjects)).tolist():
        groups[strata[subject]].append(subject)
    placed = [
        ((rank + 0.5) / len(members), stratum, subject)
        for stratum, members in groups.items()
        for rank, subject in enumerate(members)
    ]
    return [subject for _, _, subject in sorted(placed)]
