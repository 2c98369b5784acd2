"""Subject-level splits: a subject's scans are all on one side, so that nothing leaks."""

from collections.abc import Iterable

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError


@settings
class SplitSettings:
    """How subjects are divided into training and validation."""

    fraction: float = 0.2
    """Share of the subjects used for validation (at least one, never all)."""
    subjects: tuple[str, ...] = ()
    """Validation subjects by name; when given, `fraction` is not used."""


def split_subjects(subjects: Iterable[str], choice: SplitSettings, seed: int) -> tuple[list[str], list[str]]:
    """Divide `subjects` into (training, validation), both sorted, disjoint, neither empty.

    Depends on nothing but the set of subjects, `choice` and `seed`. Raises UsageError for fewer than two subjects or a
    name that is not there.
    """
    names = sorted(set(subjects))
    if len(names) < 2:
        raise UsageError(f"a split needs at least two subjects, found {len(names)}; add scans, or name subjects apart")
    if choice.subjects:
        unknown = sorted(set(choice.subjects) - set(names))
        if unknown:
            raise UsageError(f"split.subjects: not in the data: {', '.join(unknown)}; there: {', '.join(names)}")
        validation = sorted(set(choice.subjects))
    else:
        count = min(max(1, round(choice.fraction * len(names))), len(names) - 1)
        validation = sorted(np.random.default_rng(seed).permutation(names)[:count].tolist())
    training = sorted(set(names) - set(validation))
    if not training:
        raise UsageError("split.subjects: names every subject; leave some for training")
    return training, validation
