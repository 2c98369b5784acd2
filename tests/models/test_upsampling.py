"""The doubling and the convolution after it, merged, against the two one after the other."""

from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from modelsgenesis.models import upsampling
from modelsgenesis.models.upsampling import doubled, doubled_and_convolved


def layers(inputs: int, skip: int, outputs: int, bias: bool = True) -> tuple[nn.ConvTranspose3d, nn.Conv3d]:
    torch.manual_seed(0)
    return nn.ConvTranspose3d(inputs, inputs, 2, 2, bias=bias), nn.Conv3d(inputs + skip, outputs, 3, padding=1)


def apart(x: Tensor, skip: Tensor, up: nn.ConvTranspose3d, convolution: nn.Conv3d) -> Tensor:
    """As the published network computes it."""
    found: Tensor = convolution(torch.cat((up(x), skip), 1))
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("n", "inputs", "skip", "outputs", "sides"), [(2, 6, 3, 3, (4, 5, 3)), (1, 4, 2, 5, (1, 2, 1))]
)
def test_values_and_gradients_are_the_same(
    n: int, inputs: int, skip: int, outputs: int, sides: tuple[int, int, int], bias: bool
) -> None:
    up, convolution = (layer.double() for layer in layers(inputs, skip, outputs, bias))
    x = torch.randn(n, inputs, *sides, dtype=torch.double, requires_grad=True)
    beside = torch.randn(n, skip, *(2 * side for side in sides), dtype=torch.double, requires_grad=True)
    expected = apart(x, beside, up, convolution)
    with patch.object(upsampling, "_pays", return_value=True):
        found = doubled_and_convolved(x, beside, up, convolution)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    wanted = (x, beside, *up.parameters(), *convolution.parameters())
    weights = torch.randn_like(expected)
    for own, other in zip(
        torch.autograd.grad(found, wanted, weights), torch.autograd.grad(expected, wanted, weights), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last_3d])
def test_single_precision_and_memory_format(form: torch.memory_format) -> None:
    up, convolution = layers(16, 8, 8)
    x = torch.randn(2, 16, 8, 8, 4).contiguous(memory_format=form)
    skip = torch.randn(2, 8, 16, 16, 8).contiguous(memory_format=form)
    found = doubled_and_convolved(x, skip, up, convolution.to(memory_format=form))
    torch.testing.assert_close(found, apart(x, skip, up, convolution), rtol=1e-4, atol=1e-5)
    assert found.is_contiguous(memory_format=form)


def test_bfloat16_is_about_as_close_as_the_two_layers_are() -> None:
    up, convolution = layers(16, 8, 8)
    x, skip = torch.randn(2, 16, 8, 8, 8), torch.randn(2, 8, 16, 16, 16)
    exact = apart(x, skip, up, convolution)
    with torch.autocast("cpu", torch.bfloat16):
        found, two = (call(x, skip, up, convolution).float() for call in (doubled_and_convolved, apart))
    # One rounding more: two parts are summed.
    assert (found - exact).square().mean() < 2 * (two - exact).square().mean()


@pytest.mark.parametrize(("inputs", "skip", "side", "merges"), [(32, 16, 16, True), (128, 64, 2, False)])
def test_takes_the_way_with_fewer_operations(inputs: int, skip: int, side: int, merges: bool) -> None:
    up, convolution = layers(inputs, skip, skip)
    x, beside = torch.randn(1, inputs, *(side,) * 3), torch.randn(1, skip, *(2 * side,) * 3)
    with FlopCounterMode(display=False) as chosen:
        doubled_and_convolved(x, beside, up, convolution)
    with FlopCounterMode(display=False) as usual:
        apart(x, beside, up, convolution)
    assert (chosen.get_total_flops() < 0.8 * usual.get_total_flops()) == merges
    assert chosen.get_total_flops() <= usual.get_total_flops()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last_3d])
def test_doubling_is_the_transposed_convolution(bias: bool, form: torch.memory_format) -> None:
    torch.manual_seed(0)
    up = nn.ConvTranspose3d(6, 5, 2, 2, bias=bias).double()
    x = torch.randn(2, 6, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=form)
    found, leaves = [], []
    for call in (up, lambda x: doubled(x, up)):
        leaf = x.clone().requires_grad_()
        y = call(leaf)
        leaves.append(torch.autograd.grad(y.sin().sum(), [leaf, *up.parameters()]))
        found.append(y)
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(leaves[1], leaves[0])
    assert found[1].is_contiguous(memory_format=torch.channels_last_3d)
