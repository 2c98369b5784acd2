"""The chest phantom: same seed same patient, other seed other patient, the right organs at the right place and HU."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.chest import (
    LABELS,
    Phantom,
    chest,
    write_classification,
    write_segmentation,
    write_unlabelled,
)

SMALL = (32, 32, 24)
COARSE = (10.5, 10.5, 10.6)


@pytest.fixture(scope="module")
def patient() -> Phantom:
    return chest(np.random.default_rng(5))


def centre(phantom: Phantom, label: str) -> np.ndarray:
    """Centre of mass of a label in mm from the middle of the scan, LPS."""
    voxels = np.argwhere(phantom.labels == LABELS[label])
    return (voxels.mean(axis=0) - (np.array(phantom.labels.shape) - 1) / 2) * phantom.spacing


def test_types_and_shape(patient: Phantom) -> None:
    assert patient.array.dtype == np.float32
    assert patient.labels.dtype == np.uint8
    assert patient.array.shape == patient.labels.shape == (96, 96, 64)
    assert set(np.unique(patient.labels)) == {0, *LABELS.values()}


def test_hounsfield_units_of_the_organs(patient: Phantom) -> None:
    medians = {name: np.median(patient.array[patient.labels == value]) for name, value in LABELS.items()}
    assert -900 < medians["lung"] < -700
    assert 30 < medians["liver"] < 130
    assert 20 < medians["heart"] < 280
    assert medians["bone"] > 150
    assert np.median(patient.array[:4, :12]) < -950  # air beside the patient


def test_anatomy_lies_where_lps_says(patient: Phantom) -> None:
    assert centre(patient, "heart")[0] > 5  # heart to the left (+x), in front (-y)
    assert centre(patient, "heart")[1] < centre(patient, "aorta")[1]
    assert centre(patient, "liver")[0] < -15  # liver on the right, below the lungs
    assert centre(patient, "liver")[2] < centre(patient, "lung")[2] - 40
    spine = np.argwhere(patient.labels[44:52] == LABELS["bone"])[:, 1]
    assert np.median(spine) > 48  # spine at the back


def test_nodules_are_solid_and_inside_the_lungs(patient: Phantom) -> None:
    nodule = patient.labels == LABELS["nodule"]
    assert patient.array[nodule].mean() > -450
    around = np.zeros_like(nodule)
    for axis in range(3):
        around |= np.roll(nodule, 1, axis) | np.roll(nodule, -1, axis)
    assert np.isin(patient.labels[around], (LABELS["lung"], LABELS["nodule"])).mean() > 0.9


def test_deterministic_and_varied() -> None:
    first, again, other = (chest(np.random.default_rng(s), SMALL, COARSE) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.array, again.array)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).mean() > 0.02


def test_vessels_brighten_the_lung(patient: Phantom) -> None:
    lung = patient.array[patient.labels == LABELS["lung"]]
    assert 0.01 < (lung > -550).mean() < 0.3


@pytest.mark.parametrize(("shape", "spacing"), [((8, 8), (1, 1, 1)), ((8, 8, 0), (1, 1, 1)), ((8, 8, 8), (1, 1, -1))])
def test_bad_grid_is_refused(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="three positive"):
        chest(np.random.default_rng(0), shape, spacing)


def test_unlabelled_scans_hold_the_phantom_in_lps(tmp_path: Path) -> None:
    paths = write_unlabelled(tmp_path, 2, seed=3, shape=SMALL, spacing=COARSE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["unlabelled_0000.nii.gz", "unlabelled_0001.nii.gz"]
    image = sitk.ReadImage(str(paths[0]))
    assert image.GetSize() == SMALL
    assert image.GetSpacing() == pytest.approx(COARSE)
    assert image.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    expected = chest(np.random.default_rng([3, 0, 0]), SMALL, COARSE).array
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), np.rint(expected))


def test_segmentation_is_an_nnunet_data_set(tmp_path: Path) -> None:
    write_segmentation(tmp_path, 2, seed=3, organs=("liver",), shape=SMALL, spacing=COARSE)
    description = json.loads((tmp_path / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "liver": 1}
    assert description["numTraining"] == 2
    for entry in description["training"]:
        image, mask = (sitk.ReadImage(str(tmp_path / entry[key])) for key in ("image", "label"))
        assert image.GetSize() == mask.GetSize()
        assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 1}
    assert (tmp_path / "imagesTr/chest_0001_0000.nii.gz").exists()
    assert (tmp_path / "labelsTr/chest_0001.nii.gz").exists()


def test_unknown_label_lists_the_valid_ones(tmp_path: Path) -> None:
    for organs in (("lung", "kidney"), ()):
        with pytest.raises(UsageError, match="organs .* must be one or more of lung, heart, liver"):
            write_segmentation(tmp_path, 1, seed=0, organs=organs)


def test_classification_cubes_differ_by_their_nodule(tmp_path: Path) -> None:
    table = write_classification(tmp_path, 6, seed=1)
    with table.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["label"] for row in rows] == ["0", "1"] * 3
    assert len({row["subject"] for row in rows}) == 6
    for row in rows:
        cube = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / row["path"])))
        assert cube.shape == (32, 32, 32)
