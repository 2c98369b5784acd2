"""A procedural abdominal CT with known truth: the same anatomy in every patient, at another size, place and shape.

Liver with lobes, vessels and lesions, spleen, kidneys, stomach, bowel, pancreas, great vessels, spine, ribs, muscles,
fat, and lung bases over the diaphragm; contrast agent differs from patient to patient, and so does the scanner.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms import abdomen_body as trunk
from modelsgenesis.phantoms import abdomen_gut as gut
from modelsgenesis.phantoms import abdomen_organs as organs
from modelsgenesis.phantoms.abdomen_sheet import ABDOMEN_LABELS, Sheet
from modelsgenesis.phantoms.frame import Frame
from modelsgenesis.phantoms.scanner import Protocol, scanned
from modelsgenesis.types import FloatArray, Shape, Spacing

__all__ = ["ABDOMEN_LABELS", "SHAPE", "AbdomenPhantom", "abdomen", "field_spacing"]

SHAPE: Shape = (96, 96, 64)
_MATRIX = 512  # voxels along x and y of a clinical scan
_HEIGHT = (190.0, 270.0)  # mm from the first slice to the last
_THICKNESS = (0.7, 5.0)
_SHARPEST = 0.4  # of kernels: abdomens are reconstructed softer than lungs


@dataclass(frozen=True)
class AbdomenPhantom:
    """One scan: `array` (X, Y, Z) float32 in HU, `labels` (X, Y, Z) uint8 (see ABDOMEN_LABELS), `spacing` mm; LPS."""

    array: FloatArray
    labels: npt.NDArray[np.uint8]
    spacing: Spacing


def abdomen(
    rng: np.random.Generator, shape: Shape = SHAPE, spacing: Spacing | None = None, lesions: int | None = None
) -> AbdomenPhantom:
    """Draw one patient; everything random comes from `rng`.

    Args:
        rng: the patient: the same generator state gives the same patient.
        shape: voxels along (X, Y, Z). A grid of less than 250 mm along an axis is centred on the liver.
        spacing: mm per voxel along (X, Y, Z); None draws it, see `field_spacing`.
        lesions: how many liver lesions to place; None draws 0 to 12, mostly few.

    Raises:
        UsageError: shape or spacing are not three positive numbers, or `lesions` is negative.
    """
    if len(shape) != 3 or min(shape) < 1 or (spacing is not None and (len(spacing) != 3 or min(spacing) <= 0)):
        raise UsageError(f"abdomen phantom: shape {shape} and spacing {spacing} must each be three positive numbers")
    if lesions is not None and lesions < 0:
        raise UsageError(f"abdomen phantom: {lesions} lesions; give 0 or more")
    spacing = field_spacing(rng, shape) if spacing is None else tuple(float(step) for step in spacing)
    sheet = Sheet(rng, Frame(rng, shape, spacing))
    wall = trunk.body(sheet)
    gut.small_bowel(sheet)
    gut.colon(sheet)
    organs.spleen(sheet)
    gut.stomach(sheet)
    organs.liver(sheet)
    organs.kidneys(sheet)
    gut.pancreas(sheet)
    organs.gallbladder(sheet)
    trunk.heart(sheet, wall)
    trunk.muscles(sheet)
    organs.great_vessels(sheet)
    trunk.spine(sheet)
    trunk.ribs(sheet, wall)
    organs.liver_vessels(sheet)
    few = 0 if rng.random() < 0.1 else min(int(rng.geometric(0.28)), 12)
    organs.lesions(sheet, few if lesions is None else lesions)
    protocol = Protocol.drawn(rng, spacing, _SHARPEST)
    return AbdomenPhantom(scanned(rng, sheet.image, spacing, protocol), sheet.labels, spacing)


def field_spacing(rng: np.random.Generator, shape: Shape) -> Spacing:
    """Draw mm per voxel for a grid that shows the whole abdomen, as clinical scans do.

    In plane 0.6 to 0.9 mm for a matrix of 512 and in proportion more for a smaller one, so that the field of view is a
    real one; slices 190 to 270 mm in all, each between 0.7 and 5 mm.
    """
    plane = rng.uniform(0.62, 0.9) * _MATRIX / shape[0]
    thick = rng.uniform(*_HEIGHT) / shape[2]
    return (round(plane, 4), round(plane, 4), round(min(max(thick, _THICKNESS[0]), _THICKNESS[1]), 2))
