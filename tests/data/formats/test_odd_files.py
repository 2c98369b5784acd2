"""Hundreds of odd files of every format: those that are accepted are what an independent reader makes of them."""

from collections import Counter
from pathlib import Path

from benchmarks.odd_files import WRONG, outcomes


def test_no_odd_file_is_read_as_something_else(tmp_path: Path) -> None:
    found = outcomes(tmp_path)
    wrong = [f"{one.kind} {variant.kind} {variant.name}: {one.words}" for variant, one in found if one.kind in WRONG]
    assert wrong == []
    counts = Counter(one.kind for _, one in found)
    assert counts["equal"] > 250  # not everything is refused
    assert counts["refused"] > 200
    assert all(one.words for _, one in found if one.kind == "refused")
