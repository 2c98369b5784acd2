"""DXC: both tables, all ways the images lie, official and papers' splits, and every mistake with its line."""

import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from benchmarks.arrange_chestxray14 import arrange
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.dxc import FINDINGS, TASK
from modelsgenesis.targets.split import SplitChoice, split

SUBSET = Path(__file__).parents[2] / ".." / "shared" / "data" / "nih-chestxray14-subset"
OLD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
NEW = OLD.removesuffix(",")
LABELS = ("No Finding", "Mass", "Effusion|Hernia", "Cardiomegaly")
COUNT = 12
NAMES = [f"{1 + number // 2:08d}_{number % 2:03d}" for number in range(COUNT)]


def write_table(folder: Path, new: bool = False, names: list[str] = NAMES) -> Path:
    lines = [NEW if new else OLD]
    for number, name in enumerate(names):
        age = "58" if new else "058Y"
        row = [
            f"{name}.png",
            LABELS[number % 4],
            "0",
            str(int(name[:8])),
            age,
            "M",
            "PA",
            "2682",
            "2749",
            "0.143",
            "0.143",
        ]
        lines.append(",".join(row) + ("" if new else ","))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("Data_Entry_2017_v2020.csv" if new else "Data_Entry_2017.csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_lists(folder: Path, names: list[str] = NAMES, test: int = 4) -> None:
    for path, part in (("train_val_list.txt", names[:-test]), ("test_list.txt", names[-test:])):
        (folder / path).write_text("\n".join(f"{name}.png" for name in part))


def write_images(folder: Path, layout: str = "images_{:03d}/images", suffix: str = ".png") -> None:
    for number, name in enumerate(NAMES):
        path = folder / layout.format(1 + number // 5) / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(np.arange(64, dtype=np.uint8).reshape(8, 8)), str(path))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_table(tmp_path)
    write_lists(tmp_path)
    write_images(tmp_path)
    (tmp_path / "images_001" / "images" / "._00000001_000.png").write_bytes(b"junk")
    return tmp_path


def read(data: Path, **options: str) -> Target:
    return TASK.open(data, options, data / "cache")


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("layout", ["images_{:03d}/images", "images_{:03d}", "images", "."])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_both_tables_and_every_layout(tmp_path: Path, new: bool, layout: str, suffix: str) -> None:
    write_table(tmp_path, new)
    write_lists(tmp_path)
    write_images(tmp_path, layout, suffix)
    target = read(tmp_path)
    assert target.task == "multilabel"
    assert list(target.labels.values()) == list(FINDINGS)
    assert [case.id for case in target.cases] == NAMES
    assert [case.subject for case in target.cases][:3] == ["00000001", "00000001", "00000002"]
    assert target.cases[0].images[0].name == f"{NAMES[0]}{suffix}"
    carried = [{target.labels[n] for n, on in enumerate(case.label) if on} for case in target.cases]  # type: ignore[arg-type]
    assert carried[:4] == [set(), {"Mass"}, {"Effusion", "Hernia"}, {"Cardiomegaly"}]
    assert target.sides == {"00000005": "test", "00000006": "test"}
    assert not target.notes


def test_the_eight_labels(data: Path) -> None:
    target = read(data, labels="8")
    assert tuple(target.labels.values()) == FINDINGS[:8]
    assert target.cases[2].label == (0, 0, 1, 0, 0, 0, 0, 0)
    with pytest.raises(UsageError, match="labels"):
        read(data, labels="9")


def test_validation_patients_come_from_the_official_training_list(data: Path) -> None:
    sides = split(read(data), SplitChoice(validation=0.25))
    assert sides.test == ("00000005", "00000006")
    assert len(sides.validation) == 1
    assert len(sides.training) == 3


def test_the_papers_split_needs_no_lists(tmp_path: Path) -> None:
    names = [f"{number:08d}_000" for number in range(1, 201)]
    write_table(tmp_path, names=names)
    for name in names:
        (tmp_path / f"{name}.png").touch()
    with pytest.raises(GenesisError, match=r"lacks train_val_list\.txt.*split to paper"):
        read(tmp_path)
    target = read(tmp_path, split="paper")
    assert target.sides == read(tmp_path, split="paper").sides
    members = [list(target.sides.values()).count(side) for side in ("training", "validation", "test")]
    assert members == [142, 29, 29]
    findings = {case.subject: case.label for case in target.cases}
    test = [findings[subject] for subject, side in target.sides.items() if side == "test"]
    assert len(set(test)) == 4


def test_a_part_of_the_download_is_noted(data: Path) -> None:
    for image in (data / "images_001" / "images").glob("0*.png"):
        image.unlink()
    (data / "preview.png").touch()
    write_table(data, new=True)
    both, absent, unlisted = read(data).notes
    assert both == "Data_Entry_2017_v2020.csv is read, Data_Entry_2017.csv left alone"
    assert "5 of 12 images in Data_Entry_2017_v2020.csv are absent, such as 00000001_000" in absent
    assert "preview.png" in unlisted
    for image in (data / "images_003" / "images").glob("0*.png"):
        image.unlink()
    (data / "images_002" / "images" / f"{NAMES[8]}.png").unlink()
    (data / "images_002" / "images" / f"{NAMES[9]}.png").unlink()
    target = read(data)
    assert not target.sides
    assert "no image of test_list.txt is there" in target.notes[-1]


def replace_line(path: Path, number: int, old: str, new: str) -> None:
    lines = path.read_text().splitlines()
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("file", "line", "old", "new", "message"),
    [
        ("Data_Entry_2017.csv", 1, "Patient ID", "ID", "lacks the column Patient ID"),
        ("Data_Entry_2017.csv", 3, "Mass", "Masses", "line 3: unknown finding 'Masses'"),
        ("Data_Entry_2017.csv", 3, "Mass", "Mass|No Finding", "line 3: 'Mass|No Finding' names a finding and"),
        ("Data_Entry_2017.csv", 3, ",Mass,", ",,", "line 3: no Finding Labels"),
        ("Data_Entry_2017.csv", 3, NAMES[1], NAMES[0], "line 3: image 00000001_000.png is on line 2 already"),
        ("train_val_list.txt", 1, NAMES[0], NAMES[1], "line 2: 00000001_000 is in neither official list"),
        ("test_list.txt", 1, NAMES[8], NAMES[0], "test_list.txt, line 1: 00000001_000 is in train_val_list.txt too"),
        ("Data_Entry_2017.csv", 11, ",5,", ",1,", "00000005_001: its patient 00000001 is in the other list too"),
    ],
)
def test_mistakes_name_the_line(data: Path, file: str, line: int, old: str, new: str, message: str) -> None:
    replace_line(data / file, line, old, new)
    with pytest.raises(GenesisError) as error:
        read(data)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_empty_folders_and_doubled_images(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(GenesisError, match=r"holds no Data_Entry_2017\.csv.*download ChestX-ray14"):
        read(empty)
    write_table(empty)
    with pytest.raises(GenesisError, match="none of the 12 images"):
        read(empty)
    (empty / "Data_Entry_2017.csv").write_text(OLD + "\n")
    with pytest.raises(GenesisError, match="has no rows"):
        read(empty)
    (data / f"{NAMES[0]}.jpg").touch()
    with pytest.raises(GenesisError, match=r"image 00000001_000 is there already"):
        read(data)


def test_time_to_read_a_table_is_linear(tmp_path: Path) -> None:
    seconds = []
    for count in (1_000, 8_000):
        data = tmp_path / str(count)
        names = [f"{1 + number // 4:08d}_{number % 4:03d}" for number in range(count)]
        (data / "images").mkdir(parents=True)
        write_table(data, names=names)
        write_lists(data, names, count // 5)
        for name in names:
            (data / "images" / f"{name}.png").touch()
        tries = []
        for _ in range(3):  # the fastest: a collection of garbage in one reading is not its work
            began = time.process_time()
            assert len(read(data).cases) == count
            tries.append(time.process_time() - began)
        seconds.append(min(tries))
    assert seconds[1] < 30 * seconds[0]  # eight times the images; sixty-four times the work were it quadratic


def test_the_arranged_subset_is_read(tmp_path: Path) -> None:
    """The form of the shared subset, arranged as the whole data set."""
    subset = tmp_path / "subset"
    (subset / "images").mkdir(parents=True)
    header = "file,patient_id,age,sex,view,finding_labels,Mass"
    lines = [f"{name}.jpg,{int(name[:8])},36,F,PA,{LABELS[n % 4]},0" for n, name in enumerate(NAMES)]
    (subset / "labels.csv").write_text("\n".join([header, *lines]) + "\n")
    for name in NAMES:
        (subset / "images" / f"{name}.jpg").touch()
    assert arrange(subset, tmp_path / "out", test=0.5) == COUNT
    target = read(tmp_path / "out")
    assert len(target.cases) == COUNT
    assert list(target.sides.values()) == ["test"] * 3
    assert not target.notes


@pytest.mark.skipif(not SUBSET.is_dir(), reason="needs the shared data")
def test_the_real_subset(tmp_path: Path) -> None:
    assert arrange(SUBSET, tmp_path) == 758
    target = read(tmp_path)
    assert len(target.cases) == 758
    assert sum(case.label[FINDINGS.index("Pneumonia")] for case in target.cases) == 381  # type: ignore[index, misc]
    image = read_volume(target.cases[0].images[0])
    assert (image.array.shape, image.pixel_type) == ((224, 224), "uint8")
