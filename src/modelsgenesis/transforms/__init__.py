"""Distortions of cubes in [0, 1], by name; `transforms.mixture` combines them for pre-training."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelsgenesis.registry import Registry

if TYPE_CHECKING:
    from modelsgenesis.transforms.base import Distortion

TRANSFORMS: "Registry[Callable[[], Distortion[Any]]]" = Registry(
    "transform",
    {
        "nonlinear": "modelsgenesis.transforms.nonlinear:Nonlinear",
        "shuffle": "modelsgenesis.transforms.shuffle:Shuffle",
        "inpaint": "modelsgenesis.transforms.painting:inpaint",
        "outpaint": "modelsgenesis.transforms.painting:outpaint",
        "flip": "modelsgenesis.transforms.flip:Flip",
        "identity": "modelsgenesis.transforms.base:Identity",
    },
)
"""Each name gives a function that builds the distortion with the released settings."""
