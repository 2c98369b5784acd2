"""Augmentation of labelled patches by MONAI, repeatable item by item."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.types import FloatArray

Strength = Literal["off", "flips", "light", "strong"]
DEGREE = np.pi / 180


class Augmentation:
    """Changes an image, and its label map alike.

    `flips`: flips along all axes, quarter turns in the X-Y plane of square patches; for what looks alike from every
    side, such as lesions. `light`: rotation to 10 degrees about each axis and scale to 10 % (half of the items),
    brightness, noise; the sides of the body stay where they are. `strong`, after the papers (PAPER 1.4): `flips`,
    rotation to 30 degrees, scale to 20 %, brightness, contrast, blur and noise.

    Args:
        strength: off, flips, light or strong.
        axes: spatial axes of the image, 3 or 2.
    """

    def __init__(self, strength: str, axes: int = 3) -> None:
        if strength not in _RECIPES:
            raise UsageError(f"augmentation: {strength!r} is unknown; valid: {', '.join(_RECIPES)}")
        self._strength, self._axes = strength, axes
        self._transforms: dict[tuple[bool, bool], Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transforms": {}}

    def apply(self, image: FloatArray, label: Any, rng: np.random.Generator) -> tuple[FloatArray, Any]:
        """Augmented (C, X, Y(, Z)) image in [0, 1] and (1, X, Y(, Z)) label map (None stays None); consumes `rng`."""
        if self._strength == "off":
            return image, label
        square = image.shape[1] == image.shape[2]
        transform = self._transform(label is not None, square)
        transform.set_random_state(seed=int(rng.integers(2**32)))
        item = {"image": image} if label is None else {"image": image, "label": label}
        changed = transform(item)
        kept = np.clip(np.asarray(changed["image"], np.float32), 0, 1)
        return kept, None if label is None else np.asarray(changed["label"]).astype(label.dtype)

    def _transform(self, labelled: bool, square: bool) -> Any:
        """The composed transform, made when first needed: MONAI takes seconds to import."""
        if (labelled, square) not in self._transforms:
            from monai.transforms import Compose

            keys = ("image", "label") if labelled else ("image",)
            self._transforms[labelled, square] = Compose(_RECIPES[self._strength](keys, square, self._axes))
        return self._transforms[labelled, square]


def _light(keys: Sequence[str], square: bool, axes: int) -> list[Any]:  # noqa: ARG001 - one signature for all
    from monai.transforms import RandGaussianNoised, RandScaleIntensityd

    return [
        _affine(keys, axes, degrees=10, scale=0.1),
        RandScaleIntensityd("image", factors=0.1, prob=0.3),
        RandGaussianNoised("image", prob=0.2, std=0.03),
    ]


def _flips(keys: Sequence[str], square: bool, axes: int) -> list[Any]:
    from monai.transforms import RandFlipd, RandRotate90d

    return [
        *(RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(axes)),
        *([RandRotate90d(keys, prob=0.5, spatial_axes=(0, 1))] if square else []),
    ]


def _strong(keys: Sequence[str], square: bool, axes: int) -> list[Any]:
    from monai.transforms import (
        RandAdjustContrastd,
        RandGaussianNoised,
        RandGaussianSmoothd,
        RandScaleIntensityd,
    )

    return [
        *_flips(keys, square, axes),
        _affine(keys, axes, degrees=30, scale=0.2),
        RandScaleIntensityd("image", factors=0.2, prob=0.3),
        RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)),
        RandGaussianSmoothd("image", (0.25, 1.0), (0.25, 1.0), (0.25, 1.0), prob=0.2),
        RandGaussianNoised("image", prob=0.3, std=0.05),
    ]


def _affine(keys: Sequence[str], axes: int, degrees: float, scale: float) -> Any:
    from monai.transforms import RandAffined

    return RandAffined(
        keys,
        prob=0.5,
        rotate_range=(degrees * DEGREE,) * (3 if axes == 3 else 1),
        scale_range=(scale,) * axes,
        mode=["bilinear", "nearest"][: len(keys)],
        padding_mode="zeros",
    )


_RECIPES: dict[str, Callable[[Sequence[str], bool, int], list[Any]]] = {
    "off": lambda keys, square, axes: [],  # noqa: ARG005 - one signature for all
    "flips": _flips,
    "light": _light,
    "strong": _strong,
}
