"""Splits: disjoint, complete, balanced, repeatable; fractions are nested."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.errors import UsageError
from modelsgenesis.targets.base import Case, Target
from modelsgenesis.targets.split import SplitChoice, fraction_of, split, strata_of

SETTINGS = settings(max_examples=40)


def target(labels: dict[str, int], sides: dict[str, str] | None = None) -> Target:
    """A classification of the given subjects, two cases each."""
    cases = [
        Case(f"{subject}-{n}", subject, (Path(f"{subject}{n}"),), label)
        for subject, label in labels.items()
        for n in (1, 2)
    ]
    return Target("classification", {0: "no", 1: "yes"}, cases, Path("cases.csv"), sides=sides or {})


SUBJECTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(0, 1), min_size=6, max_size=40)


@SETTINGS
@given(SUBJECTS, st.integers(0, 5), st.floats(0, 0.5), st.floats(0.05, 0.5))
def test_sides_are_disjoint_and_hold_everyone(
    labels: dict[str, int], seed: int, test: float, validation: float
) -> None:
    choice = SplitChoice(seed=seed, test=test, validation=validation)
    sides = split(target(labels), choice)
    assert Counter([*sides.training, *sides.validation, *sides.test]) == Counter(labels.keys())
    assert sides == split(target(dict(reversed(labels.items()))), choice), "the order of the cases does not matter"
    assert bool(sides.test) == (test > 0)


@SETTINGS
@given(SUBJECTS, st.integers(0, 5), st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_smaller_fractions_are_subsets(labels: dict[str, int], seed: int, fractions: list[float]) -> None:
    strata, chosen = strata_of(target(labels)), None
    for fraction in sorted(fractions):
        larger = fraction_of(list(labels), strata, fraction, seed)
        assert len(larger) == max(1, round(fraction * len(labels)))
        assert chosen is None or set(chosen) <= set(larger)
        chosen = larger
    assert set(fraction_of(list(labels), strata, 1, seed)) == set(labels)


def test_classes_are_spread_evenly() -> None:
    labels = {f"s{number:02d}": int(number < 10) for number in range(40)}
    sides = split(target(labels), SplitChoice(seed=3))
    assert sum(labels[subject] for subject in sides.test) == 2, "8 of 40 subjects, a quarter of them positive"
    assert sum(labels[subject] for subject in sides.validation) in (1, 2), "6 of 32"
    kept = fraction_of(sides.training, strata_of(target(labels)), 0.5, 7)
    assert sum(labels[subject] for subject in kept) in (3, 4), "13 of 26"
    assert kept != fraction_of(sides.training, strata_of(target(labels)), 0.5, 8)


def test_folds_part_the_subjects() -> None:
    labels = {f"s{number:02d}": number % 2 for number in range(11)}
    sides = [split(target(labels), SplitChoice(folds=4), fold) for fold in range(4)]
    assert Counter(subject for one in sides for subject in one.test) == Counter(labels.keys())
    assert all(not {*one.training, *one.validation} & set(one.test) for one in sides)
    with pytest.raises(UsageError, match="fold 4 of 4 folds"):
        split(target(labels), SplitChoice(folds=4), 4)


def test_sides_of_the_data_and_by_name() -> None:
    labels = {name: number % 2 for number, name in enumerate("abcdefgh")}
    whole = {"a": "training", "b": "validation", "c": "test", **dict.fromkeys("defgh", "training")}
    sides = split(target(labels, whole), SplitChoice())
    assert (sides.validation, sides.test) == (("b",), ("c",))
    partly = split(target(labels, {"h": "test"}), SplitChoice())
    assert partly.test == ("h",)
    assert len(partly.validation) == 1
    named = split(target(labels, whole), SplitChoice(test_subjects=("d", "e"), validation_subjects=("f",)))
    assert (named.test, named.validation) == (("d", "e"), ("f",))


def test_mistakes() -> None:
    labels = {"a": 0, "b": 1, "c": 0}
    with pytest.raises(UsageError, match=r"split.test_subjects: not in cases.csv: x"):
        split(target(labels), SplitChoice(test_subjects=("x",)))
    with pytest.raises(UsageError, match="a named for validation and for test"):
        split(target(labels), SplitChoice(test_subjects=("a",), validation_subjects=("a",)))
    with pytest.raises(UsageError, match="split.test_subjects and a fold"):
        split(target(labels), SplitChoice(test_subjects=("a",)), 0)
    with pytest.raises(UsageError, match="no subject is left for training"):
        split(target({"a": 0, "b": 1}), SplitChoice())
    with pytest.raises(UsageError, match="label_fraction 0"):
        fraction_of(["a"], {"a": ""}, 0, 0)
