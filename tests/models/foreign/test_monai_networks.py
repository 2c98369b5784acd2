"""MONAI's networks as backbones are MONAI's networks: their tensors load into the plain class, which gives the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks import nets

from modelsgenesis.errors import UsageError
from modelsgenesis.models import BACKBONES, BackboneSettings, build_backbone
from modelsgenesis.models.foreign.monai_networks import plain
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import STATISTICS, initialise, named_tensors

WIDTH = 12
MONAI = [name for name in BACKBONES.names() if name.startswith("monai_")]
BY_HAND: dict[str, Any] = {
    "monai_unet": lambda: nets.UNet(3, 2, WIDTH, (12, 24, 48, 96, 192), (2, 2, 2, 2), num_res_units=2, norm="batch"),
    "monai_dynunet": lambda: nets.DynUNet(
        3, 2, 3, [3] * 5, [1, 2, 2, 2, 2], [2] * 4, (12, 24, 48, 96, 120), norm_name="batch"
    ),
    "monai_basicunet": lambda: nets.BasicUNet(3, 2, 3, (12, 12, 24, 48, 96, 12), norm="batch"),
    "monai_attentionunet": lambda: nets.AttentionUnet(3, 2, 3, (12, 24, 48, 96, 192), (2, 2, 2, 2)),
    "monai_segresnet": lambda: nets.SegResNet(3, 12, 2, 3, norm="batch"),
    "monai_swinunetr": lambda: nets.SwinUNETR(2, 3, feature_size=12, norm_name="batch"),
}
"""The plain class as a user of MONAI writes it: 2 channels in, 3 out."""


@pytest.fixture(params=MONAI)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def dense(name: str) -> Any:
    """A network whose running statistics are not those of the start."""
    torch.manual_seed(0)
    network = DenseNetwork(build_backbone(BackboneSettings(name, WIDTH, "running", 2)), 3)
    network(torch.rand(2, 2, 32, 32, 32))
    return network.eval()


def test_its_tensors_load_into_the_plain_class_by_their_own_names(name: str) -> None:
    network, by_hand = dense(name), BY_HAND[name]()
    backbone = network.backbone
    left = by_hand.load_state_dict(backbone.state_dict(), strict=False)
    assert not left.unexpected_keys
    second = tuple(f"{child}." for child in backbone.second_names)
    missing = {key for key in left.missing_keys if not key.startswith(second)}
    if not backbone.output:
        assert not missing
        return
    assert missing == {f"{backbone.output}.weight", f"{backbone.output}.bias"}
    by_hand.get_submodule(backbone.output).load_state_dict(network.out_tr.final_conv.state_dict())
    x = torch.rand(1, 2, 32, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(by_hand.eval()(x), network(x), rtol=0, atol=0)


def test_a_file_of_the_plain_class_is_an_init_source_without_a_warning(name: str, tmp_path: Path) -> None:
    torch.save(BY_HAND[name]().state_dict(), tmp_path / "monai.pt")
    network = dense(name)
    report = initialise(network, f"file:{tmp_path / 'monai.pt'}")
    assert not report.warnings
    assert report.taken >= {key for key in named_tensors(network.backbone) if not key.endswith(STATISTICS)}


def test_the_plain_network_gives_the_same(name: str) -> None:
    network = dense(name)
    without = plain(network)
    modules = [type(module).__module__ for module in without.modules()]
    assert not [module for module in modules if module.startswith("modelsgenesis")]
    x = torch.rand(1, 2, 32, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(without(x), network(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "width", "norm", "said"),
    [
        ("monai_unet", 4, "batch", "backbone.norm: 'batch': MONAI's UNet comes with running, group, instance"),
        ("monai_attentionunet", 4, "group", "MONAI's AttentionUnet comes with running$"),
        ("monai_segresnet", 4, "layer", "comes with running, group, instance"),
        ("monai_swinunetr", 32, "instance", "backbone.width: 32: .* multiples of 12"),
    ],
)
def test_what_a_network_does_not_come_with_is_refused(name: str, width: int, norm: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_backbone(BackboneSettings(name, width, norm))


def test_instance_norm_of_a_single_voxel_is_refused(name: str) -> None:
    if "instance" not in BACKBONES.get(name).norms:  # type: ignore[attr-defined]
        pytest.skip("it has no instance norm")
    backbone = build_backbone(BackboneSettings(name, WIDTH, "instance"))
    with pytest.raises(UsageError, match="single voxel"):
        backbone.encode(torch.rand(2, 1, *(backbone.strides[-1],) * 3))
