"""Pre-trained networks in one call."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import modelsgenesis
from modelsgenesis.config import to_dict
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.weights import named_tensors, save_weights


def uri(folder: Path, provenance: dict[str, object] | None = None) -> str:
    choice = BackboneSettings("unet3d" if provenance is None else "unet3d_light", width=2)
    about = {"backbone": to_dict(choice)} if provenance is None else provenance
    save_weights(folder / "weights.safetensors", DenseNetwork(build_backbone(choice), 1), about)
    return f"run:{folder}"


def test_the_network_is_the_one_the_weights_are_of(tmp_path: Path) -> None:
    source = uri(tmp_path)
    backbone = modelsgenesis.load(source)
    assert not backbone.training
    assert [level.shape[1] for level in backbone(torch.rand(1, 1, 16, 16, 16))] == [4, 8, 16, 32]
    kept = named_tensors(modelsgenesis.segmenter(source, 3))
    taken = named_tensors(modelsgenesis.classifier(source, 3))
    for name, tensor in backbone.state_dict().items():
        if name in kept:
            torch.testing.assert_close(tensor, kept[name])
        if name in taken and name.startswith("down_"):
            torch.testing.assert_close(tensor, taken[name])


def test_heads_and_channels_are_new(tmp_path: Path) -> None:
    source = uri(tmp_path)
    assert modelsgenesis.segmenter(source, 3, channels=2)(torch.rand(1, 2, 16, 16, 16)).shape == (
        1,
        3,
        16,
        16,
        16,
    )
    assert modelsgenesis.classifier(source, 5)(torch.rand(2, 1, 16, 16, 16)).shape == (2, 5)


def test_weights_that_say_nothing_of_their_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which network"):
        modelsgenesis.load(uri(tmp_path, {}))


def test_all_public_names_are_there() -> None:
    assert all(callable(getattr(modelsgenesis, name)) for name in modelsgenesis.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = modelsgenesis.nothing


@pytest.mark.parametrize("count", [0, -1, 1.5, "3", None])
def test_numbers_no_network_can_be_made_of_are_refused(count: Any, tmp_path: Path) -> None:
    source = uri(tmp_path)
    for make in (modelsgenesis.segmenter, modelsgenesis.classifier):
        with pytest.raises(UsageError, match=f"classes: {count!r} must be a whole number, 1 or more"):
            make(source, count)
    for make in (modelsgenesis.load, partial(modelsgenesis.segmenter, classes=2)):
        with pytest.raises(UsageError, match=f"channels: {count!r} must be a whole number, 1 or more"):
            make(source, channels=count)
    network = modelsgenesis.segmenter(source, np.int64(3), channels=np.int64(2))  # type: ignore[arg-type]
    assert network(torch.rand(1, 2, 16, 16, 16)).shape[1] == 3
    assert to_dict(network.backbone.choice)["input_channels"] == 2


@pytest.mark.parametrize("setting", ["width", "input_channels"])
def test_so_are_those_of_a_backbone(setting: str) -> None:
    with pytest.raises(UsageError, match=f"backbone.{setting}: 0 must be 1 or more"):
        BackboneSettings("unet3d", **{setting: 0})  # type: ignore[arg-type]


def test_a_path_is_a_source_too(tmp_path: Path) -> None:
    uri(tmp_path)
    for path in (tmp_path, tmp_path / "weights.safetensors"):
        made = [
            modelsgenesis.load(path),
            modelsgenesis.segmenter(path, 2),
            modelsgenesis.classifier(path, 2),
            modelsgenesis.from_pretrained(path),
        ]
        assert all(network.load_report.source == str(path) for network in made)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [("unet3d", [(16, 16, 16), (1, 16, 16, 16), (1, 1, 16, 16)]), ("unet2d", [(32, 32), (1, 32, 32), (1, 1, 8, 8, 8)])],
)
def test_input_of_another_number_of_axes_is_refused(name: str, shapes: list[tuple[int, ...]]) -> None:
    for kind in (DenseNetwork, ClassificationNetwork):
        network = kind(build_backbone(BackboneSettings(name, width=4)), 2).eval()
        for shape in shapes:
            with pytest.raises(UsageError, match=rf"{re.escape(str(shape))}: the network takes \(N, C, X, Y(, Z)?\)"):
                network(torch.rand(shape))


@pytest.mark.parametrize(
    "name", ["genesis-chestct", "./nowhere", "~/nowhere", "/nowhere/at/all", "weights.safetensors"]
)
def test_what_is_no_name_of_a_repository_is_not_sought_at_the_hub(name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown init source '{name}', and no such path"):
        modelsgenesis.from_pretrained(name)


def test_an_empty_name_is_not_the_working_folder() -> None:
    with pytest.raises(UsageError, match="unknown init source '', and no such path"):
        modelsgenesis.load("")
