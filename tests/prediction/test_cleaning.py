"""Largest components: learnt where they help, against a flood fill written out; files that say it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.errors import UsageError
from modelsgenesis.prediction.cleaning import cleaned_structures, components, keep_largest, learn, to_entry


def flooded(mask: Any) -> list[set[tuple[int, ...]]]:
    """Components, which touch by a corner at most, in the order of their first voxels."""
    left, found = {tuple(place) for place in np.argwhere(mask).tolist()}, []
    for start in sorted(left):
        if start not in left:
            continue
        reached, waiting = set(), [start]
        while waiting:
            place = waiting.pop()
            if place in left:
                left.remove(place)
                reached.add(place)
                steps = np.ndindex(*(3,) * mask.ndim)
                waiting += [tuple(p + s - 1 for p, s in zip(place, step, strict=True)) for step in steps]
        found.append(reached)
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(6, 5, 4), (7, 8), (1, 9, 3)]))
def test_the_largest_component_stays(seed: int, shape: tuple[int, ...]) -> None:
    labels = np.random.default_rng(seed).choice([0, 0, 0, 0, 1, 2, 3], shape).astype(np.uint8)
    expected = labels.copy()
    for structure in (1, 3):
        parts = flooded(labels == structure)
        assert components(labels == structure) == len(parts)
        best = max(parts, key=len) if parts else set()
        for part in parts:
            if part is not best:
                expected[tuple(np.array(sorted(part)).T)] = 0
    keep_largest(labels, [1, 3])
    np.testing.assert_array_equal(labels, expected)


def blobs(*places: int) -> Any:
    """Cubes of 3 voxels a side along a line of 40; a place is where one begins."""
    labels = np.zeros((40, 5, 5), np.uint8)
    for place in places:
        labels[place : place + 3, 1:4, 1:4] = 1
    return labels


def with_speck(labels: Any, at: int = 39) -> Any:
    changed = labels.copy()
    changed[at, 0, 0] = 1
    return changed


@pytest.mark.parametrize(
    ("pairs", "clean"),
    [
        ([(blobs(3), with_speck(blobs(3)))], True),  # a stray voxel goes
        ([(blobs(3, 10), blobs(3, 10))], False),  # both parts are right
        ([(blobs(3), blobs(3))], True),  # nothing to clean, one part each: new scans gain
        ([(blobs(3, 10), blobs(3))], False),  # nothing changes, but the truth has two parts
        ([(blobs(3), with_speck(blobs(3))), (blobs(3, 10), blobs(3, 10))], False),  # the mean falls
        ([(blobs(), with_speck(blobs()))], True),  # Dice stays 0
        ([(blobs(), blobs())], False),  # no case says anything
    ],
)
def test_what_is_cleaned(pairs: list[tuple[Any, Any]], clean: bool) -> None:
    (found,) = learn(pairs, [1], ignored=255).values()
    assert found.clean == clean
    assert found.cases == (0 if math.isnan(found.dice) else len(pairs))


def test_voxels_that_count_nowhere_say_nothing() -> None:
    truth = blobs(3)
    truth[20:] = 255
    (found,) = learn([(truth, with_speck(blobs(3)))], [1], ignored=255).values()
    assert found.dice == found.cleaned == 1


def test_what_is_learnt_can_be_read(tmp_path: Path) -> None:
    entry = to_entry(learn([(blobs(3), with_speck(blobs(3)))], [1, 2], ignored=255))
    path = tmp_path / "cleaning.json"
    path.write_text(json.dumps(entry, allow_nan=False))
    assert cleaned_structures(json.loads(path.read_text()), path) == {1}
    with pytest.raises(UsageError, match=r"cleaning\.json: does not say which structures"):
        cleaned_structures({"structures": {"1": {}}}, path)
