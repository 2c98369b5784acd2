"""The papers' 3D U-Net (PAPER 1.3), state-dict names as published with ``Genesis_Chest_CT.pt``.

Width 32 is the published network: with the one-channel restoration head it has 19,073,665 parameters.
"""

from collections.abc import Sequence
from typing import Any, get_args

from torch import Tensor, nn
from torch.nn import functional

from modelsgenesis.models.convolution import convolved
from modelsgenesis.models.norm import NormMode, make_norm
from modelsgenesis.models.normed import normed
from modelsgenesis.models.upsampling import doubled, doubled_and_convolved


class _Convolution(nn.Module):
    """3x3x3 convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: NormMode) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, kernel_size=3, padding=1)
        self.bn1 = make_norm(norm, outputs, axes=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.activated(convolved(x, self.conv1.weight, self.conv1.bias))

    def activated(self, convolved: Tensor) -> Tensor:
        """What comes after the convolution."""
        return normed(self.bn1, convolved)


class _Down(nn.Module):
    """Two convolutions of an encoder level; the pooling between levels is the backbone's."""

    def __init__(self, inputs: int, middle: int, outputs: int, norm: NormMode) -> None:
        super().__init__()
        self.ops = nn.Sequential(_Convolution(inputs, middle, norm), _Convolution(middle, outputs, norm))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.ops(x)
        return features


class _Up(nn.Module):
    """Transposed convolution, concatenation with the skip, two convolutions."""

    def __init__(self, inputs: int, skip: int, outputs: int, norm: NormMode) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(inputs, inputs, kernel_size=2, stride=2)
        self.ops = nn.Sequential(_Convolution(inputs + skip, outputs, norm), _Convolution(outputs, outputs, norm))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        first: Any = self.ops[0]
        features: Tensor = self.ops[1](first.activated(doubled_and_convolved(x, skip, self.up_conv, first.conv1)))
        return features


class _LightUp(nn.Module):
    """Transposed convolution to the skip's channels, sum with the skip, one convolution."""

    def __init__(self, inputs: int, skip: int, outputs: int, norm: NormMode) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(inputs, skip, kernel_size=2, stride=2)
        self.ops = _Convolution(skip, outputs, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        features: Tensor = self.ops(doubled(x, self.up_conv) + skip)
        return features


class UNet3D(nn.Module):
    """Backbone: encoder of four levels, decoder with skip concatenation.

    Args:
        input_channels: channels of the input.
        width: base width; level channels are 2, 4, 8 and 16 times it (32: the published network).
        norm: see `NormMode`.

    Attributes:
        axes: spatial axes of the input.
        channels: channels of the encoder pyramid.
        strides: voxels of the input per voxel of each pyramid level.
        decoder_channels: channels of what `decode` returns.
        encoder_prefixes: beginnings of the names of the encoder's tensors.
        first_convolutions: names of the weights that see the input channels, (outputs, input channels, ...).
        norms: modes of `norm` that it can be built with.
    """

    axes = 3
    encoder_prefixes = ("down_tr64.", "down_tr128.", "down_tr256.", "down_tr512.")
    first_convolutions = ("down_tr64.ops.0.conv1.weight",)
    norms = get_args(NormMode)
    _up: type[nn.Module] = _Up

    def __init__(self, input_channels: int = 1, width: int = 32, norm: NormMode = "running") -> None:
        super().__init__()
        w = width
        self.input_channels, self.width, self.norm = input_channels, width, norm
        self.channels = (2 * w, 4 * w, 8 * w, 16 * w)
        self.strides = (1, 2, 4, 8)
        self.decoder_channels = 2 * w
        self.down_tr64 = _Down(input_channels, w, 2 * w, norm)
        self.down_tr128 = _Down(2 * w, 2 * w, 4 * w, norm)
        self.down_tr256 = _Down(4 * w, 4 * w, 8 * w, norm)
        self.down_tr512 = _Down(8 * w, 8 * w, 16 * w, norm)
        self.up_tr256 = self._up(16 * w, 8 * w, 8 * w, norm)
        self.up_tr128 = self._up(8 * w, 4 * w, 4 * w, norm)
        self.up_tr64 = self._up(4 * w, 2 * w, 2 * w, norm)

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, X, Y, Z), sides divisible by 8, to features at strides 1, 2, 4 and 8."""
        first = self.down_tr64(x)
        second = self.down_tr128(functional.max_pool3d(first, 2))
        third = self.down_tr256(functional.max_pool3d(second, 2))
        return first, second, third, self.down_tr512(functional.max_pool3d(third, 2))

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """The pyramid of `encode` to (N, decoder_channels, X, Y, Z) at stride 1."""
        first, second, third, deepest = pyramid
        features: Tensor = self.up_tr64(self.up_tr128(self.up_tr256(deepest, third), second), first)
        return features

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The feature pyramid: `encode`."""
        return self.encode(x)


class LightUNet3D(UNet3D):
    """`UNet3D` with a lighter decoder: skips are added, not concatenated, and each level has one convolution.

    Its encoder is that of `UNet3D`, tensor by tensor; a training step takes half of the operations.
    """

    _up = _LightUp
