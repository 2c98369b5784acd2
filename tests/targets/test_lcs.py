"""LCS: LiTS and the Decathlon give the same task; what is partial is noted, what is wrong is an error."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import write_json
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.lcs import TASK


def write(path: Path, size: int = 4, spacing: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.zeros((4, 5, size), np.uint8))
    image.SetSpacing((spacing, 1.0, 2.0))
    sitk.WriteImage(image, str(path))


def lits(folder: Path, numbers: Iterable[int], suffix: str = ".nii") -> Path:
    for number in numbers:
        for name in ("volume", "segmentation"):
            write(folder / f"Training Batch {1 + number // 28}" / f"{name}-{number}{suffix}")
    return folder


def decathlon(folder: Path, numbers: Iterable[int], key: str = "release") -> Path:
    entries = []
    for number in numbers:
        name = f"liver_{number}.nii.gz"
        for side in ("imagesTr", "labelsTr"):
            write(folder / side / name)
            (folder / side / f"._{name}").write_bytes(b"junk")
        entries.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    write(folder / "imagesTs" / "liver_131.nii.gz")
    labels = {"0": "background", "1": "liver", "2": "cancer"}
    write_json(folder / "dataset.json", {"name": "Liver", key: "0.0", "labels": labels, "training": entries})
    return folder


def read(data: Path, **options: str) -> Target:
    return TASK.open(data, options, data / "cache")


def side(target: Target, name: str) -> list[str]:
    return sorted(subject for subject, side in target.sides.items() if side == name)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_lits_in_several_batches(tmp_path: Path, suffix: str) -> None:
    target = read(lits(tmp_path, (0, 2, 10, 30), suffix))
    assert [case.id for case in target.cases] == ["liver-000", "liver-002", "liver-010", "liver-030"]
    assert target.cases[2].label == tmp_path / "Training Batch 1" / f"segmentation-10{suffix}"
    assert (target.labels, target.label_map, target.known) == ({1: "liver"}, {1: (1, 2)}, {0, 1, 2})
    assert side(target, "training") == ["liver-000", "liver-002"]
    assert side(target, "validation") == ["liver-010"]
    assert "4 of the papers' 130 scans" in target.notes[0]


@pytest.mark.parametrize("key", ["release", "relase"])
def test_the_decathlon_gives_the_same_task(tmp_path: Path, key: str) -> None:
    first = read(lits(tmp_path / "lits", range(5)))
    second = read(decathlon(tmp_path / "Task03_Liver", range(5), key))
    assert [(case.id, case.subject) for case in first.cases] == [(case.id, case.subject) for case in second.cases]
    assert (first.label_map, first.sides, first.known) == (second.label_map, second.sides, second.known)
    assert second.notes[-1] == "1 test volumes without labels are left out, such as liver_131.nii.gz"
    (tmp_path / "Task03_Liver" / "imagesTr" / "liver_2.nii.gz").unlink()
    notes = read(tmp_path / "Task03_Liver").notes
    assert any("1 of 5 scans listed in dataset.json are absent, such as liver_2" in note for note in notes)
    assert any("1 files without a volume" in note for note in notes)


def test_tumour_as_a_structure(tmp_path: Path) -> None:
    target = read(lits(tmp_path, range(3)), structures="liver,tumour")
    assert (target.labels, target.label_map) == ({1: "liver", 2: "tumour"}, {1: (1,), 2: (2,)})
    with pytest.raises(UsageError, match="structures"):
        read(tmp_path, structures="spleen")


@pytest.mark.parametrize("count", [130, 131])
def test_the_papers_division(tmp_path: Path, count: int) -> None:
    target = read(lits(tmp_path, range(count)))
    names = [f"liver-{number:03d}" for number in range(count)]
    assert side(target, "training") == names[:100]
    assert side(target, "validation") == names[100:115]
    assert side(target, "test") == names[115:]
    assert bool(target.notes) == (count == 131)


def test_what_is_partial_is_noted(tmp_path: Path) -> None:
    lits(tmp_path, range(4))
    write(tmp_path / "volume-7.nii")
    write(tmp_path / "segmentation-8.nii")
    write(tmp_path / "test-volume-0.nii")
    (tmp_path / "._volume-9.nii").write_bytes(b"junk")
    _, volume, mask, test = read(tmp_path).notes
    assert "1 files without a segmentation of their number are left out, such as volume-7.nii" in volume
    assert "1 files without a volume" in mask
    assert "test-volume-0.nii" in test


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds no volume-N\.nii.*download"):
        read(tmp_path)
    write(tmp_path / "a" / "volume-3.nii")
    with pytest.raises(GenesisError, match="no volume has a segmentation"):
        read(tmp_path)
    write(tmp_path / "a" / "segmentation-3.nii", size=5)
    with pytest.raises(GenesisError, match=r"segmentation-3\.nii: size \(5, 5, 4\)"):
        read(tmp_path)
    write(tmp_path / "a" / "segmentation-3.nii", spacing=1.2)
    with pytest.raises(GenesisError, match=r"segmentation-3\.nii: does not lie on the grid"):
        read(tmp_path)
    write(tmp_path / "a" / "segmentation-3.nii", spacing=1.0001)
    read(tmp_path)
    write(tmp_path / "b" / "volume-3.nii.gz")
    with pytest.raises(GenesisError, match=r"volume-3\.nii.*is there already"):
        read(tmp_path)
    (tmp_path / "b" / "volume-3.nii.gz").unlink()
    (tmp_path / "a" / "segmentation-3.nii").write_bytes(b"<html>404</html>" * 40)
    with pytest.raises(GenesisError, match=r"segmentation-3\.nii: not a NIfTI file"):
        read(tmp_path)


def test_a_damaged_description_of_the_decathlon(tmp_path: Path) -> None:
    decathlon(tmp_path, range(3))
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(GenesisError, match=r"dataset\.json: cannot be read"):
        read(tmp_path)
    write_json(tmp_path / "dataset.json", {"training": 3})
    with pytest.raises(GenesisError, match=r"dataset\.json: has no list"):
        read(tmp_path)
