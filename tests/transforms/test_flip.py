"""Flips: what is drawn how often, and what it does."""

from collections import Counter

import numpy as np

from modelsgenesis.transforms.flip import Flip, FlipParameters


def test_rates_of_the_released_flips() -> None:
    rng = np.random.default_rng(0)
    drawn = [Flip(axes=(0, 1, 2)).sample(rng, (1, 64, 64, 32)).axes for _ in range(40_000)]
    lengths = Counter(len(axes) for axes in drawn)
    for length, rate in enumerate((0.6, 0.24, 0.096, 0.064)):
        assert abs(lengths[length] / len(drawn) - rate) < 0.01
    axes = Counter(axis for axes in drawn for axis in axes)
    assert set(axes) == {0, 1, 2}
    assert all(abs(count / axes.total() - 1 / 3) < 0.015 for count in axes.values())


def test_default_flips_every_spatial_axis_and_no_other() -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 16, 16), (1, 16, 16, 16)):
        axes = {axis for _ in range(500) for axis in Flip().sample(rng, shape).axes}
        assert axes == set(range(1, len(shape)))


def test_flips_the_drawn_axes() -> None:
    x = np.random.default_rng(0).random((2, 16, 17, 18), np.float32)
    flip = Flip()
    assert np.array_equal(flip.apply(x, FlipParameters((1,))), x[:, ::-1])
    assert np.array_equal(flip.apply(x, FlipParameters((3, 2))), x[:, :, ::-1, ::-1])
    assert np.array_equal(flip.apply(x, FlipParameters((2, 1, 2))), x[:, ::-1])
    assert np.array_equal(flip.apply(x, FlipParameters((0,))), x)
    assert np.array_equal(flip.apply(x, FlipParameters(())), x)
    assert flip.apply(x, FlipParameters((1,))).flags.c_contiguous
