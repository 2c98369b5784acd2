import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.data.intensity import Intensity, ct_window, label_values, mr_percentiles, unsigned_image
from modelsgenesis.errors import UsageError

maps = st.builds(
    lambda low, width, levels: Intensity(low, low + width, levels),
    st.floats(-5000, 5000),
    st.floats(0.5, 70000),
    st.integers(1, 65535),
)


@given(maps)
@settings(max_examples=50)
def test_decode_is_a_right_inverse_of_encode(scale: Intensity) -> None:
    integers = np.unique(np.linspace(0, scale.levels, 500).astype(scale.dtype))
    # float32 holds 24 bits: where the window is narrow and far from zero, a level may be below its resolution
    step = (scale.high - scale.low) / scale.levels
    if max(abs(scale.low), abs(scale.high)) * 2.0**-23 < step / 2:
        np.testing.assert_array_equal(scale.encode(scale.decode(integers)), integers)
    unit = scale.unit(integers)
    assert unit.dtype == np.float32
    assert unit.min() >= 0
    assert unit.max() <= 1
    np.testing.assert_array_equal(np.rint(unit.astype(np.float64) * scale.levels), integers)


@given(maps, st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20))
@settings(max_examples=50)
def test_encode_is_the_nearest_level_of_the_clipped_value(scale: Intensity, values: list[float]) -> None:
    step = (scale.high - scale.low) / scale.levels
    for value, integer in zip(values, scale.encode(np.array(values)), strict=True):
        clipped = min(max(value, scale.low), scale.high)
        assert abs(scale.low + int(integer) * step - clipped) <= step / 2 * (1 + 1e-6) + 1e-9 * abs(clipped)


def test_every_hounsfield_unit_in_the_window_is_kept() -> None:
    scale, hu = ct_window(), np.arange(-1000, 1001)
    assert (scale.levels, scale.dtype) == (2000, np.uint16)
    np.testing.assert_array_equal(scale.decode(scale.encode(hu)), hu)
    np.testing.assert_array_equal(scale.encode([-2000, 3000]), [0, 2000])
    np.testing.assert_allclose(scale.unit(scale.encode([-1000, 0, 1000])), [0, 0.5, 1])


def test_images_and_labels_are_kept_as_they_are() -> None:
    for scale, kind in ((unsigned_image(8), np.uint8), (unsigned_image(16), np.uint16), (label_values(), np.uint8)):
        values = np.arange(scale.levels + 1)
        assert scale.dtype == kind
        np.testing.assert_array_equal(scale.encode(values), values)
        np.testing.assert_array_equal(scale.decode(scale.encode(values)), values)


def test_mr_percentiles_ignore_the_background() -> None:
    rng = np.random.default_rng(0)
    brain = rng.normal(500, 50, 10000)
    volume = np.concatenate([np.zeros(90000), brain]).reshape(100, 100, 10)
    scale = mr_percentiles(volume)
    ordered = np.sort(brain)
    assert ordered[40] <= scale.low <= ordered[60]
    assert ordered[9940] <= scale.high <= ordered[9960]
    assert scale.levels == 4095


def test_two_valued_and_constant_volumes() -> None:
    assert (mr_percentiles(np.array([0.0, 0, 7])).low, mr_percentiles(np.array([0.0, 0, 7])).high) == (0, 7)
    with pytest.raises(UsageError, match="constant"):
        mr_percentiles(np.ones(5))


@pytest.mark.parametrize("wrong", [(5, 5, 10), (6, 5, 10), (0, 1, 0), (0, 1, 65536), (float("nan"), 1, 5)])
def test_impossible_maps_are_refused(wrong: tuple[float, float, int]) -> None:
    with pytest.raises(UsageError):
        Intensity(*wrong)
