"""A digest of what a scan shows, by which it is known again in another file."""

import hashlib
import math

import numpy as np

from modelsgenesis.types import FloatArray

COARSEST_STEP = -4
"""Exponent of the step that values are rounded to: a 16th of a unit."""
_LEVELS = 13
_OFF_POWERS = 1.37  # an image from 0 to 1 must not lie on the border of two steps


def voxel_digest(array: FloatArray) -> str:
    """Hash of the voxels of a scan, as oriented on reading; 32 hexadecimal digits.

    The same image has the same one whatever its format, compression, pixel type and order of voxels, and whatever
    window or spacing it is stored with later. Values are rounded to a 16th of a unit, and finer where the image spans
    less than about 200 units: a scale factor may leave a last bit off.

    Args:
        array: (X, Y, Z) or (X, Y), finite, in physical units; one slice, (X, Y, 1), is the image (X, Y).
    """
    shape = array.shape[:2] if array.shape[2:] == (1,) else array.shape
    step = _step(float(array.min()), float(array.max()))
    hasher = hashlib.blake2b(str(shape).encode(), digest_size=16)
    for slab in array:
        hasher.update(np.rint(np.ldexp(slab, -step)).astype(np.int32).tobytes())
    return hasher.hexdigest()


def _step(low: float, high: float) -> int:
    """Exponent of the step for values in this range; the largest number of steps fits 32 bits."""
    finer = math.frexp((high - low) * _OFF_POWERS)[1] - _LEVELS
    return max(min(COARSEST_STEP, finer), math.frexp(max(-low, high))[1] - 30)
