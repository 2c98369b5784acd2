"""The target `folder`: every layout read alike, and every mistake named with its file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import write_json
from modelsgenesis.targets.folder import read_folder

VALUES = {"background": 0, "liver": 1, "tumour": 2, "vessel": 5}


def write_image(path: Path, shape: tuple[int, ...] = (6, 5, 4), **header: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.zeros(shape[::-1], np.uint8))
    for name, value in header.items():
        getattr(image, f"Set{name}")(value)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def nnunet(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"imagesTr/{name}_0000.nii.gz")
        write_image(tmp_path / f"labelsTr/{name}.nii.gz")
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "labels": VALUES, "file_ending": ".nii.gz"})
    return tmp_path


def describe(folder: Path, **changes: Any) -> None:
    path = folder / "dataset.json"
    write_json(path, {**json.loads(path.read_text()), **changes})


def as_msd(folder: Path) -> Path:
    """The same data as the Decathlon describes them, with what macOS leaves behind."""
    training = [
        {"image": f"./imagesTr/{name}_0000.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in ("a", "b", "c")
    ]
    junk = {"image": "./imagesTr/._a_0000.nii.gz", "label": "./labelsTr/._a.nii.gz"}
    (folder / "imagesTr" / "._a_0000.nii.gz").write_bytes(bytes.fromhex("00051607") + b"junk")
    labels = {str(value): name for name, value in VALUES.items()}
    write_json(folder / "dataset.json", {"labels": labels, "training": [*training, junk], "relase": "1.0"})
    return folder


def test_both_layouts_give_the_same_target(nnunet: Path) -> None:
    (nnunet / "labelsTr" / "._a.nii.gz").write_bytes(b"junk")
    first, second = read_folder(nnunet, {}), read_folder(as_msd(nnunet), {})
    assert [case.images for case in first.cases] == [case.images for case in second.cases]
    assert [case.label for case in first.cases] == [case.label for case in second.cases]
    for target in (first, second):
        assert target.task == "segmentation"
        assert target.labels == {1: "liver", 2: "tumour", 3: "vessel"}
        assert target.label_map == {1: (1,), 2: (2,), 3: (5,)}
        assert target.known == {0, 1, 2, 5}
    assert [case.id for case in first.cases] == [case.subject for case in first.cases] == ["a", "b", "c"]


def test_two_channels_are_one_case(nnunet: Path) -> None:
    describe(nnunet, channel_names={"0": "T1", "1": "FLAIR"})
    for name in ("a", "b", "c"):
        write_image(nnunet / f"imagesTr/{name}_0001.nii.gz")
    target = read_folder(nnunet, {})
    assert target.channels == 2
    assert [path.name for path in target.cases[0].images] == ["a_0000.nii.gz", "a_0001.nii.gz"]


def test_selection_chooses_and_merges_values(nnunet: Path) -> None:
    target = read_folder(nnunet, {"vessel": [5], "whole liver": [2, 1]})
    assert target.labels == {1: "whole liver", 2: "vessel"}
    assert target.label_map == {1: (1, 2), 2: (5,)}
    assert target.known == {0, 1, 2, 5}, "values left out are background, not unknown"


@pytest.mark.parametrize(
    ("selection", "message"),
    [({"x": [7]}, r"labels: x = \[7\].*\[1, 2, 5\]"), ({"x": [1], "y": [1, 2]}, "value 1 is of x and of y")],
)
def test_selection_that_does_not_fit(nnunet: Path, selection: dict[str, list[int]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_folder(nnunet, selection)


def test_disjoint_regions_are_read_and_overlapping_ones_refused(nnunet: Path) -> None:
    describe(nnunet, labels={"background": 0, "organ": [1, 2], "vessel": 5})
    assert read_folder(nnunet, {}).label_map == {1: (1, 2), 2: (5,)}
    describe(nnunet, labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3]})
    with pytest.raises(UsageError, match="value 2 is of"):
        read_folder(nnunet, {})
    assert read_folder(nnunet, {"core": [2, 3]}).label_map == {1: (2, 3)}


def test_subjects_come_from_their_table(nnunet: Path) -> None:
    table = nnunet / "subjects.csv"
    table.write_text("case,subject\na,anna\nb,anna\nc,bert\n")
    assert [case.subject for case in read_folder(nnunet, {}).cases] == ["anna", "anna", "bert"]
    table.write_text("case,subject\na,anna\nb,anna\n")
    with pytest.raises(GenesisError, match=r"subjects.csv: names no subject for c"):
        read_folder(nnunet, {})


def test_labelled_test_images_are_the_test_side(nnunet: Path) -> None:
    write_image(nnunet / "imagesTs/d_0000.nii.gz")
    assert len(read_folder(nnunet, {}).cases) == 3, "without labels there is nothing to test on"
    write_image(nnunet / "labelsTs/d.nii.gz")
    target = read_folder(nnunet, {})
    assert target.sides == {"d": "test"}
    assert len(target.cases) == 4
    (nnunet / "subjects.csv").write_text("case,subject\na,anna\nb,b\nc,c\nd,anna\n")
    with pytest.raises(GenesisError, match="subject anna is in imagesTr and in imagesTs"):
        read_folder(nnunet, {})


def missing_image(folder: Path) -> None:
    (folder / "imagesTr/b_0000.nii.gz").unlink()


def missing_label(folder: Path) -> None:
    (folder / "labelsTr/b.nii.gz").unlink()


def other_size(folder: Path) -> None:
    write_image(folder / "labelsTr/b.nii.gz", (6, 5, 3))


def other_spacing(folder: Path) -> None:
    write_image(folder / "labelsTr/b.nii.gz", Spacing=(1, 1, 1.2))


def other_origin(folder: Path) -> None:
    write_image(folder / "labelsTr/b.nii.gz", Origin=(0, 3, 0))


def other_direction(folder: Path) -> None:
    write_image(folder / "labelsTr/b.nii.gz", Direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1))


def torn(folder: Path) -> None:
    (folder / "labelsTr/b.nii.gz").write_bytes(b"no image")


def only_background(folder: Path) -> None:
    describe(folder, labels={"background": 0})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing_image, r"imagesTr/b_0000.nii.gz: no such file, but .*labelsTr/b.nii.gz"),
        (missing_label, r"imagesTr/b_0000.nii.gz: has no label in labelsTr"),
        (other_size, r"labelsTr/b.nii.gz: size \(6, 5, 3\), but .*b_0000.nii.gz has \(6, 5, 4\)"),
        (other_spacing, r"labelsTr/b.nii.gz: does not lie on the grid of .*by up to 0.6 voxels"),
        (other_origin, r"labelsTr/b.nii.gz: does not lie on the grid of .*by up to 3.0 voxels"),
        (other_direction, r"labelsTr/b.nii.gz: does not lie on the grid"),
        (torn, r"labelsTr/b.nii.gz: not a NIfTI file"),
        (only_background, r"dataset.json: names no label but background"),
    ],
)
def test_mistakes_name_the_file(nnunet: Path, spoil: Any, message: str) -> None:
    spoil(nnunet)
    with pytest.raises(GenesisError, match=message):
        read_folder(nnunet, {})


def test_rounded_headers_are_not_a_mistake(nnunet: Path) -> None:
    write_image(nnunet / "labelsTr/b.nii.gz", Spacing=(1, 1, 1.00001), Origin=(0.0005, 0, 0))
    assert len(read_folder(nnunet, {}).cases) == 3


def test_msd_mistakes(nnunet: Path) -> None:
    as_msd(nnunet)
    description = json.loads((nnunet / "dataset.json").read_text())
    describe(nnunet, training=[*description["training"], description["training"][0]])
    with pytest.raises(GenesisError, match="case a_0000 is there 2 times"):
        read_folder(nnunet, {})
    (nnunet / "labelsTr/c.nii.gz").unlink()
    with pytest.raises(GenesisError, match=r"labelsTr/c.nii.gz: no such file, but .*dataset.json needs it"):
        read_folder(nnunet, {})
    describe(nnunet, training=[])
    with pytest.raises(GenesisError, match="describes no labelled case"):
        read_folder(nnunet, {})


def test_folder_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds neither dataset.json .* nor cases.csv"):
        read_folder(tmp_path, {})
