"""Abdominal phantoms written as LiTS and as Task03 of the Medical Segmentation Decathlon are downloaded.

Both hold the same patients in reality, and so they do here: case N of one is case N of the other at the same seed.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.itk import write_image
from modelsgenesis.errors import UsageError
from modelsgenesis.files import write_json
from modelsgenesis.phantoms.abdomen import ABDOMEN_LABELS, SHAPE, AbdomenPhantom, abdomen
from modelsgenesis.phantoms.images import hounsfield, placed
from modelsgenesis.phantoms.patients import patient
from modelsgenesis.streams import LITS
from modelsgenesis.types import Shape, Spacing

LIVER, TUMOUR = 1, 2
"""The values LiTS gives them; 0 is everything else."""

_FIRST_BATCH = 28 / 131  # share of LiTS that lies in `Training Batch 1`


def lits_case(seed: int, index: int, shape: Shape = SHAPE, spacing: Spacing | None = None) -> AbdomenPhantom:
    """Patient `index` of the data set `seed`."""
    return abdomen(patient(seed, LITS, index), shape, spacing)


def write_lits(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = None) -> Path:
    """Write `cases` patients to `folder` as LiTS is downloaded and return `folder`.

    `Training Batch 1/volume-0.nii`, `.../segmentation-0.nii` and so on, about a fifth of them in the first batch and
    the others in `Training Batch 2`. Volumes are int16 HU; segmentations uint8: 0, 1 liver, 2 tumour.

    Args:
        folder: made where it does not exist.
        cases: how many; at least 1.
        seed: the data set; the same seed writes the same files.
        shape: voxels along (X, Y, Z).
        spacing: mm per voxel; None draws one for each patient, as scanners differ.

    Raises:
        UsageError: `cases` is less than 1, or shape or spacing are not three positive numbers.
        GenesisError: the disk refuses.
    """
    _counted(cases)
    first = max(1, round(cases * _FIRST_BATCH))
    for index in range(cases):
        batch = folder / f"Training Batch {1 if index < first else 2}"
        phantom = lits_case(seed, index, shape, spacing)
        write_image(placed(hounsfield(phantom.array), phantom.spacing), batch / f"volume-{index}.nii")
        write_image(placed(segmentation(phantom), phantom.spacing), batch / f"segmentation-{index}.nii")
    return folder


def write_msd_liver(
    folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = None, tests: int = 1
) -> Path:
    """Write `cases` labelled and `tests` unlabelled patients to `folder` as Task03_Liver and return `folder`.

    `imagesTr/liver_0.nii.gz`, `labelsTr/liver_0.nii.gz`, ..., `imagesTs/liver_N.nii.gz` counted on after them, and
    `dataset.json` with the keys of the real file, one of them misspelt as there.

    Args:
        folder: made where it does not exist.
        cases: how many labelled patients; at least 1.
        seed: the data set; the same seed writes the same files.
        shape: voxels along (X, Y, Z).
        spacing: mm per voxel; None draws one for each patient.
        tests: how many patients without labels.

    Raises:
        UsageError: `cases` is less than 1, or shape or spacing are not three positive numbers.
        GenesisError: the disk refuses.
    """
    _counted(cases)
    for index in range(cases + tests):
        phantom, name = lits_case(seed, index, shape, spacing), f"liver_{index}.nii.gz"
        labelled = index < cases
        scan = placed(hounsfield(phantom.array), phantom.spacing)
        write_image(scan, folder / ("imagesTr" if labelled else "imagesTs") / name)
        if labelled:
            write_image(placed(segmentation(phantom), phantom.spacing), folder / "labelsTr" / name)
    write_json(folder / "dataset.json", _description(cases, tests))
    return folder


def _counted(cases: int) -> None:
    if cases < 1:
        raise UsageError(f"liver phantoms: {cases} cases; give 1 or more")


def _description(cases: int, tests: int) -> dict[str, object]:
    names = [f"liver_{index}.nii.gz" for index in range(cases + tests)]
    return {
        "name": "Liver",
        "description": "Liver and cancer segmentation",
        "reference": "procedural phantoms",
        "licence": "CC0",
        "relase": "1.0",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "numTraining": cases,
        "numTest": tests,
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names[:cases]],
        "test": [f"./imagesTs/{name}" for name in names[cases:]],
    }


def segmentation(phantom: AbdomenPhantom) -> npt.NDArray[np.uint8]:
    """LiTS labels (X, Y, Z): 0, 1 liver, 2 tumour."""
    values = np.zeros(256, dtype=np.uint8)
    values[ABDOMEN_LABELS["liver"]], values[ABDOMEN_LABELS["lesion"]] = LIVER, TUMOUR
    labels: npt.NDArray[np.uint8] = values[phantom.labels]
    return labels
