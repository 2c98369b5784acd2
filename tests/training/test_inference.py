"""Sliding windows and single forward passes with networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.training.inference import InferenceSettings, classify, count_windows, segment


class Identity(nn.Module):
    """Logits (-x, x) of the first channel; counts the windows it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.out_tr = nn.Module()
        self.out_tr.final_conv = nn.Conv3d(1, 2, 1)
        self.windows = 0

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        self.windows += len(x)
        return torch.cat([-x[:, :1], x[:, :1]], 1)


@pytest.mark.parametrize("shape", [(24, 20, 18), (16, 16, 16), (9, 20, 16)])
@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_windows_cover_the_scan(shape: tuple[int, int, int], overlap: float) -> None:
    network = Identity().train()
    image = np.random.default_rng(0).random((1, *shape), np.float32)
    logits = segment(network, image, (16, 16, 16), InferenceSettings(overlap=overlap, windows=3))
    np.testing.assert_allclose(logits[1], image[0], atol=1e-5)
    assert network.windows == count_windows(shape, (16, 16, 16), overlap)
    assert network.training


def test_a_network_of_images_goes_through_the_slices() -> None:
    network = Identity()
    network.out_tr.final_conv = nn.Conv2d(1, 2, 1)
    image = np.random.default_rng(0).random((1, 20, 18, 5), np.float32)
    logits = segment(network, image, (16, 16), InferenceSettings(overlap=0.5))
    np.testing.assert_allclose(logits[1], image[0], atol=1e-5)
    assert network.windows == count_windows((20, 18, 5), (16, 16), 0.5) == 5 * count_windows((20, 18), (16, 16), 0.5)


class Mean(nn.Module):
    """Logits (0, 40 x the mean of the input); remembers how many inputs came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(40.0))
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        mean = self.scale * x.flatten(1).mean(1)
        return torch.stack([torch.zeros_like(mean), mean], 1)


def test_probabilities_come_in_batches() -> None:
    network = Mean()
    images = [np.full((1, 4, 4), value, np.float32) for value in (0, 1, 0.1)]
    found = list(classify(network, iter(images), "classification", 2))
    assert network.sizes == [2, 1]
    assert found[0] == [0.5, 0.5]
    assert found[1] == pytest.approx([0, 1])
    assert found[2][1] == pytest.approx(1 / (1 + np.exp(-4)))
    assert next(classify(network, images[:1], "multilabel", 2)) == [0.5, 0.5]
    assert list(classify(network, [], "classification", 2)) == []
