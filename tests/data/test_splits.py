"""Subject-level splits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsgenesis.data.splits import SplitSettings, split_subjects
from modelsgenesis.errors import UsageError

NAMES = st.sets(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=30)


@given(NAMES, st.floats(0, 1), st.integers(0, 5))
def test_both_sides_are_disjoint_and_never_empty(names: set[str], fraction: float, seed: int) -> None:
    training, validation = split_subjects(names, SplitSettings(fraction), seed)
    assert set(training) | set(validation) == names
    assert not set(training) & set(validation)
    assert training
    assert validation
    assert (training, validation) == split_subjects(sorted(names, reverse=True), SplitSettings(fraction), seed)


def test_named_subjects_are_the_validation() -> None:
    assert split_subjects("abc", SplitSettings(subjects=("b",)), 0) == (["a", "c"], ["b"])


@pytest.mark.parametrize(
    ("names", "choice", "reason"),
    [
        ("a", SplitSettings(), "at least two"),
        ("abc", SplitSettings(subjects=("x",)), "not in the data: x"),
        ("ab", SplitSettings(subjects=("a", "b")), "every subject"),
    ],
)
def test_impossible_splits_are_said(names: str, choice: SplitSettings, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        split_subjects(names, choice, 0)
