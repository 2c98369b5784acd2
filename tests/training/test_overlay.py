"""Pictures of segmentations show the slice that says most."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from modelsgenesis.training.overlay import Overlay, draw_overlays

SHAPE = (8, 8, 5)


def box(*slices: int) -> Any:
    """A structure that fills more of later `slices`."""
    labels = np.zeros(SHAPE, np.uint8)
    for size, z in enumerate(slices, 3):
        labels[1:size, 1:size, z] = 1
    return labels


def drawn(path: Path, image: Any, truth: Any, prediction: Any) -> Any:
    draw_overlays(path, [Overlay("case", image, truth, prediction, (1.0, 1.0, 2.0))])
    return imread(path)[..., :3]


@pytest.mark.parametrize(
    ("truth", "prediction", "shown"),
    [
        (box(1, 4), box(0, 3), 4),
        (box(), box(0, 3), 3),
        (None, box(0, 3), 3),
        (None, box(), 2),
        (box(), box(), 2),
    ],
)
def test_slice_with_most(tmp_path: Path, truth: Any, prediction: Any, shown: int) -> None:
    image = np.zeros(SHAPE, np.float32)
    image[..., shown] = 1
    outlined = drawn(tmp_path / "a.png", image, truth, prediction)
    black = drawn(tmp_path / "b.png", np.zeros(SHAPE, np.float32), truth, prediction)
    left = (slice(None), slice(0, outlined.shape[1] // 3))
    assert outlined[left].mean() > black[left].mean() + 0.3


def test_truth_that_is_not_known_is_not_drawn(tmp_path: Path) -> None:
    image = np.zeros(SHAPE, np.float32)
    width = (known := drawn(tmp_path / "a.png", image, box(1), box(1))).shape[1]
    unknown = drawn(tmp_path / "b.png", image, None, box(1))
    middle = (slice(None), slice(width * 2 // 5, width * 3 // 5))
    assert unknown[middle].min() == 1
    assert known[middle].min() == 0


def test_a_long_name_stays_within_the_figure(tmp_path: Path) -> None:
    labels = box(1)
    name = "cc-tumor-heterogeneity-ccth-a01_chest_ct-of-the-patient"
    draw_overlays(tmp_path / "a.png", [Overlay(name, np.zeros(SHAPE, np.float32), labels, labels, (1.0, 1.0, 2.0))])
    assert imread(tmp_path / "a.png")[:, :2, :3].min() == 1
