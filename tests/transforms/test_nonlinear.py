"""The intensity map against linear interpolation between 100,000 points of the curve."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.reference import curve, mapped
from modelsgenesis.transforms.nonlinear import Nonlinear, NonlinearParameters

UNIT = st.floats(0, 1)
POINT = st.tuples(UNIT, UNIT)


def values(shape: tuple[int, ...], *steep: float) -> np.ndarray:
    """All of [0, 1], dense near both ends and near the given places."""
    rng = np.random.default_rng(0)
    x = rng.random(int(np.prod(shape)))
    near = 10.0 ** rng.uniform(-9, 0, len(x))
    x[::4], x[1::4] = near[::4], 1 - near[1::4]
    for place in steep:
        x[2::4] = np.clip(place + near[2::4] * rng.choice([-1, 1], len(near[2::4])), 0, 1)
    x[:2] = 0, 1
    return x.astype(np.float32).reshape(shape)


@settings(max_examples=40)
@given(first=POINT, second=POINT, increasing=st.booleans())
@example(first=(0.0, 1.0), second=(0.0, 1.0), increasing=True)
@example(first=(0.0, 1.0), second=(0.0, 1.0), increasing=False)
@example(first=(1.0, 0.0), second=(0.0, 1.0), increasing=True)
@example(first=(1.0, 1.0), second=(0.0, 0.0), increasing=False)
@example(first=(1.0, 0.3), second=(1e-3, 0.7), increasing=True)
@example(first=(1.0, 0.0), second=(1.0, 0.0), increasing=True)
def test_map_equals_the_interpolated_curve(
    first: tuple[float, float], second: tuple[float, float], increasing: bool
) -> None:
    x = values((1, 32, 32, 16), 0.5)
    ours = Nonlinear().apply(x, NonlinearParameters(first, second, increasing))
    plain = mapped(x, curve(first, second, increasing))
    assert np.abs(ours - plain).max() <= 1e-4
    assert ours.min() >= 0
    assert ours.max() <= 1
    assert ours.dtype == np.float32


@pytest.mark.parametrize("shape", [(1, 33, 17), (2, 16, 40), (3, 19, 21, 16)])
def test_dimensions_and_channels_are_mapped_alike(shape: tuple[int, ...]) -> None:
    parameters = NonlinearParameters((0.1, 0.9), (0.6, 0.2), False)
    x = values(shape)
    plain = mapped(x, curve(parameters.first, parameters.second, False))
    assert np.abs(Nonlinear().apply(x, parameters) - plain).max() <= 1e-4


def test_maps_are_monotone_in_both_directions() -> None:
    rng, nonlinear = np.random.default_rng(3), Nonlinear()
    x = np.sort(values((1, 64, 64)).ravel()).reshape(1, 64, 64)
    for _ in range(30):
        parameters = nonlinear.sample(rng, x.shape)
        steps = np.diff(nonlinear.apply(x, parameters).ravel())
        # lines and exactly solved cells meet within the accuracy of the table
        assert (steps if parameters.increasing else -steps).min() > -1e-4


def test_half_increase_and_controls_lie_in_the_unit_square() -> None:
    rng = np.random.default_rng(4)
    drawn = [Nonlinear().sample(rng, (1, 16, 16)) for _ in range(20_000)]
    assert abs(np.mean([p.increasing for p in drawn]) - 0.5) < 0.015
    controls = np.array([[*p.first, *p.second] for p in drawn])
    assert controls.min() >= 0
    assert controls.max() <= 1
    assert np.abs(controls.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(np.corrcoef(controls.T) - np.eye(4)).max() < 0.03
