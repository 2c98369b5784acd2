"""Test cases kept with a run so that they can be shown anywhere: small, in 8 bits, with truth and prediction.

`predictions/examples.npz` of a run needs neither the data nor a network to be looked at. What was cut and how far it
was coarsened is written beside each case; no number is ever computed from these arrays.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import replacing
from modelsgenesis.types import Shape, Spacing

Bytes = npt.NDArray[np.uint8]

FILE = "examples.npz"
PLACES = ("best", "median", "worst")
MOST_VOXELS = 400_000
"""Of a kept case: a few hundred kB when compressed."""
MARGIN = 24.0
"""mm around the structures that are kept."""


@dataclass(frozen=True)
class Example:
    """One kept case.

    Args:
        case, subject: as in `cases.json`.
        place: "best", "median" or "worst" of the test cases.
        score: what it was ranked by: Dice, mean over structures, or the probability of the truth.
        image: (X, Y, Z) or (X, Y), 0 and 255 being the ends of `window`.
        spacing: mm along its axes.
        window: physical values of 0 and 255.
        truth, prediction: structures on the grid of the image; None for a classification.
        told: truth and prediction of a classification in words, else empty.
        reduction: in words, how it was cut and coarsened; empty when it is whole.
    """

    case: str
    subject: str
    place: str
    score: float
    image: Bytes
    spacing: Spacing
    window: tuple[float, float]
    truth: Bytes | None = None
    prediction: Bytes | None = None
    told: str = ""
    reduction: str = ""


def by_rank(scores: Sequence[float]) -> dict[str, int]:
    """Place -> index of the case that takes it; fewer places when there are fewer cases. NaN takes none."""
    order = [index for index in np.argsort(scores, kind="stable")[::-1] if not math.isnan(scores[index])]
    if len(order) < 2:
        return {"best": int(order[0])} if order else {}
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    if len(order) == 2:
        del chosen["median"]
    return {place: int(index) for place, index in chosen.items()}


def in_bytes(image: npt.NDArray[np.floating[Any]], window: tuple[float, float]) -> Bytes:
    """Physical values to 0 .. 255 of `window`, clipped."""
    low, high = window
    scaled: Bytes = np.rint(np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)
    return scaled


def fitting_window(image: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    """The physical values between which nearly all voxels lie, a little widened."""
    low, high = (float(value) for value in np.percentile(image, (1, 99)))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def cut_out(
    image: npt.NDArray[np.floating[Any]], truth: Bytes, prediction: Bytes, spacing: Spacing
) -> tuple[npt.NDArray[np.floating[Any]], Bytes, Bytes, Spacing, str]:
    """The part around the structures of truth and prediction, coarsened to `MOST_VOXELS`.

    Returns image, truth, prediction, spacing, and what was done in words.
    """
    box = _box((truth > 0) | (prediction > 0), spacing)
    image, truth, prediction = image[box], truth[box], prediction[box]
    whole, kept = tuple(image.shape), _factors(image.shape, spacing)
    reduced = _coarse(image.astype(np.float32), kept)
    coarse = tuple(side * factor for side, factor in zip(spacing, kept, strict=True))
    words = [] if box == tuple(slice(0, side) for side in whole) else ["cut around the structures"]
    if max(kept) > 1:
        words.append(f"coarsened {' × '.join(map(str, kept))} to {' × '.join(f'{side:.2g}' for side in coarse)} mm")
    return reduced, _coarse_labels(truth, kept), _coarse_labels(prediction, kept), coarse, ", ".join(words)


def _box(mask: npt.NDArray[np.bool_], spacing: Spacing) -> tuple[slice, ...]:
    """The bounding box of `mask` with a margin, inside the image; all of it when the mask is empty."""
    if not mask.any():
        return tuple(slice(0, side) for side in mask.shape)
    box = []
    for axis, step in enumerate(spacing):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        margin = math.ceil(MARGIN / step)
        box.append(slice(max(0, int(along[0]) - margin), min(mask.shape[axis], int(along[-1]) + 1 + margin)))
    return tuple(box)


def _factors(shape: Shape, spacing: Spacing) -> tuple[int, ...]:
    """By how much to coarsen each axis: the finest first, until few enough voxels are left."""
    factors = [1] * len(shape)
    while math.prod(side // factor for side, factor in zip(shape, factors, strict=True)) > MOST_VOXELS:
        finest = min(range(len(shape)), key=lambda axis: spacing[axis] * factors[axis])
        factors[finest] += 1
    return tuple(factors)


def _blocks(array: npt.NDArray[Any], factors: tuple[int, ...]) -> npt.NDArray[Any]:
    """Cut into blocks of `factors`: (*coarse shape, voxels of a block); what fills no block is dropped."""
    sides = [side // factor for side, factor in zip(array.shape, factors, strict=True)]
    array = array[tuple(slice(0, side * factor) for side, factor in zip(sides, factors, strict=True))]
    split = array.reshape([n for pair in zip(sides, factors, strict=True) for n in pair])
    axes = len(sides)
    return split.transpose([*range(0, 2 * axes, 2), *range(1, 2 * axes, 2)]).reshape(*sides, -1)


def _coarse(image: npt.NDArray[Any], factors: tuple[int, ...]) -> npt.NDArray[Any]:
    return image if max(factors) == 1 else _blocks(image, factors).mean(-1)


def _coarse_labels(labels: Bytes, factors: tuple[int, ...]) -> Bytes:
    """The structure that holds most of each block, background being one of them."""
    if max(factors) == 1:
        return labels
    blocks = _blocks(labels, factors)
    values = np.unique(blocks)
    counts = np.stack([(blocks == value).sum(-1) for value in values])
    most: Bytes = values[counts.argmax(0)].astype(np.uint8)
    return most


def write_examples(folder: Path, examples: Sequence[Example]) -> None:
    """Write `examples.npz` into the predictions folder; nothing when there are none."""
    if not examples:
        return
    arrays: dict[str, npt.NDArray[Any]] = {}
    about = []
    for number, one in enumerate(examples):
        held = {"image": one.image, "truth": one.truth, "prediction": one.prediction}
        arrays |= {f"{name}_{number}": array for name, array in held.items() if array is not None}
        about.append({key: value for key, value in vars(one).items() if key not in held})
    with replacing(folder / FILE) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]


def read_examples(folder: Path) -> list[Example]:
    """The kept cases of a predictions folder, none when the run kept none; GenesisError for a damaged file."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        with np.load(path, allow_pickle=False) as held:
            return [_example(number, about, held) for number, about in enumerate(json.loads(str(held["about"])))]
    except Exception as error:
        raise GenesisError(f"{path}: damaged ({error}); delete it, or fine-tune again to have it back") from error


def _example(number: int, about: dict[str, Any], held: Any) -> Example:
    arrays = {name: held[f"{name}_{number}"] for name in ("image", "truth", "prediction") if f"{name}_{number}" in held}
    one = Example(**about, **arrays)
    return replace(one, spacing=tuple(one.spacing), window=(float(one.window[0]), float(one.window[1])))
