"""In- and out-painting against slices in NumPy, and the shares they mask."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.transforms.counter import fill_noise, word
from modelsgenesis.transforms.painting import (
    Painting,
    PaintingParameters,
    inpaint,
    inpaint_paper,
    masked,
    outpaint,
    outpaint_paper,
)

SIDES = st.integers(16, 45)
SHAPES = st.one_of(st.tuples(st.integers(1, 2), SIDES, SIDES, SIDES), st.tuples(st.integers(1, 2), SIDES, SIDES))
MAKERS = [inpaint, outpaint, inpaint_paper, outpaint_paper]


def plain(x: np.ndarray, painting: Painting, parameters: PaintingParameters) -> np.ndarray:
    fill = np.empty(x.size, np.float32)
    fill_noise(fill, np.uint64(0), np.uint64(parameters.seed))
    fill = fill.reshape(x.shape)
    if painting.fill == "constant":
        words = [int(word(np.uint64(parameters.seed), np.uint64(i))) for i in range(10 * len(x))]
        constants = np.array([(w >> 40) / 2**24 for w in words], np.float32)
        fill = np.empty_like(x)
        fill[:] = constants[: len(x)].reshape(-1, *[1] * (x.ndim - 1))
    out = fill.copy() if painting.outside else x.copy()
    for number, box in enumerate(parameters.boxes):
        place = (slice(None), *(slice(*ends) for ends in box))
        if painting.outside:
            out[place] = x[place]
        elif painting.fill == "noise":
            out[place] = fill[place]
        else:
            for channel in range(len(x)):
                out[channel][place[1:]] = constants[number * len(x) + channel]
    return out


@settings(max_examples=40)
@given(shape=SHAPES, maker=st.sampled_from(MAKERS), seed=st.integers(0, 10_000))
def test_equals_slices_in_numpy(shape: tuple[int, ...], maker: Callable[[], Painting], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, painting = rng.random(shape, np.float32), maker()
    parameters = painting.sample(rng, shape)
    assert np.array_equal(painting.apply(x, parameters), plain(x, painting, parameters))


def drawn(painting: Painting, shape: tuple[int, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Masked shares and numbers of boxes."""
    rng = np.random.default_rng(0)
    parameters = [painting.sample(rng, (1, *shape)) for _ in range(count)]
    shares = [masked(p, shape, painting.outside).mean() for p in parameters]
    return np.array(shares), np.array([len(p.boxes) for p in parameters])


def test_inpainting_masks_five_and_a_half_percent() -> None:
    shares, boxes = drawn(inpaint(), (64, 64, 32), 3000)
    assert abs(shares.mean() - 0.055) < 0.002
    assert abs((boxes == 0).mean() - 0.05) < 0.015
    assert abs((boxes == 5).mean() - 0.95**5) < 0.03


def test_outpainting_masks_68_and_at_most_91_percent() -> None:
    shares, boxes = drawn(outpaint(), (64, 64, 32), 3000)
    assert abs(shares.mean() - 0.68) < 0.01
    assert shares.max() < 0.917
    assert boxes.min() == 1
    assert abs((boxes == 5).mean() - 0.95**4) < 0.03


@pytest.mark.parametrize("maker", [inpaint_paper, outpaint_paper])
@pytest.mark.parametrize("shape", [(64, 64, 32), (16, 16, 16), (21, 17, 35), (64, 50)])
def test_paper_masks_less_than_a_quarter(maker: Callable[[], Painting], shape: tuple[int, ...]) -> None:
    shares, boxes = drawn(maker(), shape, 400)
    assert shares.max() < 0.25
    assert shares.mean() > 0.05
    assert boxes.min() >= 1
    assert boxes.max() <= 10


@pytest.mark.parametrize("n", [16, 17, 32, 63, 64])
def test_sides_and_corners_fill_the_stated_ranges(n: int) -> None:
    for painting, low, high in (
        (inpaint(), n // 6, n // 3),
        (outpaint(), n - (4 * n) // 7, n - (3 * n) // 7),
    ):
        rng = np.random.default_rng(0)
        boxes = [box[0] for _ in range(1500) for box in painting.sample(rng, (1, n, n)).boxes]
        starts, sides = np.array([start for start, _ in boxes]), np.array([stop - start for start, stop in boxes])
        assert set(sides) == set(range(low, high + 1))
        for side in set(sides):
            corners = starts[sides == side]
            assert corners.min() >= 3
            assert corners.max() <= n - side - 3
            middle = (3 + n - side - 3) / 2
            assert abs(corners.mean() - middle) < 0.1 * (n - side - 6) + 1e-9


def test_noise_differs_between_channels_while_the_mask_does_not() -> None:
    x = np.full((2, 32, 32, 20), 0.5, np.float32)
    painting = outpaint()
    parameters = painting.sample(np.random.default_rng(0), x.shape)
    changed = painting.apply(x, parameters) != x
    noise = painting.apply(x, parameters)[:, masked(parameters, x.shape[1:], True)]
    assert np.array_equal(changed[0], changed[1])
    assert abs(np.corrcoef(noise)[0, 1]) < 0.03
