"""X-ray phantoms as ChestX-ray14: the table as it is downloaded, images in numbered folders, patients in one list."""

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms import chestxray14
from modelsgenesis.phantoms.chestxray14 import write_chestxray14
from modelsgenesis.phantoms.thoracic import FINDINGS
from modelsgenesis.phantoms.thorax import Thorax, thorax

REAL_HEADER = [
    *("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position"),
    *("OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]", ""),
]


@pytest.fixture(scope="module", autouse=True)
def coarse() -> object:
    """Patients on a coarse grid: the layout is tested here, not the anatomy."""
    patch = pytest.MonkeyPatch()

    def small(rng: np.random.Generator) -> Thorax:
        return thorax(rng, (54, 38, 52), (7.5, 7.5, 7.5))

    patch.setattr(chestxray14, "thorax", small)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chestxray14(tmp_path_factory.mktemp("cx14"), 13, seed=1, size=64)


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="") as handle:
        header, *rows = csv.reader(handle)
    return header, rows


def test_the_table_is_as_downloaded(folder: Path) -> None:
    header, rows = table(folder / "Data_Entry_2017_v2020.csv")
    assert header == REAL_HEADER
    assert len(rows) == 13
    for row in rows:
        assert len(row) == len(header)
        assert row[-1] == ""
        assert set(row[1].split("|")) <= {*FINDINGS, "No Finding"}
        assert row[0] == f"{int(row[3]):08d}_{int(row[2]):03d}.png"
        assert 0 < int(row[4]) < 100
        assert row[5] in "MF"
        assert row[6] in ("PA", "AP")
    assert len({row[3] for row in rows}) < 13


def test_images_match_the_table(folder: Path) -> None:
    _, rows = table(folder / "Data_Entry_2017_v2020.csv")
    found = {path.name: path for path in folder.glob("images_*/images/*.png")}
    assert set(found) == {row[0] for row in rows}
    assert {path.parent.parent.name for path in found.values()} == {"images_001", "images_002"}
    for path in found.values():
        image = sitk.ReadImage(str(path))
        assert image.GetSize() == (64, 64)
        assert image.GetPixelID() == sitk.sitkUInt8
        assert sitk.GetArrayFromImage(image).std() > 20


def test_no_patient_is_in_both_lists(folder: Path) -> None:
    lists = [(folder / f"{name}_list.txt").read_text().split() for name in ("train_val", "test")]
    train, test = ({name[:8] for name in names} for names in lists)
    assert train
    assert test
    assert not train & test
    assert sorted(lists[0] + lists[1]) == sorted(p.name for p in folder.glob("images_*/images/*.png"))


def test_the_old_table_has_ages_in_years_with_zeros(tmp_path: Path) -> None:
    write_chestxray14(tmp_path, 2, seed=3, size=32, old=True)
    header, rows = table(tmp_path / "Data_Entry_2017.csv")
    assert header == REAL_HEADER
    assert all(len(row[4]) == 4 and row[4].endswith("Y") and row[4][:3].isdigit() for row in rows)
    assert [path.name for path in tmp_path.glob("images_*")] == ["images_001"]


def test_same_seed_same_files(tmp_path: Path) -> None:
    first, again, other = (write_chestxray14(tmp_path / n, 1, s, size=32) for n, s in (("a", 1), ("b", 1), ("c", 2)))
    image = "images_001/images/00000001_000.png"
    assert (first / image).read_bytes() == (again / image).read_bytes()
    assert (first / image).read_bytes() != (other / image).read_bytes()


def test_no_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        write_chestxray14(tmp_path, 0, seed=1)
