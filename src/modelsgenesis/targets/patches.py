"""What the network sees of a case: random patches of a segmentation, the whole small scan of a classification."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError
from modelsgenesis.targets.prepared import Labels, Places, PreparedCase, PreparedTarget
from modelsgenesis.types import FloatArray, Shape

Fitting = Literal["centre", "resize"]


@settings
class PatchSettings:
    """Size and choice of the patches."""

    shape: tuple[int, int, int] = (64, 64, 32)
    """Voxels along X, Y, Z: of the patches and windows of a segmentation, of the input of a classification."""
    foreground: float = 1 / 3
    """Segmentation: share of the patches centred on a voxel of a structure, each structure being as likely."""
    fitting: Fitting = "centre"
    """Classification: centre (crop or pad with zeros around the centre) or resize (the whole scan, interpolated)."""


class PatchSampler:
    """Cuts random patches from the cases of a segmentation.

    Args:
        data: where the cases lie.
        cases: the cases to cut from.
        choice: size and share of foreground.

    Raises UsageError when no case holds any structure.
    """

    def __init__(self, data: PreparedTarget, cases: Sequence[PreparedCase], choice: PatchSettings) -> None:
        self._data, self._choice = data, choice
        self._cases: list[tuple[PreparedCase, Places]] = [(case, data.places(case)) for case in cases]
        if not any(places.structures for _, places in self._cases):
            raise UsageError(
                f"{data.target.source}: none of the {len(self._cases)} cases of one side of the split holds a "
                "structure to learn; choose another split.seed, or other labels"
            )

    def patch(self, rng: np.random.Generator) -> tuple[FloatArray, Labels]:
        """Image (C, X, Y, Z) in [0, 1] and its structures (X, Y, Z) uint8; consumes `rng`.

        A case smaller than the patch is padded with zeros, which are background, on both sides.
        """
        case, places = self._cases[int(rng.integers(len(self._cases)))]
        shape = self._choice.shape
        if places.structures and rng.random() < self._choice.foreground:
            centre = np.array(places.draw(rng))
            corner = np.clip(centre - np.array(shape) // 2, 0, np.maximum(0, np.array(case.shape) - shape))
        else:
            corner = rng.integers(0, np.maximum(0, np.array(case.shape) - shape), endpoint=True)
        start = tuple(int(c) for c in corner)
        size = tuple(min(side, whole) for side, whole in zip(shape, case.shape, strict=True))
        return (
            crop_or_pad(self._data.image(case, start, size), shape),
            crop_or_pad(self._data.label(case, start, size), shape),
        )


def fit_scan(image: FloatArray, shape: Shape, fitting: Fitting) -> FloatArray:
    """A whole scan (C, X, Y, Z) in [0, 1] as the input of a classification, (C, *shape)."""
    if fitting == "centre":
        return crop_or_pad(image, shape)
    import torch

    resized = torch.nn.functional.interpolate(torch.from_numpy(image)[None], shape, mode="trilinear")
    return np.asarray(resized[0].numpy(), np.float32)


def crop_or_pad(array: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """The last axes of `array` at `shape`: cut around the centre where it is larger, zeros around where smaller."""
    leading = array.ndim - len(shape)
    sides = list(zip(array.shape[leading:], shape, strict=True))
    cut: tuple[Any, ...] = tuple(
        slice(max(0, (old - new) // 2), max(0, (old - new) // 2) + min(old, new)) for old, new in sides
    )
    margins = [((new - old) // 2, new - old - (new - old) // 2) if new > old else (0, 0) for old, new in sides]
    return np.pad(array[(Ellipsis, *cut)], [(0, 0)] * leading + margins)
