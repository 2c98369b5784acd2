"""Flips, shown to the input and the target alike: augmentation, not something to restore."""

from dataclasses import dataclass

import numpy as np

from modelsgenesis.transforms.base import Distortion
from modelsgenesis.types import FloatArray, Shape


@dataclass(frozen=True)
class FlipParameters:
    """The array axes drawn, in order; 0 is the channel axis, 1 to 3 are X, Y, Z. An axis may be drawn again."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Flip(Distortion[FlipParameters]):
    """Up to `most` flips, each with probability `again`, each of one of `axes` (docs/method.md 1.1, step 1).

    Attributes:
        axes: array axes to choose from uniformly; None stands for all spatial axes. The released generator chooses
            among the first three of (1, X, Y, Z): drawing the channel axis does nothing (here also with several
            channels, whose order carries meaning), and depth is never flipped.
        most: flips at most.
        again: probability of each further flip; the first failure ends the row.
    """

    axes: tuple[int, ...] | None = None
    most: int = 3
    again: float = 0.4

    def sample(self, rng: np.random.Generator, shape: Shape) -> FlipParameters:
        """Draw the axes for an array of `shape`, channel axis included."""
        choices = self.axes or tuple(range(1, len(shape)))
        drawn: list[int] = []
        while len(drawn) < self.most and rng.random() < self.again:
            drawn.append(choices[int(rng.random() * len(choices))])
        return FlipParameters(tuple(drawn))

    def write(self, source: FloatArray, parameters: FlipParameters, out: FloatArray) -> None:
        """Write the flipped `source` into `out`."""
        out[...] = flipped(source.copy() if out is source else source, parameters)


def flipped(x: FloatArray, parameters: FlipParameters) -> FloatArray:
    """A view of `x` with the drawn axes reversed; twice the same axis cancels, the channel axis is left alone."""
    odd = tuple(axis for axis in range(1, x.ndim) if parameters.axes.count(axis) % 2)
    return np.flip(x, odd) if odd else x
