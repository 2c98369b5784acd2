"""nnU-Net's networks as backbones: the same as nnU-Net builds, from presets and from plans files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from modelsgenesis.config import to_dict
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.foreign.nnssl import second_names, turned
from modelsgenesis.models.foreign.nnunet_plans import Architecture, preset, read_architecture, resolved, theirs
from modelsgenesis.models.weights import named_tensors
from modelsgenesis.training.initial import BackboneChoice, resolve

ANISOTROPIC = Architecture(
    "ResidualEncoderUNet",
    features=(4, 8, 12),
    kernels=((3, 3, 1), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (2, 2, 1), (2, 2, 2)),
    blocks=(1, 2, 1),
    decoder=(1, 2),
)


def plans(folder: Path, architecture: Architecture = ANISOTROPIC, **changed: Any) -> Path:
    """A plans file of nnU-Net for (Z, Y, X) arrays."""
    described = {
        "network_class_name": f"a.b.{architecture.network}",
        "arch_kwargs": {**theirs(architecture), **changed},
    }
    content = {"configurations": {"3d_fullres": {"architecture": described}}, "transpose_forward": [0, 1, 2]}
    path = folder / "plans.json"
    path.write_text(json.dumps(content))
    return path


def nnunets(architecture: Architecture, outputs: int = 2) -> Any:
    """The network that nnU-Net itself builds."""
    unet = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    given = theirs(architecture)
    given |= {"conv_op": nn.Conv3d, "norm_op": nn.InstanceNorm3d, "nonlin": nn.LeakyReLU}
    return getattr(unet, architecture.network)(input_channels=1, num_classes=outputs, **given)


@pytest.mark.parametrize("name", ["resenc", "plainconv"])
@pytest.mark.parametrize("source", ["preset", "plans"])
def test_it_computes_what_nnunets_network_does(name: str, source: str, tmp_path: Path) -> None:
    """Tensor by tensor under nnU-Net's names, kernels turned: equal activations on the scan in its order of axes."""
    network = "ResidualEncoderUNet" if name == "resenc" else "PlainConvUNet"
    architecture = preset(network, "S", 4)
    choice = BackboneSettings(name, 4, "instance", preset="S")
    if source == "plans":
        architecture = Architecture(**{**vars(ANISOTROPIC), "network": network})
        choice = BackboneSettings(name, norm="instance", plans=str(plans(tmp_path, architecture)))
    reference = nnunets(architecture)
    torch.manual_seed(0)
    backbone = build_backbone(choice)
    own = named_tensors(backbone)
    for tensor in own.values():  # nnU-Net begins with residual branches of zero, which would hide mistakes
        tensor.copy_(torch.randn(tensor.shape) * 0.2)
    given = {other: turned(tensor, (2, 1, 0)) for name, tensor in own.items() for other in second_names(name)}
    missing, unexpected = reference.load_state_dict(given, strict=False)
    assert not unexpected
    assert all(name.startswith("decoder.seg_layers.") for name in missing)
    x = torch.rand(1, 1, 24, 16, 32)
    seen = x.permute(0, 1, 4, 3, 2)
    with torch.inference_mode():
        skips = reference.eval().encoder(seen)
        pyramid = backbone.eval().encode(x)
        for ours, their in zip(pyramid, skips, strict=True):
            torch.testing.assert_close(ours, their.permute(0, 1, 4, 3, 2), rtol=1e-4, atol=1e-4)
        logits = reference.decoder.seg_layers[-1](backbone.decode(pyramid))
        torch.testing.assert_close(logits, reference(seen).permute(0, 1, 4, 3, 2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", ["M", "L"])
def test_the_large_presets_are_nnunets(size: str) -> None:
    """Shape by shape the network that nnU-Net builds for the name ResEncL."""
    unet = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    with torch.device("meta"):
        backbone = build_backbone(BackboneSettings("resenc", norm="instance", preset=size))
        whole = unet.ResidualEncoderUNet(
            input_channels=1,
            n_stages=6,
            features_per_stage=[32, 64, 128, 256, 320, 320],
            conv_op=nn.Conv3d,
            kernel_sizes=[[3, 3, 3]] * 6,
            strides=[[1, 1, 1]] + [[2, 2, 2]] * 5,
            n_blocks_per_stage=[1, 3, 4, 6, 6, 6],
            num_classes=3,
            n_conv_per_stage_decoder=[1, 1, 1, 1, 1],
            conv_bias=True,
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
        )
    own = {other: tensor.shape for name, tensor in named_tensors(backbone).items() for other in second_names(name)}
    wanted = {name: tensor.shape for name, tensor in whole.state_dict().items() if ".seg_layers." not in name}
    assert own == wanted


def test_plans_are_stored_as_their_architecture(tmp_path: Path) -> None:
    path = plans(tmp_path)
    choice = BackboneSettings("resenc", norm="instance", plans=str(path))
    path.unlink()
    assert read_architecture(choice.plans, "ResidualEncoderUNet") == ANISOTROPIC
    assert BackboneSettings(**to_dict(choice)) == choice
    with pytest.raises(UsageError, match="plainconv"):
        read_architecture(json.dumps({**json.loads(choice.plans), "network": "PlainConvUNet"}), "ResidualEncoderUNet")


def test_transposed_plans_are_turned_back(tmp_path: Path) -> None:
    path = plans(tmp_path)
    content = json.loads(path.read_text())
    content["transpose_forward"] = [2, 0, 1]  # their axes are x, z, y
    path.write_text(json.dumps(content))
    found = read_architecture(resolved(str(path)), "ResidualEncoderUNet")
    assert theirs(ANISOTROPIC)["kernel_sizes"][0] == [1, 3, 3]
    assert found.kernels[0] == (1, 3, 3)
    content["transpose_forward"] = [1, 0, 2]  # y, z, x
    path.write_text(json.dumps(content))
    assert read_architecture(resolved(str(path)), "ResidualEncoderUNet").kernels[0] == (3, 1, 3)


def test_what_differs_is_listed(tmp_path: Path) -> None:
    path = plans(tmp_path, norm_op="torch.nn.BatchNorm3d", conv_bias=False, squeeze_excitation=True)
    with pytest.raises(UsageError, match=r"plans.json.*conv_bias False.*norm_op.*BatchNorm3d.*squeeze_excitation"):
        BackboneSettings("resenc", plans=str(path))
    for content in ("{}", "no json", '{"configurations": {"3d_fullres": {"UNet_class_name": "x"}}}'):
        path.write_text(content)
        with pytest.raises(UsageError, match="no plans file of nnU-Net"):
            BackboneSettings("resenc", plans=str(path))
    with pytest.raises(UsageError, match="no plans file"):
        BackboneSettings("resenc", plans=str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "unet3d", "preset": "S"}, "backbone.preset: unet3d has none"),
        ({"name": "resenc", "preset": "Q"}, "'Q' is unknown; valid: S, M, L"),
        ({"name": "resenc", "preset": "S", "plans": ANISOTROPIC.text()}, "leave one out"),
        ({"name": "resenc", "plans": ANISOTROPIC.text()}, "instance norm, not running"),
        ({"name": "plainconv", "norm": "instance", "plans": ANISOTROPIC.text()}, "set backbone.name to resenc"),
    ],
)
def test_contradictions_are_refused(changed: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_backbone(BackboneSettings(**changed))  # type: ignore[arg-type]


def test_fine_tuning_takes_the_architecture_over() -> None:
    held = BackboneSettings("resenc", norm="instance", plans=ANISOTROPIC.text())
    provenance = {"backbone": to_dict(held)}
    assert resolve(BackboneChoice(), provenance, "run:x", 1) == held
    with pytest.raises(UsageError, match="backbone.preset is M"):
        resolve(BackboneChoice(preset="M"), provenance, "run:x", 1)
