"""IUC: region of interest, bulb or background in frames of carotid ultrasound videos (PAPER 2).

The papers' 92 videos are private and no public data set has their three classes, so this is a layout for one's own: a
folder with `rois.csv`, one line a place.

| column | meaning |
|---|---|
| `path` | image of one frame (PNG, TIFF, ...), relative to the CSV; many lines may share it |
| `patient`, `video`, `frame` | whose it is and which; all videos of a patient stay on one side of the split |
| `x`, `y` | centre of the place in pixels from the centre of the first one: column, row |
| `label` | `roi` (where the intima-media thickness is measured), `bulb` or `background` |
| `split` | optional: `train`, `val` or `test` |
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelsgenesis.data.geometry import Grid
from modelsgenesis.data.guarded import read_grid
from modelsgenesis.errors import GenesisError
from modelsgenesis.places import listed
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.base import Case, NoOptions, Target, TargetTask
from modelsgenesis.targets.shares import divide
from modelsgenesis.targets.split import spread
from modelsgenesis.targets.table import sides_of

TABLE = "rois.csv"
COLUMNS = ("path", "patient", "video", "frame", "x", "y", "label")
CLASSES = ("background", "bulb", "roi")
DOWNLOAD = (
    f"no public data have these classes: write {TABLE} with the columns {', '.join(COLUMNS)} for your own frames, or "
    "make phantoms (genesis phantom iuc); CUBS, the nearest public data, is the target cubs"
)
SHARES = (44, 4, 44)
"""Videos for training, validation and test in the papers."""
SEED = 92
"""Decides which patients these are."""


@dataclass(frozen=True)
class _Place:
    line: int
    image: Path
    patient: str
    video: str
    frame: str
    pixel: tuple[float, float]
    label: int
    split: str

    @property
    def id(self) -> str:
        x, y = (f"{value:g}" for value in self.pixel)
        return re.sub(r"[^A-Za-z0-9._-]", "_", "__".join((self.patient, self.video, self.frame, f"{x}-{y}")))


def _read(data: Path, options: NoOptions, cache: Path) -> Target:  # noqa: ARG001 - no options, nothing is derived
    table = data if data.suffix.lower() == ".csv" else data / TABLE
    if not table.is_file():
        raise GenesisError(f"{data}: holds no {TABLE}; {DOWNLOAD}")
    places = [
        _place(line, values, table) for line, values in read_columns(table, COLUMNS, ("split",), numbers=("x", "y"))
    ]
    _check_owners(places, table)
    labels = {place.label for place in places}
    if len(labels) < 2:
        raise GenesisError(f"{table}: all lines are {CLASSES[labels.pop()]}; a classification needs two classes")
    absent = [name for number, name in enumerate(CLASSES) if number not in labels]
    patients = sorted({place.patient for place in places})
    sides = sides_of(((place.line, place.patient, place.split) for place in places), table)
    return Target(
        task="classification",
        labels=dict(enumerate(CLASSES)),
        cases=_cases(places, table),
        source=table,
        sides=sides or divide(spread(patients, dict.fromkeys(patients, ""), SEED), SHARES),
        notes=(
            *([f"no line is {absent[0]}"] if absent else []),
            *([] if sides else [f"no split given: {len(patients)} patients are divided 44 : 4 : 44, as in the papers"]),
        ),
    )


TASK = TargetTask(
    about="carotid ultrasound: region of interest, bulb or background (your own frames)",
    download=DOWNLOAD,
    read=_read,
    recipe={
        "images": {"modality": "image"},
        "patch": {"shape": [64, 64]},
        "loss": "ce",
        "backbone": {"name": "unet2d", "width": 64},
    },
)


def _place(line: int, values: Sequence[str], table: Path) -> _Place:
    path, patient, video, frame, x, y, label, side = values
    where = f"{table}, line {line}"
    image = listed(table.parent, path)
    if not image.is_file():
        raise GenesisError(f"{where}: {image}: no such file; correct the path or remove the line")
    if label.lower() not in CLASSES:
        raise GenesisError(f"{where}: label {label!r} is unknown; valid: {', '.join(CLASSES)}")
    return _Place(line, image, patient, video, frame, (float(x), float(y)), CLASSES.index(label.lower()), side)


def _check_owners(places: Iterable[_Place], table: Path) -> None:
    """A place is there once, and an image is one frame of one patient: else the split would not hold."""
    lines: dict[str, int] = {}
    frames: dict[Path, tuple[str, str, str]] = {}
    for place in places:
        where = f"{table}, line {place.line}"
        if lines.setdefault(place.id, place.line) != place.line:
            raise GenesisError(f"{where}: the same place as on line {lines[place.id]}; keep one")
        frame = (place.patient, place.video, place.frame)
        first = frames.setdefault(place.image, frame)
        if first != frame:
            raise GenesisError(f"{where}: {place.image.name} is frame {first[2]}, video {first[1]} of {first[0]} above")


def _cases(places: Iterable[_Place], table: Path) -> list[Case]:
    grids: dict[Path, Grid] = {}
    cases = []
    for place in places:
        if place.image not in grids:
            grids[place.image] = read_grid(place.image)
        grid = grids[place.image]
        if not all(0 <= at <= size - 1 for at, size in zip(place.pixel, grid.size, strict=False)):
            size = " x ".join(map(str, grid.size))
            raise GenesisError(f"{table}, line {place.line}: {place.pixel} lies outside {place.image.name} ({size})")
        cases.append(Case(place.id, place.patient, (place.image,), place.label, _physical(place.pixel, grid)))
    return cases


def _physical(pixel: tuple[float, float], grid: Grid) -> tuple[float, ...]:
    """The pixel (column, row) in LPS mm, one number an axis of the file."""
    return tuple(float(value) for value in (grid.affine @ np.array([*pixel, 0.0, 1.0]))[: len(grid.size)])
