"""Pre-trained networks in one call."""

from pathlib import Path

import pytest
import torch

import modelsgenesis
from modelsgenesis.config import to_dict
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
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
