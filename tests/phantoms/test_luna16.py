"""LUNA16's layout, read back with nothing but SimpleITK and csv."""

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.luna16 import luna_patient, write_luna16
from modelsgenesis.phantoms.patients import series_uid

GRID = {"shape": (112, 88, 56), "spacing": (3.0, 3.2, 4.2)}


@pytest.fixture(scope="module")
def luna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_luna16(tmp_path_factory.mktemp("luna"), 4, seed=2, **GRID)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as handle:
        return list(csv.DictReader(handle))


def world(row: dict[str, str]) -> list[float]:
    return [float(row[f"coord{axis}"]) for axis in "XYZ"]


def scans(luna: Path) -> dict[str, sitk.Image]:
    return {path.stem: sitk.ReadImage(str(path)) for path in luna.glob("subset*/*.mhd")}


def test_layout(luna: Path) -> None:
    assert sorted(p.name for p in luna.iterdir()) == sorted(
        [
            "annotations.csv",
            "candidates.csv",
            "candidates_V2.csv",
            "seg-lungs-LUNA16",
            *(f"subset{k}" for k in range(10)),
        ]
    )
    for subset, index in ((0, 0), (5, 1), (7, 2), (1, 3)):  # every side of 0-4, 5-6, 7-9 has some
        uid = series_uid(2, index)
        assert sorted(p.name for p in (luna / f"subset{subset}").iterdir()) == [f"{uid}.mhd", f"{uid}.raw"]
        assert (luna / f"seg-lungs-LUNA16/{uid}.zraw").is_file()
    header = (luna / "subset0" / f"{series_uid(2, 0)}.mhd").read_text()
    assert f"ElementDataFile = {series_uid(2, 0)}.raw" in header
    assert list(rows(luna / "annotations.csv")[0]) == ["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"]
    for name in ("candidates.csv", "candidates_V2.csv"):
        assert list(rows(luna / name)[0]) == ["seriesuid", "coordX", "coordY", "coordZ", "class"]


def test_some_scans_are_flipped_and_their_voxels_stay_in_place(luna: Path) -> None:
    directions = {scan.GetDirection() for scan in scans(luna).values()}
    assert directions == {(1, 0, 0, 0, 1, 0, 0, 0, 1), (-1, 0, 0, 0, -1, 0, 0, 0, 1)}
    flipped = scans(luna)[series_uid(2, 1)]
    assert flipped.GetDirection()[0] == -1
    expected = luna_patient(2, 1, GRID["shape"], GRID["spacing"]).array
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.DICOMOrient(flipped, "LPS")).transpose(2, 1, 0), np.rint(expected)
    )


def test_annotations_and_candidates_hit_bright_voxels_through_the_header(luna: Path) -> None:
    images, annotations = scans(luna), rows(luna / "annotations.csv")
    lungs = {uid: sitk.ReadImage(str(luna / f"seg-lungs-LUNA16/{uid}.mhd")) for uid in images}
    assert len({row["seriesuid"] for row in annotations}) >= 3
    positive = [row for row in rows(luna / "candidates_V2.csv") if row["class"] == "1"]
    for row in annotations + positive:
        index = images[row["seriesuid"]].TransformPhysicalPointToIndex(world(row))
        near = sitk.GetArrayFromImage(images[row["seriesuid"]])[tuple(slice(max(0, i - 1), i + 2) for i in index[::-1])]
        assert near.max() > -700
        assert lungs[row["seriesuid"]][index] in (3, 4)
    for row in positive:
        assert any(
            np.linalg.norm(np.subtract(world(row), world(a))) < float(a["diameter_mm"]) / 2
            for a in annotations
            if a["seriesuid"] == row["seriesuid"]
        )


def test_false_candidates_keep_away_from_nodules(luna: Path) -> None:
    annotations = rows(luna / "annotations.csv")
    for name in ("candidates.csv", "candidates_V2.csv"):
        false = [row for row in rows(luna / name) if row["class"] == "0"]
        assert len(false) > 40
        for row in false:
            for other in annotations:
                if other["seriesuid"] == row["seriesuid"]:
                    assert np.linalg.norm(np.subtract(world(row), world(other))) > float(other["diameter_mm"]) / 2


def test_lungs_and_airways_in_the_masks(luna: Path) -> None:
    image = sitk.ReadImage(str(luna / f"seg-lungs-LUNA16/{series_uid(2, 0)}.mhd"))
    mask = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))
    assert set(np.unique(mask)) == {0, 3, 4, 5}
    left, right = (np.argwhere(mask == value)[:, 2].mean() for value in (3, 4))
    assert left > right  # LPS: x runs to the left


def test_nothing_to_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        write_luna16(tmp_path, 0, seed=0)
