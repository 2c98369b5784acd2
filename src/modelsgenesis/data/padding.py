"""Arrays of one size from arrays of any."""

from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.types import Shape


def crop_or_pad(array: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """The last axes of `array` at `shape`: cut around the centre where it is larger, zeros around where smaller."""
    leading = array.ndim - len(shape)
    sides = list(zip(array.shape[leading:], shape, strict=True))
    cut: tuple[Any, ...] = tuple(
        slice(max(0, (old - new) // 2), max(0, (old - new) // 2) + min(old, new)) for old, new in sides
    )
    margins = [((new - old) // 2, new - old - (new - old) // 2) if new > old else (0, 0) for old, new in sides]
    return np.pad(array[(Ellipsis, *cut)], [(0, 0)] * leading + margins)
