"""Weights that do not say where they come from, recognised by their tensors: the published `Genesis_Chest_CT.pt`."""

from collections.abc import Mapping

from torch import Tensor

from modelsgenesis.data.intensity import ct_window
from modelsgenesis.data.scale import ORIENTATION
from modelsgenesis.types import JSON

_FIRST, _LAST = "down_tr64.ops.0.conv1.weight", "out_tr.final_conv.weight"
_OF_THE_FULL_DECODER = "up_tr256.ops.1.conv1.weight"
"""Light decoders have one convolution a level."""


def recognised(tensors: Mapping[str, Tensor]) -> JSON:
    """What is known of the weights with these tensors by published name (PAPER 1.3); {} of any others.

    The published network was trained with batch statistics on CT of -1000 to 1000 HU in LPS order, at the spacing of
    each scan, in cubes of 64x64x32.
    """
    if not {_FIRST, _LAST, _OF_THE_FULL_DECODER} <= set(tensors):
        return {}
    first, window = tensors[_FIRST], ct_window()
    if first.ndim != 5:
        return {}
    return {
        "command": "pretrain",
        "proxy": "restoration",
        "recognised": "the published 3D network, by the names of its tensors",
        "backbone": {"name": "unet3d", "width": len(first), "norm": "batch", "input_channels": first.shape[1]},
        "cube": [64, 64, 32],
        "orientation": ORIENTATION,
        "modality": "ct",
        "intensity": {"low": window.low, "high": window.high, "levels": window.levels},
    }
