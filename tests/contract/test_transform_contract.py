"""What every registered distortion must keep (docs/architecture.md, Transform), and every mixture of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.errors import GenesisError
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.transforms.mixture import PRESETS, mixture

EVERY = [(name, TRANSFORMS.get(name)) for name in TRANSFORMS.names()]
EVERY += [(f"mixture {name}", lambda name=name: mixture(name)) for name in PRESETS]
SHAPES = [(1, 24, 20, 17), (2, 16, 32, 16), (1, 40, 24), (3, 16, 16)]


@pytest.fixture(params=[build for _, build in EVERY], ids=[name for name, _ in EVERY])
def distortion(request: pytest.FixtureRequest) -> Any:
    return request.param()


def cube(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_apply_is_deterministic_and_leaves_its_input_alone(distortion: Any, shape: tuple[int, ...]) -> None:
    x = cube(shape)
    kept = x.copy()
    for seed in range(5):
        parameters = distortion.sample(np.random.default_rng(seed), shape)
        first, second = distortion.apply(x, parameters), distortion.apply(x, parameters)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(x, kept)
        assert not np.shares_memory(first, x)
        assert (first.dtype, first.shape) == (np.float32, shape)
        assert first.flags.c_contiguous
        assert first.min() >= 0
        assert first.max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_one_generator_state_gives_one_distortion(distortion: Any, shape: tuple[int, ...]) -> None:
    x = cube(shape)
    rngs = [np.random.default_rng(3) for _ in range(2)]
    outcomes = [distortion.apply(x, distortion.sample(rng, shape)) for rng in rngs]
    np.testing.assert_array_equal(*outcomes)
    assert rngs[0].bit_generator.state == rngs[1].bit_generator.state


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 2), *[st.integers(16, 24)] * 3)
    | st.tuples(st.integers(1, 3), *[st.integers(16, 40)] * 2),
    low=st.floats(0, 1, width=32),
    high=st.floats(0, 1, width=32),
)
@settings(max_examples=15)
@pytest.mark.parametrize(("name", "build"), EVERY, ids=[name for name, _ in EVERY])
def test_the_range_holds_for_any_cube(name: str, build: Any, seed: int, shape: Any, low: float, high: float) -> None:
    """Also for constant cubes, and for those that hold nothing but 0 or 1."""
    distortion = build()
    x = np.clip(cube(shape, seed), min(low, high), max(low, high)).astype(np.float32)
    out = distortion.apply(x, distortion.sample(np.random.default_rng(seed), shape))
    assert out.shape == shape, name
    assert 0 <= out.min() <= out.max() <= 1, name


def test_read_only_and_strided_input_is_fine(distortion: Any) -> None:
    whole = cube((1, 40, 24, 34))
    part = whole[:, ::2, :, ::-2]
    parameters = distortion.sample(np.random.default_rng(1), part.shape)
    wanted = distortion.apply(np.ascontiguousarray(part), parameters)
    part.flags.writeable = False
    np.testing.assert_array_equal(distortion.apply(part, parameters), wanted)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: x.astype(np.float64), "float32"),
        (lambda x: x + 0.5, "defined on \\[0, 1\\]"),
        (lambda x: -x, "defined on \\[0, 1\\]"),
        (lambda x: np.where(x > 0.9, np.float32(np.nan), x), "defined on \\[0, 1\\]"),
        (lambda x: x[:, :15], "at least 16"),
        (lambda x: x[0, 0], "channel axis"),
        (lambda x: x[None], "channel axis"),
    ],
)
def test_the_domain_is_checked(distortion: Any, spoil: Any, reason: str) -> None:
    x = cube((1, 20, 20, 20))
    parameters = distortion.sample(np.random.default_rng(0), x.shape)
    with pytest.raises(GenesisError, match=reason):
        distortion.apply(spoil(x), parameters)
