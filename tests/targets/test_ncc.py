"""LUNA16 as people download it: whole, in part, and damaged."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.candidates import read_candidates
from modelsgenesis.targets.luna16 import series_subsets
from modelsgenesis.targets.ncc import TASK
from modelsgenesis.targets.split import SplitChoice, split
from tests.targets.chest_data import FLIPPED, IDENTITY, write_csv, write_image

CANDIDATES, ANNOTATIONS = "seriesuid,coordX,coordY,coordZ,class", "seriesuid,coordX,coordY,coordZ,diameter_mm"
SIZE, SPACING, ORIGIN = (20, 24, 12), (0.7, 0.7, 1.5), (-30.0, 12.0, -200.0)


def uid(subset: int) -> str:
    return f"1.3.6.1.4.1.14519.5.2.1.6279.6001.10{subset}"


def world(subset: int, voxel: tuple[float, float, float]) -> tuple[float, ...]:
    """LPS mm of a voxel in file order: odd subsets are stored flipped, with their first voxel on the other side."""
    sign = np.array([-1, -1, 1]) if subset % 2 else np.ones(3)
    return tuple(np.round(np.array(ORIGIN) + sign * np.array(SPACING) * voxel, 4).tolist())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("luna")
    rows, lesions = [], []
    for subset in range(10):
        array = np.zeros(SIZE, np.int16)
        array[5, 7, 3] = 1000
        direction = FLIPPED if subset % 2 else IDENTITY
        write_image(data / f"subset{subset}" / f"{uid(subset)}.mhd", array, SPACING, ORIGIN, direction)
        lesions.append((uid(subset), *world(subset, (5, 7, 3)), 4.2))
        lesions.append((uid(subset), *world(subset, (15, 20, 9)), 3.0))
        rows.append((uid(subset), *world(subset, (5, 7, 3)), 1))
        rows.append((uid(subset), *world(subset, (6, 7, 4)), 1))
        rows += [(uid(subset), *world(subset, (2 + k, 15, 6)), 0) for k in range(4)]
    write_csv(data / "candidates_V2.csv", CANDIDATES, rows)
    write_csv(data / "candidates.csv", CANDIDATES, rows[::2])
    write_csv(data / "annotations.csv", ANNOTATIONS, lesions)
    return data


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "luna")
    return tmp_path / "luna"


def read(data: Path, **options: str) -> Target:
    return TASK.open(data, options, data / "cache")


def test_whole_download_is_the_papers_task(whole: Path) -> None:
    target = read(whole)
    assert len(target.cases) == 60
    assert target.source.name == "candidates_V2.csv"
    sides = split(target, SplitChoice())
    assert [len(getattr(sides, side)) for side in ("training", "validation", "test")] == [5, 2, 3]
    assert sides.test == tuple(uid(subset) for subset in (7, 8, 9))
    assert target.notes == ()
    assert sum(case.label == 1 for case in target.cases) == 20
    assert not (whole / "cache").exists()


@pytest.mark.parametrize("subset", [0, 1])
def test_centres_point_at_the_nodule_in_the_file_also_flipped(whole: Path, subset: int) -> None:
    case = next(case for case in read(whole).cases if case.subject == uid(subset))
    image = sitk.ReadImage(str(case.images[0]))
    index = image.TransformPhysicalPointToIndex(case.centre)
    assert image[index] == 1000


def test_candidates_name_the_nodule_they_hit_and_missed_ones_are_findings_too(whole: Path) -> None:
    target = read(whole)
    first = [case for case in target.cases if case.subject == uid(3)]
    assert [case.finding for case in first] == [f"{uid(3)}-lesion1"] * 2 + [""] * 4
    assert len(target.findings) == 20
    assert target.findings[f"{uid(3)}-lesion2"] == uid(3)


def test_other_table_by_name_and_in_a_folder_below(data: Path) -> None:
    assert len(read(data, candidates="candidates.csv").cases) == 30
    (data / "CSVFILES").mkdir()
    for name in ("candidates_V2.csv", "candidates.csv", "annotations.csv"):
        (data / name).rename(data / "CSVFILES" / name)
    assert len(read(data).cases) == 60
    with pytest.raises(UsageError, match=r"options.candidates: other.csv is not in"):
        read(data, candidates="other.csv")


def test_partial_download_is_noted_and_split_as_far_as_it_goes(data: Path) -> None:
    for subset in (7, 8, 9):
        shutil.rmtree(data / f"subset{subset}")
    target = read(data)
    assert len(target.cases) == 42
    assert len(target.findings) == 14
    assert target.notes == (
        "subset7, subset8, subset9 absent: no test scans of the papers' split",
        "18 candidates of 3 scans that are not there left out",
    )
    assert not split(target, SplitChoice()).test


def test_one_side_alone_is_divided_by_the_settings(data: Path) -> None:
    for subset in range(5):
        shutil.rmtree(data / f"subset{subset}")
    shutil.rmtree(data / "subset5")
    shutil.rmtree(data / "subset6")
    target = read(data)
    assert target.sides == {}
    assert any("divided by the settings" in note for note in target.notes)
    assert split(target, SplitChoice()).training


def test_odd_candidates_are_noted(data: Path) -> None:
    with (data / "candidates_V2.csv").open("a") as handle:
        handle.write(",".join(map(str, (uid(0), *world(0, (5, 7, 3)), 0))) + "\n")
        handle.write(",".join(map(str, (uid(0), *world(0, (1, 1, 1)), 1))) + "\n")
    write_image(data / "subset0" / "1.2.3.mhd", np.zeros(SIZE, np.int16))
    (data / "subset0" / "._1.2.4.mhd").write_bytes(b"junk")
    notes = read(data).notes
    assert notes[0] == "1 scan of 11 without candidates: 1.2.3"
    assert notes[1] == "1 candidate of class 1 in reach of no nodule in annotations.csv"
    assert notes[2] == "1 candidate of class 0 within a nodule; the class of the table holds"


def test_without_annotations_there_are_no_findings(data: Path) -> None:
    (data / "annotations.csv").unlink()
    target = read(data)
    assert not target.findings
    assert "FROC and CPM cannot be computed" in target.notes[-1]


def test_empty_folder_says_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds no subset\*/<series UID>.mhd; download LUNA16"):
        read(tmp_path)


def test_damage_is_named_in_one_line(data: Path) -> None:
    table = data / "candidates_V2.csv"
    text = table.read_text()
    spoilt = {
        r"candidates_V2.csv: lacks the column class; needs seriesuid, coordX": text.replace("class", "klass", 1),
        r"candidates_V2.csv, line 4: coordX 'abc'": text.replace(text.splitlines()[3], f"{uid(0)},abc,1,2,0"),
        r"candidates_V2.csv, line 5: no coordZ": text.replace(text.splitlines()[4], f"{uid(0)},1.0,1"),
        r"candidates_V2.csv, line 3: class must be 0 or 1, not 2": text.replace(",1\n", ",2\n", 2).replace(
            ",2\n", ",1\n", 1
        ),
        r"candidates_V2.csv, line 2: coordX 'nan' must be a number": text.replace("-26.5,", "nan,", 1),
        r"candidates_V2.csv: lists no candidate": CANDIDATES,
        r"candidates_V2.csv, line 62: \(500, 0, 0\) mm lies outside": text + f"{uid(0)},500,0,0,0\n",
    }
    for message, content in spoilt.items():
        table.write_text(content)
        with pytest.raises(GenesisError, match=message) as error:
            read(data)
        assert "\n" not in str(error.value)
    table.unlink()
    (data / "candidates.csv").unlink()
    with pytest.raises(GenesisError, match=r"holds no candidates_V2.csv or candidates.csv"):
        read(data)


def test_flip_left_out_of_the_header_is_caught(data: Path) -> None:
    path = data / "subset1" / f"{uid(1)}.mhd"
    path.write_text(
        path.read_text().replace("TransformMatrix = -1 0 0 0 -1 0 0 0 1", "TransformMatrix = 1 0 0 0 1 0 0 0 1")
    )
    with pytest.raises(GenesisError, match=rf"lies outside {uid(1)}.mhd \(voxel -5, -7, 3 of 20x24x12\)"):
        read(data)


def test_missing_short_and_doubled_scans_are_errors(data: Path) -> None:
    raw = data / "subset2" / f"{uid(2)}.raw"
    content = raw.read_bytes()
    raw.write_bytes(content[:-100])
    with pytest.raises(GenesisError, match=rf"{uid(2)}.raw: cut short, 11420 of 11520 bytes"):
        read(data)
    raw.unlink()
    with pytest.raises(GenesisError, match=rf"{uid(2)}.mhd: its voxels, {uid(2)}.raw, are missing"):
        read(data)
    raw.write_bytes(content)
    for suffix in ("mhd", "raw"):
        shutil.copy(data / "subset2" / f"{uid(2)}.{suffix}", data / "subset9" / f"{uid(2)}.{suffix}")
    with pytest.raises(GenesisError, match=rf"subset9/{uid(2)}.mhd: the same series as .*subset2"):
        read(data)


def test_subsets_of_a_folder_or_a_table(whole: Path, tmp_path: Path) -> None:
    expected = {uid(subset): subset for subset in range(10)}
    assert series_subsets(whole) == expected
    table = write_csv(
        tmp_path / "s.csv", "seriesuid,subset", [(uid(k), f"subset{k}" if k % 2 else k) for k in range(10)]
    )
    assert series_subsets(table) == expected
    write_csv(table, "seriesuid,subset", [(uid(1), 11)])
    with pytest.raises(UsageError, match=r"line 2: subset '11' must be 0 to 9"):
        series_subsets(table)


def test_time_to_read_a_table_is_linear(tmp_path: Path) -> None:
    path = tmp_path / "candidates.csv"
    line = f"{uid(0)},-128.699421965,-175.319271918,-298.387506401,0\n"
    seconds = []
    for count in (5_000, 100_000):
        path.write_text(CANDIDATES + "\n" + line * count)
        began = time.process_time()
        assert len(read_candidates(path)[uid(0)]) == count
        seconds.append(time.process_time() - began)
    assert seconds[1] < 80 * seconds[0]  # twenty times the lines; four hundred times the work were it quadratic
