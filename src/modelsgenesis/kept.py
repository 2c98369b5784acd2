"""Which test cases of a fine-tuning run are kept to be shown: best, median and worst, as small arrays."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from modelsgenesis.data.volume import Volume
from modelsgenesis.evaluate.examples import Bytes, Example, by_rank, cut_out, fitting_window, in_bytes
from modelsgenesis.evaluate.metrics import dice
from modelsgenesis.targets.base import Target
from modelsgenesis.types import JSON, FloatArray

UNIT = (0.0, 1.0)
FEW_CLASSES = 3
"""Up to so many classes have examples of each; of more, of all together."""


def mean_dice(truth: Bytes, prediction: Bytes, structures: Sequence[int]) -> float:
    """Dice, mean over the structures in truth or prediction; NaN when there are none."""
    scores = [dice(truth == structure, prediction == structure) for structure in structures]
    defined = [score for score in scores if not math.isnan(score)]
    return float(np.mean(defined)) if defined else math.nan


def segmented(name: str, subject: str, volume: Volume, truth: Bytes, prediction: Bytes) -> Example:
    """A segmented case around its structures, without a place yet."""
    image, truth, prediction, spacing, reduction = cut_out(volume.array, truth, prediction, volume.spacing)
    window = fitting_window(image)
    shown = in_bytes(image, window)
    return Example(name, subject, "", math.nan, shown, spacing, window, truth, prediction, reduction=reduction)


def classified(entries: Sequence[JSON], target: Target, image: Callable[[int], FloatArray]) -> list[Example]:
    """Examples of a classification, as the network saw them.

    Args:
        entries: the cases as in `cases.json`.
        target: whose labels they have.
        image: index of a case -> its first channel in [0, 1], (X, Y) or (X, Y, Z).
    """
    scores = [probability_of_truth(entry) for entry in entries]
    found = []
    for members in _groups(entries, len(target.labels)):
        for place, index in by_rank([scores[member] for member in members]).items():
            number = members[index]
            array, entry = in_bytes(image(number), UNIT), entries[number]
            about = (entry["case"], entry["subject"], place, scores[number])
            found.append(Example(*about, array, (1.0,) * array.ndim, UNIT, told=_told(entry, target)))
    return found


def probability_of_truth(entry: JSON) -> float:
    """Of the true class; of several labels the geometric mean over them."""
    truth, probabilities = entry["truth"], np.asarray(entry["probabilities"], np.float64)
    if isinstance(truth, int):
        return float(probabilities[truth])
    right = np.where(np.asarray(truth) == 1, probabilities, 1 - probabilities)
    return float(np.exp(np.log(np.clip(right, 1e-12, 1)).mean()))


def _groups(entries: Sequence[JSON], classes: int) -> list[list[int]]:
    """Cases of each class where there are few, else all of them."""
    everyone = list(range(len(entries)))
    if classes > FEW_CLASSES or not all(isinstance(entry["truth"], int) for entry in entries):
        return [everyone]
    by_class = [[number for number in everyone if entries[number]["truth"] == truth] for truth in range(classes)]
    return [members for members in reversed(by_class) if members]


def _told(entry: JSON, target: Target) -> str:
    """Truth and the likeliest answers in words."""
    names, truth = list(target.labels.values()), entry["truth"]
    present = [names[truth]] if isinstance(truth, int) else [n for n, has in zip(names, truth, strict=True) if has]
    likely = np.argsort(entry["probabilities"])[::-1][: 1 if isinstance(truth, int) else 3]
    answers = ", ".join(f"{names[index]} {entry['probabilities'][index]:.2f}" for index in likely.tolist())
    return f"truth: {', '.join(present) or 'none'}; answer: {answers}"
