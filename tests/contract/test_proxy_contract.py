"""What every registered proxy task must keep: views of a cube, a network for it, and a loss that learns."""

from typing import Any

import numpy as np
import pytest
import torch

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.proxies import PROXIES
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.transforms.mixture import PRESETS

DISTORTIONS = [*PRESETS, *TRANSFORMS.names()]


@pytest.fixture(params=[(p, d) for p in PROXIES.names() for d in DISTORTIONS], ids="-".join)
def proxy(request: pytest.FixtureRequest) -> Any:
    name, distortions = request.param
    return PROXIES.get(name)(distortions)


def batch(proxy: Any, channels: int = 1) -> tuple[torch.Tensor, ...]:
    cubes = [np.random.default_rng(n).random((channels, 16, 16, 16), np.float32) for n in range(2)]
    views = [proxy.views(cube, np.random.default_rng(n)) for n, cube in enumerate(cubes)]
    return tuple(torch.from_numpy(np.stack(side)) for side in zip(*views, strict=True))


def test_views_depend_on_the_generator_alone_and_leave_the_cube(proxy: Any) -> None:
    x = np.random.default_rng(0).random((1, 16, 18, 20), np.float32)
    kept = x.copy()
    first, second = (proxy.views(x, np.random.default_rng(4)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float32
        assert not np.shares_memory(one, x)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("channels", [1, 2])
def test_loss_is_finite_and_falls_by_gradient_descent(proxy: Any, channels: int) -> None:
    torch.manual_seed(0)
    network = proxy.network(build_backbone(BackboneSettings(width=2, input_channels=channels)))
    views = batch(proxy, channels)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        loss, parts = proxy.loss(network, views)
        assert loss.ndim == 0
        assert all(torch.isfinite(part) for part in (loss, *parts.values()))
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[1:]) < losses[0]


def test_parts_carry_no_gradient(proxy: Any) -> None:
    """They are for messages and checks; a graph kept alive by them would be memory lost."""
    network = proxy.network(build_backbone(BackboneSettings(width=2)))
    assert not any(part.requires_grad for part in proxy.loss(network, batch(proxy))[1].values())
