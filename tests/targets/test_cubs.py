"""CUBS: contours become masks in millimetres; what is missing or exchanged is named."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.cubs import TASK

SIZE = (30, 20)
NAMES = ("clin_0001_L", "clin_0001_R", "clin_0002_L")


def write_contour(folder: Path, name: str, kind: str, row: float, columns: tuple[int, int] = (3, 26)) -> None:
    path = folder / "SEGMENTATIONS" / "Manual-A1" / f"{name}-{kind}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    slope = [(x, row + 0.1 * (x - columns[0])) for x in range(columns[0], columns[1] + 1, 4)]
    path.write_text("".join(f"{x:.4f} {y:.4f}\n" for x, y in slope))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder in ("IMAGES", "CF", "SEGMENTATIONS/Manual-A2"):
        (tmp_path / folder).mkdir(parents=True)
    for number, name in enumerate(NAMES):
        image = sitk.GetImageFromArray(np.random.default_rng(number).integers(0, 255, SIZE[::-1]).astype(np.uint8))
        image.SetSpacing((0.3, 0.3))  # of a screen
        sitk.WriteImage(image, str(tmp_path / "IMAGES" / f"{name}.tiff"))
        (tmp_path / "CF" / f"{name}_CF.txt").write_text("0.0625\n")
        write_contour(tmp_path, name, "LI", 5)
        write_contour(tmp_path, name, "MA", 9)
    (tmp_path / "IMAGES" / "._clin_0001_L.tiff").write_bytes(b"junk")
    return tmp_path


def read(data: Path, **options: str) -> Target:
    return TASK.open(data, options, data / "cache")


def test_the_mask_is_what_lies_between(data: Path) -> None:
    target = read(data)
    assert [(case.id, case.subject) for case in target.cases] == [(name, name[:9]) for name in NAMES]
    assert not (data / "cache").exists()
    case = target.cases[0]
    assert target.derive is not None
    target.derive(case)
    assert isinstance(case.label, Path)
    image, mask = read_volume(case.images[0]), read_volume(case.label)
    assert np.array_equal(image.array, read_volume(data / "IMAGES" / "clin_0001_L.tiff").array)
    assert image.pixel_type == mask.pixel_type == "uint8"
    assert image.spacing == mask.spacing == (0.0625, 0.0625)
    expected = [
        [3 <= x <= 23 and 5 + 0.1 * (x - 3) <= y + 1e-9 and y <= 9 + 0.1 * (x - 3) + 1e-9 for y in range(SIZE[1])]
        for x in range(SIZE[0])
    ]
    assert np.array_equal(mask.array, np.array(expected))


def test_derived_files_follow_their_sources(data: Path) -> None:
    before = read(data).cases
    write_contour(data, NAMES[0], "MA", 10.25)
    after = read(data).cases
    assert [one.label == other.label for one, other in zip(before, after, strict=True)] == [False, True, True]


def test_contours_over_unequal_columns(data: Path) -> None:
    write_contour(data, NAMES[0], "MA", 9, (10, 22))
    target = read(data)
    assert target.derive is not None
    target.derive(target.cases[0])
    columns = np.flatnonzero(read_volume(str(target.cases[0].label)).array.any(axis=1))
    assert (columns[0], columns[-1]) == (10, 22)


def test_what_is_partial_is_noted(data: Path) -> None:
    for kind in ("LI", "MA"):
        (data / "SEGMENTATIONS" / "Manual-A1" / f"{NAMES[1]}-{kind}.txt").unlink()
        write_contour(data, "clin_0007_L", kind, 5)
    outlined, pictured = read(data).notes
    assert outlined == "1 without contours of Manual-A1 are left out, such as clin_0001_R"
    assert pictured == "1 without an image are left out, such as clin_0007_L"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("CF/clin_0001_L_CF.txt", None, "clin_0001_L.tiff: has no CF/clin_0001_L_CF.txt"),
        ("CF/clin_0001_L_CF.txt", "62", "clin_0001_L_CF.txt: must be one number, mm per pixel"),
        ("CF/clin_0001_L_CF.txt", "", "clin_0001_L_CF.txt: must be one number"),
        ("SEGMENTATIONS/Manual-A1/clin_0001_L-MA.txt", None, "clin_0001_L-LI.txt: has no clin_0001_L-MA.txt beside it"),
        ("SEGMENTATIONS/Manual-A1/clin_0001_L-MA.txt", "3 a", "clin_0001_L-MA.txt: not a table of numbers"),
        ("SEGMENTATIONS/Manual-A1/clin_0001_L-MA.txt", "3 9", "clin_0001_L-MA.txt: must have two or more lines"),
        (
            "SEGMENTATIONS/Manual-A1/clin_0001_L-MA.txt",
            "3 2\n26 2",
            "clin_0001_L-MA.txt: lies above clin_0001_L-LI.txt",
        ),
        ("SEGMENTATIONS/Manual-A1/clin_0001_L-MA.txt", "27 9\n29 9", "clin_0001_L-MA.txt: covers no column"),
    ],
)
def test_mistakes_name_the_file(data: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (data / file).unlink()
    else:
        (data / file).write_text(content)
    with pytest.raises(GenesisError) as error:
        read(data)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_contours_outside_the_image(data: Path) -> None:
    write_contour(data, NAMES[0], "MA", 19)
    target = read(data)
    assert target.derive is not None
    with pytest.raises(GenesisError, match=r"clin_0001_L-LI\.txt: it or clin_0001_L-MA\.txt leaves the image"):
        target.derive(target.cases[0])
    assert not (data / "cache").exists()


def test_nothing_there(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match=r"reader = 'Manual-A3': .* has contours of Manual-A1"):
        read(data, reader="Manual-A3")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(GenesisError, match=r"holds no IMAGES/\*\.tiff; download CUBS"):
        read(empty)
