"""The CTPA phantom beside a contrast CT of the heart."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.panels import Picture, Scan, read
from benchmarks.phantom_pictures import ct
from modelsgenesis.phantoms.emboli import ctpa

REAL = "totalsegmentator-tests/heart_pulmonary_ct.nii.gz"
LOOK = ct.Look((-900, 650), (-20, 500), 12)
LEAST = (250, 200, 160)  # mm of a phantom: a smaller field would show one lung


def like(seed: int, real: Scan) -> Scan:
    """A patient in voxels of the real one."""
    shape = tuple(np.maximum(real.array.shape, np.round(np.divide(LEAST, real.spacing))).astype(int).tolist())
    return Scan(ctpa(np.random.default_rng(seed), shape, real.spacing).array, real.spacing)


def picture(data: Path) -> Picture:
    """A phantom beside the scan of TotalSegmentator's tests."""
    real = read(data / REAL)
    return ct.picture([("TotalSegmentator", like(1, real), real)], LOOK)


def figures(data: Path) -> Iterator[str]:
    """Noise."""
    real = read(data / REAL)
    yield from ct.compared("the scan of TotalSegmentator", real, lambda seed: like(seed, real), range(5), LOOK)
