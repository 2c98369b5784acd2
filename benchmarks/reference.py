"""The distortions of docs/method.md 1.1 written plainly: one window at a time, in NumPy.

Slow on purpose: the benchmark measures against it and the tests compare distributions and intensity maps with it.
Arrays are (C, X, Y, Z) or (C, X, Y), float32 in [0, 1].
"""

import random
from collections.abc import Sequence
from math import comb

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


class Reference:
    """The released generator with one seed for Python's and NumPy's generators, both of which it uses."""

    def __init__(self, seed: int) -> None:
        self.python = random.Random(seed)
        self.numpy = np.random.RandomState(seed)

    def mixture(self, x: Array) -> tuple[Array, Array]:
        """Distorted input and target, with the released rates."""
        painting = "inpaint" if self.python.random() < 0.2 else "outpaint"
        rates = {"shuffle": 0.5, "nonlinear": 0.9, painting: 0.9}
        return self.views(x, [name for name, rate in rates.items() if self.python.random() < rate])

    def views(self, x: Array, steps: Sequence[str]) -> tuple[Array, Array]:
        """Distorted input and target, after the named steps."""
        target = self.flip(x)
        out = target.copy()
        for name in steps:
            out = getattr(self, name)(out)
        return out, target

    def flip(self, x: Array) -> Array:
        """Up to three flips of the first three array axes."""
        count = 3
        while self.python.random() < 0.4 and count > 0:
            axis = self.python.choice([0, 1, 2])
            # the channel axis has no order to reverse
            x = np.flip(x, axis) if axis else x
            count -= 1
        return x.copy()

    def shuffle(self, x: Array, windows: int = 10_000) -> Array:
        """Permute the voxels of many small windows, each read from the unshuffled cube."""
        out = x.copy()
        for _ in range(windows):
            sides = [self.python.randint(1, max(1, n // 10)) for n in x.shape[1:]]
            corner = [self.python.randint(0, n - side) for n, side in zip(x.shape[1:], sides, strict=True)]
            box = tuple(slice(c, c + side) for c, side in zip(corner, sides, strict=True))
            for channel in range(x.shape[0]):
                window = x[(channel, *box)].flatten()
                self.numpy.shuffle(window)
                out[(channel, *box)] = window.reshape(sides)
        return out

    def nonlinear(self, x: Array) -> Array:
        """A random Bezier curve as intensity map."""
        first = (self.python.random(), self.python.random())
        second = (self.python.random(), self.python.random())
        return mapped(x, curve(first, second, self.python.random() < 0.5))

    def inpaint(self, x: Array) -> Array:
        """Noise in up to five boxes."""
        out = x.copy()
        count = 5
        while count > 0 and self.python.random() < 0.95:
            sides = [self.python.randint(n // 6, n // 3) for n in x.shape[1:]]
            box = self._box(x.shape[1:], sides)
            out[(slice(None), *box)] = self.numpy.rand(x.shape[0], *sides)
            count -= 1
        return out

    def outpaint(self, x: Array) -> Array:
        """Noise except in one to five boxes."""
        out = self.numpy.rand(*x.shape).astype(np.float32)
        count = 5
        while count == 5 or (count > 0 and self.python.random() < 0.95):
            sides = [n - self.python.randint(3 * n // 7, 4 * n // 7) for n in x.shape[1:]]
            box = (slice(None), *self._box(x.shape[1:], sides))
            out[box] = x[box]
            count -= 1
        return out

    def _box(self, shape: tuple[int, ...], sides: list[int]) -> tuple[slice, ...]:
        corner = [self.python.randint(3, n - side - 3) for n, side in zip(shape, sides, strict=True)]
        return tuple(slice(c, c + side) for c, side in zip(corner, sides, strict=True))


def curve(first: tuple[float, float], second: tuple[float, float], increasing: bool, points: int = 100_000) -> Curve:
    """Sampled Bezier curve, x sorted; y sorted too where the map increases, as computed from (1, 1) where not."""
    t = np.linspace(0.0, 1.0, points)
    basis = np.array([comb(3, i) * t ** (3 - i) * (1 - t) ** i for i in range(4)])
    xs = np.array([0.0, first[0], second[0], 1.0]) @ basis
    ys = np.array([0.0, first[1], second[1], 1.0]) @ basis
    return np.sort(xs), np.sort(ys) if increasing else ys


def mapped(x: Array, points: Curve) -> Array:
    """Linear interpolation between the points of the curve."""
    return np.interp(x, *points).astype(np.float32)
