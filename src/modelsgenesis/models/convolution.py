"""The 3x3x3 convolution of the 3D networks, right in every precision."""

from torch import Tensor
from torch.nn import functional


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x` (N, C, X, Y, Z) convolved 3x3x3 with a border of zeros: (N, O, X, Y, Z)."""
    if x.shape[2] != 2:
        return functional.conv3d(x, weight, bias, padding=1)
    # Where PyTorch pads two slices along the first axis itself, its gradient of the weight in bfloat16 on a CPU is made
    # of memory never written (seen in 2.13). Zeros that are there already give the same numbers and a right gradient.
    return functional.conv3d(functional.pad(x, (0, 0, 0, 0, 1, 1)), weight, bias, padding=(0, 1, 1))
