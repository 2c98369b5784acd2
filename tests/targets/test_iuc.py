"""IUC: places in frames, divided by patient; every mistake in the table names its line."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.iuc import CLASSES, TASK
from modelsgenesis.targets.prepared import ImageSettings, prepare_target

COLUMNS = ["path", "patient", "video", "frame", "x", "y", "label"]


def write_frame(path: Path, spacing: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.zeros((20, 30), np.uint8))
    image.SetSpacing((spacing, spacing))
    sitk.WriteImage(image, str(path))


def rows(patients: int) -> list[dict[str, Any]]:
    return [
        {"path": f"frames/v{number}.png", "patient": f"p{number}", "video": f"v{number}", "frame": 7,
         "x": 4 + place, "y": 9, "label": label}
        for number in range(patients)
        for place, label in enumerate(CLASSES)
    ]  # fmt: skip


def write(folder: Path, lines: list[dict[str, Any]], columns: list[str] = COLUMNS) -> Path:
    for path in {str(line["path"]) for line in lines}:
        if not (folder / path).exists():
            write_frame(folder / path)
    with (folder / "rois.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    return folder


def read(data: Path) -> Target:
    return TASK.open(data, {}, data / "cache")


def test_places_share_their_frame(tmp_path: Path) -> None:
    target = read(write(tmp_path, rows(4)))
    assert (target.task, dict(target.labels)) == ("classification", {0: "background", 1: "bulb", 2: "roi"})
    assert len(target.cases) == 12
    assert [case.label for case in target.cases[:3]] == [0, 1, 2]
    assert len({case.images for case in target.cases}) == 4
    assert target.cases[1].centre == (5, 9)
    assert target.cases[1].id == "p0__v0__7__5-9"
    assert set(target.sides) == {"p0", "p1", "p2", "p3"}
    assert set(target.sides.values()) == {"training", "validation", "test"}
    assert read(tmp_path / "rois.csv") == target


@pytest.mark.parametrize("pixel_size", [None, 0.06])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_place_is_that_pixel_whatever_the_size_of_pixels(
    tmp_path: Path, suffix: str, pixel_size: float | None
) -> None:
    """The resolution that a TIFF tells is that of a screen."""
    lines = rows(3)
    for number, line in enumerate(lines):
        line["path"] = line["path"].replace("png", suffix)
        line["x"], line["y"] = 4 + 3 * (number % 3), 9
        write_frame(tmp_path / line["path"], 0.5)
        pixels = np.zeros((20, 30), np.uint8)
        for other in range(3):
            pixels[9, 4 + 3 * other] = 100 + other
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / line["path"]))
    target = read(write(tmp_path, lines))
    images = ImageSettings(modality="image", pixel_size=pixel_size)
    prepared = prepare_target(target, images, tmp_path / "cache")
    for case in prepared.cases:
        cut = prepared.image_around(case, case.centre, (3, 3))
        column = int(case.case.id.split("__")[-1].split("-")[0])
        assert round(255 * float(cut[0, 1, 1])) == 100 + (column - 4) // 3


def test_the_papers_shares_and_a_split_of_ones_own(tmp_path: Path) -> None:
    target = read(write(tmp_path, rows(92)))
    sides = list(target.sides.values())
    assert [sides.count(side) for side in ("training", "validation", "test")] == [44, 4, 44]
    assert "92 patients are divided 44 : 4 : 44" in target.notes[0]
    names = ("train", "val", "test")
    lines = [{**line, "split": names[int(line["patient"][1:])]} for line in rows(3)]
    target = read(write(tmp_path, lines, [*COLUMNS, "split"]))
    assert target.sides == {"p0": "training", "p1": "validation", "p2": "test"}
    assert not target.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "left"}, "line 3: x 'left' must be a number"),
        ({"x": 30}, "line 3: (30.0, 9.0) lies outside v0.png (30 x 20)"),
        ({"label": "plaque"}, "line 3: label 'plaque' is unknown; valid: background, bulb, roi"),
        ({"x": 4}, "line 3: the same place as on line 2"),
        ({"patient": ""}, "line 3: no patient"),
        ({"patient": "p1"}, "line 3: v0.png is frame 7, video v0 of p0 above"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    lines = rows(3)
    lines[1].update(change)
    write(tmp_path, lines)
    with pytest.raises(GenesisError) as error:
        read(tmp_path)
    assert message in str(error.value)


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds no rois\.csv; no public data"):
        read(tmp_path)
    with pytest.raises(GenesisError, match=r"rois\.csv: lacks the column frame, y"):
        read(write(tmp_path, rows(3), [name for name in COLUMNS if name not in ("frame", "y")]))
    with pytest.raises(GenesisError, match=r"rois\.csv: has no rows"):
        read(write(tmp_path, []))
    with pytest.raises(GenesisError, match="all lines are bulb"):
        read(write(tmp_path, [line for line in rows(3) if line["label"] == "bulb"]))
    assert read(write(tmp_path, [line for line in rows(3) if line["label"] != "bulb"])).notes[0] == "no line is bulb"
    write(tmp_path, rows(3))
    (tmp_path / "frames" / "v1.png").write_bytes(b"junk")
    with pytest.raises(GenesisError, match=r"v1\.png: not a PNG file"):
        read(tmp_path)
    (tmp_path / "frames" / "v1.png").unlink()
    with pytest.raises(GenesisError, match=r"line 5: .*v1\.png: no such file"):
        read(tmp_path)
