"""Brain phantoms on disk: as BraTS 2018, as BraTS 2013, and as unlabelled scans for pre-training."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.itk import write_image
from modelsgenesis.phantoms.brain import SHAPE, SPACING, BrainPhantom, brain
from modelsgenesis.phantoms.images import placed, write_nifti
from modelsgenesis.phantoms.mr import SEQUENCES
from modelsgenesis.phantoms.patients import patient
from modelsgenesis.streams import BRAIN_UNLABELLED, BRATS2013, BRATS2018
from modelsgenesis.types import FloatArray, Shape, Spacing

_NAMES_2013 = {"flair": "MR_Flair", "t1": "MR_T1", "t1ce": "MR_T1c", "t2": "MR_T2"}
_FIRST_NUMBER = 54512  # of the files of BraTS 2013, which are numbered through
_LOW_EVERY = 4  # every fourth case is of low grade; in BraTS 2018 it is 75 of 285


def write_brats2018(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing = SPACING) -> Path:
    """Write `cases` patients with gliomas as BraTS 2018 lies on disk and return `folder`.

    `{HGG,LGG}/Brats18_<id>/Brats18_<id>_{flair,t1,t1ce,t2,seg}.nii.gz`, skull-stripped int16 scans and uint8 labels
    0, 1, 2, 4. The real data are 240x240x155 voxels of 1 mm; the default here is smaller.

    Args:
        folder: where to write.
        cases: how many patients; every fourth is of low grade (LGG), hardly enhancing.
        seed: of the patients.
        shape: voxels along (X, Y, Z).
        spacing: mm per voxel along (X, Y, Z).

    Raises:
        UsageError: impossible shape or spacing.
        GenesisError: the disk refuses.
    """
    for index in range(cases):
        high = _high_grade(index)
        phantom = brain(patient(seed, BRATS2018, index), shape, spacing, high_grade=high)
        name = f"Brats18_PHANTOM_{index:04d}_1"
        case = folder / ("HGG" if high else "LGG") / name
        for sequence, image in phantom.images.items():
            write_nifti(_stored(image), spacing, case / f"{name}_{sequence}.nii.gz")
        write_nifti(phantom.labels, spacing, case / f"{name}_seg.nii.gz")
    return folder


def write_brats2013(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing = SPACING) -> Path:
    """Write `cases` patients with gliomas as BraTS 2013 lies on disk and return `folder`.

    `{HG,LG}/0001/VSD.Brain.XX.O.MR_Flair.<n>/VSD.Brain.XX.O.MR_Flair.<n>.mha`, likewise MR_T1, MR_T1c and MR_T2, and
    the truth in `VSD.Brain_3more.XX.XX.OT.<n>/`; each grade is numbered from 0001, files are numbered through.
    Arguments and errors as `write_brats2018`.
    """
    written = {"HG": 0, "LG": 0}
    number = _FIRST_NUMBER
    for index in range(cases):
        high = _high_grade(index)
        grade = "HG" if high else "LG"
        written[grade] += 1
        phantom = brain(patient(seed, BRATS2013, index), shape, spacing, high_grade=high)
        for kind, array in _files_2013(phantom).items():
            name = f"{kind}.{number}"
            write_image(placed(array, spacing), folder / grade / f"{written[grade]:04d}" / name / f"{name}.mha")
            number += 1
    return folder


def write_unlabelled_mr(
    folder: Path,
    count: int,
    seed: int,
    shape: Shape = SHAPE,
    spacing: Spacing = SPACING,
    sequences: tuple[str, ...] = SEQUENCES,
    stripped: bool = False,
) -> list[Path]:
    """Write `count` scans `brain_0000_flair.nii.gz`, ... (int16) for pre-training and return their paths.

    Each is of another patient, every other one without a tumour, with the skull unless `stripped`; they take the
    `sequences` in turn.

    Raises:
        UsageError: impossible shape or spacing.
        GenesisError: the disk refuses.
    """
    paths = []
    for index in range(count):
        sequence = sequences[index % len(sequences)]
        rng = patient(seed, BRAIN_UNLABELLED, index)
        phantom = brain(rng, shape, spacing, tumour=bool(rng.random() < 0.5), stripped=stripped)
        path = folder / f"brain_{index:04d}_{sequence}.nii.gz"
        write_nifti(_stored(phantom.images[sequence]), spacing, path)
        paths.append(path)
    return paths


def write_unlabelled_flair(
    folder: Path, count: int, seed: int, shape: Shape = SHAPE, spacing: Spacing = SPACING
) -> list[Path]:
    """The same, FLAIR alone and skull-stripped: unlabelled scans of what the BMS target task sees."""
    return write_unlabelled_mr(folder, count, seed, shape, spacing, ("flair",), stripped=True)


def _high_grade(index: int) -> bool:
    return index % _LOW_EVERY != _LOW_EVERY - 1


def _stored(image: FloatArray) -> npt.NDArray[np.int16]:
    return np.rint(np.minimum(image, np.iinfo(np.int16).max)).astype(np.int16)


def _files_2013(phantom: BrainPhantom) -> dict[str, npt.NDArray[np.int16] | npt.NDArray[np.uint8]]:
    """What BraTS 2013 has of one patient, by the part of the name before the number."""
    files: dict[str, npt.NDArray[np.int16] | npt.NDArray[np.uint8]] = {
        f"VSD.Brain.XX.O.{_NAMES_2013[sequence]}": _stored(image) for sequence, image in phantom.images.items()
    }
    files["VSD.Brain_3more.XX.XX.OT"] = phantom.labels
    return files
