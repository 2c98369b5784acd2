"""Rescaled networks are the same functions, with weights of the size asked for."""

from typing import Any

import pytest
import torch
from torch import nn

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.rescaling import rescale, sizes
from tests.models.test_folding import with_statistics


@pytest.mark.parametrize(
    ("name", "sides"), [("unet3d", (16, 16, 8)), ("unet3d_light", (16, 16, 8)), ("unet2d", (32, 64))]
)
@pytest.mark.parametrize("head", [DenseNetwork, ClassificationNetwork])
@pytest.mark.parametrize("norm", ["running", "batch", "group"])
def test_the_function_stays(name: str, sides: tuple[int, ...], head: Any, norm: str) -> None:
    torch.manual_seed(0)
    network = with_statistics(head(build_backbone(BackboneSettings(name, 8, norm)), 2))
    for module in network.modules():
        if hasattr(module, "eps"):
            module.eps = 1e-12  # type: ignore[assignment]
    before = sizes(network)
    x = torch.rand(4, 1, *sides)
    with torch.inference_mode():
        truth = network(x)
    wanted = {key: size * (3.0 if number % 2 else 0.5) for number, (key, size) in enumerate(before.items())}
    rescale(network, wanted)
    assert sizes(network) == pytest.approx(wanted)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), truth, rtol=1e-3, atol=1e-4)


def test_a_step_from_scratch_and_from_a_rescaled_start_turn_weights_alike() -> None:
    torch.manual_seed(0)
    grown, fresh = (nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4)) for _ in range(2))
    with torch.no_grad():
        grown[0].weight.mul_(10)  # type: ignore[operator]
    turned = {name: _turn(network) for name, network in (("grown", grown), ("fresh", fresh))}
    rescale(grown, sizes(fresh))
    assert turned["grown"] < 0.2 * turned["fresh"]
    assert _turn(grown) > 0.5 * turned["fresh"]


def _turn(network: nn.Sequential) -> float:
    """Angle, in radians, that a step of Adam turns the weight."""
    weight: Any = network[0].weight
    before = weight.detach().clone()
    optimiser = torch.optim.Adam([weight], 0.01)
    torch.manual_seed(1)
    network(torch.rand(2, 1, 8, 8, 8))[:, :, 0].square().mean().backward()
    optimiser.step()
    angle = torch.acos(torch.cosine_similarity(before.flatten(), weight.detach().flatten(), 0).clamp(-1, 1))
    with torch.no_grad():
        weight.copy_(before)
        weight.grad = None
    return float(angle)
