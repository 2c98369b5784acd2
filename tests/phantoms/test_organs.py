"""Labelled chest phantoms: the organs of the same patient, on its grid, each patient a subject."""

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms import LAYOUTS, write_phantoms
from modelsgenesis.phantoms.chest import LABELS, chest
from modelsgenesis.phantoms.organs import write_organs

SHAPE, SPACING = (48, 36, 30), (8.0, 8.0, 8.5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_organs(tmp_path_factory.mktemp("organs"), 3, 5, SHAPE, SPACING)


def test_label_maps_are_the_organs_of_their_scans(data: Path) -> None:
    for index in range(3):
        expected = chest(np.random.default_rng([5, 1, index]), SHAPE, SPACING)
        scan = nibabel.load(data / f"imagesTr/chest_{index:04d}_0000.nii.gz")
        labels = nibabel.load(data / f"labelsTr/chest_{index:04d}.nii.gz")
        np.testing.assert_array_equal(np.asarray(scan.dataobj), np.rint(expected.array))
        np.testing.assert_allclose(scan.affine, labels.affine)
        assert scan.header.get_zooms() == pytest.approx(SPACING)
        truth = np.zeros(SHAPE, int)
        for value, names in enumerate((("lung", "nodule"), ("heart",), ("liver",)), start=1):
            for name in names:
                truth[expected.labels == LABELS[name]] = value
        np.testing.assert_array_equal(np.asarray(labels.dataobj), truth)
        assert np.bincount(truth.ravel(), minlength=4).min() > 100


def test_every_case_has_a_subject(data: Path) -> None:
    with (data / "subjects.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["case"] for row in rows] == ["chest_0000", "chest_0001", "chest_0002"]
    assert len({row["subject"] for row in rows}) == 3


def test_the_usual_field_shows_the_whole_torso() -> None:
    layout = LAYOUTS["organs"]
    assert layout.shape
    assert layout.spacing
    field = np.array(layout.shape) * layout.spacing
    coarse = tuple(int(side) for side in np.round(field / 6))
    labels = chest(np.random.default_rng(0), coarse, (6.0, 6.0, 6.0)).labels  # type: ignore[arg-type]
    lung = labels == LABELS["lung"]
    assert not any(np.take(lung, at, axis).any() for axis in range(3) for at in (0, -1))
    assert (labels[[0, -1]] == 0).all()


def test_same_seed_same_files_other_seed_others(data: Path, tmp_path: Path) -> None:
    for seed in (5, 6):
        write_phantoms("organs", tmp_path / str(seed), 1, seed, SHAPE, SPACING)
    first, again, other = (
        (folder / "labelsTr/chest_0000.nii.gz").read_bytes() for folder in (data, tmp_path / "5", tmp_path / "6")
    )
    assert first == again != other


def test_drawn_spacing_is_that_of_the_scan(tmp_path: Path) -> None:
    write_organs(tmp_path, 1, 0, (24, 24, 20), None)
    zooms = nibabel.load(tmp_path / "labelsTr/chest_0000.nii.gz").header.get_zooms()
    assert 0.6 <= zooms[0] <= 0.9


def test_no_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        write_organs(tmp_path, 0, 0)
    assert not list(tmp_path.iterdir())
