"""Test cases kept with a run: which, how small, and back from the file."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.examples import (
    FILE,
    MOST_VOXELS,
    Example,
    by_rank,
    cut_out,
    fitting_window,
    in_bytes,
    read_examples,
    write_examples,
)

EXAMPLE = Example(
    "case",
    "subject",
    "best",
    0.9,
    np.arange(24, dtype=np.uint8).reshape(4, 3, 2),
    (1.0, 2.0, 3.0),
    (-1000.0, 400.0),
    np.ones((4, 3, 2), np.uint8),
    np.zeros((4, 3, 2), np.uint8),
    reduction="cut",
)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.2, 0.9, 0.5], {"best": 1, "median": 2, "worst": 0}),
        ([0.2, math.nan, 0.9, 0.5, 0.4], {"best": 2, "median": 4, "worst": 0}),
        ([0.5, 0.7], {"best": 1, "worst": 0}),
        ([0.5], {"best": 0}),
        ([math.nan], {}),
        ([], {}),
    ],
)
def test_ranks(scores: list[float], expected: dict[str, int]) -> None:
    assert by_rank(scores) == expected


def test_round_trip(tmp_path: Path) -> None:
    flat = replace(
        EXAMPLE, image=EXAMPLE.image[:, :, 0], truth=None, prediction=None, told="truth: a", spacing=(1.0, 1.0)
    )
    write_examples(tmp_path, [EXAMPLE, flat])
    for mine, theirs in zip([EXAMPLE, flat], read_examples(tmp_path), strict=True):
        for name, value in vars(mine).items():
            np.testing.assert_equal(getattr(theirs, name), value, err_msg=name)


def test_none_is_no_file(tmp_path: Path) -> None:
    write_examples(tmp_path, [])
    assert not (tmp_path / FILE).exists()
    assert read_examples(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_damaged_file_is_named(tmp_path: Path, damage: bytes | None) -> None:
    write_examples(tmp_path, [EXAMPLE])
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(GenesisError, match=r"examples\.npz: damaged"):
        read_examples(tmp_path)


def test_small_structures_are_kept_whole_and_sharp() -> None:
    image = np.zeros((60, 60, 40), np.float32)
    truth = np.zeros(image.shape, np.uint8)
    truth[30:34, 20:24, 10:13] = 2
    cut, labels, prediction, spacing, words = cut_out(image, truth, truth * 0, (5.0, 5.0, 5.0))
    assert spacing == (5.0, 5.0, 5.0)
    assert cut.shape == labels.shape == prediction.shape == (14, 14, 13)
    assert (labels == 2).sum() == (truth == 2).sum()
    assert words == "cut around the structures"


def test_large_ones_are_coarsened_the_finest_axis_first() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((200, 180, 50)).astype(np.float32)
    truth = np.zeros(image.shape, np.uint8)
    truth[:100] = 1
    cut, labels, _, spacing, words = cut_out(image, truth, truth, (0.8, 0.8, 3.0))
    assert cut.size <= MOST_VOXELS
    assert cut.shape == labels.shape
    assert spacing[2] == 3.0
    assert "coarsened 2 × 2 × 1" in words
    np.testing.assert_allclose(cut[3, 4, 5], image[6:8, 8:10, 5].mean(), rtol=1e-5)
    share = (labels == 1).mean()
    assert 0.7 < share < 0.9  # 100 of 130 columns: the margin is 30


def test_no_structure_keeps_the_scan() -> None:
    image = np.ones((10, 9, 8), np.float32)
    nothing = np.zeros(image.shape, np.uint8)
    assert cut_out(image, nothing, nothing, (1.0, 1.0, 1.0))[0].shape == image.shape


def test_bytes_and_window() -> None:
    image = np.linspace(-1000, 400, 1000).reshape(10, 10, 10)
    low, high = fitting_window(image)
    assert low < -980
    assert high > 380
    assert in_bytes(np.array([-2000.0, -1000, -300, 400, 900]), (-1000, 400)).tolist() == [0, 0, 128, 255, 255]
    assert in_bytes(np.full(3, 7.0), fitting_window(np.full(3, 7.0))).tolist() == [128, 128, 128]
