import csv
import json
import threading
from pathlib import Path

import nibabel
import numpy as np
import pytest

from modelsgenesis.data.prepare import PrepareSettings, prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.errors import GenesisError, UsageError

SHAPE = (24, 22, 20)


def save(path: Path, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(seed).integers(-1100, 1100, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, -2.0, 3.0, 1.0])), path)  # stored as LPS
    return array


def rejected(store: Path) -> dict[str, str]:
    with (store / "rejected.csv").open(newline="") as handle:
        return {Path(row["path"]).name: row["reason"] for row in csv.DictReader(handle)}


def content(store: Path) -> tuple[str, dict[str, bytes]]:
    """Manifest and all files of arrays."""
    arrays = {
        str(file.relative_to(store)): file.read_bytes() for file in (store / "scans").rglob("*") if file.is_file()
    }
    return (store / "manifest.jsonl").read_text(), arrays


def test_scans_are_stored_oriented_in_hu_and_sorted(tmp_path: Path) -> None:
    arrays = {f"P{n}/scan": save(tmp_path / f"in/P{n}/scan.nii.gz", n) for n in (2, 0, 1)}
    summary = prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(subject="folder"), workers=2)
    assert (summary.found, summary.stored, summary.unchanged, summary.rejected) == (3, 3, 0, {})
    store = open_store(tmp_path / "store")
    assert [(scan.id, scan.subject) for scan in store.scans] == [(f"P{n}__scan", f"P{n}") for n in range(3)]
    for scan, name in zip(store.scans, sorted(arrays), strict=True):
        np.testing.assert_array_equal(scan.intensity.decode(store.read(scan)), np.clip(arrays[name], -1000, 1000))
        assert (scan.spacing, scan.modality, scan.source.endswith("scan.nii.gz")) == ((1.0, 2.0, 3.0), "ct", True)
    assert summary.bytes_stored == sum(scan.bytes for scan in store.scans)


def test_a_second_call_reads_only_what_is_new_or_changed(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / f"in/{n}.nii", n)
    prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    before = open_store(tmp_path / "store").scans
    changed = save(tmp_path / "in/1.nii", 77)
    save(tmp_path / "in/3.nii", 3)
    (tmp_path / "in/2.nii").write_bytes(b"damaged")
    summary = prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    assert (summary.stored, summary.unchanged, sum(summary.rejected.values())) == (2, 1, 1)
    store = open_store(tmp_path / "store")
    assert [scan.id for scan in store.scans] == ["0", "1", "3"]
    assert store.scans[0] == before[0]
    np.testing.assert_array_equal(
        store.scans[1].intensity.decode(store.read(store.scans[1])), changed.clip(-1000, 1000)
    )
    assert not (tmp_path / "store/scans/2").exists()
    assert store.verify() == []


def test_other_settings_for_a_store_are_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "in/a.nii")
    prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    with pytest.raises(UsageError, match=r"window is None, not \[-100"):
        prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(window=(-100.0, 200.0)), workers=1)
    assert prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(seconds=50.0), workers=1).unchanged == 1


def test_another_file_of_the_same_name_does_not_take_a_scans_place(tmp_path: Path) -> None:
    save(tmp_path / "one/a.nii", 1)
    save(tmp_path / "two/a.nii", 2)
    prepare([tmp_path / "one"], tmp_path / "store", workers=1)
    with pytest.raises(UsageError, match="both inputs in one command"):
        prepare([tmp_path / "two"], tmp_path / "store", workers=1)
    (tmp_path / "one").rename(tmp_path / "moved")
    assert prepare([tmp_path / "moved"], tmp_path / "store", workers=1).unchanged == 1
    assert open_store(tmp_path / "store").scans[0].source == str(tmp_path / "moved/a.nii")


def test_nothing_usable_is_a_failure_that_says_why(tmp_path: Path) -> None:
    save(tmp_path / "in/a.nii", shape=(20, 20, 5))
    with pytest.raises(GenesisError, match="too few slices") as caught:
        prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    assert not isinstance(caught.value, UsageError)
    assert "too few slices" in rejected(tmp_path / "store")["a.nii"]


def test_rejections_of_other_inputs_stay_listed_until_they_are_repaired(tmp_path: Path) -> None:
    save(tmp_path / "one/good.nii")
    save(tmp_path / "one/bad.nii", shape=(20, 20, 5))
    save(tmp_path / "two/fine.nii", 1)
    prepare([tmp_path / "one"], tmp_path / "store", workers=1)
    prepare([tmp_path / "two"], tmp_path / "store", workers=1)
    assert list(rejected(tmp_path / "store")) == ["bad.nii"]
    save(tmp_path / "one/bad.nii")
    prepare([tmp_path / "one"], tmp_path / "store", workers=1)
    assert rejected(tmp_path / "store") == {}


def test_images_with_their_subjects_from_a_table(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.arange(600).reshape(20, 30).astype(np.uint8)
    for name in ("a", "b"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "t.csv").write_text("path,subject\na.png,S1\nb.png,S2\n")
    config = PrepareSettings(modality="image", subject=str(tmp_path / "t.csv"))
    prepare([tmp_path / "in"], tmp_path / "store", config, workers=1)
    store = open_store(tmp_path / "store")
    assert [scan.subject for scan in store.scans] == ["S1", "S2"]
    np.testing.assert_array_equal(store.read(store.scans[0]), pixels.transpose())
    (tmp_path / "t.csv").write_text("path,subject\na.png,S1\nb.png,S1\n")
    prepare([tmp_path / "in/a.png", tmp_path / "in/b.png"], tmp_path / "store", config, workers=1)
    assert [scan.subject for scan in open_store(tmp_path / "store").scans] == ["S1", "S1"]


def test_a_dicom_series(tmp_path: Path) -> None:
    from tests.data.formats.test_dicom import write_series

    stored = write_series(tmp_path / "in/ct", depth=6)
    prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(min_slices=3), workers=1)
    store = open_store(tmp_path / "store")
    (scan,) = store.scans
    assert (scan.series, scan.subject, scan.shape) == ("1.2.3.4", "P7", (5, 4, 6))
    expected = (stored * 2.0 - 1024).clip(-1000, 1000).transpose(2, 1, 0)
    np.testing.assert_array_equal(scan.intensity.decode(store.read(scan)), expected)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    import fcntl

    save(tmp_path / "in/a.nii")
    (tmp_path / "store").mkdir()
    with (tmp_path / "store/.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(GenesisError, match="another genesis prepare"):
            prepare([tmp_path / "in"], tmp_path / "store", workers=1)
        release = threading.Timer(0.3, lambda: fcntl.flock(handle, fcntl.LOCK_UN))
        release.start()
        assert prepare([tmp_path / "in"], tmp_path / "store", workers=1, wait=True).stored == 1
        release.join()


def test_the_manifest_holds_the_contract(tmp_path: Path) -> None:
    save(tmp_path / "in/a.nii")
    prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    line = json.loads((tmp_path / "store/manifest.jsonl").read_text())
    assert set(line) == {
        "id", "subject", "source", "series", "digest", "shape", "spacing", "affine", "modality", "intensity", "dtype",
        "bytes", "levels", "voxels", "measured", "values", "doubt", "notes",
    }  # fmt: skip
    assert line["intensity"] == {"low": -1000.0, "high": 1000.0, "levels": 2000}


def test_a_scan_that_cannot_be_looked_at_again_stays(tmp_path: Path) -> None:
    """A slow disk is no reason to lose what was stored."""
    for n in range(2):
        save(tmp_path / f"in/{n}.nii", n)
    prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    before = content(tmp_path / "store")
    summary = prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(seconds=1e-9), workers=1)
    assert sum(summary.rejected.values()) >= 1  # a worker that is up already may be quicker than the clock
    assert content(tmp_path / "store") == before
    assert all("the scan in the store is kept" in reason for reason in rejected(tmp_path / "store").values())


def test_settings_that_made_nothing_do_not_bind(tmp_path: Path) -> None:
    save(tmp_path / "in/a.nii")
    with pytest.raises(GenesisError, match="nothing inside the window"):
        prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(window=(2000, 3000)), workers=1)
    assert prepare([tmp_path / "in"], tmp_path / "store", workers=1).stored == 1
    with pytest.raises(UsageError, match="other settings"):
        prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(window=(2000, 3000)), workers=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": (100, -100)},
        {"spacing": (0, 1, 1)},
        {"seconds": 0},
        {"levels": 0},
        {"resize": (0, 8)},
        {"largest_gb": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_that_cannot_be_are_refused_before_anything_is_read(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        PrepareSettings(**wrong)
    save(tmp_path / "in/a.nii")
    with pytest.raises(UsageError, match="workers 0"):
        prepare([tmp_path / "in"], tmp_path / "store", workers=0)
    assert not (tmp_path / "store").exists()
