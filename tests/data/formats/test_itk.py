"""Writing SimpleITK's images: the ending decides, and a failure is one line that leaves nothing behind."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.data.formats.itk import to_image, write_image
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError

GRID = Grid((4, 5, 6), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0), (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
VALUES = np.arange(120, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "B.NII.GZ", "a.b.mha", "a.nrrd"])
def test_an_array_lies_on_its_grid(name: str, tmp_path: Path) -> None:
    write_image(to_image(VALUES, GRID), tmp_path / name)
    read = sitk.ReadImage(str(tmp_path / name))
    assert (read.GetSpacing(), read.GetOrigin(), read.GetDirection()) == (GRID.spacing, GRID.origin, GRID.direction)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read).T, VALUES)
    if "nii" in name.lower():
        np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / name).dataobj), VALUES)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """PNG holds whole numbers only."""
    image = sitk.GetImageFromArray(np.zeros((4, 5), np.float32))
    with pytest.raises(GenesisError, match=r"a\.png: could not be written \(.+\); free space or rights\?$"):
        write_image(image, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
