"""Sides of a split on which a classification cannot be learnt or judged, for all their cases are alike."""

from collections.abc import Sequence

from modelsgenesis.errors import UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.split import Split

_WAYS_OUT = "choose another split.seed, or name sides (column split, split.validation_subjects, split.test_subjects)"


def refuse_one_class(target: Target, sides: Split) -> list[str]:
    """What a user should know of the classes of each side; nothing for a segmentation.

    Raises UsageError when all training cases are alike, for then there is nothing to learn, or all validation cases,
    for then no score can choose the weights. Test cases that are all alike can still be predicted: a warning.
    """
    if target.task == "segmentation":
        return []
    training = _alike(target, sides.training)
    if training:
        raise UsageError(
            f"split: all training cases {training}, so nothing can be learnt; raise label_fraction, {_WAYS_OUT}"
        )
    validation = _alike(target, sides.validation)
    if validation:
        raise UsageError(
            f"split: all validation cases {validation}, so no AUC can choose the best weights; raise split.validation, "
            f"{_WAYS_OUT}"
        )
    test = _alike(target, sides.test)
    warnings = [f"all test cases {test}: they have no AUC; raise split.test, {_WAYS_OUT}"] if test else []
    absent = _absent(target, sides.training)
    if absent:
        warnings.append(f"no training case has {', '.join(absent)}: the network cannot learn it")
    return warnings


def _labels(target: Target, subjects: Sequence[str]) -> list[set[str]]:
    """The classes of each case of these subjects."""
    chosen = set(subjects)
    labels = [case.label for case in target.cases if case.subject in chosen]
    return [
        {target.labels[place] for place, has in enumerate(label) if has}
        if isinstance(label, tuple)
        else {target.labels[int(label)]}  # type: ignore[arg-type]
        for label in labels
    ]


def _alike(target: Target, subjects: Sequence[str]) -> str:
    """What all cases of these subjects are; empty when they differ in one label at least, or there are none."""
    found = _labels(target, subjects)
    if not found or any(one != found[0] for one in found):
        return ""
    names = " | ".join(sorted(found[0]))
    return f"({len(found)}) have {f'the label {names}' if names else 'no label'}"


def _absent(target: Target, subjects: Sequence[str]) -> list[str]:
    return sorted(set(target.labels.values()).difference(*_labels(target, subjects)))
