"""Waves over the directions from a point: what makes a ball lobulated."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def bumps(rng: np.random.Generator, away: Sequence[Any], reach: Any) -> Iterator[tuple[float, Any]]:
    """Three waves of random direction and phase, as (how often it turns, values in [-1, 1] at each voxel).

    Args:
        rng: drawn from as the waves are taken.
        away: x, y and z of every voxel from the middle, broadcast against each other.
        reach: its distance from the middle, above 0.
    """
    for turns in (2.0, 3.0, 5.0):
        direction = rng.normal(size=3)
        direction *= turns / np.linalg.norm(direction)
        phase = rng.uniform(0, 2 * np.pi)
        yield turns, np.sin(sum(d * a for d, a in zip(direction, away, strict=True)) / reach + phase)
