"""Physical values to stored integers to [0, 1], and back.

The distortions are defined on [0, 1] and a store holds small unsigned integers; one linear map ties both to the
physical values (HU for CT), and it travels with the data so that every later use scales alike.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import UsageError
from modelsgenesis.types import FloatArray, IntegerArray

UINT8_LEVELS = 255
MR_LEVELS = 4095
UINT16_LEVELS = 65535

CT_WINDOW = (-1000.0, 1000.0)
"""HU; the window of the released code (PAPER.md 1.3)."""

MR_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Intensity:
    """A linear map: the integer s in [0, levels] stands for `low + s * (high - low) / levels` and for `s / levels`.

    Args:
        low: physical value of 0; everything below is clipped to it.
        high: physical value of `levels`; everything above is clipped to it.
        levels: largest stored integer, 1 to 65535.

    Raises:
        UsageError: when `low` is not below `high` or the levels do not fit 16 bits.
    """

    low: float
    high: float
    levels: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise UsageError(f"intensity window {self.low} to {self.high}: the first must be below the second")
        if not 1 <= self.levels <= UINT16_LEVELS:
            raise UsageError(f"{self.levels} intensity levels do not fit 16 bits; choose 1 to {UINT16_LEVELS}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds `levels`."""
        return np.dtype(np.uint8 if self.levels <= UINT8_LEVELS else np.uint16)

    def encode(self, values: npt.ArrayLike) -> IntegerArray:
        """Physical values, any shape and finite, to stored integers in [0, levels], rounded to the nearest."""
        scaled = (np.asarray(values, np.float64) - self.low) * (self.levels / (self.high - self.low))
        encoded: IntegerArray = np.rint(np.clip(scaled, 0, self.levels)).astype(self.dtype)
        return encoded

    def decode(self, integers: IntegerArray) -> FloatArray:
        """Stored integers to physical values, float32: the inverse of `encode` within half a level."""
        step = (self.high - self.low) / self.levels
        decoded: FloatArray = (np.asarray(integers, np.float64) * step + self.low).astype(np.float32)
        return decoded

    def unit(self, integers: IntegerArray) -> FloatArray:
        """Stored integers to [0, 1], float32: the domain of the distortions."""
        unit: FloatArray = np.divide(integers, np.float32(self.levels), dtype=np.float32)
        return unit


def ct_window(low: float = CT_WINDOW[0], high: float = CT_WINDOW[1]) -> Intensity:
    """The map of a CT window in HU, one level a HU, so that every whole HU inside is kept exactly."""
    return Intensity(float(low), float(high), round(high - low))


def mr_percentiles(array: npt.ArrayLike) -> Intensity:
    """The map of one MR volume: 0.5 to 99.5 % of its foreground, the voxels above its minimum.

    MR has no physical scale, so each volume is scaled by itself. The minimum is left out because skull-stripped and
    padded volumes hold it in most of their voxels, which would move both percentiles.

    Raises:
        UsageError: when the volume is constant.
    """
    values = np.asarray(array)
    foreground = values[values > values.min()]
    if foreground.size == 0:
        raise UsageError("an MR volume that is constant has no intensity range; leave it out")
    low, high = (float(value) for value in np.percentile(foreground, MR_PERCENTILES))
    if low == high:
        low, high = float(values.min()), float(values.max())
    return Intensity(low, high, MR_LEVELS)


def unsigned_image(bits: int) -> Intensity:
    """The map of an 8- or 16-bit greyscale image: the identity over its whole range.

    Raises:
        UsageError: for another depth.
    """
    if bits not in (8, 16):
        raise UsageError(f"images of {bits} bits are not supported; convert them to 8 or 16 bits unsigned")
    levels = UINT8_LEVELS if bits == 8 else UINT16_LEVELS
    return Intensity(0.0, float(levels), levels)


def label_values() -> Intensity:
    """The map of a label volume: the identity over 0 to 255."""
    return Intensity(0.0, float(UINT8_LEVELS), UINT8_LEVELS)
