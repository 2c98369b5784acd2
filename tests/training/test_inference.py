"""Sliding windows and single forward passes with networks whose answer is known."""

from typing import Any

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


class Fixed(nn.Module):
    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([logits]))

    def forward(self, x: Tensor) -> Any:  # noqa: ARG002 - what classify calls
        return self.logits


def test_probabilities() -> None:
    image = np.zeros((1, 4, 4, 4), np.float32)
    assert classify(Fixed([0.0, 0.0]), image, "classification") == [0.5, 0.5]
    assert classify(Fixed([0.0, 40.0]), image, "multilabel") == pytest.approx([0.5, 1.0])
