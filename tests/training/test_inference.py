"""Sliding windows and single forward passes with networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.config import build
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.training.inference import InferenceSettings, Recipe, classify, windows_of
from modelsgenesis.training.sliding import segment


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


@pytest.mark.parametrize("shape", [(24, 20, 18), (16, 16, 16), (9, 20, 16), (50, 20, 33)])
@pytest.mark.parametrize("choice", [InferenceSettings(overlap=o, window=w) for o in (0.25, 0.5) for w in (1, 2, 16)])
def test_windows_cover_the_scan(shape: tuple[int, int, int], choice: InferenceSettings) -> None:
    network = Identity().train()
    image = np.random.default_rng(0).random((1, *shape), np.float32)
    logits = segment(network, image, (16, 16, 16), choice)
    np.testing.assert_allclose(logits[1], image[0], atol=1e-5)
    assert network.windows == windows_of(shape, (16, 16, 16), choice).count
    assert network.training


@pytest.mark.parametrize("scan", [(100, 40, 16), (33, 90, 61), (16, 16, 16), (9, 200, 40), (512, 512, 300)])
@pytest.mark.parametrize("window", [1, 3, 16])
def test_windows_stay_within_the_budget_and_overlap_by_as_many_voxels(scan: tuple[int, ...], window: int) -> None:
    patch, choice = (32, 32, 16), InferenceSettings(overlap=0.5, window=window)
    found = windows_of(scan, patch, choice)
    assert np.prod(found.sides) <= window * np.prod(patch)
    assert all(side >= least for side, least in zip(found.sides, patch, strict=True))
    assert [round(side * part, 6) for side, part in zip(found.sides, found.overlap, strict=True)] == [16, 16, 8]
    small = windows_of(scan, patch, InferenceSettings(overlap=0.5, window=1))
    assert small.sides == patch
    assert found.count * np.prod(found.sides) <= small.count * np.prod(patch)


def test_a_scan_within_the_budget_is_one_window() -> None:
    found = windows_of((41, 60, 20), (32, 32, 16), InferenceSettings(window=4, windows=8))
    assert (found.sides, found.count, found.at_once) == ((41, 60, 20), 1, 2)
    assert windows_of((9, 9, 9), (16, 16, 16), InferenceSettings()).sides == (16, 16, 16)


def test_a_network_of_images_goes_through_the_slices() -> None:
    network = Identity()
    network.out_tr.final_conv = nn.Conv2d(1, 2, 1)
    image = np.random.default_rng(0).random((1, 20, 18, 5), np.float32)
    choice = InferenceSettings(overlap=0.5, window=1)
    logits = segment(network, image, (16, 16), choice)
    np.testing.assert_allclose(logits[1], image[0], atol=1e-5)
    slices = windows_of((20, 18, 5), (16, 16), choice)
    assert network.windows == slices.count == 5 * windows_of((20, 18), (16, 16), choice).count


@pytest.mark.parametrize(("norm", "window"), [("running", 16), ("batch", 1), ("group", 1)])
def test_norms_that_look_at_the_window_see_patches(norm: str, window: int) -> None:
    recipe = Recipe(
        task="segmentation",
        labels={"1": "lung"},
        truth_map={},
        backbone=BackboneSettings(norm=norm),
        images=ImageSettings(),
        patch=PatchSettings(),
        inference=InferenceSettings(window=16),
    )
    assert recipe.sliding.window == window


@pytest.mark.parametrize("choice", [{"overlap": 1.0}, {"overlap": -0.1}, {"window": 0}, {"windows": 0}])
def test_settings_that_cannot_be_are_refused(choice: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must be"):
        build(InferenceSettings, choice, "plan")


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
