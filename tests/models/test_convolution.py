"""The 3x3x3 convolution: PyTorch's own in double precision, forwards and backwards, in float32 and bfloat16."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from modelsgenesis.models.convolution import convolved


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


def _last(x: Tensor) -> Tensor:
    """As training does: channels last."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.ndim == 5 else x.clone()
