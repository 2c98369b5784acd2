"""Carotid phantoms on disk: tables that fit their images, patients in one part each, CUBS' files."""

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.carotid import carotid_video
from modelsgenesis.phantoms.iuc import COLUMNS, write_cubs, write_iuc
from modelsgenesis.phantoms.pictures import dealt

SMALL = (96, 80)


def test_the_table_fits_the_frames(tmp_path: Path) -> None:
    assert write_iuc(tmp_path, 4, seed=2, frames=2, shape=SMALL) == tmp_path
    with (tmp_path / "rois.csv").open(newline="") as handle:
        reader = csv.DictReader(handle)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    assert {row["path"] for row in rows} == {str(p.relative_to(tmp_path)) for p in tmp_path.glob("frames/*.png")}
    assert {row["label"] for row in rows} == {"roi", "bulb", "background"}
    for row in rows:
        image = sitk.ReadImage(str(tmp_path / row["path"]))
        assert image.GetSize() == SMALL
        assert image.GetPixelID() == sitk.sitkUInt8
        assert 0 <= float(row["x"]) < SMALL[0]
        assert 0 <= float(row["y"]) < SMALL[1]
        assert row["path"] == f"frames/{row['video']}_{int(row['frame']):04d}.png"
    parts = {patient: {r["split"] for r in rows if r["patient"] == patient} for patient in {r["patient"] for r in rows}}
    assert len(parts) == 4
    assert all(len(part) == 1 for part in parts.values())
    assert set.union(*parts.values()) == {"train", "val", "test"}


def test_a_frame_holds_the_phantom_with_y_downwards(tmp_path: Path) -> None:
    write_iuc(tmp_path, 1, seed=5, frames=1, shape=SMALL)
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "frames/video_0000_0000.png")))
    np.testing.assert_array_equal(written.T, carotid_video(np.random.default_rng([5, 10, 0]), 1, SMALL).frames[0])


def test_same_seed_same_files_other_seed_other_files(tmp_path: Path) -> None:
    first, again, other = (
        write_iuc(tmp_path / name, 1, seed, frames=1, shape=SMALL) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for name in ("rois.csv", "frames/video_0000_0000.png"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()


def test_cubs_has_its_files(tmp_path: Path) -> None:
    write_cubs(tmp_path, 3, seed=1, shape=(160, 112))
    names = ["clin_0001_L", "clin_0001_R", "clin_0002_L"]
    assert sorted(p.stem for p in (tmp_path / "IMAGES").iterdir()) == names
    for name in names:
        image = sitk.ReadImage(str(tmp_path / "IMAGES" / f"{name}.tiff"))
        assert image.GetSize() == (160, 112)
        spacing = float((tmp_path / "CF" / f"{name}_CF.txt").read_text())
        assert 22 < spacing * 112 < 28
        folder = tmp_path / "SEGMENTATIONS" / "Manual-A1"
        li, ma = (np.loadtxt(folder / f"{name}-{boundary}.txt") for boundary in ("LI", "MA"))
        assert li.shape == ma.shape == (144, 2)
        np.testing.assert_array_equal(li[:, 0], ma[:, 0])
        assert (li[:, 1] < ma[:, 1]).all()
        frame = sitk.GetArrayFromImage(image)
        columns = li[:, 0].astype(int)
        below = frame[np.rint(ma[:, 1] + 0.25 / spacing).astype(int), columns]
        above = frame[np.rint(li[:, 1] - 1.0 / spacing).astype(int), columns]
        assert below.mean() > above.mean() + 30


def test_dealing_follows_the_weights_and_forgets_no_part() -> None:
    rng = np.random.default_rng(0)
    weights = {"train": 44.0, "test": 44.0, "val": 4.0}
    assert sorted(dealt(rng, 2, weights)) == ["test", "train"]
    assert sorted(dealt(rng, 3, weights)) == ["test", "train", "val"]
    many = dealt(rng, 92, weights)
    assert abs(many.count("train") - 44) <= 1
    assert abs(many.count("test") - 44) <= 1
    assert 4 <= many.count("val") <= 5


@pytest.mark.parametrize("write", [write_iuc, write_cubs])
def test_no_cases_are_refused(write: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        write(tmp_path, 0, 1)  # type: ignore[operator]


def test_no_place_is_there_twice() -> None:
    """A video whose two background regions once coincided, which the reader of the table refuses."""
    regions = carotid_video(np.random.default_rng([0, 10, 34]), 1).regions[0]
    assert len({(round(r.x, 1), round(r.y, 1)) for r in regions}) == len(regions) == 3
