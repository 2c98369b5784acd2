"""A procedural chest CT with known truth: the same anatomy in every patient, at another size, place and shape.

Recurrent anatomy is what restoration learns from, so its landmarks are here in Hounsfield units: fat and muscle, ribs
and spine, lungs with branching vessels, heart, aorta, liver dome, stomach and spleen, trachea, a few nodules.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.files import replacing, write_csv, write_json
from modelsgenesis.phantoms.anatomy import LABELS, Drawing
from modelsgenesis.phantoms.frame import Frame
from modelsgenesis.types import FloatArray, Shape, Spacing

SHAPE: Shape = (96, 96, 64)
SPACING: Spacing = (3.5, 3.5, 4.0)
CUBE: Shape = (32, 32, 32)

_UNLABELLED, _SEGMENTATION, _CLASSIFICATION = 0, 1, 2  # keeps the patients of the three kinds apart under one seed


@dataclass(frozen=True)
class Phantom:
    """One scan: `array` (X, Y, Z) float32 in HU, `labels` (X, Y, Z) uint8 (see LABELS), `spacing` in mm; axes LPS."""

    array: FloatArray
    labels: npt.NDArray[np.uint8]
    spacing: Spacing


def chest(
    rng: np.random.Generator, shape: Shape = SHAPE, spacing: Spacing = SPACING, nodules: int | None = None
) -> Phantom:
    """Draw one patient; everything random comes from `rng`.

    Args:
        rng: the patient: the same generator state gives the same patient.
        shape: voxels along (X, Y, Z); the default grid shows the whole chest, a smaller one its middle.
        spacing: mm per voxel along (X, Y, Z).
        nodules: how many nodules to place; None draws 1 to 4. One that finds no room in the lungs is left out.

    Raises:
        UsageError: shape or spacing are not three positive numbers.
    """
    if len(shape) != 3 or len(spacing) != 3 or min(shape) < 1 or min(spacing) <= 0:
        raise UsageError(f"chest phantom: shape {shape} and spacing {spacing} must each be three positive numbers")
    drawing = Drawing(rng, Frame(rng, shape, spacing))
    drawing.torso()
    drawing.abdomen()
    drawing.mediastinum()
    drawing.skeleton()
    drawing.vessels()
    drawing.nodules(int(rng.integers(1, 5)) if nodules is None else nodules)
    return Phantom(_scanned(rng, drawing.image), drawing.labels, tuple(spacing))


def _scanned(rng: np.random.Generator, image: FloatArray) -> FloatArray:
    """What a scanner makes of the anatomy: point-spread blur and grainy noise; nothing below -1024 HU."""
    blurred = ndimage.gaussian_filter(image, 0.5)
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), (0.6, 0.6, 0.3))
    noise *= np.float32(rng.uniform(10, 25)) / noise.std()
    image = blurred + noise
    return np.maximum(image, np.float32(-1024), out=image)


def write_unlabelled(
    folder: Path, count: int, seed: int, shape: Shape = SHAPE, spacing: Spacing = SPACING
) -> list[Path]:
    """Write `count` scans `chest_0000.nii.gz`, ... (int16 HU) to `folder` and return their paths."""
    paths = [folder / f"chest_{index:04d}.nii.gz" for index in range(count)]
    for index, path in enumerate(paths):
        write_nifti(_hounsfield(chest(_patient(seed, _UNLABELLED, index), shape, spacing).array), spacing, path)
    return paths


def write_segmentation(
    folder: Path, count: int, seed: int, label: str | None = None, shape: Shape = SHAPE, spacing: Spacing = SPACING
) -> Path:
    """Write `count` scans and their label maps to `folder` as an nnU-Net v2 data set and return `folder`.

    `imagesTr/chest_0000_0000.nii.gz`, `labelsTr/chest_0000.nii.gz` and `dataset.json`, which also carries the list
    `training` of the Medical Segmentation Decathlon. Patients differ from those of the other writers at the same seed.

    Args:
        label: a name in LABELS to make it a task of one organ (value 1); None keeps every organ.

    Raises:
        UsageError: `label` is not in LABELS.
    """
    if label is not None and label not in LABELS:
        raise UsageError(f"chest phantom: no label {label!r}; valid: {', '.join(LABELS)}")
    training = []
    for index in range(count):
        phantom = chest(_patient(seed, _SEGMENTATION, index), shape, spacing)
        truth = phantom.labels if label is None else (phantom.labels == LABELS[label]).astype(np.uint8)
        image, mask = f"imagesTr/chest_{index:04d}_0000.nii.gz", f"labelsTr/chest_{index:04d}.nii.gz"
        write_nifti(_hounsfield(phantom.array), spacing, folder / image)
        write_nifti(truth, spacing, folder / mask)
        training.append({"image": f"./{image}", "label": f"./{mask}"})
    write_json(folder / "dataset.json", _description(label, training))
    return folder


def _description(label: str | None, training: list[dict[str, str]]) -> dict[str, object]:
    return {
        "name": "ChestPhantom",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **({label: 1} if label else LABELS)},
        "numTraining": len(training),
        "file_ending": ".nii.gz",
        "training": training,
    }


def write_classification(folder: Path, count: int, seed: int, shape: Shape = CUBE) -> Path:
    """Write `count` cubes, every other one with a nodule near its middle, and `cases.csv`; return the latter's path.

    The columns are `path` (relative to `folder`), `subject` (one cube a subject) and `label` (1: nodule). Cubes without
    a nodule are centred on a place in the lung of a patient who has none: vessels are what must be told apart.
    """
    rows = []
    for index in range(count):
        rng = _patient(seed, _CLASSIFICATION, index)
        label = index % 2
        phantom = chest(rng, nodules=label)
        sought = LABELS["nodule"] if label and (phantom.labels == LABELS["nodule"]).any() else LABELS["lung"]
        places = np.argwhere(phantom.labels == sought)
        centre = rng.choice(places) + rng.integers(-3, 4, 3)
        name = f"cubes/cube_{index:04d}.nii.gz"
        write_nifti(_hounsfield(_crop(phantom.array, centre, shape)), phantom.spacing, folder / name)
        rows.append({"path": name, "subject": f"subject_{index:04d}", "label": int(sought == LABELS["nodule"])})
    table = folder / "cases.csv"
    write_csv(table, ("path", "subject", "label"), rows)
    return table


def _crop(array: FloatArray, centre: npt.NDArray[np.int64], shape: Shape) -> FloatArray:
    """The cube of `shape` around `centre`, with air where it leaves the scan."""
    half = [n // 2 for n in shape]
    padded = np.pad(array, [(n, n) for n in shape], constant_values=-1000)
    first = [c - h + n for c, h, n in zip(np.clip(centre, 0, np.array(array.shape) - 1), half, shape, strict=True)]
    return padded[tuple(slice(f, f + n) for f, n in zip(first, shape, strict=True))]


def _patient(seed: int, kind: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, kind, index])


def _hounsfield(array: FloatArray) -> npt.NDArray[np.int16]:
    return np.rint(array).astype(np.int16)


def write_nifti(array: npt.NDArray[np.int16] | npt.NDArray[np.uint8], spacing: Spacing, path: Path) -> None:
    """Write `array` (X, Y, Z), axes LPS, origin at its centre, to the NIfTI file `path`, atomically."""
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    image.SetSpacing([float(step) for step in spacing])
    image.SetOrigin([-(n - 1) / 2 * float(step) for n, step in zip(array.shape, spacing, strict=True)])
    with replacing(path) as temporary:
        typed = temporary.with_name(temporary.name + ".nii.gz")  # ITK chooses the format by the ending
        sitk.WriteImage(image, str(typed), True)
        typed.replace(temporary)
