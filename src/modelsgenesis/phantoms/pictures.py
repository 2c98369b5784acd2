"""Writing two-dimensional phantoms as 8-bit PNG or TIFF, whole or not at all; and dealing their patients out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.itk import write_image


def write_picture(array: npt.NDArray[np.uint8], path: Path) -> None:
    """Write `array` (X, Y), X across and Y down, to `path`; its ending, `.png` or `.tiff`, chooses the format."""
    import SimpleITK as sitk  # noqa: N813

    write_image(sitk.GetImageFromArray(np.ascontiguousarray(array.T)), path, compress=path.suffix == ".png")


def dealt(rng: np.random.Generator, count: int, parts: Mapping[str, float]) -> list[str]:
    """The part that each of `count` patients belongs to, in random order.

    Args:
        rng: the order.
        count: how many patients.
        parts: weights of the parts, the most important first: each gets at least one patient while there are any.
    """
    names = list(parts)[:count]
    rest, total = count - len(names), sum(parts.values())
    due = [weight / total * rest for weight in parts.values()]
    left = rest - sum(int(share) for share in due)
    most = sorted(range(len(due)), key=lambda part: int(due[part]) - due[part])[:left]  # the largest remainders
    for part, name in enumerate(parts):
        names += [name] * (int(due[part]) + (part in most))
    order = rng.permutation(count)
    return [names[index] for index in order]
