"""Whole numbers within rounding: what a label map holds once the scale factor of a header has gone through it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import GenesisError

OFF, MOST_OFF = 1e-3, 0.05
"""How far a value may lie from a whole number: this share of it, of 1 at least, and so much at most."""
_BLOCK = 2**16


def whole_numbers(values: npt.NDArray[Any], what: str) -> npt.NDArray[np.int64]:
    """The values rounded, of the same shape, whatever their type.

    Raises GenesisError as `refuse_fractions`.
    """
    refuse_fractions(values, what)
    rounded: npt.NDArray[np.int64] = np.rint(values).astype(np.int64)
    return rounded


def refuse_fractions(values: npt.NDArray[Any], what: str) -> None:
    """GenesisError that begins with `what` and shows a value where `values` are not whole within rounding, or NaN."""
    if not np.issubdtype(values.dtype, np.floating):
        return
    examples, count = [], 0
    for off in _fractions(values):
        examples += off[:1].tolist()
        count += off.size
    if count:
        raise GenesisError(
            f"{what}, {examples[0]:.7g} is no whole number, nor are {count - 1:,} other values; of {values.size:,} "
            f"from {float(values.min()):.7g} to {float(values.max()):.7g}"
        )


def are_whole(values: npt.NDArray[Any]) -> bool:
    """Whether all `values`, of any shape, are whole numbers within rounding."""
    return not any(off.size for off in _fractions(values))


def _fractions(values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """The values of each block that are not whole; blocks of whole numbers, as most are, yield none."""
    flat = values.ravel()
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        nearest = np.rint(block)
        if not np.array_equal(block, nearest):
            allowed = np.minimum(OFF * np.maximum(np.abs(block), 1), MOST_OFF)
            yield block[~(np.abs(block - nearest) <= allowed)]
