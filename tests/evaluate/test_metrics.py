"""Segmentation metrics against brute force, against MONAI, and at every empty mask."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.metrics import (
    dice,
    distance_scores,
    hd95,
    iou,
    nsd,
    outcome,
    paper_iou,
    paper_iou_keras,
    quantised,
    segmentation_scores,
    surface,
)

SPACING = (0.8, 1.0, 2.5)
EMPTY = np.zeros((6, 7, 8), dtype=bool)
METRICS = ("dice", "iou", "nsd", "hd95", "paper_iou", "paper_iou_keras")


def box(shape: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


BOX = box((6, 7, 8), (1, 1, 1), (4, 5, 6))


@st.composite
def masks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    pair = [rng.random(shape) < draw(st.sampled_from((0.1, 0.5, 0.9))) for _ in range(2)]
    for mask in pair:
        mask[tuple(rng.integers(0, n) for n in shape)] = True
    return pair[0], pair[1]


def slow_surface(mask: np.ndarray) -> list[tuple[int, ...]]:
    def inside(voxel: tuple[int, ...]) -> bool:
        return all(0 <= v < n for v, n in zip(voxel, mask.shape, strict=True)) and bool(mask[voxel])

    steps = [tuple(sign if i == axis else 0 for i in range(3)) for axis in range(3) for sign in (-1, 1)]
    voxels = [tuple(int(v) for v in voxel) for voxel in np.argwhere(mask)]
    return [v for v in voxels if not all(inside(tuple(a + b for a, b in zip(v, s, strict=True))) for s in steps)]


def slow_distances(first: np.ndarray, second: np.ndarray) -> list[float]:
    others = slow_surface(second)
    return [
        min(
            math.dist(
                [a * s for a, s in zip(v, SPACING, strict=True)], [b * s for b, s in zip(o, SPACING, strict=True)]
            )
            for o in others
        )
        for v in slow_surface(first)
    ]


@given(masks(), st.sampled_from((0.5, 1.0, 2.0, 2.5)))
@settings(max_examples=60)
def test_distances_equal_brute_force(pair: tuple[np.ndarray, np.ndarray], tolerance: float) -> None:
    truth, prediction = pair
    there, back = slow_distances(truth, prediction), slow_distances(prediction, truth)
    within = sum(d <= tolerance + 1e-6 for d in there + back)
    scores = distance_scores(truth, prediction, SPACING, tolerance)
    assert scores["nsd"] == pytest.approx(within / len(there + back))
    assert scores["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))


@given(masks())
@settings(max_examples=40)
def test_overlap_equals_counting_and_is_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = pair
    first, second = ({tuple(v) for v in np.argwhere(mask)} for mask in pair)
    assert dice(truth, prediction) == pytest.approx(2 * len(first & second) / (len(first) + len(second)))
    assert iou(truth, prediction) == pytest.approx(len(first & second) / len(first | second))
    forth = segmentation_scores(truth, prediction, SPACING)
    assert forth == pytest.approx(segmentation_scores(prediction, truth, SPACING))
    assert dice(truth, prediction) == pytest.approx(2 * forth["iou"] / (1 + forth["iou"]))


@pytest.mark.parametrize("seed", range(4))
def test_distances_equal_monai(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (20, 22, 14)), indexing="ij"))

    def blob() -> np.ndarray:
        centre, radii = rng.uniform((7, 8, 5), (12, 13, 8)), rng.uniform((3, 3, 2), (6, 6, 4))
        return (((grid - centre[:, None, None, None]) / radii[:, None, None, None]) ** 2).sum(0) < 1

    truth, prediction = blob(), blob()
    hot = [torch.from_numpy(np.stack([~mask, mask])[None]) for mask in (prediction, truth)]
    expected = compute_hausdorff_distance(*hot, percentile=95, spacing=SPACING)
    assert hd95(truth, prediction, SPACING) == pytest.approx(float(expected), rel=1e-5)
    expected = compute_surface_dice(*hot, class_thresholds=[1.3], spacing=SPACING)
    assert nsd(truth, prediction, SPACING, 1.3) == pytest.approx(float(expected), rel=1e-5)


def test_sparse_and_dense_surfaces_are_measured_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth, prediction = (rng.random((9, 8, 7)) < 0.3 for _ in range(2))
    scores = []
    for advantage in (0, 10**9):  # always the tree, always the distance transform
        monkeypatch.setattr("modelsgenesis.evaluate.metrics._TREE_ADVANTAGE", advantage)
        scores.append(distance_scores(truth, prediction, SPACING))
    assert scores[0] == pytest.approx(scores[1])


def test_distances_follow_the_spacing() -> None:
    truth = box((20, 20, 20), (5, 5, 5), (10, 10, 10))
    shifted = {axis: np.roll(truth, 2, axis) for axis in range(3)}
    assert [hd95(truth, shifted[axis], (0.5, 1.0, 3.0)) for axis in range(3)] == pytest.approx([1.0, 2.0, 6.0])


def test_a_distance_of_exactly_the_tolerance_is_within_it() -> None:
    truth, prediction = box((30, 3, 3), (0, 1, 1), (1, 2, 2)), box((30, 3, 3), (20, 1, 1), (21, 2, 2))
    assert nsd(truth, prediction, (0.1, 1, 1), tolerance=2.0) == 1
    assert nsd(truth, prediction, (0.1, 1, 1), tolerance=1.99) == 0


def test_perfect_prediction() -> None:
    scores = segmentation_scores(BOX, BOX, SPACING, quantised(BOX.astype(np.float32)))
    assert scores == pytest.approx({m: 0.0 if m == "hd95" else 1.0 for m in METRICS})


@pytest.mark.parametrize(("truth", "prediction"), [(BOX, EMPTY), (EMPTY, BOX)], ids=["missed", "false positive"])
def test_missed_and_made_up_structures_get_the_worst_score(truth: np.ndarray, prediction: np.ndarray) -> None:
    scores = segmentation_scores(truth, prediction, SPACING, quantised(prediction * np.float32(0.6)))
    diagonal = math.sqrt((6 * 0.8) ** 2 + (7 * 1.0) ** 2 + (8 * 2.5) ** 2)
    assert scores["hd95"] == pytest.approx(diagonal)
    assert [scores[m] for m in ("dice", "iou", "nsd", "paper_iou")] == [0, 0, 0, 0]
    assert 0.3 < scores["paper_iou_keras"] <= 0.5  # the background is still there


def test_absent_structures_are_undefined() -> None:
    scores = segmentation_scores(EMPTY, EMPTY, SPACING, quantised(EMPTY.astype(np.float32)))
    assert set(scores) == set(METRICS)
    assert all(math.isnan(value) for value in scores.values())


def test_outcomes() -> None:
    pairs = [(BOX, BOX), (BOX, EMPTY), (EMPTY, BOX), (EMPTY, EMPTY)]
    assert [outcome(*pair) for pair in pairs] == ["found", "missed", "false positive", "absent"]


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_paper_iou_from_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((5, 4, 3)) < 0.4
    truth[0, 0, 0], truth[4, 3, 2] = True, False
    p = np.round(rng.random((5, 4, 3)), 2)  # many probabilities exactly on a threshold
    foreground, both = [], []
    for k in range(10, 20):
        chosen = np.array([round(100 * value) > 5 * k for value in p.ravel()]).reshape(p.shape)  # p > k / 20
        one, other = iou(truth, chosen), iou(~truth, ~chosen)
        foreground.append(one)
        both.append((one + other) / 2)
    levels = np.array([math.ceil(2 * round(100 * value)) for value in p.ravel()], dtype=np.uint8).reshape(p.shape)
    assert paper_iou(truth, levels) == pytest.approx(np.mean(foreground))
    assert paper_iou_keras(truth, levels) == pytest.approx(np.mean(both))


@given(st.floats(0, 1, width=32))
@settings(max_examples=200)
def test_quantised_probabilities_keep_every_comparison(p: float) -> None:
    level = int(quantised(np.array([p], dtype=np.float32))[0])
    assert [level > 10 * k for k in range(20)] == [Fraction(p) > Fraction(k, 20) for k in range(20)]


def test_surface_is_a_shell() -> None:
    cube = box((7, 7, 7), (1, 1, 1), (6, 6, 6))
    assert surface(cube).sum() == 125 - 27
    assert surface(np.ones((4, 4, 4), dtype=bool)).sum() == 64 - 8  # beyond the image is outside


def test_two_dimensions() -> None:
    truth, prediction = box((9, 9), (2, 2), (5, 5)), box((9, 9), (2, 4), (5, 7))
    assert hd95(truth, prediction, (1.0, 0.5)) == pytest.approx(1.0)


def test_other_shapes_and_spacings_are_refused() -> None:
    with pytest.raises(UsageError, match="one grid"):
        segmentation_scores(BOX, BOX[1:], SPACING)
    with pytest.raises(UsageError, match="spacing"):
        hd95(BOX, BOX, (1.0, 1.0))
