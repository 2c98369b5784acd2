"""A procedural chest CT with known truth: the same anatomy in every patient, at another size, place and shape.

Recurrent anatomy is what restoration learns from, so its landmarks are here in Hounsfield units: body wall, bones,
lungs with fissures, bronchi, arteries and veins, heart and great vessels, liver dome, stomach and spleen; nodules, and
what is mistaken for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import UsageError
from modelsgenesis.files import write_csv, write_json
from modelsgenesis.phantoms.anatomy import LABELS, Blood, Drawing
from modelsgenesis.phantoms.decoys import decoys
from modelsgenesis.phantoms.findings import Candidate, Finding
from modelsgenesis.phantoms.frame import Frame
from modelsgenesis.phantoms.images import hounsfield, write_nifti
from modelsgenesis.phantoms.lungs import lungs
from modelsgenesis.phantoms.mediastinum import mediastinum
from modelsgenesis.phantoms.nodules import nodules as grow_nodules
from modelsgenesis.phantoms.patients import check_cases, patient
from modelsgenesis.phantoms.scanner import scanned
from modelsgenesis.phantoms.skeleton import skeleton
from modelsgenesis.phantoms.torso import abdomen, torso
from modelsgenesis.streams import CHEST_CLASSIFICATION, CHEST_SEGMENTATION, CHEST_UNLABELLED
from modelsgenesis.types import FloatArray, Shape, Spacing

SHAPE: Shape = (96, 96, 64)
SPACING: Spacing = (3.5, 3.5, 4.0)
CUBE: Shape = (32, 32, 32)

LUNGS = {"left": 3, "right": 4, "airway": 5}
"""Values of `Phantom.lungs`, those of LUNA16's lung masks."""

# Slice spacings of LIDC-IDRI between 0.7 and 3 mm, and how many of its scans have them.
_SLICES = {0.75: 28, 1.0: 55, 1.25: 309, 1.5: 5, 2.0: 115, 2.5: 249, 3.0: 110}


@dataclass(frozen=True)
class Phantom:
    """One scan, axes LPS, its middle at (0, 0, 0).

    Args:
        array: (X, Y, Z) float32 in HU.
        labels: (X, Y, Z) uint8, see LABELS.
        spacing: mm.
        lungs: (X, Y, Z) uint8, see LUNGS: the two lungs with what is in them, and the airways.
        findings: the nodules (or clots).
        candidates: what may be mistaken for one.
    """

    array: FloatArray
    labels: npt.NDArray[np.uint8]
    spacing: Spacing
    lungs: npt.NDArray[np.uint8]
    findings: list[Finding] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)


def chest(
    rng: np.random.Generator, shape: Shape = SHAPE, spacing: Spacing | None = SPACING, nodules: int | None = None
) -> Phantom:
    """Draw one patient; everything random comes from `rng`.

    Args:
        rng: the patient: the same generator state gives the same patient.
        shape: voxels along (X, Y, Z). The default grid shows the whole chest; one narrower than 240 mm shows a lung.
        spacing: mm per voxel along (X, Y, Z); None draws one as of real scans, 0.6 to 0.9 in plane and 0.7 to 3 along.
        nodules: how many nodules to place; None draws as many as patients have, which may be none. One that finds no
            room in the lungs is left out.

    Raises:
        UsageError: shape or spacing are not three positive numbers.
    """
    drawing = chest_drawing(rng, shape, spacing)
    findings = grow_nodules(drawing, nodules)
    return scan(drawing, findings, decoys(drawing, findings))


def chest_drawing(
    rng: np.random.Generator, shape: Shape = SHAPE, spacing: Spacing | None = SPACING, blood: Blood | None = None
) -> Drawing:
    """The anatomy of one patient before anything is wrong with it and before a scanner blurs it; see `chest`.

    Args:
        blood: HU of the blood; None draws a scan without or with a contrast agent.

    Raises:
        UsageError: shape or spacing are not three positive numbers.
    """
    spacing = spacing if spacing is not None else drawn_spacing(rng)
    if len(shape) != 3 or len(spacing) != 3 or min(shape) < 1 or min(spacing) <= 0:
        raise UsageError(f"chest phantom: shape {shape} and spacing {spacing} must each be three positive numbers")
    drawing = Drawing(rng, Frame(rng, shape, spacing, one_lung=True), blood)
    for part in (torso, abdomen, mediastinum, skeleton, lungs):
        part(drawing)
    return drawing


def drawn_spacing(rng: np.random.Generator) -> Spacing:
    """Voxel size in mm as scans have it: 0.6 to 0.9 in plane, the slices as often as in LIDC-IDRI."""
    often = np.array(list(_SLICES.values()), dtype=float)
    pixel = round(float(np.clip(rng.normal(0.70, 0.08), 0.6, 0.9)), 4)
    return pixel, pixel, float(rng.choice(list(_SLICES), p=often / often.sum()))


def scan(drawing: Drawing, findings: list[Finding], candidates: list[Candidate]) -> Phantom:
    """Scan a finished drawing: blur, noise, and the truth that goes with it."""
    spacing: Spacing = tuple(float(step) for step in drawing.frame.spacing)
    inner = np.isin(drawing.labels, (LABELS["lung"], LABELS["nodule"]))
    sides = np.where(drawing.x > 0, np.uint8(LUNGS["left"]), np.uint8(LUNGS["right"])) * inner
    sides[drawing.labels == LABELS["airway"]] = LUNGS["airway"]
    array = scanned(drawing.rng, drawing.image, spacing)
    return Phantom(array, drawing.labels, spacing, sides.astype(np.uint8), findings, candidates)


def write_unlabelled(
    folder: Path, count: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = SPACING
) -> list[Path]:
    """Write `count` scans `unlabelled_0000.nii.gz`, ... (int16 HU) to `folder` and return their paths.

    Args:
        shape: voxels along (X, Y, Z).
        spacing: mm; None draws each scan's as in real ones, 0.6 to 0.9 in plane and 0.7 to 3 along.

    Raises:
        UsageError: nothing to write, or a bad shape or spacing.
        GenesisError: the disk refuses.
    """
    check_cases(count)
    paths = [folder / f"unlabelled_{index:04d}.nii.gz" for index in range(count)]
    for index, path in enumerate(paths):
        phantom = chest(patient(seed, CHEST_UNLABELLED, index), shape, spacing)
        write_nifti(hounsfield(phantom.array), phantom.spacing, path)
    return paths


def write_segmentation(
    folder: Path,
    count: int,
    seed: int,
    organs: Sequence[str] = tuple(LABELS),
    shape: Shape = SHAPE,
    spacing: Spacing | None = SPACING,
) -> Path:
    """Write `count` scans and their label maps to `folder` as an nnU-Net v2 data set and return `folder`.

    `imagesTr/chest_0000_0000.nii.gz`, `labelsTr/chest_0000.nii.gz` and `dataset.json`, which also carries the list
    `training` of the Medical Segmentation Decathlon. Patients differ from those of the other writers at the same seed.

    Args:
        organs: names in LABELS, which get the values 1, 2, ...; the rest is background. A nodule counts as lung unless
            `nodule` is among them.
        shape: voxels along (X, Y, Z).
        spacing: mm; None draws each scan's as in real ones.

    Raises:
        UsageError: nothing to write, a bad shape or spacing, no organ, or one that is not in LABELS.
        GenesisError: the disk refuses.
    """
    check_cases(count)
    if not organs or not set(organs) <= set(LABELS):
        raise UsageError(f"chest phantom: organs {list(organs)} must be one or more of {', '.join(LABELS)}")
    values, training = _renumbered(organs), []
    for index in range(count):
        phantom = chest(patient(seed, CHEST_SEGMENTATION, index), shape, spacing)
        image, mask = f"imagesTr/chest_{index:04d}_0000.nii.gz", f"labelsTr/chest_{index:04d}.nii.gz"
        write_nifti(hounsfield(phantom.array), phantom.spacing, folder / image)
        write_nifti(values[phantom.labels], phantom.spacing, folder / mask)
        training.append({"image": f"./{image}", "label": f"./{mask}"})
    write_json(folder / "dataset.json", _description(organs, training))
    return folder


def _renumbered(organs: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Value in LABELS -> value in the label map of these organs, (256,)."""
    values = np.zeros(256, np.uint8)
    for number, organ in enumerate(organs, start=1):
        values[LABELS[organ]] = number
    if "nodule" not in organs:
        values[LABELS["nodule"]] = values[LABELS["lung"]]
    return values


def _description(organs: Sequence[str], training: list[dict[str, str]]) -> dict[str, object]:
    return {
        "name": "ChestPhantom",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{organ: number for number, organ in enumerate(organs, start=1)}},
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
        rng = patient(seed, CHEST_CLASSIFICATION, index)
        label = index % 2
        phantom = chest(rng, nodules=label)
        sought = LABELS["nodule"] if label and (phantom.labels == LABELS["nodule"]).any() else LABELS["lung"]
        places = np.argwhere(phantom.labels == sought)
        centre = rng.choice(places) + rng.integers(-3, 4, 3)
        name = f"cubes/cube_{index:04d}.nii.gz"
        write_nifti(hounsfield(_crop(phantom.array, centre, shape)), phantom.spacing, folder / name)
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
