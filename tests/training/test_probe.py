"""The probe tells features that know where a cube was cut from features that do not."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.training.probe import Array, probe

CUBES = 160


def batches(seed: int, size: int = 32, side: int = 4) -> list[tuple[Tensor, Array]]:
    """Cubes that hold their position in their first three voxels, among noise."""
    rng = np.random.default_rng(seed)
    positions = rng.random((CUBES, 3))
    cubes = rng.random((CUBES, 1, side, side, side)).astype(np.float32)
    cubes[:, 0, 0, 0, :3] = positions
    return [(torch.from_numpy(cubes[n : n + size]), positions[n : n + size]) for n in range(0, CUBES, size)]


class Features(nn.Module):
    """A backbone of two levels: one of noise, one that holds what `features` (N, F) makes of the cubes."""

    def __init__(self, features: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.features = features

    def encode(self, x: Tensor) -> Sequence[Tensor]:
        found = self.features(x)[:, :, None, None, None].expand(-1, -1, 2, 2, 2)
        return torch.rand(len(x), 2, 4, 4, 4), found


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_features_that_hold_the_position_score_near_one() -> None:
    mixing = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 10))).float()
    assert 0.99 < probe(Features(lambda x: x[:, 0, 0, 0, :3] @ mixing), batches(0)) <= 1


def test_noise_scores_no_better_than_the_mean_position() -> None:
    assert -0.2 < probe(Features(lambda x: torch.rand(len(x), 10)), batches(0)) < 0.05


def test_one_axis_of_three_counts_a_third() -> None:
    assert probe(Features(lambda x: x[:, 0, 0, 0, :1]), batches(0)) == pytest.approx(1 / 3, abs=0.08)


def test_channels_that_fire_on_one_cube_do_not_decide() -> None:
    """Silent on all others but for rounding, which leaves them next to no deviation where that cube is left out."""

    def features(x: Tensor) -> Tensor:
        rare = 1e-6 * torch.rand(len(x), 20) + (x[:, 0, 0, 0, :1] > 0.9945)  # one of them
        return torch.cat([x[:, 0, 0, 0, :3], rare], 1)

    assert 0.9 < probe(Features(features), batches(0)) <= 1


def test_more_features_than_cubes_do_not_fit_by_heart() -> None:
    assert probe(Features(lambda x: torch.rand(len(x), 500)), batches(0)) < 0.1


@pytest.mark.parametrize("norm", ["batch", "running", "group"])
@pytest.mark.parametrize("training", [True, False])
def test_the_backbone_is_left_as_it_is(norm: str, training: bool) -> None:
    backbone = build_backbone(BackboneSettings(width=2, norm=norm)).train(training)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    kinds = [type(module) for module in backbone.modules()]
    assert np.isfinite(probe(backbone, batches(0, side=16)[:1]))
    assert backbone.training is training
    assert [type(module) for module in backbone.modules()] == kinds
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_trained_networks_are_seen_with_their_running_statistics() -> None:
    """Those of mode `batch` too; stale statistics show."""
    given = batches(0, side=16)
    trained = build_backbone(BackboneSettings(width=2, norm="running"))
    published = build_backbone(BackboneSettings(width=2, norm="batch")).eval()
    for cubes, _ in given:
        trained.encode(cubes)
    published.load_state_dict(trained.state_dict(), strict=False)
    assert probe(trained, given) == probe(published, given)
    before = probe(trained, given)
    for module in trained.modules():
        if isinstance(module, nn.BatchNorm3d) and module.running_mean is not None:
            module.running_mean.fill_(5)
    assert probe(trained, given) != before
    assert probe(trained, given, untrained=True) == probe(published, given, untrained=True)
