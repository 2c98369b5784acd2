"""A procedural abdominal CT with known truth: the same anatomy in every patient, at another size, place and shape.

Liver with lobes, vessels and lesions, spleen, kidneys, stomach, bowel, pancreas, great vessels, spine, ribs, muscles,
fat, and lung bases over the diaphragm; contrast agent differs from patient to patient, and so does the scanner.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms import abdomen_body as trunk
from modelsgenesis.phantoms import abdomen_gut as gut
from modelsgenesis.phantoms import abdomen_organs as organs
from modelsgenesis.phantoms.abdomen_sheet import ABDOMEN_LABELS, Sheet
from modelsgenesis.phantoms.frame import Frame
from modelsgenesis.types import FloatArray, Shape, Spacing

__all__ = ["ABDOMEN_LABELS", "SHAPE", "AbdomenPhantom", "abdomen", "field_spacing", "scanned"]

SHAPE: Shape = (96, 96, 64)
_MATRIX = 512  # voxels along x and y of a clinical scan
_HEIGHT = (190.0, 270.0)  # mm from the first slice to the last
_THICKNESS = (0.7, 5.0)


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
    return AbdomenPhantom(scanned(rng, sheet.image, spacing), sheet.labels, spacing)


def field_spacing(rng: np.random.Generator, shape: Shape) -> Spacing:
    """Draw mm per voxel for a grid that shows the whole abdomen, as clinical scans do.

    In plane 0.6 to 0.9 mm for a matrix of 512 and in proportion more for a smaller one, so that the field of view is a
    real one; slices 190 to 270 mm in all, each between 0.7 and 5 mm.
    """
    plane = rng.uniform(0.62, 0.9) * _MATRIX / shape[0]
    thick = rng.uniform(*_HEIGHT) / shape[2]
    return (round(plane, 4), round(plane, 4), round(min(max(thick, _THICKNESS[0]), _THICKNESS[1]), 2))


def scanned(rng: np.random.Generator, image: FloatArray, spacing: Spacing) -> FloatArray:
    """What a scanner makes of the anatomy: point-spread blur and noise with the spectrum of a kernel; from -1024 HU.

    Args:
        rng: source of the kernel, the dose and the noise.
        image: (X, Y, Z) in HU, without noise.
        spacing: mm per voxel.
    """
    soft = rng.random()  # kernels: soft ones blur more and show less noise, of a coarser grain
    x, y = (float(np.hypot((0.45 + 0.5 * soft) / step, 0.25)) for step in spacing[:2])
    blurred = ndimage.gaussian_filter(image, (x, y, 0.35), truncate=3)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    x, y = (float(np.hypot((0.35 + 0.75 * soft) / step, 0.1)) for step in spacing[:2])
    fine = ndimage.gaussian_filter(noise, (x, y, 0.3), truncate=2.5)
    # Filtered back-projection passes little noise at low frequencies: taking the coarse part away leaves its ramp.
    fine -= (0.85 - 0.35 * soft) * ndimage.gaussian_filter(fine, (2.2 * x, 2.2 * y, 0), truncate=2.5)
    fine *= np.float32((22 - 13 * soft) * rng.uniform(0.75, 1.2)) / max(float(fine.std()), 1e-6)
    blurred += fine
    return np.maximum(blurred, np.float32(-1024), out=blurred)
