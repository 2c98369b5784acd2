"""A procedural brain MR with known truth: FLAIR, T1, T1 after contrast and T2 of one patient, with or without a glioma.

One map of tissues gives all sequences through their signal equations; the scanner adds shading, blur, noise and a scale
of its own. What recurs in every patient is what restoration can learn from; size, proportion, folding, age, lesions and
scanner vary.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.brain_anatomy import BRAIN, Drawing
from modelsgenesis.phantoms.glioma import displace, draw_glioma, paint_glioma, paint_white_lesions
from modelsgenesis.phantoms.head import Head, Point
from modelsgenesis.phantoms.mr import acquire, scanner
from modelsgenesis.phantoms.skull import paint_head
from modelsgenesis.types import FloatArray, Shape, Spacing

_T = TypeVar("_T", bound=np.generic)

SHAPE: Shape = (80, 96, 72)
SPACING: Spacing = (2.0, 2.0, 2.0)

_HEAD: tuple[Point, Point] = ((-200, -200, -200), (200, 200, 200))
_HIGH_GRADE = 0.75  # share of gliomas
_SMALLEST = 8  # voxels along an axis
_MARGIN = 1.0  # mm of fluid that skull-stripping leaves on the brain


@dataclass(frozen=True)
class BrainPhantom:
    """One examination; all arrays (X, Y, Z), axes LPS.

    Args:
        images: `flair`, `t1`, `t1ce`, `t2`, float32, in the scanner's arbitrary units, never negative; 0 outside a
            stripped brain.
        labels: uint8, 0 none, 1 necrosis or core that does not enhance, 2 oedema, 4 enhancing tumour.
        tissues: uint8, see `mr.TISSUES`; 0 (air) outside a stripped brain.
        spacing: mm per voxel along (X, Y, Z).
    """

    images: dict[str, FloatArray]
    labels: npt.NDArray[np.uint8]
    tissues: npt.NDArray[np.uint8]
    spacing: Spacing


def brain(
    rng: np.random.Generator,
    shape: Shape = SHAPE,
    spacing: Spacing = SPACING,
    tumour: bool = True,
    stripped: bool = True,
    high_grade: bool | None = None,
) -> BrainPhantom:
    """Draw and scan one patient; everything random comes from `rng`.

    Args:
        rng: the patient: the same generator state gives the same patient.
        shape: voxels along (X, Y, Z); the default grid holds the whole brain, a smaller one its middle.
        spacing: mm per voxel along (X, Y, Z).
        tumour: whether there is a glioma. White matter lesions, which are no tumour, are there either way.
        stripped: whether skull and scalp are removed, as in BraTS.
        high_grade: of the glioma: True with an enhancing ring and necrosis, False without; None draws, 3 in 4 are high.

    Raises:
        UsageError: shape is not three numbers of at least 8, or spacing not three positive ones.
    """
    if len(shape) != 3 or len(spacing) != 3 or min(shape) < _SMALLEST or min(spacing) <= 0:
        raise UsageError(
            f"brain phantom: shape {shape} must be three numbers of at least {_SMALLEST}, spacing {spacing} positive"
        )
    head = Head(rng, shape, spacing, *(BRAIN if stripped else _HEAD))
    scans = scanner(rng)
    drawn = bool(rng.random() < _HIGH_GRADE)
    glioma = draw_glioma(rng, drawn if high_grade is None else high_grade)
    if tumour:
        displace(head, glioma)
    drawing = Drawing(rng, head, scans)
    if not stripped:
        paint_head(drawing)
    drawing.membranes()
    drawing.cerebellum()
    drawing.cerebrum()
    drawing.nuclei()
    drawing.stem()
    lateral = drawing.fluid_spaces()
    drawing.vessels()
    paint_white_lesions(drawing, lateral)
    labels = np.zeros(head.shape, dtype=np.uint8)
    if tumour:
        paint_glioma(drawing, glioma, labels, lateral)
    drawing.texture()
    outside = drawing.outer < -_MARGIN if stripped else None
    scanned = {
        name: _on_grid(acquire(rng, image, head, scans[name]), head, shape, outside)
        for name, image in zip(scans, drawing.images, strict=True)
    }
    truth = _on_grid(labels, head, shape, outside)
    return BrainPhantom(scanned, truth, _on_grid(drawing.tissues, head, shape, outside), tuple(spacing))


def _on_grid(part: npt.NDArray[_T], head: Head, shape: Shape, outside: npt.NDArray[np.bool_] | None) -> npt.NDArray[_T]:
    """The array of the window in the whole grid, 0 where there is nothing."""
    if outside is not None:
        part[outside] = 0
    whole = np.zeros(shape, dtype=part.dtype)
    whole[head.window] = part
    return whole
