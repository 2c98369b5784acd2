"""MedMNIST: every kind of file, its images as they are, no copy of a test image in training, damage named."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets import medmnist, medmnist3d
from modelsgenesis.targets.base import Case, Target

COUNTS = {"train": 7, "val": 3, "test": 4}
REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"


def arrays(shape: tuple[int, ...] = (28, 28), labels: int = 2, several: int = 1) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(0)
    made: dict[str, npt.NDArray[Any]] = {}
    for part, count in COUNTS.items():
        made[f"{part}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        made[f"{part}_labels"] = (np.arange(count * several).reshape(count, several) % labels).astype(np.uint8)
    return made


def write(path: Path, made: dict[str, npt.NDArray[Any]]) -> Path:
    np.savez_compressed(path, **made)  # type: ignore[arg-type]
    return path


def read(path: Path, task: Any = medmnist, **options: str) -> Target:
    target = task.TASK.open(path, options, path.parent / "cache")
    assert isinstance(target, Target)
    return target


def derived(target: Target, case: Case) -> list[npt.NDArray[Any]]:
    assert target.derive is not None
    target.derive(case)
    volumes = [read_volume(path) for path in case.images]
    assert {volume.pixel_type for volume in volumes} == {"uint8"}
    return [volume.array for volume in volumes]


def test_grey_images_and_two_classes(tmp_path: Path) -> None:
    made = arrays()
    path = write(tmp_path / "breastmnist.npz", made)
    target = read(path)
    assert (target.task, dict(target.labels)) == ("classification", {0: "malignant", 1: "normal or benign"})
    assert len(target.cases) == sum(COUNTS.values())
    assert [case.label for case in target.cases[:3]] == [0, 1, 0]
    assert target.sides["train-000000"] == "training"
    assert target.sides["val-000002"] == "validation"
    assert target.sides["test-000003"] == "test"
    assert "names no patients" in target.notes[0]
    assert not (tmp_path / "cache").exists()
    for place, (part, number) in {2: ("train", 2), 7: ("val", 0), 13: ("test", 3)}.items():
        (image,) = derived(target, target.cases[place])
        assert np.array_equal(image.T, made[f"{part}_images"][number]), "rows of the file run along Y"
    assert read(path) == target


def test_labels_decide_the_task(tmp_path: Path) -> None:
    target = read(write(tmp_path / "own.npz", arrays(labels=3)))
    assert (target.task, dict(target.labels)) == ("classification", {0: "class 0", 1: "class 1", 2: "class 2"})
    target = read(write(tmp_path / "chestmnist_64.npz", arrays((64, 64), several=14)))
    assert target.task == "multilabel"
    assert target.labels[12] == "pleural"
    assert target.cases[1].label == (0, 1) * 7
    assert any("ChestX-ray14" in note for note in target.notes)


def test_colour_as_grey_or_as_channels(tmp_path: Path) -> None:
    made = arrays((28, 28, 3))
    path = write(tmp_path / "bloodmnist.npz", made)
    target = read(path)
    assert any("read as grey" in note for note in target.notes)
    (grey,) = derived(target, target.cases[0])
    red, green, blue = np.moveaxis(made["train_images"][0].astype(float), -1, 0)
    assert np.abs(grey.T - (0.299 * red + 0.587 * green + 0.114 * blue)).max() <= 0.5
    target = read(path, colour="rgb")
    assert target.channels == 3
    channels = derived(target, target.cases[0])
    assert np.array_equal(np.stack([channel.T for channel in channels], -1), made["train_images"][0])
    with pytest.raises(UsageError, match="colour"):
        read(path, colour="infrared")


def test_volumes_have_a_target_of_their_own(tmp_path: Path) -> None:
    made = arrays((28, 28, 28))
    path = write(tmp_path / "nodulemnist3d.npz", made)
    target = read(path, medmnist3d)
    (volume,) = derived(target, target.cases[0])
    assert np.array_equal(volume.transpose(2, 1, 0), made["train_images"][0])
    assert any("LIDC-IDRI" in note for note in target.notes)
    with pytest.raises(GenesisError, match=r"nodulemnist3d\.npz: holds volumes; use the target medmnist3d"):
        read(path)
    with pytest.raises(GenesisError, match="holds images; use the target medmnist"):
        read(write(tmp_path / "breastmnist.npz", arrays()), medmnist3d)


def test_no_copy_of_a_test_image_is_learnt(tmp_path: Path) -> None:
    made = arrays()
    made["train_images"][1] = made["test_images"][0]
    made["train_images"][2] = made["val_images"][0]
    made["val_images"][2] = made["test_images"][3]
    made["train_images"][5] = made["train_images"][4]
    made["train_images"][6] = 7
    target = read(write(tmp_path / "breastmnist.npz", made))
    left = {case.id: case.subject for case in target.cases}
    assert not {"train-000001", "train-000002", "val-000002", "train-000006"} & set(left)
    assert left["train-000004"] == left["train-000005"]
    assert len(left) == 10
    assert sum("left out" in note for note in target.notes) == 4


def test_derived_files_follow_the_file(tmp_path: Path) -> None:
    first = read(write(tmp_path / "own.npz", arrays()))
    made = arrays()
    made["train_images"][0, 0, 0] ^= 1
    second = read(write(tmp_path / "own.npz", made))
    assert first.cases[0].images != second.cases[0].images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_labels": None}, "lacks val_labels"),
        ({"val_labels": np.zeros((2, 1), np.uint8)}, "val_labels has shape (2, 1) for 3 images"),
        ({"val_labels": np.full((3, 1), 2, np.uint8)}, "has 3 labels, but breastmnist has 2"),
        ({"val_labels": np.full((3, 1), 0.5)}, "val_labels must be whole numbers"),
        ({"val_labels": np.full((3, 1), -1)}, "val_labels must be whole numbers"),
        ({"val_labels": np.zeros((3, 2), np.uint8)}, "parts with [1, 2] labels an image"),
        ({"val_images": np.zeros((3, 28, 20), np.uint8)}, "images of 2 shapes"),
        ({"val_images": np.zeros((3, 28, 28), np.float32)}, "val_images is float32"),
        ({"val_images": np.zeros((3, 28), np.uint8)}, "val_images is uint8 of shape (3, 28)"),
    ],
)
def test_what_is_not_medmnist(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    made = {name: values for name, values in {**arrays(), **change}.items() if values is not None}
    path = write(tmp_path / "breastmnist.npz", made)
    with pytest.raises(GenesisError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_labels_that_are_neither_on_nor_off(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match="several labels an image must be 0 or 1"):
        read(write(tmp_path / "own.npz", arrays(labels=3, several=4)))


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path / "own.npz", arrays())
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"<html>404</html>"):
        path.write_bytes(content)
        with pytest.raises(GenesisError, match=r"own\.npz: not a whole \.npz file"):
            read(path)
    with zipfile.ZipFile(write(path, arrays())) as archive:
        place = archive.getinfo("train_images.npy").header_offset + 200
    content = bytearray(path.read_bytes())
    content[place : place + 50] = bytes(50)
    path.write_bytes(content)
    with pytest.raises(GenesisError, match=r"own\.npz: not a whole \.npz file"):
        read(path)


def test_one_file_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds no \.npz file; download"):
        read(tmp_path)
    write(tmp_path / "breastmnist.npz", arrays())
    (tmp_path / "._breastmnist.npz").write_bytes(b"junk")
    assert read(tmp_path).source.name == "breastmnist.npz"
    write(tmp_path / "breastmnist_64.npz", arrays())
    with pytest.raises(GenesisError, match=r"holds 2 files \(breastmnist\.npz, breastmnist_64\.npz\)"):
        read(tmp_path)


@pytest.mark.skipif(not REAL.is_file(), reason="needs the shared data")
def test_the_real_pneumoniamnist(tmp_path: Path) -> None:
    target = medmnist.TASK.open(REAL, {}, tmp_path)
    assert dict(target.labels) == {0: "normal", 1: "pneumonia"}
    sides = [target.sides[case.subject] for case in target.cases]
    assert sides.count("test") == 624
    assert 3800 < sides.count("training") <= 3882
    (image,) = derived(target, target.cases[-1])
    with np.load(REAL) as given:
        assert np.array_equal(image.T, given["test_images"][623])
