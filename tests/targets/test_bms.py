"""BMS: the layouts of BraTS, modalities as channels, the three files of the journal."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.bms import TASK

KINDS = ("flair", "t1", "t1ce", "t2", "seg")
VSD = {"flair": "MR_Flair", "t1": "MR_T1", "t1ce": "MR_T1c", "t2": "MR_T2", "seg": "OT"}


def write(path: Path, size: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, size), np.uint8)), str(path))


def brats18(folder: Path, hgg: int, lgg: int, kinds: tuple[str, ...] = KINDS) -> Path:
    for grade, count in (("HGG", hgg), ("LGG", lgg)):
        for number in range(count):
            name = f"Brats18_{grade}{number:03d}_1"
            for kind in kinds:
                write(folder / grade / name / f"{name}_{kind}.nii.gz")
    return folder


def brats13(folder: Path, high: int, low: int, nested: bool = True) -> Path:
    for grade, count in (("HG", high), ("LG", low)):
        for number in range(1, count + 1):
            for place, kind in enumerate(KINDS):
                more = "_3more" if kind == "seg" else ""
                name = f"VSD.Brain{more}.XX.O.{VSD[kind]}.{684 + 10 * number + place}"
                write(folder / grade / f"{number:04d}" / (name if nested else "") / f"{name}.mha")
    return folder


def read(data: Path, **options: str) -> Target:
    return TASK.open(data, options, data / "cache")


def side(target: Target, name: str) -> list[str]:
    return sorted(subject for subject, side in target.sides.items() if side == name)


def test_flair_and_whole_tumour_by_default(tmp_path: Path) -> None:
    (brats18(tmp_path, 2, 2) / "HGG" / "._Brats18_HGG000_1_flair.nii.gz").write_bytes(b"junk")
    target = read(tmp_path)
    assert [case.id for case in target.cases][:2] == ["Brats18_HGG000_1", "Brats18_HGG001_1"]
    assert [path.name for path in target.cases[0].images] == ["Brats18_HGG000_1_flair.nii.gz"]
    assert (target.labels, target.label_map) == ({1: "whole tumour"}, {1: (1, 2, 3, 4)})
    assert target.known == {0, 1, 2, 3, 4}
    assert "the papers had 285" in target.notes[0]


@pytest.mark.parametrize("nested", [True, False])
def test_2013(tmp_path: Path, nested: bool) -> None:
    target = read(brats13(tmp_path, 3, 2, nested), modalities="t1ce,t1")
    assert [case.subject for case in target.cases] == ["HGG_0001", "HGG_0002", "HGG_0003", "LGG_0001", "LGG_0002"]
    first, second = target.cases[0].images
    assert "MR_T1c." in first.name
    assert "MR_T1." in second.name
    assert ".OT." in str(target.cases[0].label)


def test_truth_of_2013_named_by_its_folder_alone(tmp_path: Path) -> None:
    folder = brats13(tmp_path, 3, 0) / "HG" / "0001"
    (truth,) = folder.glob("*.OT.*/*.mha")
    truth.rename(truth.with_name("VSD.Brain.684.mha"))
    assert str(read(tmp_path).cases[0].label).endswith("VSD.Brain.684.mha")


@pytest.mark.parametrize("name", ["Brats17_TCIA_1_1", "BraTS19_CBICA_AAB_1", "BraTS20_Training_001"])
def test_other_years(tmp_path: Path, name: str) -> None:
    for kind in KINDS:
        write(tmp_path / "MICCAI" / name / f"{name}_{kind}.nii")
    assert [case.id for case in read(tmp_path).cases] == [name]


def test_modalities_are_channels_in_their_order(tmp_path: Path) -> None:
    target = read(brats18(tmp_path, 2, 1), modalities="t2, flair", structures="parts")
    assert target.channels == 2
    assert [path.name.split("_")[-1] for path in target.cases[0].images] == ["t2.nii.gz", "flair.nii.gz"]
    assert target.label_map == {1: (1, 3), 2: (2,), 3: (4,)}
    for wrong in ("pet", "flair,flair", ""):
        with pytest.raises(UsageError, match=r"modalities.*flair, t1, t1ce, t2"):
            read(tmp_path, modalities=wrong)


def test_three_files_of_95_with_the_grades_spread(tmp_path: Path) -> None:
    target = read(brats18(tmp_path, 210, 75, ("flair", "seg")))
    sides = {name: side(target, name) for name in ("training", "validation", "test")}
    assert {name: len(members) for name, members in sides.items()} == {"training": 152, "validation": 38, "test": 95}
    assert sum("LGG" in subject for subject in sides["test"]) == 25
    assert sum("LGG" in subject for subject in sides["validation"]) == 10
    assert not target.notes
    assert read(tmp_path).sides == target.sides


def test_cases_without_truth_are_noted(tmp_path: Path) -> None:
    brats18(tmp_path, 3, 0)
    (tmp_path / "HGG" / "Brats18_HGG001_1" / "Brats18_HGG001_1_seg.nii.gz").unlink()
    target = read(tmp_path)
    assert len(target.cases) == 2
    assert "1 cases without truth are left out, such as Brats18_HGG001_1" in target.notes[-1]


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match="holds no files named as in BraTS.*register"):
        read(tmp_path)
    with pytest.raises(GenesisError, match="no case has its truth"):
        read(brats18(tmp_path, 2, 0, ("flair", "t2")))
    brats18(tmp_path, 2, 0, ("seg",))
    with pytest.raises(GenesisError, match=r"HGG000_1_seg\.nii\.gz: case Brats18_HGG000_1 has no t1"):
        read(tmp_path, modalities="flair,t1")
    folder = tmp_path / "HGG" / "Brats18_HGG000_1"
    write(folder / "Brats18_HGG000_1_seg.nii.gz", size=5)
    with pytest.raises(GenesisError, match=r"HGG000_1_seg\.nii\.gz: size \(5, 4, 3\)"):
        read(tmp_path)
    write(folder / "Brats18_HGG000_1_seg.nii")
    with pytest.raises(GenesisError, match=r"seg of case Brats18_HGG000_1 is there already"):
        read(tmp_path)
