"""MONAI's networks as backbones: one adapter, and what each network needs to be split into encoder and decoder.

A backbone takes the modules of the MONAI network over under their own names, all but its last 1x1 convolution, whose
place our heads take. So weights of a backbone are weights of the MONAI class: `plain` makes that class of a network.
"""

from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modelsgenesis.errors import UsageError
from modelsgenesis.models.convolution import make_right
from modelsgenesis.models.norm import GROUPS, NormMode, refuse_single_voxel


class MonaiBackbone(nn.Module):
    """Backbone made of a MONAI network; a subclass says how that is built and how it is split.

    Args:
        input_channels: channels of the input.
        width: channels of the first level.
        norm: "running" is MONAI's batch norm, "group" its group norm of up to 8 groups, "instance" its affine
            instance norm. "batch" is refused: it is for numbers published with the 3D U-Net.

    Attributes: those of `UNet3D`, and
        norms: modes that the network can be built with.
        monai: name of the class in `monai.networks.nets`.
        output: name of its last 1x1 convolution; "" when it has none, then a head is added to the whole network.
        any_size: whether a graph traced at one size (ONNX) is right at others.
        arguments: what the MONAI class is built with, without `out_channels`.
        second_names: children of the MONAI network that hold tensors of other children once more.

    Raises UsageError for a norm or a width that the network does not come with.
    """

    axes = 3
    norms: tuple[str, ...] = ("running", "group", "instance")
    monai = ""
    output = ""
    any_size = True
    encoder_prefixes: tuple[str, ...] = ()
    first_convolutions: tuple[str, ...] = ()
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    second_names: tuple[str, ...] = ()

    if TYPE_CHECKING:  # the modules that are taken over

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, input_channels: int = 1, width: int = 32, norm: NormMode = "running") -> None:
        super().__init__()
        if norm not in self.norms:
            raise UsageError(f"backbone.norm: {norm!r}: MONAI's {self.monai} comes with {', '.join(self.norms)}")
        self.input_channels, self.width, self.norm = input_channels, width, norm
        self.decoder_channels = width
        self.arguments = {"spatial_dims": self.axes, "in_channels": input_channels, **self._arguments(width, norm)}
        network = self.built(width)
        if self.output:
            network.set_submodule(self.output, nn.Identity())
        for name, module in network.named_children():
            if name not in self.second_names:
                self.add_module(name, module)
        make_right(self)

    def built(self, outputs: int) -> nn.Module:
        """The MONAI class with `outputs` channels of output, at random weights."""
        import monai.networks.nets as networks

        network: nn.Module = getattr(networks, self.monai)(out_channels=outputs, **self.arguments)
        return network

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:
        """Arguments of the MONAI class beside `spatial_dims`, `in_channels` and `out_channels`."""
        raise NotImplementedError

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, X, Y, Z), sides divisible by the deepest stride, to features at `strides`."""
        if self.norm == "instance":
            refuse_single_voxel([side // self.strides[-1] for side in x.shape[2:]])
        return self._encode(x)

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """The pyramid of `encode` to (N, decoder_channels, X, Y, Z) at stride 1."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The feature pyramid: `encode`."""
        return self.encode(x)


def plain(network: Any) -> nn.Module:
    """The MONAI network that a dense network with a MONAI backbone is, without anything of this package.

    It is the MONAI class itself, its last convolution being the head; of a class without a last 1x1 convolution, that
    class and the head behind it (`torch.nn.Sequential`).
    """
    backbone, head = network.backbone, network.out_tr.final_conv
    made: nn.Module = backbone.built(head.out_channels if backbone.output else backbone.decoder_channels)
    result = made if backbone.output else nn.Sequential(made, _like(head))
    tensors = dict(backbone.state_dict())
    last = result.get_submodule(backbone.output or "1")
    last.load_state_dict(head.state_dict())
    left = made.load_state_dict(tensors, strict=False)
    unfilled = [n for n in left.missing_keys if not n.startswith((*backbone.second_names, f"{backbone.output}."))]
    if left.unexpected_keys or (backbone.output and unfilled):
        raise RuntimeError(f"MONAI's {backbone.monai} has other tensors than its backbone: {left}")
    return result.train(network.training)


def _like(head: Any) -> nn.Module:
    copy: nn.Module = type(head)(head.in_channels, head.out_channels, kernel_size=1)
    return copy


def _levels(width: int, count: int, most: int = 0) -> tuple[int, ...]:
    """`width` doubled from level to level, up to `most`."""
    return tuple(min(width * 2**level, most or width * 2**level) for level in range(count))


def _norm(mode: NormMode, width: int) -> Any:
    """MONAI's name and arguments of a norm, for levels whose channels are multiples of `width`."""
    if mode == "group":
        return "group", {"num_groups": gcd(GROUPS, width)}
    return ("instance", {"affine": True}) if mode == "instance" else "batch"


def _into(x: Tensor, levels: Sequence[Any]) -> tuple[Tensor, ...]:
    """What each of `levels`, one behind the other, makes of `x`."""
    features = []
    for level in levels:
        x = level(x)
        features.append(x)
    return tuple(features)


class UNet(MonaiBackbone):
    """MONAI's residual U-Net (two convolutions a unit). Its pyramid begins at stride 2; it ends in 3x3x3 convolutions,
    so that a head stands behind the whole of it."""

    monai = "UNet"
    encoder_prefixes = (
        *(f"model.{'1.submodule.' * level}0." for level in range(4)),
        f"model.{'1.submodule.' * 3}1.submodule.",
    )
    first_convolutions = ("model.0.conv.unit0.conv.weight", "model.0.residual.weight")
    strides = (2, 4, 8, 16)

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:
        self.channels = (*_levels(width, 3), 8 * width + 16 * width)
        return {
            "channels": _levels(width, 5),
            "strides": (2, 2, 2, 2),
            "num_res_units": 2,
            "norm": _norm(norm, width),
        }

    def _stages(self) -> list[Any]:
        """(down, skip connection, up) of each level, the finest first."""
        stages: list[Any] = [self.model]
        for _ in range(3):
            stages.append(stages[-1][1].submodule)
        return stages

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        stages = self._stages()
        features = _into(x, [stage[0] for stage in stages])
        return *features[:-1], stages[-1][1](features[-1])

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As `MonaiBackbone.decode`."""
        *skips, lowest = pyramid
        *finer, deepest = self._stages()
        x: Tensor = deepest[2](lowest)
        for stage, skip in zip(reversed(finer), reversed(skips), strict=True):
            x = stage[2](torch.cat((skip, x), 1))
        return x


class DynUNet(MonaiBackbone):
    """MONAI's DynUNet as nnU-Net's plain network: five levels, channels up to ten times the width."""

    monai = "DynUNet"
    output = "output_block.conv.conv"
    encoder_prefixes = ("input_block.", "downsamples.", "bottleneck.")
    first_convolutions = ("input_block.conv1.conv.weight",)
    strides = (1, 2, 4, 8, 16)
    second_names = ("skip_layers",)

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:
        self.channels = _levels(width, 5, 10 * width)
        return {
            "kernel_size": (3,) * 5,
            "strides": (1, 2, 2, 2, 2),
            "upsample_kernel_size": (2,) * 4,
            "filters": self.channels,
            "norm_name": _norm(norm, width),
        }

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        return _into(x, [self.input_block, *self.downsamples, self.bottleneck])

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As `MonaiBackbone.decode`."""
        *skips, x = pyramid
        for up, skip in zip(self.upsamples, reversed(skips), strict=True):
            x = up(x, skip)
        return x


class BasicUNet(MonaiBackbone):
    """MONAI's BasicUNet: five levels, max-pooling, channels up to eight times the width."""

    monai = "BasicUNet"
    output = "final_conv"
    encoder_prefixes = ("conv_0.", "down_1.", "down_2.", "down_3.", "down_4.")
    first_convolutions = ("conv_0.conv_0.conv.weight",)
    strides = (1, 2, 4, 8, 16)

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:
        self.channels = (width, *_levels(width, 4))
        return {"features": (*self.channels, width), "norm": _norm(norm, width)}

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        return _into(x, [self.conv_0, self.down_1, self.down_2, self.down_3, self.down_4])

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As `MonaiBackbone.decode`."""
        *skips, x = pyramid
        for up, skip in zip((self.upcat_4, self.upcat_3, self.upcat_2, self.upcat_1), reversed(skips), strict=True):
            x = up(x, skip)
        return x


class AttentionUnet(MonaiBackbone):
    """MONAI's Attention U-Net: five levels, gates on the skips. MONAI builds it with batch norm alone."""

    monai = "AttentionUnet"
    output = "model.2.conv"
    norms = ("running",)
    encoder_prefixes = (
        "model.0.",
        *(f"model.1.submodule.{'1.submodule.' * level}0." for level in range(3)),
        f"model.1.submodule.{'1.submodule.' * 3}conv.",
    )
    first_convolutions = ("model.0.conv.0.conv.weight",)
    strides = (1, 2, 4, 8, 16)

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:  # noqa: ARG002 - one norm alone
        self.channels = _levels(width, 5)
        return {"channels": self.channels, "strides": (2, 2, 2, 2)}

    def _gates(self) -> list[Any]:
        """The attention layer of each level, the finest first."""
        layers: list[Any] = [self.model[1]]
        for _ in range(3):
            layers.append(layers[-1].submodule[1])
        return layers

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        gates = self._gates()
        down = [*(gate.submodule[0] for gate in gates[:-1]), gates[-1].submodule]
        return _into(x, [self.model[0], *down])

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As `MonaiBackbone.decode`."""
        *skips, x = pyramid
        for gate, skip in zip(reversed(self._gates()), reversed(skips), strict=True):
            lower = gate.upconv(x)
            x = gate.merge(torch.cat((gate.attention(g=lower, x=skip), lower), 1))
        return x


class SegResNet(MonaiBackbone):
    """MONAI's SegResNet: four levels of residual blocks, skips are added."""

    monai = "SegResNet"
    output = "conv_final.2.conv"
    encoder_prefixes = ("convInit.", "down_layers.")
    first_convolutions = ("convInit.conv.weight",)
    strides = (1, 2, 4, 8)
    second_names = ("act_mod",)

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:
        self.channels = _levels(width, 4)
        return {"init_filters": width, "norm": _norm(norm, width)}

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        return _into(self.convInit(x), list(self.down_layers))

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As `MonaiBackbone.decode`."""
        *skips, x = pyramid
        for up, layer, skip in zip(self.up_samples, self.up_layers, reversed(skips), strict=True):
            x = layer(up(x) + skip)
        finest: Tensor = self.conv_final(x)
        return finest


class SwinUNETR(MonaiBackbone):
    """MONAI's Swin UNETR: a transformer of shifted windows below a convolutional decoder, down to stride 32.

    `width` is its feature size, a multiple of 12 (24 and 48 are usual). The norm is that of its convolutions; the
    transformer has layer norms of its own.
    """

    monai = "SwinUNETR"
    output = "out.conv.conv"
    any_size = False
    encoder_prefixes = ("swinViT.", "encoder")
    first_convolutions = (
        "swinViT.patch_embed.proj.weight",
        "encoder1.layer.conv1.conv.weight",
        "encoder1.layer.conv3.conv.weight",
    )
    strides = (1, 2, 4, 8, 16, 32)

    def built(self, outputs: int) -> nn.Module:
        """As `MonaiBackbone.built`; UsageError where the package einops is absent."""
        try:
            import einops  # noqa: F401 - MONAI imports it lazily
        except ImportError:
            raise UsageError(
                'backbone.name: MONAI\'s SwinUNETR needs einops; pip install "modelsgenesis[monai]"'
            ) from None
        return super().built(outputs)

    def _arguments(self, width: int, norm: NormMode) -> dict[str, Any]:
        if width % 12:
            raise UsageError(f"backbone.width: {width}: MONAI's SwinUNETR takes multiples of 12, such as 24 or 48")
        self.channels = (width, *_levels(width, 5))
        return {"feature_size": width, "norm_name": _norm(norm, width)}

    def _encode(self, x: Tensor) -> tuple[Tensor, ...]:
        one, two, three, four, five = self.swinViT(x, True)
        return (
            self.encoder1(x),
            self.encoder2(one),
            self.encoder3(two),
            self.encoder4(three),
            four,
            self.encoder10(five),
        )

    def decode(self, pyramid: Sequence[Tensor]) -> Tensor:
        """As `MonaiBackbone.decode`."""
        *skips, x = pyramid
        ups = (self.decoder5, self.decoder4, self.decoder3, self.decoder2, self.decoder1)
        for up, skip in zip(ups, reversed(skips), strict=True):
            x = up(x, skip)
        return x
