"""Who of LIDC-IDRI is for training, validation and test (PAPER 2), so that no patient is on two sides.

LUNA16 is made of LIDC-IDRI's scans. Weights pre-trained on its subsets 0 to 6 must not be tested on those scans.
"""

from collections.abc import Mapping

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.targets.candidates import first_few, plural
from modelsgenesis.targets.luna16 import side_of

PAPERS_SCANS = {"training": 510, "validation": 100, "test": 408}

Division = tuple[dict[str, str], list[str]]
"""Patient -> side, and what a user should know about it."""


def at_random(patient_of: Mapping[str, str], seed: int) -> Division:
    """The patients (values; keys are series UIDs) in the papers' shares, by `seed`."""
    order = np.random.default_rng(seed).permutation(sorted(set(patient_of.values()))).tolist()
    ends = np.cumsum(list(PAPERS_SCANS.values())) / sum(PAPERS_SCANS.values()) * len(order)
    bounds = [0, *np.round(ends).astype(int).tolist()]
    sides = {
        patient: side
        for side, start, end in zip(PAPERS_SCANS, bounds[:-1], bounds[1:], strict=True)
        for patient in order[start:end]
    }
    return sides, [
        "divided at random in the papers' shares: weights pre-trained on LUNA16 saw test scans of this division; "
        "the option luna16 divides by LUNA16's subsets"
    ]


def by_luna16(patient_of: Mapping[str, str], subsets: Mapping[str, int], luna16: str) -> Division:
    """The patients as the subsets of their series have it, those without any in training.

    A patient with series on two sides goes to the one nearer to training: what pre-training may have seen must not be
    tested on. Raises UsageError when `subsets` knows none of the series; `luna16` is where they come from.
    """
    found: dict[str, set[str]] = {patient: set() for patient in sorted(set(patient_of.values()))}
    for uid, patient in patient_of.items():
        if uid in subsets:
            found[patient].add(side_of(subsets[uid]))
    if not any(found.values()):
        raise UsageError(f"luna16: {luna16} names no series of these scans; give LUNA16 itself or its series UIDs")
    sides = {
        patient: next((side for side in PAPERS_SCANS if side in named), "training") for patient, named in found.items()
    }
    both = [patient for patient, named in found.items() if len(named) > 1]
    outside = [patient for patient, named in found.items() if not named]
    notes = []
    if both:
        notes.append(
            f"{plural(len(both), 'patient')} on two sides of LUNA16, kept nearer to training: {first_few(both)}"
        )
    if outside:
        notes.append(f"{plural(len(outside), 'patient')} outside LUNA16, put into training: {first_few(outside)}")
    return sides, notes
