"""The convolutions of the 3D networks, right in every precision."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x` (N, C, X, Y, Z) convolved 3x3x3 with a border of zeros: (N, O, X, Y, Z)."""
    if x.shape[2] != 2:
        return functional.conv3d(x, weight, bias, padding=1)
    # Where PyTorch pads two slices along the first axis itself, its gradient of the weight in bfloat16 on a CPU is made
    # of memory never written (seen in 2.13). Zeros that are there already give the same numbers and a right gradient.
    return functional.conv3d(functional.pad(x, (0, 0, 0, 0, 1, 1)), weight, bias, padding=(0, 1, 1))


class Convolution(nn.Conv3d):
    """A convolution with a border of zeros whose gradient is right on few slices as well: see `convolved`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, X, Y, Z) to (N, O, X', Y', Z')."""
        first = 0 if isinstance(self.padding, str) else self.padding[0]
        # an export has no gradients, and takes any size only without a condition on it
        if torch.compiler.is_exporting() or not 1 < input.shape[2] <= 2 * first:
            return super().forward(input)
        padded = functional.pad(input, (0, 0, 0, 0, first, first))
        beside = (0, *self.padding[1:])
        return functional.conv3d(padded, self.weight, self.bias, self.stride, beside, self.dilation, self.groups)


def make_right(network: nn.Module) -> None:
    """Turn the 3D convolutions of a network built by another package into `Convolution`, in place."""
    for module in network.modules():
        if type(module) is nn.Conv3d and module.padding_mode == "zeros":
            module.__class__ = Convolution
