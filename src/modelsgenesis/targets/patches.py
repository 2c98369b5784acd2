"""What the network sees of a case: random patches of a segmentation, the whole small scan of a classification."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.data.padding import crop_or_pad
from modelsgenesis.data.resizing import resize_image
from modelsgenesis.data.scale import scale_of
from modelsgenesis.errors import UsageError
from modelsgenesis.targets.candidates import first_few
from modelsgenesis.targets.prepared import Labels, Places, PreparedCase, PreparedTarget
from modelsgenesis.targets.vessel import block_side, turned
from modelsgenesis.targets.vessel_cache import axes_of
from modelsgenesis.types import JSON, FloatArray, Shape

Fitting = Literal["centre", "resize"]
Planes = Literal["axial", "orthogonal"]
_ORTHOGONAL = (3, 2, 1)
"""Axes of (C, X, Y, Z) that the axial, coronal and sagittal slice lack."""


@settings
class PatchSettings:
    """Size and choice of the patches."""

    shape: tuple[int, ...] = (64, 64, 32)
    """Voxels along X, Y, Z of patches, windows and inputs; two sides (axial slices) for a network of images."""
    foreground: float | None = None
    """Segmentation: share of the patches centred on a voxel of a structure; the structures take turns. None: each
    structure has one turn and random places two, so 1/3 for one structure and 3/5 for three."""
    fitting: Fitting = "centre"
    """Classification: centre (crop or pad with zeros around the centre) or resize (the whole scan, interpolated)."""
    jitter: float = 0.1
    """Cases that are places in a scan: in training, the place is moved by up to this share of each side."""
    planes: Planes = "axial"
    """Places in a volume for a network of images: axial (the slice), or orthogonal (2.5D: axial, coronal and sagittal
    slice through the place as channels; equal sides)."""

    @property
    def channels(self) -> int:
        """Channels of the input for each channel of the scan."""
        return len(_ORTHOGONAL) if self.planes == "orthogonal" else 1


def seen_scale(data: PreparedTarget, choice: PatchSettings) -> JSON:
    """The scale at which the network sees the cases (`data/scale`)."""
    resized = choice.fitting == "resize" and data.target.task != "segmentation"
    whole = all(case.case.centre is None for case in data.cases)
    found = scale_of((case.images[0] for case in data.cases), choice.shape, resized and whole)
    return found if data.target.measured else {name: value for name, value in found.items() if name != "spacing"}


class _Held(NamedTuple):
    """A structure in a case that holds it, and its places there."""

    structure: int
    case: PreparedCase
    places: Places


class PatchSampler:
    """Cuts random patches from the cases of a segmentation.

    Args:
        data: where the cases lie.
        cases: the cases to cut from.
        choice: size and share of foreground.

    Raises UsageError when no case holds any structure.

    Structures take turns, and have more patches the more they are: with a third of the patches for three organs, by
    chance, one of them was in too few batches to be told from its neighbours before the rate had fallen, and in one
    training of three it was predicted nowhere in the end (docs/targets.md).
    """

    def __init__(self, data: PreparedTarget, cases: Sequence[PreparedCase], choice: PatchSettings) -> None:
        self._data, self._choice = data, choice
        self._cases: list[tuple[PreparedCase, Places]] = [(case, data.places(case)) for case in cases]
        self._holders = [
            held
            for structure in data.target.label_map
            if (held := [_Held(structure, case, at) for case, at in self._cases if structure in at.structures])
        ]
        if not self._holders:
            names = first_few([case.case.id for case in cases])
            raise UsageError(
                f"{data.target.source}: no case of one side of the split ({names}) holds a structure to learn; "
                "correct their label maps, or choose another split.seed or other labels"
            )

    def patch(self, rng: np.random.Generator, item: int) -> tuple[FloatArray, Labels]:
        """Image (C, *shape) in [0, 1] and its structures, `shape` uint8; consumes `rng`.

        Whether it is centred on a structure, and on which, depends on the number `item` alone, so that any run of
        consecutive items has its share of each. A case smaller than the patch is padded with zeros, which are
        background, on both sides.
        """
        turn = self._turn(item)
        held = None if turn is None else turn[int(rng.integers(len(turn)))]
        case = held.case if held else self._cases[int(rng.integers(len(self._cases)))][0]
        shape = self._choice.shape
        if case.case.centre is not None:
            centre = moved(case, self._choice, rng)
            return self._data.image_around(case, centre, shape), self._data.label_around(case, centre, shape)
        full = (*shape, *(1,) * (len(case.shape) - len(shape)))
        last = np.maximum(0, np.array(case.shape) - full)
        if held:
            corner = np.clip(np.array(held.places.draw(rng, held.structure)) - np.array(full) // 2, 0, last)
        else:
            corner = rng.integers(0, last, endpoint=True)
        start = tuple(int(c) for c in corner)
        size = tuple(min(side, whole) for side, whole in zip(full, case.shape, strict=True))
        image, label = self._data.image(case, start, size), self._data.label(case, start, size)
        return crop_or_pad(image, full).reshape(-1, *shape), crop_or_pad(label, full).reshape(shape)

    def _turn(self, item: int) -> list[_Held] | None:
        """The cases with the structure whose turn `item` is, None for a random place."""
        if self._cases[0][0].case.centre is not None:
            return None  # every case has its place
        structures = len(self._holders)
        share = self._choice.foreground
        share = structures / (structures + 2) if share is None else share
        turns = int(item * share)
        return self._holders[turns % structures] if int((item + 1) * share) > turns else None


def moved(case: PreparedCase, choice: PatchSettings, rng: np.random.Generator) -> tuple[float, ...]:
    """The voxel a training case is cut around: its centre, moved a little; consumes `rng`."""
    reach = [choice.jitter * side for side in choice.shape] + [0.0] * (len(case.shape) - len(choice.shape))
    return tuple(c + float(rng.uniform(-r, r)) for c, r in zip(case.centre, reach, strict=True))


def classified_input(
    data: PreparedTarget, case: PreparedCase, choice: PatchSettings, rng: np.random.Generator | None = None
) -> FloatArray:
    """What a classification sees of a case, (C, *choice.shape) in [0, 1].

    The whole scan, fitted, or the cube around the case's centre, moved a little where `rng` is given (training).
    """
    if case.case.centre is None:
        return fit_scan(data.image(case), choice.shape, choice.fitting)
    centre = case.centre if rng is None else moved(case, choice, rng)
    if data.target.orientation == "vessel":
        cube = _along_vessel(data, case, centre, choice.shape)
    elif choice.planes == "axial":
        return data.image_around(case, centre, choice.shape)
    else:
        cube = data.image_around(case, centre, choice.shape[:1] * 3)
    if len(choice.shape) == 3:
        return cube
    middle = cube.shape[1] // 2
    lacking = _ORTHOGONAL[: choice.channels]
    return np.concatenate([np.take(cube, middle, axis) for axis in lacking])


def _along_vessel(data: PreparedTarget, case: PreparedCase, centre: Sequence[float], shape: Shape) -> FloatArray:
    """The cube around `centre` along the vessel of the case, sides as `shape`'s first, each channel by itself."""
    side, spacing = shape[0], case.images[0].spacing
    if len(set(shape)) > 1 or max(spacing) > 1.01 * min(spacing):
        raise UsageError(
            f"options.orientation vessel: needs equal sides and spacing, not patch.shape {shape} at {spacing} mm; "
            "set images.spacing"
        )
    block = data.image_around(case, centre, (block_side(side),) * 3)
    axes = axes_of(data, case, side)
    return np.stack([turned(channel, side, own) for channel, own in zip(block, axes, strict=True)])


def fit_scan(image: FloatArray, shape: Shape, fitting: Fitting) -> FloatArray:
    """A whole scan (C, X, Y(, Z)) in [0, 1] as the input of a classification, (C, *shape).

    Raises UsageError when it has not as many axes as `shape`.
    """
    if image.ndim - 1 != len(shape):
        raise UsageError(f"patch.shape: {shape} does not fit a scan of {image.ndim - 1} axes; choose another backbone")
    if fitting == "centre":
        return crop_or_pad(image, shape)
    return resize_image(image, shape)
