"""nnU-Net's plain and residual encoder networks, built by `dynamic-network-architectures` (extra `nnunet`).

Names of tensors are nnU-Net's without its second names of the same tensors (`.conv.` and `.norm.` stand for
`.all_modules.0.` and `.all_modules.1.`, `decoder.encoder.` for `encoder.`) and without its segmentation layers: heads
are those of `models.heads`.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, get_args

import torch
from torch import Tensor, nn

from modelsgenesis.errors import UsageError
from modelsgenesis.models.convolution import make_right
from modelsgenesis.models.foreign.nnunet_plans import BLOCKS, PLAIN, RESIDUAL, Architecture, preset, read_architecture
from modelsgenesis.models.norm import NormMode, make_norm

_SECOND_NAMES = ("conv", "dropout", "norm", "nonlin")


class _NnUNet(nn.Module):
    """Backbone: encoder of strided convolutions, decoder with skip concatenation, LeakyReLU.

    Args:
        input_channels: channels of the input.
        width: channels of the first stage; 32 is nnU-Net's. Plans say it themselves.
        norm: see `NormMode`; nnU-Net's is instance.
        preset: see `nnunet_plans.preset`.
        plans: see `nnunet_plans.resolved`; the text of an architecture.

    Attributes: as `UNet3D`; a stage's entry of `strides` is the largest of its axes.

    Raises UsageError without the extra, for both a preset and plans, and as `nnunet_plans`.
    """

    axes = 3
    encoder_prefixes = ("encoder.",)
    norms = get_args(NormMode)
    shaped_by = ("preset", "plans")
    first_convolutions: tuple[str, ...]
    network: str

    def __init__(
        self,
        input_channels: int = 1,
        width: int = 32,
        norm: NormMode = "instance",
        preset: str = "",
        plans: str = "",
    ) -> None:
        super().__init__()
        self.architecture = chosen_architecture(self.network, width, preset, plans)
        if plans and norm != "instance":
            raise UsageError(f"backbone.plans: nnU-Net's plans have instance norm, not {norm}; set backbone.norm")
        self.input_channels, self.width, self.norm = input_channels, width, norm
        self.channels = self.architecture.features
        steps = [[stage[axis] for stage in self.architecture.strides] for axis in range(3)]
        self.strides = tuple(max(prod(axis[: stage + 1]) for axis in steps) for stage in range(len(self.channels)))
        self.decoder_channels = self.channels[0]
        self.encoder, self.decoder = _parts(self.architecture, input_channels, norm)

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, X, Y, Z), sides divisible by the deepest stride, to features at `strides`."""
        return tuple(self.encoder(x))

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """The pyramid of `encode` to (N, decoder_channels, X, Y, Z) at stride 1."""
        x = pyramid[-1]
        for up, stage, skip in zip(self.decoder.transpconvs, self.decoder.stages, reversed(pyramid[:-1]), strict=True):
            x = stage(torch.cat((up(x), skip), 1))
        return x

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The feature pyramid: `encode`."""
        return self.encode(x)


class ResidualEncoder(_NnUNet):
    """nnU-Net's U-Net with a residual encoder (ResEnc)."""

    first_convolutions = ("encoder.stem.convs.0.all_modules.0.weight",)
    network = RESIDUAL


class PlainEncoder(_NnUNet):
    """nnU-Net's U-Net of plain convolutions."""

    first_convolutions = ("encoder.stages.0.0.convs.0.all_modules.0.weight",)
    network = PLAIN


def chosen_architecture(network: str, width: int, preset_name: str, plans: str) -> Architecture:
    """The architecture of a preset or of plans; UsageError for both, and as `nnunet_plans`."""
    if preset_name and plans:
        raise UsageError("backbone.preset and backbone.plans both say the architecture; leave one out")
    return read_architecture(plans, network) if plans else preset(network, preset_name, width)


def _parts(architecture: Architecture, input_channels: int, norm: NormMode) -> tuple[Any, Any]:
    """Encoder and decoder, initialised as nnU-Net does, each tensor under one name."""
    try:
        from dynamic_network_architectures.architectures import unet
        from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU
    except ImportError as error:
        raise UsageError(
            'the backbones resenc and plainconv need dynamic-network-architectures; pip install "modelsgenesis[nnunet]"'
        ) from error
    whole: Any = getattr(unet, architecture.network)(
        input_channels=input_channels,
        n_stages=len(architecture.features),
        features_per_stage=architecture.features,
        conv_op=nn.Conv3d,
        kernel_sizes=architecture.kernels,
        strides=architecture.strides,
        num_classes=1,
        n_conv_per_stage_decoder=architecture.decoder,
        conv_bias=True,
        norm_op=lambda channels: make_norm(norm, channels, axes=3),
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        **{BLOCKS[architecture.network]: architecture.blocks},
    )
    whole.apply(whole.initialize)
    for module in whole.modules():
        if isinstance(module, ConvDropoutNormReLU):
            for name in _SECOND_NAMES:
                if hasattr(module, name):
                    delattr(module, name)
    for part in (whole.encoder, whole.decoder):  # what only tells them how to build each other
        part.norm_op = None
    make_right(whole)
    del whole.decoder.encoder, whole.decoder.seg_layers
    return whole.encoder, whole.decoder
