"""LiTS and MSD Task03 as downloaded: names, folders, grids and labels, read back by nibabel."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.phantoms.abdomen import ABDOMEN_LABELS
from modelsgenesis.phantoms.lits import lits_case, segmentation, write_lits, write_msd_liver

SHAPE, SPACING = (40, 36, 28), (8.5, 8.5, 9.0)


@pytest.fixture(scope="module")
def lits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lits(tmp_path_factory.mktemp("lits"), 4, seed=3, shape=SHAPE, spacing=SPACING)


def test_layout_of_lits(lits: Path) -> None:
    assert sorted(str(path.relative_to(lits)) for path in lits.rglob("*.*")) == [
        "Training Batch 1/segmentation-0.nii",
        "Training Batch 1/volume-0.nii",
        *(f"Training Batch 2/segmentation-{n}.nii" for n in (1, 2, 3)),
        *(f"Training Batch 2/volume-{n}.nii" for n in (1, 2, 3)),
    ]


def test_volumes_and_segmentations_share_an_lps_grid(lits: Path) -> None:
    expected = lits_case(3, 2, SHAPE, SPACING)
    volume = nibabel.load(lits / "Training Batch 2/volume-2.nii")
    labels = nibabel.load(lits / "Training Batch 2/segmentation-2.nii")
    assert volume.get_data_dtype() == np.int16
    assert nibabel.aff2axcodes(volume.affine) == ("L", "P", "S")
    assert volume.header.get_zooms() == pytest.approx(SPACING)
    np.testing.assert_allclose(volume.affine, labels.affine)
    np.testing.assert_array_equal(np.asarray(volume.dataobj), np.rint(expected.array))
    np.testing.assert_array_equal(np.asarray(labels.dataobj), segmentation(expected))
    middle = volume.affine @ [*((n - 1) / 2 for n in SHAPE), 1]
    np.testing.assert_allclose(middle[:3], 0, atol=1e-3)


def test_labels_are_liver_and_tumour(lits: Path) -> None:
    seen: set[int] = set()
    for path in lits.rglob("segmentation-*.nii"):
        values = np.asarray(nibabel.load(path).dataobj)
        seen |= set(np.unique(values).tolist())
        assert (values == 1).mean() > 0.01
        right = np.argwhere(values > 0)[:, 0].mean()
        assert right < (SHAPE[0] - 1) / 2  # towards the patient's right, where x is small in LPS
    assert seen == {0, 1, 2}


def test_segmentation_keeps_only_liver_and_lesions() -> None:
    phantom = lits_case(3, 1, SHAPE, SPACING)
    labels = segmentation(phantom)
    np.testing.assert_array_equal(labels == 1, phantom.labels == ABDOMEN_LABELS["liver"])
    np.testing.assert_array_equal(labels == 2, phantom.labels == ABDOMEN_LABELS["lesion"])


def test_same_seed_same_files_other_seed_others(lits: Path, tmp_path: Path) -> None:
    write_lits(tmp_path / "again", 1, seed=3, shape=SHAPE, spacing=SPACING)
    write_lits(tmp_path / "other", 1, seed=4, shape=SHAPE, spacing=SPACING)
    first, again, other = (
        (folder / "Training Batch 1/volume-0.nii").read_bytes()
        for folder in (lits, tmp_path / "again", tmp_path / "other")
    )
    assert first == again
    assert first != other


def test_patients_differ_in_spacing_when_none_is_given(tmp_path: Path) -> None:
    write_lits(tmp_path, 2, seed=0, shape=(24, 24, 60))
    zooms = [nibabel.load(path).header.get_zooms() for path in sorted(tmp_path.rglob("volume-*.nii"))]
    assert zooms[0] != zooms[1]
    assert all(310 < x * 24 < 470 and 0.7 <= z <= 5 for x, _, z in zooms)


def test_layout_of_the_decathlon(lits: Path, tmp_path: Path) -> None:
    write_msd_liver(tmp_path, 2, seed=3, shape=SHAPE, spacing=SPACING, tests=1)
    description = json.loads((tmp_path / "dataset.json").read_text())
    assert {"name", "description", "reference", "licence", "relase", "tensorImageSize", "modality"} <= set(description)
    assert description["labels"] == {"0": "background", "1": "liver", "2": "cancer"}
    assert (description["numTraining"], description["numTest"]) == (2, 1)
    assert description["training"][1] == {"image": "./imagesTr/liver_1.nii.gz", "label": "./labelsTr/liver_1.nii.gz"}
    assert description["test"] == ["./imagesTs/liver_2.nii.gz"]
    for name in (*description["training"][0].values(), *description["test"]):
        assert nibabel.load(tmp_path / name).shape == SHAPE
    same = nibabel.load(tmp_path / "imagesTr/liver_0.nii.gz"), nibabel.load(lits / "Training Batch 1/volume-0.nii")
    np.testing.assert_array_equal(np.asarray(same[0].dataobj), np.asarray(same[1].dataobj))
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.mark.parametrize("write", [write_lits, write_msd_liver])
def test_no_cases_are_refused(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="1 or more"):
        write(tmp_path, 0, seed=0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GenesisError, match="could not be written"):
        write_lits(tmp_path / "file", 1, seed=0, shape=(8, 8, 8), spacing=(40.0, 40.0, 30.0))
