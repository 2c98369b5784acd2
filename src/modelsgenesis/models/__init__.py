"""Backbones, the heads that attach to them, and where their weights come from."""

from collections.abc import Callable
from typing import Any

from modelsgenesis.config import settings
from modelsgenesis.registry import Registry

BACKBONES: Registry[Callable[..., Any]] = Registry(
    "backbone",
    {
        "unet3d": "modelsgenesis.models.unet3d:UNet3D",
        "unet3d_light": "modelsgenesis.models.unet3d:LightUNet3D",
        "unet2d": "modelsgenesis.models.unet2d:UNet2D",
        **{
            f"monai_{name.lower()}": f"modelsgenesis.models.monai_networks:{name}"
            for name in ("UNet", "DynUNet", "SegResNet", "SwinUNETR", "BasicUNet", "AttentionUnet")
        },
    },
)


@settings
class BackboneSettings:
    """Which network, and its size."""

    name: str = "unet3d"
    """A registered backbone."""
    width: int = 32
    """Base width; 32 is the published 3D network, 64 the 2D one."""
    norm: str = "running"
    """running (batch norm), group or instance; batch evaluates with batch statistics, only to reproduce published
    numbers."""
    input_channels: int = 1
    """Channels of the input."""


def build_backbone(choice: BackboneSettings) -> Any:
    """The backbone `choice` describes, which stays with it as `backbone.choice`; UsageError for an unknown name."""
    backbone = BACKBONES.get(choice.name)(input_channels=choice.input_channels, width=choice.width, norm=choice.norm)
    backbone.choice = choice
    return backbone
