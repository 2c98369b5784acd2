"""What every registered backbone must keep (docs/architecture.md, Backbone)."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from modelsgenesis.models import BACKBONES, BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.weights import initialise, named_tensors, save_weights

NNUNET = ("resenc", "plainconv")
OURS = [name for name in BACKBONES.names() if not name.startswith("monai_") and name not in NNUNET]
WIDTHS = {"monai_swinunetr": 12}
"""Small widths of backbones that do not take any; these are slow too."""
CASES = [
    (name, width, channels, norm)
    for name in OURS
    for width, channels, norm in itertools.product((2, 5), (1, 3), BACKBONES.get(name).norms)
] + [  # one adapter makes them all: a case for each norm will do, and one of a slow network
    (name, WIDTHS.get(name, 4), channels, norm)
    for name in BACKBONES.names()
    if name not in OURS
    for channels, norm in zip((1,) if name in WIDTHS else (1, 3, 1), BACKBONES.get(name).norms, strict=False)
]


@pytest.fixture(params=CASES, ids=["-".join(map(str, case)) for case in CASES])
def choice(request: pytest.FixtureRequest) -> BackboneSettings:
    name, width, channels, norm = request.param
    if name in NNUNET:
        pytest.importorskip("dynamic_network_architectures")
    return BackboneSettings(name, width, norm, channels)


def cubes(choice: BackboneSettings, *sides: int) -> torch.Tensor:
    """As many of `sides` as the backbone has axes."""
    shape = sides[: BACKBONES.get(choice.name).axes]
    return torch.rand(2, choice.input_channels, *shape, generator=torch.Generator().manual_seed(0))


def test_pyramid_and_decoder_are_as_announced(choice: BackboneSettings) -> None:
    backbone = build_backbone(choice)
    stride = backbone.strides[-1]
    x = cubes(choice, *((stride, 2 * stride, stride) if stride > 16 else (2 * stride, 4 * stride, 2 * stride)))
    sides = x.shape[2:]
    assert backbone.axes == len(sides)
    pyramid = backbone.encode(x)
    assert backbone.input_channels == choice.input_channels
    assert len(pyramid) == len(backbone.channels) == len(backbone.strides)
    assert list(backbone.strides) == sorted(set(backbone.strides))
    for features, channels, step in zip(pyramid, backbone.channels, backbone.strides, strict=True):
        assert features.shape == (2, channels, *(side // step for side in sides))
    assert backbone.decode(pyramid).shape == (2, backbone.decoder_channels, *sides)


def test_forward_is_encode(choice: BackboneSettings) -> None:
    backbone, x = build_backbone(choice).eval(), cubes(choice, 64, 32, 32)
    for one, other in zip(backbone(x), backbone.encode(x), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("build", [DenseNetwork, ClassificationNetwork])
def test_heads_attach_and_everything_used_learns(choice: BackboneSettings, build: Any) -> None:
    network = build(build_backbone(choice), 2)
    x = cubes(choice, 37, 34, 16)
    logits = network(x)
    assert logits.shape == ((2, 2, *x.shape[2:]) if build is DenseNetwork else (2, 2))
    logits.square().mean().backward()
    silent = {name for name, weight in network.named_parameters() if weight.grad is None}
    assert not silent if build is DenseNetwork else not {name for name in silent if "dense" in name}
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_evaluation_is_deterministic_and_changes_nothing(choice: BackboneSettings) -> None:
    network = DenseNetwork(build_backbone(choice), 1).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    x = cubes(choice, 34, 34, 16)
    with torch.inference_mode():
        assert torch.equal(network(x), network(x))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_encoder_alone_can_be_taken(choice: BackboneSettings, tmp_path: Any) -> None:
    """All that a classification needs, and nothing of the decoder."""
    torch.manual_seed(1)
    one: Any = DenseNetwork(build_backbone(choice), 1).eval()
    other: Any = ClassificationNetwork(build_backbone(choice), 2).eval()
    save_weights(tmp_path / "weights.safetensors", one, {})
    report = initialise(other, f"file:{tmp_path / 'weights.safetensors'}", scope="encoder")
    assert report.loaded
    assert not report.adapted
    x = cubes(choice, 64, 32, 32)
    for taken, wanted in zip(other.backbone.encode(x), one.backbone.encode(x), strict=True):
        torch.testing.assert_close(taken, wanted)
    decoder = [name for name in report.missing if not name.startswith("dense_")]
    assert any(not torch.equal(named_tensors(other)[name], named_tensors(one)[name]) for name in decoder)


@pytest.mark.parametrize(("given", "wanted"), [(1, 4), (3, 1), (3, 2)], ids=str)
def test_weights_fit_other_channels(choice: BackboneSettings, given: int, wanted: int, tmp_path: Any) -> None:
    """Where all channels are equal, so is every activation; the report says what was done to which tensors."""
    if choice.name in OURS and (choice.input_channels == 3 or choice.width == 5):
        pytest.skip("channels are given and wanted here, and the smaller width shows it")
    if choice.name in WIDTHS and (given, wanted) != (3, 2):
        pytest.skip("a slow network, once")
    # in float64: instance norm makes much of small differences where only a few voxels are left
    one: Any = DenseNetwork(build_backbone(replace(choice, input_channels=given)), 1).double().eval()
    other: Any = DenseNetwork(build_backbone(replace(choice, input_channels=wanted)), 1).double().eval()
    save_weights(tmp_path / "weights.safetensors", one, {})
    report = initialise(other, f"file:{tmp_path / 'weights.safetensors'}", head=True)
    assert set(report.adapted) == set(other.backbone.first_convolutions)
    assert set(report.adapted.values()) == {f"{given} input channels spread over {wanted}"}
    assert not report.missing
    x = cubes(replace(choice, input_channels=1), 64, 32, 16).double()
    seen, wanted_from = (torch.cat([x] * count, 1) for count in (wanted, given))
    with torch.inference_mode():
        for taken, known in zip(other.backbone.encode(seen), one.backbone.encode(wanted_from), strict=True):
            torch.testing.assert_close(taken, known, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(other(seen), one(wanted_from), rtol=1e-3, atol=1e-3)


def test_weights_survive_the_disk(choice: BackboneSettings, tmp_path: Any) -> None:
    torch.manual_seed(1)
    one: nn.Module = DenseNetwork(build_backbone(choice), 1)
    other: nn.Module = DenseNetwork(build_backbone(choice), 1)
    save_weights(tmp_path / "weights.safetensors", one, {})
    report = initialise(other, f"file:{tmp_path / 'weights.safetensors'}", head=True)
    assert not report.missing
    assert all(torch.equal(t, named_tensors(other)[name]) for name, t in named_tensors(one).items())
