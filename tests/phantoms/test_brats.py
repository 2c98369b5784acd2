"""Brain phantoms on disk: the names of BraTS 2018 and 2013, read back by libraries that did not write them."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from modelsgenesis.data.volume import read_volume
from modelsgenesis.phantoms.brats import write_brats2013, write_brats2018, write_unlabelled_flair, write_unlabelled_mr

SHAPE = (36, 44, 34)
SPACING = (4.0, 4.0, 4.5)


def test_brats_2018_layout_and_values(tmp_path: Path) -> None:
    assert write_brats2018(tmp_path, 4, 0, SHAPE, SPACING) == tmp_path
    cases = sorted(tmp_path.glob("*/Brats18_*"))
    assert [case.parent.name for case in cases] == ["HGG", "HGG", "HGG", "LGG"]
    for case in cases:
        names = sorted(file.name for file in case.iterdir())
        assert names == [f"{case.name}_{part}.nii.gz" for part in ("flair", "seg", "t1", "t1ce", "t2")]
        images = {
            part: nibabel.load(case / f"{case.name}_{part}.nii.gz") for part in ("flair", "t1", "t1ce", "t2", "seg")
        }
        for image in images.values():
            assert image.shape == SHAPE
            assert np.allclose(image.header.get_zooms(), SPACING)
            assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
        labels = np.asarray(images["seg"].dataobj)
        assert set(np.unique(labels)) <= {0, 1, 2, 4}
        assert (labels > 0).any()
        assert images["flair"].get_data_dtype() == np.int16
        assert images["seg"].get_data_dtype() == np.uint8
        flair = images["flair"].get_fdata()
        assert flair.min() == 0
        assert flair[labels == 2].mean() > flair[flair > 0].mean()


def test_brats_2013_layout(tmp_path: Path) -> None:
    write_brats2013(tmp_path, 4, 0, SHAPE, SPACING)
    assert sorted(str(case.relative_to(tmp_path)) for case in tmp_path.glob("*/*")) == [
        "HG/0001",
        "HG/0002",
        "HG/0003",
        "LG/0001",
    ]
    numbers = []
    for case in tmp_path.glob("*/*"):
        folders = sorted(folder.name for folder in case.iterdir())
        kinds = [name.rsplit(".", 1)[0] for name in folders]
        assert kinds == [
            "VSD.Brain.XX.O.MR_Flair",
            "VSD.Brain.XX.O.MR_T1",
            "VSD.Brain.XX.O.MR_T1c",
            "VSD.Brain.XX.O.MR_T2",
            "VSD.Brain_3more.XX.XX.OT",
        ]
        numbers += [name.rsplit(".", 1)[1] for name in folders]
        for name in folders:
            assert [file.name for file in (case / name).iterdir()] == [f"{name}.mha"]
            volume = read_volume(case / name / f"{name}.mha")
            assert volume.array.shape == SHAPE
            assert volume.spacing == SPACING
    assert len(set(numbers)) == len(numbers)


def test_unlabelled_scans_take_the_sequences_in_turn(tmp_path: Path) -> None:
    paths = write_unlabelled_mr(tmp_path, 5, 0, SHAPE, SPACING)
    assert [path.name for path in paths] == [
        "brain_0000_flair.nii.gz",
        "brain_0001_t1.nii.gz",
        "brain_0002_t1ce.nii.gz",
        "brain_0003_t2.nii.gz",
        "brain_0004_flair.nii.gz",
    ]
    first, last = (nibabel.load(paths[index]).get_fdata() for index in (0, 4))
    assert not np.array_equal(first, last)
    alone = write_unlabelled_flair(tmp_path / "flair", 2, 0, SHAPE, SPACING)
    assert [path.name for path in alone] == ["brain_0000_flair.nii.gz", "brain_0001_flair.nii.gz"]
    assert (nibabel.load(alone[0]).get_fdata() == 0).mean() > 0.2  # no skull


@pytest.mark.parametrize("writer", [write_brats2018, write_brats2013])
def test_same_seed_same_files_and_other_seed_other_patients(tmp_path: Path, writer: object) -> None:
    assert callable(writer)
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        writer(tmp_path / folder, 1, seed, (24, 28, 22), (6.5, 6.5, 6.5))
    files = sorted(file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*.*") if file.is_file())
    assert len(files) == 5
    for file in files:
        one, same, other = (read_volume(tmp_path / folder / file).array for folder in "abc")
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)
    assert not list(tmp_path.rglob("*.partial*"))
