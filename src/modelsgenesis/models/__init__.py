"""Backbones, the heads that attach to them, and where their weights come from."""

from collections.abc import Callable
from typing import Any

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError
from modelsgenesis.models.foreign.nnunet_plans import resolved
from modelsgenesis.registry import Registry

BACKBONES: Registry[Callable[..., Any]] = Registry(
    "backbone",
    {
        "unet3d": "modelsgenesis.models.unet3d:UNet3D",
        "unet3d_light": "modelsgenesis.models.unet3d:LightUNet3D",
        "unet2d": "modelsgenesis.models.unet2d:UNet2D",
        **{
            f"monai_{name.lower()}": f"modelsgenesis.models.foreign.monai_networks:{name}"
            for name in ("UNet", "DynUNet", "SegResNet", "SwinUNETR", "BasicUNet", "AttentionUnet")
        },
        "resenc": "modelsgenesis.models.foreign.nnunet:ResidualEncoder",
        "plainconv": "modelsgenesis.models.foreign.nnunet:PlainEncoder",
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
    preset: str = ""
    """Size of nnU-Net's networks (resenc, plainconv): S (cubes of 16 voxels or more), M or L; empty: S."""
    plans: str = ""
    """A plans file of nnU-Net, whose 3d_fullres network resenc or plainconv becomes; stored as its architecture."""

    def __post_init__(self) -> None:
        """Read the plans once, where they enter: a run does not depend on their file.

        Raises UsageError for numbers no network can be made of, and as `resolved`.
        """
        for name in ("width", "input_channels"):
            if getattr(self, name) < 1:
                raise UsageError(f"backbone.{name}: {getattr(self, name)} must be 1 or more")
        object.__setattr__(self, "plans", resolved(self.plans))


def build_backbone(choice: BackboneSettings) -> Any:
    """The backbone `choice` describes, which stays with it as `backbone.choice`; UsageError for what is unknown."""
    kind, shape = BACKBONES.get(choice.name), {"preset": choice.preset, "plans": choice.plans}
    shape = {setting: value for setting, value in shape.items() if value}
    for setting in sorted(set(shape) - set(getattr(kind, "shaped_by", ()))):
        raise UsageError(f"backbone.{setting}: {choice.name} has none, it is for resenc and plainconv; leave it out")
    backbone = kind(input_channels=choice.input_channels, width=choice.width, norm=choice.norm, **shape)
    backbone.choice = choice
    return backbone
