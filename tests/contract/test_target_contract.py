"""What every registered target must keep: labelled cases of known subjects, the same each time, splits that hold."""

from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import SIDES, Target
from modelsgenesis.targets.split import SplitChoice, split
from tests.samples import COUNT, SAMPLES

CASES = [(name, write) for name, writers in SAMPLES.items() for write in writers]


def test_every_target_has_a_sample() -> None:
    assert set(SAMPLES) == set(TARGETS.names())


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{write.__name__}" for name, write in CASES])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Target:
    name, write = request.param
    data = write(tmp_path_factory.mktemp(name))
    cache = tmp_path_factory.mktemp("cache")
    target = TARGETS.get(name).open(data, {}, cache)
    assert TARGETS.get(name).open(data, {}, cache) == target
    assert not list(cache.iterdir())
    return target


def test_cases_are_distinct_labelled_and_there(target: Target) -> None:
    assert len({case.id for case in target.cases}) == len(target.cases) >= COUNT
    for case in target.cases:
        assert case.subject
        assert Path(case.id).name == case.id
        assert len(case.images) == target.channels
        for image in case.images:
            assert image.is_absolute()
            if not image.exists():
                assert target.derive
                target.derive(case)
            assert image.exists()


def test_labels_mean_what_the_task_says(target: Target) -> None:
    first = 1 if target.task == "segmentation" else 0
    assert list(target.labels) == list(range(first, first + len(target.labels)))
    for case in target.cases:
        if target.task == "segmentation":
            assert isinstance(case.label, Path)
            if not case.label.exists():
                assert target.derive
                target.derive(case)
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
    ("choice", "fold"), [(SplitChoice(), -1), (SplitChoice(seed=1), -1), (SplitChoice(folds=2), 1)]
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
