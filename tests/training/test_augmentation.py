"""Augmentation: repeatable, image and label alike, values in [0, 1]."""

from typing import Any

import numpy as np
import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.streams import generator
from modelsgenesis.training.augmentation import Augmentation


def item(shape: tuple[int, int, int] = (16, 16, 12)) -> tuple[Any, Any]:
    """A bright box off centre, and its mask."""
    label = np.zeros((1, *shape), np.uint8)
    label[0, 2:9, 3:12, 2:8] = 1
    return (0.2 + 0.6 * label).astype(np.float32), label


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_label_follows_the_image(strength: str) -> None:
    augmentation, changed = Augmentation(strength), 0
    for number in range(12):
        image, label = item()
        before = image.copy()
        new, mask = augmentation.apply(image, label, generator(number))
        np.testing.assert_array_equal(image, before)
        assert new.shape == image.shape
        assert mask.dtype == np.uint8
        assert new.dtype == np.float32
        assert new.min() >= 0
        assert new.max() <= 1
        bright = new > 0.5
        overlap = 2 * (bright & (mask == 1)).sum() / (bright.sum() + mask.sum())
        assert overlap > 0.85
        changed += not np.array_equal(new, image)
    assert changed > 6


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_repeatable(strength: str) -> None:
    first, second = Augmentation(strength), Augmentation(strength)
    for number in (3, 1):
        first.apply(*item(), generator(number))
    for number in (1, 4):
        one, other = (each.apply(*item(), generator(9, number)) for each in (first, second))
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(first.apply(*item(), generator(9, 1))[0], first.apply(*item(), generator(9, 4))[0])


def test_light_leaves_left_and_right() -> None:
    augmentation = Augmentation("light")
    for number in range(10):
        _, mask = augmentation.apply(*item(), generator(number))
        assert mask[0, :8].sum() > mask[0, 8:].sum()


def test_flips_keep_every_value() -> None:
    image, augmentation = np.random.default_rng(0).random((1, 8, 8, 4), np.float32), Augmentation("flips")
    changed = [augmentation.apply(image, None, generator(0, item))[0] for item in range(40)]
    assert all(np.array_equal(np.sort(one.ravel()), np.sort(image.ravel())) for one in changed)
    assert len({one.tobytes() for one in changed}) > 10


def test_strong_turns_only_square_patches() -> None:
    augmentation = Augmentation("strong")
    assert all(augmentation.apply(*item((16, 12, 12)), generator(n))[0].shape == (1, 16, 12, 12) for n in range(10))


def test_off_and_without_label() -> None:
    image, label = item()
    same, mask = Augmentation("off").apply(image, label, generator(0))
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(mask, label)
    new, nothing = Augmentation("strong").apply(image, None, generator(1))
    assert new.shape == image.shape
    assert nothing is None


def test_unknown() -> None:
    with pytest.raises(UsageError, match="augmentation: 'much' is unknown; valid: off, flips, light, strong"):
        Augmentation("much")
