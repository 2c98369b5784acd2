"""Windows blended row by row, against MONAI's sliding window inference of the whole scan."""

from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from modelsgenesis.training.inference import InferenceSettings, classify, windows_of
from modelsgenesis.training.sliding import segment, slabs


def lopsided(axes: int = 3) -> nn.Module:
    """A network whose answer depends on the place in the window and on the side that a neighbour is on."""
    torch.manual_seed(0)
    convolution = nn.Conv3d if axes == 3 else nn.Conv2d
    return nn.Sequential(convolution(2, 4, 3, padding=1), nn.Tanh(), convolution(4, 3, 3, padding=1))


def scan(*shape: int) -> Any:
    return np.random.default_rng(0).random((2, *shape), np.float32)


def by_monai(network: Any, image: Any, patch: tuple[int, ...], choice: InferenceSettings) -> Tensor:
    found = windows_of(image.shape[1:], patch, choice)
    with torch.no_grad():
        whole: Any = sliding_window_inference(
            torch.from_numpy(image)[None], found.sides, found.at_once, network, overlap=found.overlap, mode="gaussian"
        )
    return whole[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("shape", [(24, 20, 70), (16, 16, 16), (9, 20, 16), (50, 21, 33), (16, 16, 100), (5, 6, 7)])
@pytest.mark.parametrize(("overlap", "window"), [(0.5, 1), (0.25, 1), (0.0, 1), (0.5, 4), (0.7, 2)])
@pytest.mark.parametrize("at_once", [1, 5])
def test_as_monai_blends(shape: tuple[int, ...], overlap: float, window: int, at_once: int) -> None:
    choice = InferenceSettings(overlap=overlap, window=window, windows=at_once)
    network, image = lopsided(), scan(*shape)
    expected = by_monai(network, image, (16, 16, 16), choice)
    np.testing.assert_allclose(segment(network, image, (16, 16, 16), choice), expected, atol=2e-5)


def test_images_are_blended_too() -> None:
    network, image = lopsided(2), scan(40, 33)
    found = segment(network, image, (16, 16), InferenceSettings())
    np.testing.assert_allclose(found, by_monai(network, image, (16, 16), InferenceSettings()), atol=2e-5)


def test_slabs_follow_each_other_and_are_no_thicker_than_a_window() -> None:
    image = scan(20, 20, 100)
    found = list(slabs(lopsided(), image, (16, 16, 16), InferenceSettings(overlap=0.5)))
    assert sum(slab.shape[-1] for slab in found) == 100
    assert max(slab.shape[-1] for slab in found) <= 16
    assert all(slab.shape[:3] == (3, 20, 20) for slab in found)


@pytest.mark.parametrize("axes", [(0,), (2,), (0, 1), (0, 1, 2)])
def test_mirror_images_of_a_window_are_averaged(axes: tuple[int, ...]) -> None:
    network, image = lopsided(), scan(16, 16, 16)
    flips = chain.from_iterable(combinations(axes, count) for count in range(len(axes) + 1))
    chances = []
    for dims in ([axis + 1 for axis in each] for each in flips):
        with torch.no_grad():
            found = network(torch.from_numpy(np.flip(image, dims).copy())[None])[0].softmax(0).numpy()
        chances.append(np.flip(found, dims))
    assert len(chances) == 2 ** len(axes)
    mine = segment(network, image, (16, 16, 16), InferenceSettings(), axes).softmax(0)
    np.testing.assert_allclose(mine, np.mean(chances, 0), atol=1e-5)
    assert np.abs(chances[0] - np.mean(chances, 0)).max() > 0.01


def test_a_mirrored_scan_gives_the_mirrored_answer() -> None:
    """Along the axes mirrored, and along no other; windows lie alike from both ends of the scan."""
    network, image = lopsided(), scan(32, 24, 48)
    choice, shape = InferenceSettings(overlap=0.5), (16, 16, 16)
    mine = segment(network, image, shape, choice, (0, 2)).softmax(0)
    for axis, same in ((0, True), (1, False), (2, True)):
        other = segment(network, np.flip(image, axis + 1).copy(), shape, choice, (0, 2)).softmax(0).flip(axis + 1)
        assert torch.allclose(mine, other, atol=1e-5) == same


def test_slices_are_mirrored_in_their_plane() -> None:
    network, image = lopsided(2), scan(16, 16, 3)
    mine = segment(network, image, (16, 16), InferenceSettings(), (0,)).softmax(0)
    with torch.no_grad():
        one = torch.from_numpy(image[None, ..., 1])
        expected = (network(one).softmax(1) + network(one.flip(2)).softmax(1).flip(2))[0] / 2
    np.testing.assert_allclose(mine[..., 1], expected, atol=1e-5)


def test_classes_of_mirror_images_are_averaged() -> None:
    torch.manual_seed(0)
    network: Any = nn.Sequential(nn.Flatten(), nn.Linear(2 * 8 * 8, 3))
    image = scan(8, 8)
    (mine,) = classify(network, [image], "classification", 4, (1,))
    with torch.no_grad():
        both = network(torch.from_numpy(np.stack([image, np.flip(image, 2)]))).double().softmax(1)
    np.testing.assert_allclose(mine, both.mean(0), atol=1e-6)
