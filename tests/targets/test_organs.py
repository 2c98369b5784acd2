"""Organs: patients are divided in the order of their cases, and nobody is on two sides."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import write_json
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.organs import TASK
from modelsgenesis.targets.split import SplitChoice, split

VALUES = {"background": 0, "lung": 1, "heart": 2, "liver": 3}


def write(folder: Path, count: int, side: str = "Tr", first: int = 0) -> Path:
    """An nnU-Net folder of empty label maps; the target reads headers alone."""
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6), np.uint8))
    for index in range(first, first + count):
        for path in (f"images{side}/case_{index:03d}_0000.nii.gz", f"labels{side}/case_{index:03d}.nii.gz"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(image, str(folder / path))
    description = {"channel_names": {"0": "CT"}, "labels": VALUES, "file_ending": ".nii.gz"}
    write_json(folder / "dataset.json", description)
    return folder


def with_subjects(folder: Path, subjects: list[str]) -> Path:
    with (folder / "subjects.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerows([("case", "subject"), *((f"case_{n:03d}", name) for n, name in enumerate(subjects))])
    return folder


def read(data: Path, **options: object) -> Target:
    return TASK.open(data, options, data / "cache")


def test_44_patients_are_divided_by_index(tmp_path: Path) -> None:
    target = read(write(tmp_path, 44))
    assert (target.labels, target.label_map) == ({1: "lung", 2: "heart", 3: "liver"}, {1: (1,), 2: (2,), 3: (3,)})
    names = [f"case_{n:03d}" for n in range(44)]
    for seed in (0, 1):
        sides = split(target, SplitChoice(seed=seed))
        assert sides.training == tuple(names[:16])
        assert sides.validation == tuple(names[16:20])
        assert sides.test == tuple(names[20:])
    assert target.notes == ("44 patients are divided in the order of their cases, 16 : 4 : 24",)


def test_the_order_is_that_of_the_cases_and_not_of_the_names(tmp_path: Path) -> None:
    subjects = [name for name in "zyxwvutsrqp" for _ in range(2)]
    target = read(with_subjects(write(tmp_path, 22), subjects))
    sides = split(target, SplitChoice())
    assert sides.training == ("w", "x", "y", "z")
    assert sides.validation == ("v",)
    assert sides.test == ("p", "q", "r", "s", "t", "u")


def test_test_scans_of_the_folder_stay_test_scans(tmp_path: Path) -> None:
    target = read(write(write(tmp_path, 5), 2, "Ts", 5))
    assert split(target, SplitChoice()).test == ("case_005", "case_006")
    assert not target.notes


def test_structures_can_be_chosen(tmp_path: Path) -> None:
    target = read(write(tmp_path, 3), labels={"trunk": [2, 3]})
    assert (target.labels, target.label_map) == ({1: "trunk"}, {1: (2, 3)})
    assert target.known == {0, 1, 2, 3}


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds neither dataset\.json"):
        read(tmp_path)
    (tmp_path / "cases.csv").write_text("path,subject,label\na.nii.gz,a,0\nb.nii.gz,b,1\n")
    for name in "ab":
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.uint8)), str(tmp_path / f"{name}.nii.gz"))
    with pytest.raises(GenesisError, match="is a classification, but organs needs label maps; make phantoms"):
        read(tmp_path)
    (tmp_path / "cases.csv").unlink()
    write(tmp_path, 3)
    (tmp_path / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}))
    with pytest.raises(GenesisError, match="needs labels"):
        read(tmp_path)
