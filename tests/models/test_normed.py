"""Norm and ReLU as one step are the same function as the definition, in every mode, format and precision."""

import copy
import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.models import features, kernels
from modelsgenesis.models.features import CHANNELS_LAST
from modelsgenesis.models.norm import make_norm
from modelsgenesis.models.normed import normed

MODES = ("running", "batch", "group", "instance")
SHAPES = ((2, 8, 4, 6, 2), (3, 5, 3, 3, 3), (1, 64, 4, 4, 4), (2, 96, 5, 3, 1), (2, 16, 7, 9), (4, 600, 2, 2))


def definition(x: Tensor, norm: Any, mode: str, relu: bool) -> Tensor:
    """Ioffe and Szegedy 2015, Wu and He 2018, Ulyanov et al. 2016, in float64."""
    x = x.double()
    n, channels = x.shape[:2]
    sets = {"running": (1, n, channels), "batch": (1, n, channels), "instance": (n, 1, channels)}
    first, _, groups = sets.get(mode, (n, 1, getattr(norm, "num_groups", 1)))
    inside = x.reshape(first, n // first, groups, -1)
    centred = inside - inside.mean((1, 3), keepdim=True)
    y = (centred / (centred.square().mean((1, 3), keepdim=True) + norm.eps).sqrt()).reshape(x.shape)
    along = (1, channels, *(1,) * (x.ndim - 2))
    y = y * norm.weight.double().view(along) + norm.bias.double().view(along)
    return y.relu() if relu else y


def layer(mode: str, shape: tuple[int, ...]) -> Any:
    torch.manual_seed(1)
    norm: Any = make_norm(mode, shape[1], len(shape) - 2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def layout(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=CHANNELS_LAST[x.ndim])


@pytest.fixture(params=SHAPES, ids=str)
def x(request: pytest.FixtureRequest) -> Tensor:
    torch.manual_seed(0)
    return layout(3 * torch.randn(request.param) + 1)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_result_and_gradients_are_those_of_the_definition(x: Tensor, mode: str, relu: bool) -> None:
    norm, exact = layer(mode, x.shape), layer(mode, x.shape)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, wanted = normed(norm, ours, relu), definition(theirs, exact, mode, relu)
    assert "Normed" in str(y.grad_fn)
    assert y.is_contiguous(memory_format=CHANNELS_LAST[x.ndim])
    torch.testing.assert_close(y.double(), wanted, rtol=1e-5, atol=1e-5)
    slope = torch.randn_like(x)
    y.backward(slope)
    wanted.backward(slope.double())
    for got, want in ((ours, theirs), (norm.weight, exact.weight), (norm.bias, exact.bias)):
        torch.testing.assert_close(got.grad, want.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_bfloat16_is_computed_in_float32_and_rounded_once(x: Tensor, mode: str) -> None:
    coarse = x.bfloat16().requires_grad_()
    fine = coarse.detach().float().requires_grad_()
    y, wanted = normed(layer(mode, x.shape), coarse), normed(layer(mode, x.shape), fine)
    assert torch.equal(y, wanted.bfloat16())
    slope = layout(torch.randn_like(x).bfloat16())
    y.backward(slope)
    wanted.backward(slope.float())
    assert coarse.grad is not None
    assert fine.grad is not None
    assert torch.equal(coarse.grad, fine.grad.bfloat16())


@pytest.mark.parametrize("mode", ["running", "batch"])
def test_running_statistics_are_pytorchs(x: Tensor, mode: str) -> None:
    ours: Any = make_norm(mode, x.shape[1], x.ndim - 2)
    theirs = (nn.BatchNorm3d if x.ndim == 5 else nn.BatchNorm2d)(x.shape[1])
    for step in range(3):
        y, wanted = normed(ours, x + step), theirs(x + step).relu()
        torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    assert mode == "batch" or ours.num_batches_tracked == theirs.num_batches_tracked == 3
    if mode == "running":
        torch.testing.assert_close(normed(ours.eval(), x), theirs.eval()(x).relu(), rtol=1e-5, atol=1e-5)


def test_a_small_spread_about_a_large_mean_keeps_its_digits() -> None:
    x = layout(1000 + 0.1 * torch.randn(2, 8, 16, 16, 16))
    y = normed(make_norm("instance", 8, 3), x, relu=False)
    torch.testing.assert_close(
        y.double(), definition(x, make_norm("instance", 8, 3), "instance", False), rtol=1e-3, atol=2e-3
    )


@pytest.mark.parametrize("mode", ["running", "group"])
def test_a_border_unlike_the_rest_costs_no_digits(mode: str) -> None:
    """Convolutions see zeros beyond the border, so that the first voxel may lie far from the mean."""
    x = layout(10 + 0.01 * torch.randn(2, 16, 32, 32, 32))
    x[:, :, 0, 0, 0] = 0
    norm = make_norm(mode, 16, 3)
    wanted = definition(x, norm, mode, relu=False)
    torch.testing.assert_close(normed(norm, x, relu=False).double(), wanted, rtol=1e-5, atol=5e-5)


def test_what_is_not_a_number_stays_so() -> None:
    x = layout(torch.randn(2, 8, 4, 4, 4))
    x[0, 0, 0, 0, 1] = float("nan")
    y = normed(make_norm("instance", 8, 3), x)
    assert y[0, 0].isnan().all()
    assert not y[0, 1:].isnan().any()
    assert not y[1].isnan().any()


def test_threads_change_nothing(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        leaf, norm = x.clone().requires_grad_(), layer("group", x.shape)
        y = normed(norm, leaf)
        y.square().sum().backward()
        results.append((y, leaf.grad, norm.weight.grad))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    x = layout(torch.randn(2, 8, 4, 4, 4))
    normed(make_norm("group", 8, 3), x)  # the threads are there now
    child = os.fork()
    if child == 0:
        features.on_threads(lambda part: None, 2)  # noqa: ARG005 - would wait for ever on threads that are not there
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_other_formats_and_precisions_are_pytorchs_work() -> None:
    norm, x = make_norm("group", 8, 3), torch.randn(2, 8, 4, 4, 4)
    strided = normed(norm, x.requires_grad_())
    assert "Normed" not in str(strided.grad_fn)
    torch.testing.assert_close(strided, normed(norm, layout(x)))
    assert normed(copy.deepcopy(norm).double(), layout(x.double())).dtype == torch.float64


def test_traced_networks_hold_pytorchs_operations() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = make_norm("group", 8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return normed(self.norm, x)

    module, x = Layer().eval(), layout(torch.randn(1, 8, 4, 4, 4))
    assert "group_norm" in str(torch.jit.trace(module, x).inlined_graph)
    assert "group_norm" in str(torch.export.export(module, (x,)).graph)


def test_a_single_value_a_channel_is_refused_as_by_pytorch() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        normed(make_norm("running", 8, 3), layout(torch.randn(1, 8, 1, 1, 1)))


def test_rounding_to_bfloat16_is_pytorchs() -> None:
    """Random bits of float32: all sizes, ties to even, infinities, subnormal values, and what is no number."""
    bits = np.random.default_rng(0).integers(0, 2**32, 40_000, dtype=np.uint32)
    bits[:20_000] = bits[:20_000] & 0xFFFF0000 | 0x8000  # ties
    bits[:4] = (0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF)
    values = bits.view(np.float32)[None]
    one, zero = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    out = np.empty(values.shape, np.uint16)
    pairs = np.empty((1, values.size), np.float32)
    kernels.affine(values, 1, one, zero, False, pairs)
    assert np.array_equal(np.nan_to_num(pairs, nan=7), np.nan_to_num(values, nan=7))
    _narrowed(values, out)
    wanted = torch.from_numpy(values).bfloat16()
    numbers = ~np.isnan(values)
    assert np.array_equal(out[numbers], wanted.view(torch.uint16).numpy()[numbers])
    assert torch.from_numpy(out).view(torch.bfloat16)[torch.from_numpy(~numbers)].isnan().all()


@kernels.compiled
def _narrowed(values: Any, out: Any) -> None:
    for i in range(values.shape[1]):
        out[0, i] = kernels.narrow(values[0, i], out[0, i])
