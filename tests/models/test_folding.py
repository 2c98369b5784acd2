"""Folded networks are the same functions."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.folding import fold_norms
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork


def with_statistics(network: nn.Module) -> nn.Module:
    """Running statistics as after a training."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


@pytest.mark.parametrize(("name", "sides"), [("unet3d", (16, 16, 8)), ("unet2d", (32, 64))])
@pytest.mark.parametrize("head", [DenseNetwork, ClassificationNetwork])
def test_folding_changes_nothing_but_the_number_of_layers(name: str, sides: tuple[int, ...], head: Any) -> None:
    torch.manual_seed(0)
    network = with_statistics(head(build_backbone(BackboneSettings(name, 8, "running")), 2))
    folded = fold_norms(copy.deepcopy(network))
    assert not any(isinstance(module, _BatchNorm) for module in folded.modules())
    x = torch.rand(2, 1, *sides)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_norms_of_the_input_stay(norm: str) -> None:
    network = with_statistics(build_backbone(BackboneSettings("unet3d", 4, norm)))
    names = [type(module).__name__ for module in network.modules()]
    assert [type(module).__name__ for module in fold_norms(network).modules()] == names
