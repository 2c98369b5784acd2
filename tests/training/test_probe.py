"""The probe tells features that know where a cube was cut from features that do not."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.training.probe import evaluating, probe

CUBES, BATCH = 160, 32


def batches(rng: np.random.Generator) -> list[tuple[Tensor, np.ndarray]]:
    """Cubes that hold their position in their first three voxels, among noise."""
    found = []
    for _ in range(0, CUBES, BATCH):
        positions = rng.random((BATCH, 3))
        cubes = rng.random((BATCH, 1, 4, 4, 4)).astype(np.float32)
        cubes[:, 0, 0, 0, :3] = positions
        found.append((torch.from_numpy(cubes), positions))
    return found


def spread(values: Tensor) -> Sequence[Tensor]:
    """Features (N, F) as the deepest level of a pyramid, the same at each of its voxels; a shallow level of noise."""
    return torch.rand(len(values), 2, 4, 4, 4), values[:, :, None, None, None].expand(-1, -1, 2, 2, 2)


def test_features_that_hold_the_position_score_near_one() -> None:
    mixing = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 10))).float()
    score = probe(lambda x: spread(x[:, 0, 0, 0, :3] @ mixing), batches(np.random.default_rng(0)))
    assert 0.99 < score <= 1


def test_noise_scores_no_better_than_the_mean_position() -> None:
    torch.manual_seed(0)
    score = probe(lambda x: spread(torch.rand(len(x), 10)), batches(np.random.default_rng(0)))
    assert -0.2 < score < 0.05


def test_one_axis_of_three_counts_a_third() -> None:
    score = probe(lambda x: spread(x[:, 0, 0, 0, :1]), batches(np.random.default_rng(0)))
    assert score == pytest.approx(1 / 3, abs=0.05)


def test_more_features_than_cubes_do_not_fit_by_heart() -> None:
    torch.manual_seed(0)
    score = probe(lambda x: spread(torch.rand(len(x), 500)), batches(np.random.default_rng(0)))
    assert score < 0.1


def test_the_same_features_score_the_same() -> None:
    given = batches(np.random.default_rng(0))
    first, second = (probe(lambda x: spread(x[:, 0, 0].flatten(1)), given) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("training", [True, False])
def test_the_networks_mode_is_given_back(training: bool) -> None:
    network: nn.Module = DenseNetwork(build_backbone(BackboneSettings(width=2, norm="running")), 1).train(training)
    x = torch.rand(2, 1, 16, 16, 16)
    found = evaluating(network)(x)
    assert network.training is training
    with torch.inference_mode():
        wanted = network.eval().backbone.encode(x)  # type: ignore[union-attr, operator]
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
