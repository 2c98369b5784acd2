"""Which structures keep only their largest component: learnt on the validation cases, as nnU-Net does."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.metrics import dice
from modelsgenesis.types import JSON

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Learnt:
    """What the validation cases say of one structure.

    Attributes:
        cases: in which Dice is defined.
        dice, cleaned: mean Dice over them, as predicted and with the largest component alone; NaN without a case.
        single: whether it is one component in every truth.
    """

    cases: int
    dice: float
    cleaned: float
    single: bool

    @property
    def clean(self) -> bool:
        """Cleaning is for structures whose Dice it raises, and those of one component whose Dice it leaves alone."""
        return self.cleaned > self.dice or (self.single and self.cleaned == self.dice)


def learn(pairs: Iterable[tuple[Bytes, Bytes]], structures: Collection[int], ignored: int) -> dict[int, Learnt]:
    """Structure -> what (truth, prediction) label maps say of it; voxels whose truth is `ignored` count nowhere."""
    found: dict[int, list[tuple[float, float]]] = {structure: [] for structure in structures}
    single = dict.fromkeys(structures, True)
    for truth, predicted in pairs:
        known = truth != ignored
        cleaned = predicted.copy()
        keep_largest(cleaned, structures)
        for structure, values in found.items():
            wanted = truth == structure
            scores = (dice(wanted, (one == structure) & known) for one in (predicted, cleaned))
            values.append((next(scores), next(scores)))
            single[structure] &= components(wanted) <= 1
    return {structure: _mean(values, single[structure]) for structure, values in found.items()}


def _mean(values: list[tuple[float, float]], single: bool) -> Learnt:
    defined = [pair for pair in values if not math.isnan(pair[0])]
    before, after = np.mean(defined, 0).tolist() if defined else (math.nan, math.nan)
    return Learnt(len(defined), before, after, single)


def components(mask: npt.NDArray[np.bool_]) -> int:
    """How many components, which touch by a corner at most, a mask has."""
    return int(_labelled(mask)[1])


def keep_largest(labels: Bytes, structures: Collection[int]) -> None:
    """Make 0, in place, all of each of `structures` but its largest component (the first of equals).

    Takes 6 bytes for each voxel of the box around a structure.
    """
    boxes = ndimage.find_objects(labels)
    for structure in structures:
        box = boxes[structure - 1] if structure <= len(boxes) else None
        if box is None:
            continue
        part = labels[box]
        numbered, count = _labelled(part == structure)
        if count > 1:
            sizes = np.zeros(count + 1, np.int64)
            for plane in numbered:  # counting takes 8 bytes a voxel
                sizes += np.bincount(plane.ravel(), minlength=count + 1)
            sizes[0] = 0
            part[(part == structure) & (numbered != sizes.argmax())] = 0


def _labelled(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], int]:
    numbered = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, np.ones((3,) * mask.ndim, np.int32), output=numbered)
    return numbered, int(count)


def to_entry(learnt: Mapping[int, Learnt]) -> JSON:
    """What `cleaning.json` says: a structure's scores, and whether it is cleaned."""
    told = {
        str(structure): {
            "cases": one.cases,
            "dice": None if math.isnan(one.dice) else one.dice,
            "cleaned": None if math.isnan(one.cleaned) else one.cleaned,
            "single": one.single,
            "clean": one.clean,
        }
        for structure, one in learnt.items()
    }
    return {"structures": told}


def cleaned_structures(entry: JSON, source: object) -> frozenset[int]:
    """The structures that `cleaning.json`, read from `source`, says to clean; UsageError when it says nothing such."""
    try:
        return frozenset(int(name) for name, one in entry["structures"].items() if one["clean"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{source}: does not say which structures to clean; add --no-clean") from error
