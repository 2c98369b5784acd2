"""What every registered target must keep: labelled cases of known subjects, the same each time, splits that hold."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.phantoms.chest import write_classification, write_segmentation
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import SIDES, Target
from modelsgenesis.targets.split import SplitChoice, split

SMALL = (24, 24, 20)
COUNT = 6


def nnunet(folder: Path) -> Path:
    return write_segmentation(folder, COUNT, 0, shape=SMALL)


def decathlon(folder: Path) -> Path:
    write_segmentation(folder, COUNT, 0, "lung", SMALL)
    path = folder / "dataset.json"
    description = json.loads(path.read_text())
    labels = {str(value): name for name, value in description["labels"].items()}
    path.write_text(json.dumps({"labels": labels, "training": description["training"]}))
    return folder


def table(folder: Path) -> Path:
    return write_classification(folder, COUNT, 0, SMALL)


def multilabel(folder: Path) -> Path:
    path = write_classification(folder, COUNT, 0, SMALL)
    rows = list(csv.DictReader(path.open()))
    for number, row in enumerate(rows):
        row["label"] = ["", "nodule", "nodule|large"][number % 3]
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, ["path", "subject", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


SAMPLES: dict[str, dict[str, Callable[[Path], Path]]] = {
    "folder": {made.__name__: made for made in (nnunet, decathlon, table, multilabel)}
}
"""Target -> layout -> writer of a small example."""
CASES = [(name, layout) for name, layouts in SAMPLES.items() for layout in layouts]


def test_every_target_has_a_sample() -> None:
    assert set(SAMPLES) == set(TARGETS.names())


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Target:
    name, layout = request.param
    data = SAMPLES[name][layout](tmp_path_factory.mktemp(layout))
    cache = tmp_path_factory.mktemp("cache")
    target = TARGETS.get(name).open(data, {}, cache)
    assert TARGETS.get(name).open(data, {}, cache) == target
    assert not list(cache.iterdir())
    return target


def test_cases_are_distinct_labelled_and_there(target: Target) -> None:
    assert len(target.cases) == COUNT
    assert len({case.id for case in target.cases}) == COUNT
    for case in target.cases:
        assert case.subject
        assert Path(case.id).name == case.id
        assert len(case.images) == target.channels
        assert all(image.exists() and image.is_absolute() for image in case.images)


def test_labels_mean_what_the_task_says(target: Target) -> None:
    first = 1 if target.task == "segmentation" else 0
    assert list(target.labels) == list(range(first, first + len(target.labels)))
    for case in target.cases:
        if target.task == "segmentation":
            assert isinstance(case.label, Path)
            assert case.label.is_file()
        elif target.task == "classification":
            assert case.label in target.labels
        else:
            assert isinstance(case.label, tuple)
            assert len(case.label) == len(target.labels)
            assert set(case.label) <= {0, 1}
    if target.task == "segmentation":
        values = [value for members in target.label_map.values() for value in members]
        assert list(target.label_map) == list(target.labels)
        assert len(values) == len(set(values))
        assert {0, *values} <= target.known


@pytest.mark.parametrize(
    ("choice", "fold"), [(SplitChoice(), -1), (SplitChoice(seed=1), -1), (SplitChoice(folds=3), 2)]
)
def test_splits_part_no_subject(target: Target, choice: SplitChoice, fold: int) -> None:
    sides = split(target, choice, fold)
    assert sides == split(target, choice, fold)
    members = [subject for side in SIDES for subject in getattr(sides, side)]
    assert sorted(members) == sorted({case.subject for case in target.cases})
    assert all(getattr(sides, side) for side in SIDES)


@pytest.mark.parametrize("name", TARGETS.names())
def test_data_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match="nowhere"):
        TARGETS.get(name).open(tmp_path / "nowhere", {}, tmp_path)
