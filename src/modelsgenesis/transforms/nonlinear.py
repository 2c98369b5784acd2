"""Non-linear intensity: a random monotone map of [0, 1] onto itself (docs/method.md 1.1, step 3).

The map is a cubic Bezier curve from (0, 0) to (1, 1) with two random inner control points in the unit square. Both
x(t) and y(t) never decrease for such points, so the curve is a function: the intensity x(t) becomes y(t). The
decreasing map pairs x(t) with y(1 - t), which is what sorting only the x-coordinates of the sampled curve yields.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.transforms.base import Distortion
from modelsgenesis.types import FloatArray, Shape

CELLS = 1024
"""Cells of the lookup table over [0, 1]."""

_STEEP = 2e-4
"""A cell whose end slopes miss its mean slope by this much is solved exactly; a line would be a quarter of it off."""


@dataclass(frozen=True)
class NonlinearParameters:
    """The inner control points (x, y) of the curve, each in the unit square, and its direction."""

    first: tuple[float, float]
    second: tuple[float, float]
    increasing: bool


@dataclass(frozen=True)
class Nonlinear(Distortion[NonlinearParameters]):
    """The same random monotone intensity map for all voxels and channels.

    Attributes:
        increasing_rate: how often the map increases; otherwise it decreases (dark and bright change places).
    """

    increasing_rate: float = 0.5

    def sample(self, rng: np.random.Generator, shape: Shape) -> NonlinearParameters:  # noqa: ARG002
        """Draw a curve; the shape does not matter."""
        x1, y1, x2, y2, direction = rng.random(5).tolist()
        return NonlinearParameters((x1, y1), (x2, y2), direction < self.increasing_rate)

    def write(self, source: FloatArray, parameters: NonlinearParameters, out: FloatArray) -> None:
        """Map every intensity; within 1e-4 of linear interpolation between 100,000 points of the curve."""
        (x1, y1), (x2, y2) = parameters.first, parameters.second
        _map(source.reshape(-1), out.reshape(-1), x1, y1, x2, y2, parameters.increasing)


@compiled
def _curve(t: float, first: float, second: float) -> float:
    """One coordinate of the curve at t, from its inner control coordinates."""
    s = 1.0 - t
    return t * (3.0 * s * (s * first + t * second) + t * t)


@compiled
def _rise(t: float, first: float, second: float) -> float:
    """Derivative of `_curve` by t."""
    s = 1.0 - t
    return 3.0 * (s * s * first + 2.0 * s * t * (second - first) + t * t * (1.0 - second))


@compiled
def _parameter(x: float, first: float, second: float, low: float, high: float, guess: float) -> float:
    """The t in [low, high] with x(t) = x: Newton's method, kept inside a shrinking bracket."""
    t = guess if low < guess < high else 0.5 * (low + high)
    for _ in range(80):
        off = _curve(t, first, second) - x
        if off > 0.0:
            high = t
        else:
            low = t
        rise = _rise(t, first, second)
        after = t - off / rise if rise > 0.0 else low
        if not low <= after <= high:
            after = 0.5 * (low + high)
        if abs(after - t) < 1e-6:
            return after
        t = after
    return t


@compiled
def _table(
    base: np.ndarray[Any, Any],
    slope: np.ndarray[Any, Any],
    ends: np.ndarray[Any, Any],
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    increasing: bool,
) -> bool:
    """Fill the straight line `base + slope * x` of each cell and the t at the cells' ends; True where some are steep.

    Steep cells get NaN. A cell counts as steep when the slope at one of its ends differs from its mean slope by more
    than `_STEEP` over the cell: the curve bends there, whatever the two ends hide between them.
    """
    width = 1.0 / CELLS
    steep = False
    ends[0] = t = 0.0
    before = 0.0 if increasing else 1.0
    left = _slope(0.0, x1, y1, x2, y2, increasing)
    for cell in range(CELLS):
        rise = _rise(t, x1, x2)
        guess = t + width / rise if rise > 0.0 else 0.0
        t = 1.0 if cell == CELLS - 1 else _parameter((cell + 1) * width, x1, x2, t, 1.0, guess)
        ends[cell + 1] = t
        after = _curve(t if increasing else 1.0 - t, y1, y2)
        right = _slope(t, x1, y1, x2, y2, increasing)
        change = after - before
        if max(abs(left * width - change), abs(right * width - change)) < _STEEP:
            slope[cell] = change * CELLS
            base[cell] = before - change * cell
        else:
            slope[cell] = base[cell] = np.nan
            steep = True
        before, left = after, right
    base[CELLS], slope[CELLS] = before, 0.0
    return steep


@compiled
def _slope(t: float, x1: float, y1: float, x2: float, y2: float, increasing: bool) -> float:
    """Slope of the map at x(t); huge where the curve is vertical."""
    up = _rise(t, y1, y2) if increasing else -_rise(1.0 - t, y1, y2)
    return up / max(_rise(t, x1, x2), 1e-12)


@compiled
def _map(
    source: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any],
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    increasing: bool,
) -> None:
    """Map `source` (n,) in [0, 1] into `out` (n,), which may be the same array."""
    base = np.empty(CELLS + 1, np.float32)
    slope = np.empty(CELLS + 1, np.float32)
    ends = np.empty(CELLS + 1, np.float64)
    steep = _table(base, slope, ends, x1, y1, x2, y2, increasing)
    scale = np.float32(CELLS)
    for i in range(source.shape[0]):
        x = source[i]
        # unsigned, so that numba does not look for negative indices
        cell = np.uint64(np.uint32(x * scale))
        y = base[cell] + slope[cell] * x
        if steep and np.isnan(y):
            t = _parameter(x, x1, x2, ends[cell], ends[cell + 1], 0.5 * (ends[cell] + ends[cell + 1]))
            y = np.float32(_curve(t if increasing else 1.0 - t, y1, y2))
        out[i] = min(max(y, np.float32(0)), np.float32(1))
