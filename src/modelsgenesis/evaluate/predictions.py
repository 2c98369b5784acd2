"""Reading what a run predicted: `predictions/cases.json` and the label and probability maps it names."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Discriminator, TypeAdapter, ValidationError

from modelsgenesis.data.guarded import read_volume
from modelsgenesis.data.whole import whole_numbers
from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.metrics import LEVELS
from modelsgenesis.types import Spacing


@dataclass(frozen=True)
class SegmentedCase:
    """One case with its label map; `ignored` are values of the truth whose voxels count nowhere.

    Paths are relative to the predictions folder or absolute (docs/architecture.md).
    """

    case: str
    subject: str
    prediction: str
    truth: str | None = None
    probabilities: dict[str, str] = field(default_factory=dict)
    truth_map: dict[str, list[int]] = field(default_factory=dict)
    ignored: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class ClassifiedCase:
    """One case with a probability a class; `truth` is a class index, or 0 or 1 for each label; `finding` the lesion
    that a candidate hits."""

    case: str
    subject: str
    probabilities: list[float]
    truth: int | list[int] | None = None
    finding: str = ""


@dataclass(frozen=True)
class Segmentation:
    """Predictions of a segmentation; `labels` maps the value in the label maps, as text, to the structure's name."""

    task: Literal["segmentation"]
    labels: dict[str, str]
    cases: list[SegmentedCase]


@dataclass(frozen=True)
class Classification:
    """Predictions of a classification; `labels` maps the place in `probabilities`, as text, to the class's name.

    Candidates for lesions also have `findings`: every lesion of the subjects, hit or not -> its subject.
    """

    task: Literal["classification", "multilabel"]
    labels: dict[str, str]
    cases: list[ClassifiedCase]
    findings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelMap:
    """Values (x, y, z) in patient orientation LPS, or (x, y), with the spacing in mm in the same order."""

    values: npt.NDArray[Any]
    spacing: Spacing
    path: Path


def read_predictions(folder: Path) -> Segmentation | Classification:
    """Read `cases.json` of a predictions folder; GenesisError naming the file when it is absent or does not fit."""
    path = folder / "cases.json"
    form: TypeAdapter[Segmentation | Classification] = TypeAdapter(
        Annotated[Segmentation | Classification, Discriminator("task")]
    )
    try:
        read = form.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise GenesisError(f"{path}: not there; evaluate a finished fine-tuning run, or run genesis predict") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        wrong = f"{place}: {first['msg'].lower()}"
        raise GenesisError(f"{path}: not in the format of predictions ({wrong}); predict again") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GenesisError(f"{path}: cannot be read as JSON ({error}); predict again") from error
    _check(read, path)
    return read


def _check(read: Segmentation | Classification, path: Path) -> None:
    """What the types do not say: labels are numbers, classes are counted from 0, a case is listed once."""
    numbers = [int(value) for value in read.labels if value.isdecimal()]
    counted = isinstance(read, Segmentation) or sorted(numbers) == list(range(len(read.labels)))
    if len(numbers) < len(read.labels) or not numbers or not counted:
        raise GenesisError(f"{path}: labels {list(read.labels)} must be numbers, for classes 0, 1, ...; predict again")
    name, times = Counter(case.case for case in read.cases).most_common(1)[0] if read.cases else ("", 0)
    if times > 1:
        raise GenesisError(f"{path}: case {name!r} is listed {times} times; predict again")


def read_map(path: Path) -> LabelMap:
    """Read a label map; GenesisError naming it when it is absent or damaged."""
    read = _read(path)
    return replace(read, values=whole_numbers(read.values, f"{path}: no label map").astype(np.int32))


def read_levels(path: Path, like: LabelMap) -> npt.NDArray[np.uint8]:
    """Read a probability map as the levels of `quantised`, 0 to 200; raises as `read_matching`."""
    levels = _match(_read(path), like).values * np.float64(LEVELS)
    if levels.min() < 0 or levels.max() > LEVELS + 0.01 or np.abs(levels - np.rint(levels)).max() > 0.01:
        raise GenesisError(f"{path}: not probabilities in steps of 1/{LEVELS} (scl_slope); predict again")
    return np.rint(levels).astype(np.uint8)


def _read(path: Path) -> LabelMap:
    if not path.is_file():
        raise GenesisError(f"{path}: not there; restore the file or predict again")
    volume = read_volume(path)
    return LabelMap(volume.array, volume.spacing, path)


def read_matching(path: Path, like: LabelMap) -> LabelMap:
    """Read the map `path`, which must lie on the grid of `like`; GenesisError naming both files otherwise."""
    return _match(read_map(path), like)


def _match(read: LabelMap, like: LabelMap) -> LabelMap:
    path = read.path
    if read.values.shape != like.values.shape:
        shapes = " and ".join(str(one.values.shape) for one in (read, like))
        raise GenesisError(f"{path} and {like.path}: shapes {shapes} differ; they must be of the same scan")
    if not np.allclose(read.spacing, like.spacing, rtol=0.01):
        spacings = " and ".join(str(one.spacing) for one in (read, like))
        raise GenesisError(f"{path} and {like.path}: spacings {spacings} mm differ; correct the header of one")
    return read
