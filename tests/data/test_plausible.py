"""What does not look like what its user said is doubted; a CT, MR scan, radiograph or label map that is one is not."""

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from modelsgenesis.cli import main
from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.intensities import describe_intensities
from modelsgenesis.data.plausible import doubt, look_at, sorted_kind
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.phantoms import write_phantoms
from modelsgenesis.phantoms.chest import chest

SHAPE = (32, 30, 28)
KINDS = ("ct", "mr", "image", "label")
LUNG = ((36, 36, 24), (4.0, 4.0, 6.0))
BELLY = ((40, 40, 28), (6.0, 6.0, 8.0))
HEAD = ((32, 36, 28), (5.0, 5.0, 5.0))
SAMPLES = {
    "ct": LUNG, "ncc": LUNG, "ecc": LUNG, "ncs": LUNG, "lcs": BELLY, "organs": BELLY, "mr": HEAD, "flair": HEAD,
    "bms": HEAD, "dxc": (), "iuc": (), "cubs": (),
}  # fmt: skip
LABELS = ("segmentation", "labelsTr", "_seg", "RefStd", "seg-lungs")


def ct(seed: int = 0) -> np.ndarray:
    return np.rint(chest(np.random.default_rng(seed), shape=SHAPE, spacing=(10.0, 10.0, 10.0)).array)


def mr(seed: int = 0) -> np.ndarray:
    """A head in arbitrary units with noise, background near 0."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    head = (x**2 + y**2 + z**2 < 0.7) * (400 + 300 * np.sin(5 * x) * np.cos(4 * y))
    return np.rint(np.abs(head + rng.normal(0, 15, SHAPE)))


def labels() -> np.ndarray:
    array = np.zeros(SHAPE)
    array[5:20, 4:20, 3:20] = 3
    array[12:16, 8:12, 8:14] = 12
    return array


def save(path: Path, array: np.ndarray, kind: type = np.int16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array.astype(kind), np.diag([-1.0, -1.0, 1.0, 1.0])), path)
    return path


@pytest.mark.parametrize("name", SAMPLES)
def test_no_phantom_is_doubted_as_what_it_is(tmp_path: Path, name: str) -> None:
    write_phantoms(name, tmp_path / "x", 2, 0, *(SAMPLES[name] or (None, None)))
    for source in index_sources([tmp_path / "x"]):
        look = look_at(read_volume(source.path).array)
        is_label = any(part in str(source.path) for part in LABELS)
        is_mr, is_image = name in ("mr", "flair", "bms"), name in ("dxc", "iuc", "cubs")
        kind = "label" if is_label else "mr" if is_mr else "image" if is_image else "ct"
        assert doubt(look, kind) == "", source.path
        if kind != "ct":
            assert doubt(look, "ct"), source.path
        sorted_as, problem = sorted_kind(look, "", picture=is_image)
        assert sorted_as == kind or (problem and kind == "mr")


WRONG = {
    "labels as ct": (labels(), "ct", "looks like a label map: whole numbers (0 to 12)"),
    "labels as mr": (labels(), "mr", "looks like a label map"),
    "mr as ct": (mr(), "ct", "has no value below 0"),
    "mr with negative values as ct": (mr() - 40, "ct", "has no voxel below -500 HU"),
    "shifted ct": (ct() + 1024, "ct", "looks like CT shifted by 1000 or 1024 HU"),
    "ct cut to a window": (ct().clip(-160, 240), "ct", "has no voxel below -500 HU (-160 to 240), so no air"),
    "ct in [0, 1]": ((ct().clip(-1000, 1000) + 1000) / 2000, "ct", "looks normalised: values 0 to"),
    "ct in [-1, 1]": (ct().clip(-1000, 1000) / 1000, "ct", "looks normalised"),
    "z-scores": ((ct() - ct().mean()) / ct().std(), "ct", "looks normalised"),
    "ct as mr": (ct(), "mr", "looks like CT: "),
    "padded ct as mr": (np.where(np.indices(SHAPE)[0] < 3, -3024, ct()), "mr", "looks like CT: "),
    "mr as label": (mr(), "label", "looks like a scan and not like a label map"),
    "ct as label": (ct(), "label", "looks like a scan"),
    "a mask as image": (labels()[:, :, 10] * 20, "image", "looks like a label map"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_something_else_is_doubted(case: str) -> None:
    array, modality, said = WRONG[case]
    assert said in doubt(look_at(array.astype(np.float32)), modality)


RIGHT = {
    "ct": (ct(), "ct"),
    "padded ct": (np.where(np.indices(SHAPE)[0] < 3, -3024, ct()), "ct"),
    "ct of floats": (ct() + 0.25, "ct"),
    "mr": (mr(), "mr"),
    "mr of 8 bits": ((mr() / 4).round(), "mr"),
    "smooth mr of 6 bits": ((mr() / 16).round(), "mr"),
    "mr, twice as many slices by repetition": (np.repeat(mr(), 2, axis=2), "mr"),
    "mr in [0, 1]": (mr() / mr().max(), "mr"),
    "mr of z-scores": ((mr() - mr().mean()) / mr().std(), "mr"),
    "phase": (np.random.default_rng(0).integers(-4096, 4095, SHAPE), "mr"),
    "labels": (labels(), "label"),
    "labels through a slope": (labels() * 1.000015, "label"),
    "many labels": (np.kron(np.arange(1120).reshape(16, 10, 7) % 250, np.ones((2, 3, 4))), "label"),
    "small lesions": (np.where(np.indices(SHAPE).sum(0) == 40, 1, 0), "label"),
    "radiograph": (mr()[:, :, 14] / 4, "image"),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_what_it_is_is_not_doubted(case: str) -> None:
    array, modality = RIGHT[case]
    assert doubt(look_at(array.astype(np.float32)), modality) == ""


@pytest.mark.parametrize(
    ("header", "modality", "said"),
    [
        ("PT", "ct", "its Modality is PT (PET) and not ct"),
        ("MR", "ct", "its Modality is MR and not ct"),
        ("CT", "mr", "its Modality is CT and not mr"),
        ("SEG", "ct", "its Modality is SEG (a segmentation)"),
        ("RTDOSE", "mr", "RTDOSE (a radiotherapy dose)"),
        ("RTSTRUCT", "image", "RTSTRUCT (contours)"),
        ("SR", "label", "SR (a report)"),
        ("DX", "ct", "its Modality is DX"),
        ("CT", "image", "its Modality is CT"),
        ("SC", "ct", "its Modality is SC (a screen capture) and not ct"),
        ("XYZ", "ct", "its Modality is XYZ and not ct"),
    ],
)
def test_the_modality_of_dicom_goes_first(header: str, modality: str, said: str) -> None:
    assert said in doubt(look_at(ct()), modality, header)


def test_the_modality_of_dicom_vouches_for_a_crop_but_not_for_a_shift() -> None:
    crop = ct().clip(-160, 240)
    assert doubt(look_at(crop), "ct", "CT") == ""
    assert doubt(look_at(crop), "ct", "OT")  # converters write that: it says nothing
    assert "RescaleIntercept missing?" in doubt(look_at(ct() * 0 + np.arange(28) * 7), "ct", "CT")
    assert [doubt(look_at(mr()), kind, header) for kind, header in (("mr", "MR"), ("image", "CR"))] == ["", ""]


def rejected(store: Path) -> dict[str, str]:
    with (store / "rejected.csv").open(newline="") as handle:
        return {Path(row["path"]).name: row["reason"] for row in csv.DictReader(handle)}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for number in range(2):
        save(tmp_path / f"in/ct{number}.nii", ct(number))
    save(tmp_path / "in/t1.nii", mr())
    save(tmp_path / "in/ct0_seg.nii", labels(), np.uint8)
    save(tmp_path / "in/crop.nii", ct(3).clip(-160, 240))
    Image.fromarray((mr()[:, :, 14] / 4).astype(np.uint8)).save(tmp_path / "in/xray.png")
    return tmp_path


def test_what_is_no_ct_is_listed_with_the_way_to_keep_it(mixed: Path) -> None:
    summary = prepare([mixed / "in"], mixed / "store", workers=1)
    assert [scan.id for scan in open_store(mixed / "store").scans] == ["ct0", "ct1"]
    reasons = rejected(mixed / "store")
    assert set(reasons) == {"t1.nii", "ct0_seg.nii", "crop.nii", "xray.png"}
    assert "label map" in reasons["ct0_seg.nii"]
    assert "no voxel below -500 HU" in reasons["crop.nii"]
    assert "2D image among volumes" in reasons["xray.png"]  # what cannot be stored at all is said before
    assert all("--exclude, or keep it with --force" in reasons[name] for name in ("t1.nii", "ct0_seg.nii", "crop.nii"))
    assert summary.doubted == 0
    out = prepare([mixed / "in"], mixed / "store", PrepareSettings(exclude=("*_seg.nii", "t1.nii")), workers=1)
    assert (out.excluded, out.unchanged, set(rejected(mixed / "store")) & {"crop.nii"}) == (2, 2, {"crop.nii"})
    forced = prepare([mixed / "in/crop.nii"], mixed / "store", PrepareSettings(force=True), workers=1)
    assert (forced.stored, forced.doubted) == (1, 1)
    scans = {scan.id: scan for scan in open_store(mixed / "store").scans}
    assert set(scans) == {"ct0", "ct1", "crop"}
    assert "no voxel below" in scans["crop"].doubt
    assert "crop: has no voxel below" in describe_intensities(list(scans.values()))["kept by force"][0]


def test_dicom_says_what_it_is(tmp_path: Path) -> None:
    from tests.data.formats.test_dicom import write_series

    write_series(tmp_path / "in/ct", "1.2.1", 4)
    write_series(tmp_path / "in/pet", "1.2.2", 4, Modality="PT")
    prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(min_slices=3), workers=1)
    assert [scan.series for scan in open_store(tmp_path / "store").scans] == ["1.2.1"]
    assert rejected(tmp_path / "store")["pet"].startswith("its Modality is PT (PET) and not ct; leave it out")


def test_a_mixed_folder_is_sorted_into_stores(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auto = PrepareSettings(modality="auto")
    summary = prepare([mixed / "in"], mixed / "out", auto, workers=1)
    kinds = {"ct": ["ct0", "ct1"], "mr": ["t1"], "label": ["ct0_seg"], "image": ["xray"]}
    for kind, names in kinds.items():
        store = open_store(mixed / "out" / kind)
        assert [scan.id for scan in store.scans] == names
        assert {scan.modality for scan in store.scans} == {kind}
        assert store.verify() == []
    assert summary.stores == {str(mixed / "out" / kind): len(names) for kind, names in kinds.items()}
    assert "may be CT or MR (-160 to 240); prepare it by itself" in rejected(mixed / "out")["crop.nii"]
    with pytest.raises(GenesisError, match="holds a store for each modality; name one: .*/out/ct, .*/out/image"):
        open_store(mixed / "out")
    with pytest.raises(SystemExit, match="0"):
        main(["info", str(mixed / "out")])
    assert f"{mixed / 'out/ct'}: 2 scans" in capsys.readouterr().out
    again = prepare([mixed / "in"], mixed / "out", auto, workers=1)
    assert (again.stored, again.unchanged) == (0, 5)
    save(mixed / "in/t1.nii", ct(9))  # the file of that name is another kind now
    prepare([mixed / "in"], mixed / "out", auto, workers=1)
    assert [scan.id for scan in open_store(mixed / "out/ct").scans] == ["ct0", "ct1", "t1"]
    with pytest.raises(GenesisError, match="holds no scans"):
        open_store(mixed / "out/mr")
    more = prepare([mixed / "in/ct1.nii"], mixed / "out/ct", workers=1)  # a store like any other
    assert more.unchanged == 1
    with pytest.raises(UsageError, match="a window is of one modality"):
        prepare([mixed / "in"], mixed / "out", PrepareSettings(modality="auto", window=(0.0, 1.0)), workers=1)


def test_the_store_tells_its_intensities_and_who_stands_apart(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"in/{number}.nii", ct(number))
    save(tmp_path / "in/odd.nii", np.where(ct(7) > -200, ct(7) + 700, ct(7)))
    prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    scans = open_store(tmp_path / "store").scans
    facts = describe_intensities(scans)
    expected = [np.percentile(ct(n), [0.5, 50, 99.5], method="nearest") for n in range(6)]
    rows = np.array([*expected, np.percentile(np.where(ct(7) > -200, ct(7) + 700, ct(7)), [0.5, 50, 99.5])])
    np.testing.assert_allclose(facts["intensities"]["median"], np.median(rows, axis=0), atol=3)
    np.testing.assert_allclose(facts["intensities"]["largest"], rows.max(axis=0), atol=3)
    assert facts["intensities"]["unit"] == "HU"
    assert [line.split(" ")[0] for line in facts["stand apart"]] == ["odd"]
    json.dumps(facts)


def test_files_that_nobody_reads_are_listed_and_stay_listed(tmp_path: Path) -> None:
    save(tmp_path / "one/a.nii", ct())
    save(tmp_path / "two/b.nii", ct(1))
    for name in ("one/x.npy", "one/y.xml", "two/z.npy"):
        (tmp_path / name).write_bytes(b"")
    summary = prepare([tmp_path / "one"], tmp_path / "store", workers=1)
    assert summary.unread == {".npy": 1, ".xml": 1}
    prepare([tmp_path / "two"], tmp_path / "store", workers=1)
    with (tmp_path / "store/not_read.csv").open() as handle:
        assert [Path(row["path"]).name for row in csv.DictReader(handle)] == ["x.npy", "y.xml", "z.npy"]
    (tmp_path / "one/x.npy").unlink()
    prepare([tmp_path / "two"], tmp_path / "store", workers=1)
    with (tmp_path / "store/not_read.csv").open() as handle:
        assert [Path(row["path"]).name for row in csv.DictReader(handle)] == ["y.xml", "z.npy"]
