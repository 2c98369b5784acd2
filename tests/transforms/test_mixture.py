"""The mixture: rates, views, presets, and the contract of every registered distortion."""

import pickle
from collections import Counter

import numpy as np
import pytest

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.transforms.mixture import PRESETS, mixture, single

SHAPES = [(1, 32, 21, 16), (2, 16, 33, 40), (1, 47, 30), (3, 16, 16)]


def cube(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", TRANSFORMS.names())
def test_contract_of_every_distortion(name: str, shape: tuple[int, ...]) -> None:
    made, x = TRANSFORMS.get(name)(), cube(shape)
    before = x.copy()
    for seed in range(5):
        parameters = made.sample(np.random.default_rng(seed), shape)
        out = made.apply(x, parameters)
        assert np.array_equal(x, before)
        assert not np.shares_memory(out, x)
        assert (out.shape, out.dtype) == (shape, np.float32)
        assert out.min() >= 0
        assert out.max() <= 1
        again = pickle.loads(pickle.dumps(parameters))
        assert again == parameters == made.sample(np.random.default_rng(seed), shape)
        assert np.array_equal(out, pickle.loads(pickle.dumps(made)).apply(x, again))
        in_place = x.copy()
        made.write(in_place, parameters, in_place)
        assert np.array_equal(in_place, out)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("preset", list(PRESETS))
def test_views_are_sample_and_apply(preset: str, shape: tuple[int, ...]) -> None:
    mixed, x = mixture(preset), cube(shape)
    before = x.copy()
    for seed in range(8):
        parameters = mixed.sample(np.random.default_rng(seed), shape)
        distorted, target = mixed.views(x, np.random.default_rng(seed))
        assert np.array_equal(distorted, mixed.apply(x, pickle.loads(pickle.dumps(parameters))))
        odd = [axis for axis in range(1, x.ndim) if parameters.flip.axes.count(axis) % 2]
        assert np.array_equal(target, np.flip(x, odd))
        distorted[:] = 0
        assert np.array_equal(x, before)
        assert np.array_equal(target, np.flip(x, odd))
        target[:] = 0
        assert np.array_equal(x, before)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_rates(preset: str) -> None:
    mixed, rng = mixture(preset), np.random.default_rng(0)
    applied = [mixed.sample(rng, (1, 32, 32)).applied for _ in range(8000)]
    counts = Counter(name for names in applied for name in names)
    for name, rate in {"shuffle": 0.5, "nonlinear": 0.9, "inpaint": 0.18, "outpaint": 0.72}.items():
        assert abs(counts[name] / len(applied) - rate) < 0.02
    assert 0.002 < applied.count(()) / len(applied) < 0.009  # 0.5 * 0.1 * 0.1 = 0.5 %
    assert max(len(names) for names in applied) == 3
    order = ["shuffle", "nonlinear", "inpaint", "outpaint"]
    assert all(sorted(names, key=order.index) == list(names) for names in applied)


def test_released_never_flips_depth_and_default_does() -> None:
    rng = np.random.default_rng(0)
    shape = (1, 32, 32, 16)
    axes = {name: {a for _ in range(300) for a in mixture(name).sample(rng, shape).flip.axes} for name in PRESETS}
    assert axes == {"released": {0, 1, 2}, "paper": {0, 1, 2}, "default": {1, 2, 3}}


@pytest.mark.parametrize("name", ["nonlinear", "shuffle", "inpaint", "outpaint", "identity"])
def test_single_distortion_is_always_applied_alone(name: str) -> None:
    mixed, rng = single(name), np.random.default_rng(0)
    x = cube((1, 32, 32, 32))
    changed = []
    for _ in range(40):
        assert mixed.sample(rng, x.shape).applied == (name,)
        distorted, target = mixed.views(x, rng)
        changed.append(not np.array_equal(distorted, target))
    # in-painting draws no box at all in one of twenty cubes
    assert sum(changed) == 0 if name == "identity" else sum(changed) >= 33


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-6, 1.0 + 2e-7, -1000.0])
def test_values_outside_the_domain_are_refused(value: float) -> None:
    x = cube((1, 16, 16, 16))
    x[0, 3, 4, 5] = value
    with pytest.raises(GenesisError, match=r"\[0, 1\].*Intensity\.unit"):
        mixture("released").views(x, np.random.default_rng(0))


def test_ends_of_the_domain_are_accepted() -> None:
    x = cube((1, 16, 16, 16))
    x[0, 0, 0, :3] = 0.0, -0.0, 1.0
    distorted, _ = single("nonlinear").views(x, np.random.default_rng(0))
    assert np.isfinite(distorted).all()


@pytest.mark.parametrize(
    "shape", [(1, 15, 16, 16), (1, 64, 64, 8), (1, 15, 40), (16, 16), (1, 1, 16, 16, 16), (0, 16, 16)]
)
def test_small_or_odd_shapes_are_refused_by_name(shape: tuple[int, ...]) -> None:
    for call in (
        lambda: mixture("default").sample(np.random.default_rng(0), shape),
        lambda: single("shuffle").views(np.zeros(shape, np.float32), np.random.default_rng(0)),
    ):
        with pytest.raises(GenesisError, match=str(shape).replace("(", r"\(").replace(")", r"\)")):
            call()


def test_other_types_are_refused() -> None:
    with pytest.raises(GenesisError, match="float32"):
        single("shuffle").views(np.zeros((1, 16, 16)), np.random.default_rng(0))  # type: ignore[arg-type]


def test_memory_order_and_read_only_inputs_do_not_matter() -> None:
    x = cube((1, 20, 31, 16))
    frozen = x.copy()
    frozen.flags.writeable = False
    for seed in range(6):
        expected = mixture("default").views(x, np.random.default_rng(seed))
        for other in (np.asfortranarray(x), frozen):
            for ours, theirs in zip(
                expected, mixture("default").views(other, np.random.default_rng(seed)), strict=True
            ):
                assert np.array_equal(ours, theirs)


def test_unknown_names_list_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="released, paper, default"):
        mixture("releasd")
    with pytest.raises(UsageError, match="shuffle"):
        single("shufle")
