"""The original network as its paper and weights describe it (PAPER 1.3), slow and obvious: for comparisons alone."""

import torch
from torch import Tensor, nn


class _ContBatchNorm(nn.BatchNorm3d):
    """Takes the statistics of the batch at inference too."""

    def forward(self, input: Tensor) -> Tensor:
        mean = input.mean((0, 2, 3, 4), keepdim=True)
        variance = input.var((0, 2, 3, 4), unbiased=False, keepdim=True)
        assert self.weight is not None
        scale, shift = (value.view(1, -1, 1, 1, 1) for value in (self.weight, self.bias))
        return (input - mean) / torch.sqrt(variance + self.eps) * scale + shift


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.bn1 = _ContBatchNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn1(self.conv1(x)))


class _Down(nn.Module):
    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.ops = nn.Sequential(_Conv(inputs, middle), _Conv(middle, outputs))


class _Up(nn.Module):
    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(inputs, inputs, 2, stride=2)
        self.ops = nn.Sequential(_Conv(inputs + skip, outputs), _Conv(outputs, outputs))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        joined: Tensor = self.ops(torch.cat((self.up_conv(x), skip), 1))
        return joined


class _Out(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.final_conv = nn.Conv3d(inputs, outputs, 1)


class Original(nn.Module):
    """Width 32 is the published network."""

    def __init__(self, width: int, outputs: int = 1) -> None:
        super().__init__()
        w = width
        self.down_tr64, self.down_tr128 = _Down(1, w, 2 * w), _Down(2 * w, 2 * w, 4 * w)
        self.down_tr256, self.down_tr512 = _Down(4 * w, 4 * w, 8 * w), _Down(8 * w, 8 * w, 16 * w)
        self.up_tr256, self.up_tr128 = _Up(16 * w, 8 * w, 8 * w), _Up(8 * w, 4 * w, 4 * w)
        self.up_tr64, self.out_tr = _Up(4 * w, 2 * w, 2 * w), _Out(2 * w, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, X, Y, Z) to the restored cube, or the probability of each output."""
        pool = nn.MaxPool3d(2)
        one = self.down_tr64.ops(x)
        two = self.down_tr128.ops(pool(one))
        three = self.down_tr256.ops(pool(two))
        four = self.down_tr512.ops(pool(three))
        up = self.up_tr64(self.up_tr128(self.up_tr256(four, three), two), one)
        return torch.sigmoid(self.out_tr.final_conv(up))
