"""The 3x3x3 convolution: PyTorch's own in double precision, forwards and backwards, in float32 and bfloat16."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from modelsgenesis.models.convolution import convolved, make_right


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (2, 6, 5), (4, 2, 2), (3, 3, 3)])
def test_values_and_gradients_are_those_of_double_precision(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, slope = (
        torch.randn(sides, generator=generator).to(dtype)
        for sides in ((4, 8, *shape), (16, 8, 3, 3, 3), 16, (4, 16, *shape))
    )

    def of(kind: torch.dtype, convolution: object) -> list[Tensor]:
        inputs = [_last(part.to(kind)).requires_grad_() for part in (x, weight, bias)]
        result: Tensor = convolution(*inputs)  # type: ignore[operator]
        result.backward(_last(slope.to(kind)))
        return [result.detach(), *(part.grad for part in inputs if part.grad is not None)]

    truth = of(torch.float64, lambda *inputs: functional.conv3d(*inputs, padding=1))
    for found, true in zip(of(dtype, convolved), truth, strict=True):
        assert float((found.double() - true).norm() / true.norm()) < (0.01 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "side"), [(3, 1, 2), ((3, 3, 1), 1, 2), ((3, 1, 1), 1, 2), (5, 1, 4), (5, 1, 3), (3, 2, 2)]
)
def test_convolutions_of_other_packages_are_made_right(kernel: int | tuple[int, ...], stride: int, side: int) -> None:
    """Of these PyTorch 2.13 makes the gradient of memory never written, most often for the flat kernels."""
    kernel = (kernel,) * 3 if isinstance(kernel, int) else kernel
    padding = [sides // 2 for sides in kernel]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(64, 64, kernel, stride, padding))
    true = nn.Conv3d(64, 64, kernel, stride, padding)
    true.load_state_dict(network[0].state_dict())
    true.double()
    make_right(network)
    x = torch.randn(4, 64, side, side, side)
    wanted = true(x.double())
    wanted.square().sum().backward()
    for _ in range(10):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found = network(x)
        found.float().square().sum().backward()
        for one, other in ((found, wanted), (network[0].weight.grad, true.weight.grad)):
            assert float((one.detach().double() - other.detach()).norm() / other.detach().norm()) < 0.02


def _last(x: Tensor) -> Tensor:
    """As training does: channels last."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.ndim == 5 else x.clone()
