"""`dataset.json` of the Decathlon, nnU-Net v1 and v2, and images that hold all channels in one file."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import IGNORED, Target
from modelsgenesis.targets.dataset_json import read_labels
from modelsgenesis.targets.folder import read_folder
from modelsgenesis.targets.prepared import ImageSettings, prepare_target

SHAPE = (6, 5, 4)
AFFINE = np.array([[-1.5, 0, 0, 10], [0, -1.0, 0, 20], [0, 0, 2.0, -30], [0, 0, 0, 1.0]])
NAMES = ("a", "b", "c")
OF_V2 = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
OF_V1 = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}}


def image(path: Path, array: Any = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(SHAPE, np.uint8) if array is None else array
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def write(folder: Path, description: dict[str, Any], channels: int = 1, label: Any = None) -> Path:
    """Images with numbers, label maps and the description."""
    for name in NAMES:
        for channel in range(channels):
            image(folder / f"imagesTr/{name}_{channel:04d}.nii.gz")
        image(folder / f"labelsTr/{name}.nii.gz", label)
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def entries(image: str = "./imagesTr/{}.nii.gz", label: str = "./labelsTr/{}.nii.gz") -> list[dict[str, str]]:
    return [{"image": image.format(name), "label": label.format(name)} for name in NAMES]


def of_4d(folder: Path, channels: int = 2, **changes: Any) -> Path:
    """As the Decathlon's Task05: one file of 4 axes a case, of which the fourth counts T2 and ADC."""
    write(folder, {**OF_V1, "modality": {"0": "T2", "1": "ADC"}, "training": entries(), **changes}, channels=0)
    rng = np.random.default_rng(0)
    for name in NAMES:
        image(folder / f"imagesTr/{name}.nii.gz", rng.integers(0, 900, (*SHAPE, channels)).astype(np.float32))
    return folder


def files(target: Target) -> list[list[str]]:
    return [[path.name for path in case.images] for case in target.cases]


def test_version_1_lists_cases_and_not_their_files(tmp_path: Path) -> None:
    two = {**OF_V1, "modality": {"0": "T1", "1": "T2"}, "training": entries()}
    target = read_folder(write(tmp_path, two, channels=2), {})
    assert files(target) == [[f"{name}_0000.nii.gz", f"{name}_0001.nii.gz"] for name in NAMES]
    assert [case.id for case in target.cases] == list(NAMES)
    (tmp_path / "imagesTr/b_0001.nii.gz").unlink()
    with pytest.raises(GenesisError, match=r"b_0001.nii.gz: no such file, but .*dataset.json needs it"):
        read_folder(tmp_path, {})


def test_paths_of_windows_are_read_and_what_macos_leaves_is_not(tmp_path: Path) -> None:
    junk = [{"image": f"{place}._a_0000.nii.gz", "label": "x"} for place in (".\\imagesTr\\", "./imagesTr/", "")]
    listed = entries(".\\imagesTr\\{}_0000.nii.gz", "labelsTr\\{}.nii.gz")
    target = read_folder(write(tmp_path, {**OF_V1, "training": [*junk, *listed]}), {})
    assert [case.images[0] for case in target.cases] == [tmp_path / f"imagesTr/{name}_0000.nii.gz" for name in NAMES]


def test_a_name_may_begin_with_a_dot(tmp_path: Path) -> None:
    write(tmp_path, {**OF_V1, "training": [{"image": ".a.nii.gz", "label": "labelsTr/a.nii.gz"}]})
    image(tmp_path / ".a.nii.gz")
    assert len(read_folder(tmp_path, {}).cases) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, OF_V2)
    (tmp_path / "dataset.json").write_text(json.dumps(OF_V2), encoding=encoding)
    assert len(read_folder(tmp_path, {}).cases) == 3


def test_the_key_dataset_of_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = write(tmp_path / "elsewhere", OF_V2)
    (elsewhere / "dataset.json").unlink()
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    places = {"a": "../elsewhere", "b": str(elsewhere), "c": "$nnUNet_raw/elsewhere"}
    dataset = {
        f"case {n}": {"images": [f"{p}/imagesTr/{n}_0000.nii.gz"], "label": f"{p}/labelsTr/{n}.nii.gz"}
        for n, p in places.items()
    }
    folder = tmp_path / "Dataset001"
    folder.mkdir()
    (folder / "dataset.json").write_text(json.dumps({**OF_V2, "dataset": dataset}))
    target = read_folder(folder, {})
    assert [case.id for case in target.cases] == ["case a", "case b", "case c"]
    assert [case.label for case in target.cases] == [elsewhere / f"labelsTr/{name}.nii.gz" for name in NAMES]
    for change, message in (
        ({"images": ["x.nii.gz"]}, r"x.nii.gz: no such file, but .*dataset.json needs it"),
        ({"images": []}, r"dataset.json: dataset.case a: 0 images for 1 channel_names"),
        ({"images": "x.nii.gz"}, r"dataset.case a: needs images \(a list of paths\) and label"),
    ):
        spoilt = {**dataset, "case a": {**dataset["case a"], **change}}
        (folder / "dataset.json").write_text(json.dumps({**OF_V2, "dataset": spoilt}))
        with pytest.raises(GenesisError, match=message):
            read_folder(folder, {})


@pytest.mark.parametrize(
    ("given", "structures", "background", "ignored"),
    [
        ({"0": "background", "1": "liver", "2": "tumour"}, {"liver": (1,), "tumour": (2,)}, {0}, set()),
        ({"background": 0, "liver": 1, "tumour": "2"}, {"liver": (1,), "tumour": (2,)}, {0}, set()),
        ({"Background": 3, "liver": 1}, {"liver": (1,)}, {0, 3}, set()),
        ({"0": "liver", "1": "BACKGROUND"}, {"liver": (0,)}, {1}, set()),
        ({"liver": 0, "background": 255}, {"liver": (0,)}, {255}, set()),
        ({"0": "", "1": "liver", "2": "liver"}, {"liver": (1, 2)}, {0}, set()),
        ({"0": "tissue", "1": "liver"}, {"liver": (1,)}, {0}, set()),
        ({"background": 0, "whole": [1, 2], "ignore": 3}, {"whole": (1, 2)}, {0}, {3}),
        ({"background": 0.0, "liver": 1.0}, {"liver": (1,)}, {0}, set()),
    ],
)
def test_meaning_of_values(given: Any, structures: Any, background: set[int], ignored: set[int]) -> None:
    labels = read_labels(given, Path("dataset.json"))
    assert (labels.structures, labels.background, labels.ignored) == (structures, background, ignored)
    assert bool(labels.notes) == ("tissue" in str(given))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": []}, r"dataset.json: needs labels, such as .*; has \[\]"),
        ({"labels": {"background": 0, "liver": 1.5}}, "value 1.5 of 'liver' must be a whole number, 0 to 255"),
        ({"labels": {"background": 0, "liver": 300}}, "value 300 of 'liver'"),
        ({"labels": {"background": 0, "liver": 1, "ignore": 1}}, "the value 1 has two meanings"),
        ({"channel_names": {}}, "channel_names is empty"),
        ({"channel_names": "CT"}, "channel_names or modality must name the channels, not be 'CT'"),
        (
            {"file_ending": None},
            r"labelsTr: holds no label map whose name ends in '.None', the file_ending of .*json; cor",
        ),
        ({"file_ending": ".mha"}, r"labelsTr: holds no label map whose name ends in '.mha'"),
        ({"dataset": ["a"]}, "dataset must map each case to its images"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, changes: Any, message: str) -> None:
    write(tmp_path, {**OF_V2, **changes})
    with pytest.raises(GenesisError, match=message):
        read_folder(tmp_path, {})


def test_entries_that_are_no_pair(tmp_path: Path) -> None:
    write(tmp_path, {**OF_V1, "training": ["./imagesTr/a.nii.gz"]})
    with pytest.raises(GenesisError, match=r"training entry './imagesTr/a.nii.gz' needs image and label"):
        read_folder(tmp_path, {})


@pytest.mark.parametrize("listed", ["4D", "3D"])
def test_one_file_of_all_channels_is_parted(tmp_path: Path, listed: str) -> None:
    folder = of_4d(tmp_path / "data", tensorImageSize=listed)
    target = read_folder(folder, {}, tmp_path / "cache")
    assert target.channels == 2
    assert not (tmp_path / "cache").exists(), "reading a target writes nothing"
    data = prepare_target(target, ImageSettings(modality="image"), tmp_path / "cache")
    for case in data.cases:
        stored = nib.load(folder / f"imagesTr/{case.case.id}.nii.gz")
        truth = np.moveaxis(stored.get_fdata(), -1, 0)
        for path, channel in zip(case.case.images, truth, strict=True):
            parted = nib.load(path)
            np.testing.assert_array_equal(parted.get_fdata(), channel)
            np.testing.assert_allclose(parted.affine, stored.affine)
            in_lps = read_volume(path).array
            np.testing.assert_array_equal(in_lps, channel)  # the affine's axes are those of LPS already
        np.testing.assert_allclose(data.image(case), truth / 65535, atol=1e-6)
    again = read_folder(folder, {}, tmp_path / "cache")
    assert files(again) == files(target)


def test_channels_that_the_description_does_not_name(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"a.nii.gz: case a has 3 channels, but .* names 2 \(T2, ADC\)"):
        read_folder(of_4d(tmp_path, channels=3), {})
    write(tmp_path, {**OF_V1, "modality": {"0": "T2", "1": "ADC"}, "training": entries("imagesTr/{}_0000.nii.gz")})
    with pytest.raises(GenesisError, match=r"a_0000.nii.gz: case a_0000 has 1 channels, but .* names 2"):
        read_folder(tmp_path, {})


def test_a_label_of_4d_images_must_lie_on_their_grid(tmp_path: Path) -> None:
    of_4d(tmp_path)
    image(tmp_path / "labelsTr/b.nii.gz", np.zeros((6, 5, 3), np.uint8))
    with pytest.raises(GenesisError, match=r"labelsTr/b.nii.gz: size \(6, 5, 3\), but .*b.nii.gz has \(6, 5, 4\)"):
        read_folder(tmp_path, {})


def test_background_that_is_not_0_and_ignored_voxels(tmp_path: Path) -> None:
    label = np.full(SHAPE, 3, np.uint8)
    label[1, 1, 1], label[2, 2, 2], label[3, 3, 3] = 0, 1, 9
    labels = {"background": 3, "liver": 0, "tumour": 1, "ignore": 9}
    folder = write(tmp_path, {**OF_V2, "labels": labels}, label=label)
    for name in NAMES:
        image(folder / f"imagesTr/{name}_0000.nii.gz", np.arange(120, dtype=np.int16).reshape(SHAPE))
    data = prepare_target(read_folder(folder, {}), ImageSettings(), folder / "cache")
    found = data.label(data.cases[0])
    assert {name: tuple(np.argwhere(found == k)[0]) for k, name in data.target.labels.items()} == {
        "liver": (1, 1, 1),
        "tumour": (2, 2, 2),
    }
    assert np.argwhere(found == IGNORED).tolist() == [[3, 3, 3]]
    assert np.count_nonzero(found == 0) == 120 - 3
    places = data.places(data.cases[0])
    assert places.structures == [1, 2]
    assert places.draw(np.random.default_rng(0), 1) == (1, 1, 1)


def test_files_that_are_called_alike(tmp_path: Path) -> None:
    for name in NAMES:
        image(tmp_path / f"{name}/scan.nii.gz")
        image(tmp_path / f"{name}/mask.nii.gz")
    description = {**OF_V1, "training": entries("{}/scan.nii.gz", "./{}\\mask.nii.gz")}
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    assert [case.id for case in read_folder(tmp_path, {}).cases] == ["a__scan", "b__scan", "c__scan"]
    description["training"].append(description["training"][0])
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(GenesisError, match="a__scan is there 2 times; list each once"):
        read_folder(tmp_path, {})
