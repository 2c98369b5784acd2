"""The papers' 2D U-Net: a ResNet-18 encoder (He et al., CVPR 2016) and a decoder with skip concatenation (PAPER 1.4).

The encoder's tensors have the names of torchvision's ``resnet18``, so that ImageNet weights load from a file of them.
Width 64 is ResNet-18.
"""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelsgenesis.models.norm import NormMode, make_norm
from modelsgenesis.models.normed import normed


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where stride or channels change."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: NormMode) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = make_norm(norm, outputs, axes=2)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = make_norm(norm, outputs, axes=2)
        self._stride = stride
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), make_norm(norm, outputs, axes=2))
            if stride > 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        # The stride is taken before the 1x1 convolution: the same numbers, and PyTorch's strided one writes beyond its
        # memory for two to seven channels in the format channels-last on a CPU.
        step = self._stride
        shortcut = x if self.downsample is None else self.downsample(x[:, :, ::step, ::step])
        y = normed(self.bn1, self.conv1(x))
        return functional.relu(normed(self.bn2, self.conv2(y), relu=False) + shortcut, inplace=True)


class _Up(nn.Module):
    """Doubling, concatenation with the skip, two convolutions."""

    def __init__(self, inputs: int, skip: int, outputs: int, norm: NormMode) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs + skip, outputs, 3, padding=1, bias=False)
        self.bn1 = make_norm(norm, outputs, axes=2)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = make_norm(norm, outputs, axes=2)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = functional.interpolate(x, scale_factor=2.0)
        x = x if skip is None else torch.cat((x, skip), 1)
        x = normed(self.bn1, self.conv1(x))
        return normed(self.bn2, self.conv2(x))


def _stage(inputs: int, outputs: int, stride: int, norm: NormMode) -> nn.Sequential:
    return nn.Sequential(_Residual(inputs, outputs, stride, norm), _Residual(outputs, outputs, 1, norm))


class UNet2D(nn.Module):
    """Backbone for images (N, C, X, Y): encoder of a stem and four stages, decoder with skip concatenation.

    Args:
        input_channels: channels of the input.
        width: channels of the stem; the stages have 1, 2, 4 and 8 times as many (64: ResNet-18).
        norm: see `NormMode`.

    Attributes: those of `UNet3D`.
    """

    axes = 2
    encoder_prefixes = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
    first_convolutions = ("conv1.weight",)
    norms = get_args(NormMode)

    def __init__(self, input_channels: int = 1, width: int = 64, norm: NormMode = "running") -> None:
        super().__init__()
        w = width
        self.input_channels, self.width, self.norm = input_channels, width, norm
        self.channels = (w, w, 2 * w, 4 * w, 8 * w)
        self.strides = (2, 4, 8, 16, 32)
        self.decoder_channels = max(1, w // 4)
        self.conv1 = nn.Conv2d(input_channels, w, 7, 2, padding=3, bias=False)
        self.bn1 = make_norm(norm, w, axes=2)
        self.layer1 = _stage(w, w, 1, norm)
        self.layer2 = _stage(w, 2 * w, 2, norm)
        self.layer3 = _stage(2 * w, 4 * w, 2, norm)
        self.layer4 = _stage(4 * w, 8 * w, 2, norm)
        half = max(1, w // 2)
        self.up4 = _Up(8 * w, 4 * w, 4 * w, norm)
        self.up3 = _Up(4 * w, 2 * w, 2 * w, norm)
        self.up2 = _Up(2 * w, w, w, norm)
        self.up1 = _Up(w, w, half, norm)
        self.up0 = _Up(half, 0, self.decoder_channels, norm)

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, X, Y), sides divisible by 32, to features at strides 2, 4, 8, 16 and 32."""
        stem = normed(self.bn1, self.conv1(x))
        first = self.layer1(functional.max_pool2d(stem, 3, 2, padding=1))
        second = self.layer2(first)
        third = self.layer3(second)
        return stem, first, second, third, self.layer4(third)

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """The pyramid of `encode` to (N, decoder_channels, X, Y) at stride 1."""
        stem, first, second, third, deepest = pyramid
        features = self.up2(self.up3(self.up4(deepest, third), second), first)
        finest: Tensor = self.up0(self.up1(features, stem), None)
        return finest

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The feature pyramid: `encode`."""
        return self.encode(x)
