"""Random generators, each made of a key of numbers, and the numbers that keep the streams of one seed apart.

NumPy fills a key with zeros, so keys that differ by zeros at their end give one stream: (seed,) is (seed, 0, 0) too.
"""

import numpy as np

# Of a run: (seed, stream, item). Pre-training has the number of the epoch for its stream, from 0 on.
FINETUNING = 0
"""Items of fine-tuning."""
VALIDATION = 2**31
"""Cubes, patches and choice of cases of a validation; no epoch of a training gets so far."""
PROBE = 2**31 + 1
"""Cubes of the probe."""
HEAD = 2**31 + 2
"""Voxels that a new head is fitted to."""

# Of phantoms: (seed, stream, patient). The patients of two streams differ under one seed.
CHEST_UNLABELLED, CHEST_SEGMENTATION, CHEST_CLASSIFICATION = 0, 1, 2
LUNA = 3
"""LUNA16 and LIDC-IDRI share their patients."""
BRAIN_UNLABELLED = 3
"""The number of LUNA as well: a head and a chest that are drawn from one stream have nothing in common."""
CTPA = 4
IUC, CUBS = 10, 11
BRATS2013, BRATS2018 = 13, 18
CHESTXRAY14 = 20
LITS = 30
CTPA_CANDIDATES, LIDC_READINGS, LUNA_CANDIDATES = 95, 96, 97
"""False alarms and readers of the patients of CTPA and LUNA."""
PLACES, IDENTIFIERS = 98, 99
"""Places in the scanner's world, and DICOM identifiers, of all patients."""


def generator(*key: int) -> np.random.Generator:
    """The random generator of a key such as (seed, epoch, item)."""
    return np.random.default_rng(key)
