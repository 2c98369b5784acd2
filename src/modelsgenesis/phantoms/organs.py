"""Chest phantoms whose lung, heart and liver are outlined, as an nnU-Net v2 data set with a list of subjects."""

from pathlib import Path

from modelsgenesis.files import write_csv
from modelsgenesis.phantoms.anatomy import ORGANS
from modelsgenesis.phantoms.chest import SHAPE, SPACING, write_segmentation
from modelsgenesis.types import Shape, Spacing


def write_organs(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = SPACING) -> Path:
    """Write `cases` patients to `folder` and return it: `chest.write_segmentation` of ORGANS, and `subjects.csv`.

    Args:
        folder: made where it does not exist.
        cases: how many; at least 1.
        seed: the data set; the same seed writes the same files.
        shape: voxels along (X, Y, Z).
        spacing: mm per voxel; None draws one for each patient.

    Raises:
        UsageError: `cases` is less than 1, or shape or spacing are not three positive numbers.
        GenesisError: the disk refuses.
    """
    write_segmentation(folder, cases, seed, ORGANS, shape, spacing)
    names = sorted(path.name.removesuffix(".nii.gz") for path in (folder / "labelsTr").glob("*.nii.gz"))
    rows = [{"case": name, "subject": name.replace("chest", "patient")} for name in names]
    write_csv(folder / "subjects.csv", ("case", "subject"), rows)
    return folder
