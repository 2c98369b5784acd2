"""One odd file, and what an independent reader makes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Truth:
    """What a file means: values in the order of the file, and the place of each in LPS mm.

    Args:
        values: (i, j, k) or (i, j).
        affine: 4x4, index to LPS mm; None where the format has no place, as for pictures.
    """

    values: npt.NDArray[Any]
    affine: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class Variant:
    """An odd file.

    Args:
        kind: its format.
        name: which field says what.
        path: where it was written.
        truth: reads it independently; raises any exception where that reader refuses it.
    """

    kind: str
    name: str
    path: Path
    truth: Callable[[Path], Truth]


def same(truth: Truth, values: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> str:
    """ "" when every voxel of `values`, whose places `affine` tells, has the truth's value at the truth's place."""
    if values.size != truth.values.size:
        return f"{values.shape} voxels, not {truth.values.shape}"
    if truth.affine is None:
        close = values.shape == truth.values.shape and np.allclose(values, truth.values, rtol=1e-5, atol=1e-4)
        return "" if close else "other values"
    index = np.indices(values.shape).reshape(values.ndim, -1)
    points = affine[:3, : values.ndim] @ index + affine[:3, 3:]
    axes = truth.values.ndim
    matrix = truth.affine[:3, :axes]
    back = np.linalg.lstsq(matrix, points - truth.affine[:3, 3:], rcond=None)[0]
    if np.abs(matrix @ np.rint(back) + truth.affine[:3, 3:] - points).max() > 0.05:
        return f"voxels {np.abs(matrix @ np.rint(back) + truth.affine[:3, 3:] - points).max():.3g} mm off"
    places = np.rint(back).astype(int)
    if places.min() < 0 or (places >= np.array(truth.values.shape)[:, None]).any():
        return "voxels beyond the scan"
    expected = truth.values[tuple(places)]
    if not np.allclose(values.ravel(), expected, rtol=1e-5, atol=1e-3):
        return f"values up to {np.abs(values.ravel() - expected).max():.4g} off"
    return ""
