"""What a distortion is: `sample` holds all randomness, `apply` is deterministic and never edits its input.

Shapes are those of the array, (C, X, Y, Z) or (C, X, Y); the 2D and the 3D case are one code: kernels see a 2D image
as (C, 1, X, Y). Distortions that move or mask voxels treat all channels alike; noise is drawn per voxel and channel;
an intensity map is the same for all channels.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from modelsgenesis.errors import GenesisError
from modelsgenesis.types import FloatArray, Shape

MINIMUM_SIDE = 16
"""Voxels along the shortest side a distortion accepts; the released painting rules need 14 (see `painting`)."""

P = TypeVar("P")

_ONE = np.float32(1.0).view(np.uint32)


class Distortion(ABC, Generic[P]):
    """A random change of a cube, split in two: draw the parameters, then apply them."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, shape: Shape) -> P:
        """Draw the parameters for an array of `shape`, (C, X, Y, Z) or (C, X, Y), channel axis included."""

    @abstractmethod
    def write(self, source: FloatArray, parameters: P, out: FloatArray) -> None:
        """Write the distorted `source` into `out`; both are C-contiguous and checked. They may be the same array."""

    def apply(self, x: FloatArray, parameters: P) -> FloatArray:
        """The distorted copy of `x`, (C, X, Y, Z) or (C, X, Y), float32 in [0, 1]; same shape, type and range.

        Raises GenesisError when `x` is outside the domain (see `checked`).
        """
        source = checked(x)
        out = np.empty_like(source)
        self.write(source, parameters, out)
        return out


@dataclass(frozen=True)
class Identity(Distortion[None]):
    """Changes nothing: restoration becomes an auto-encoder, the papers' baseline."""

    def sample(self, rng: np.random.Generator, shape: Shape) -> None:
        """No parameters."""

    def write(self, source: FloatArray, parameters: None, out: FloatArray) -> None:  # noqa: ARG002
        """Copy."""
        if out is not source:
            out[...] = source


def spatial(shape: Shape) -> Shape:
    """The spatial part of an array's shape, checked.

    Raises GenesisError for other than 2 or 3 spatial axes and for sides below `MINIMUM_SIDE`.
    """
    if len(shape) not in (3, 4) or shape[0] < 1:
        raise GenesisError(
            f"cube of shape {tuple(shape)}: distortions need (C, X, Y, Z) or (C, X, Y); add a channel axis?"
        )
    if min(shape[1:]) < MINIMUM_SIDE:
        raise GenesisError(
            f"cube of shape {tuple(shape)}: distortions need at least {MINIMUM_SIDE} voxels along every spatial axis; "
            "choose larger cubes"
        )
    return tuple(shape[1:])


def checked(x: FloatArray) -> FloatArray:
    """`x` itself, or a copy where kernels need one (other memory order, read-only), after checking shape and domain.

    Raises GenesisError unless `x` is float32, of a valid shape, and every value lies in [0, 1].
    """
    spatial(x.shape)
    if x.dtype != np.float32:
        raise GenesisError(f"cube of type {x.dtype}: distortions need float32 in [0, 1]; use Intensity.unit or astype")
    ready = np.ascontiguousarray(x)
    if not ready.flags.writeable:
        ready = ready.copy()
    # The bits of floats in [0, 1] are the integers up to those of 1.0; only -0.0 is valid too and needs the long look.
    if ready.view(np.uint32).max() > _ONE and not bool(np.all((ready >= 0.0) & (ready <= 1.0))):
        raise GenesisError(
            f"cube with values from {np.min(ready):g} to {np.max(ready):g}: distortions are defined on [0, 1] only, "
            "without NaN; map intensities with Intensity.unit before distorting"
        )
    return ready


def grid(x: FloatArray) -> FloatArray:
    """A contiguous array as (C, X, Y, Z), a view; 2D becomes (C, 1, X, Y), so that rows stay contiguous."""
    return x if x.ndim == 4 else x.reshape(x.shape[0], 1, *x.shape[1:])
