"""Branching vessels that fill an organ: a tree grown by splitting the points it has to reach."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.phantoms.frame import Points
from modelsgenesis.phantoms.raster import Segments, grow


@dataclass(frozen=True)
class Tree:
    """A vessel tree in grid mm: its `branches` and how many end points each of them serves, (N,)."""

    branches: Segments
    served: npt.NDArray[np.int64]

    def forks(self, thinnest: float, thickest: float) -> Segments:
        """Branches that end in a fork and have there a radius between the two, mm."""
        radius = self.branches[:, 7]
        chosen: Segments = self.branches[(self.served > 1) & (radius >= thinnest) & (radius <= thickest)]
        return chosen


def tree(rng: np.random.Generator, root: Points, targets: Points, thinnest: float) -> Tree:
    """A tree from `root` (3,) that reaches all `targets` (N, 3), N > 0, in grid mm, with twigs of radius `thinnest`.

    A branch serving n points has radius ~ n^0.4, so the tree tapers as it forks.
    """
    branches, served = grow(targets, root, thinnest, rng.random((len(targets), 4)))
    return Tree(branches, served)


def bent(rng: np.random.Generator, segments: Segments, amount: float = 0.07) -> Segments:
    """Each of the segments (N, 8) as two (2 N, 8) that meet a little beside its middle: vessels are never straight."""
    start, end, radii = segments[:, :3], segments[:, 3:6], segments[:, 6:]
    length = np.linalg.norm(end - start, axis=1, keepdims=True)
    middle = (start + end) / 2 + rng.normal(0, 1, start.shape) * length * amount
    between = radii.mean(axis=1, keepdims=True)
    first = np.concatenate([start, middle, radii[:, :1], between], axis=1)
    return np.concatenate([first, np.concatenate([middle, end, between, radii[:, 1:]], axis=1)])
