"""Checkpoints for nnU-Net's fine-tuning, and nnssl's as init sources."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.config import to_dict
from modelsgenesis.data.intensity import ct_window
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.exchange import EXPORTS
from modelsgenesis.exchange.nnssl import PLAN_FILE
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.foreign.nnunet_plans import preset
from modelsgenesis.models.weights import initialise, named_tensors, read_weights, save_weights, write_tensors

PROVENANCE = {
    "command": "pretrain",
    "backbone": to_dict(BackboneSettings("resenc", 4, "instance", preset="S")),
    "cube": [20, 16, 16],
    "scale": {"spacing": {"median": [1.0, 1.0, 2.0], "low": [1.0, 1.0, 2.0], "high": [1.0, 1.0, 2.0]}, "drawn": False},
    "orientation": "LPS",
    "modality": "ct",
    "intensity": {"low": -1000.0, "high": 1000.0, "levels": 2000},
}
OWN = {
    "encoder.stem.convs.0.all_modules.0.weight": (4, 1, 3, 3, 3),
    "encoder.stem.convs.0.all_modules.1.weight": (4,),
    "encoder.stages.0.blocks.0.conv1.all_modules.0.weight": (4, 4, 3, 3, 3),
    "decoder.transpconvs.0.weight": (8, 4, 2, 2, 2),
    "out_tr.final_conv.weight": (1, 4, 1, 1, 1),
}


def stored(folder: Path, **changed: Any) -> tuple[str, dict[str, Tensor]]:
    tensors = {name: torch.rand(shape) for name, shape in OWN.items()}
    write_tensors(folder / "weights.safetensors", tensors, {**PROVENANCE, **changed})
    return str(folder / "weights.safetensors"), tensors


def exported(folder: Path, source: str, name: str = "nnssl") -> tuple[Any, list[str]]:
    lines = EXPORTS.get(name)(source, folder / "checkpoint_final.pth")
    return torch.load(folder / "checkpoint_final.pth", weights_only=True), lines


def test_every_name_of_a_tensor_is_there_with_its_axes_turned(tmp_path: Path) -> None:
    source, own = stored(tmp_path)
    content, _ = exported(tmp_path, source)
    weights = content["network_weights"]
    stem = own["encoder.stem.convs.0.all_modules.0.weight"].permute(0, 1, 4, 3, 2)
    for name in ("convs.0.all_modules.0", "convs.0.conv"):
        assert torch.equal(weights[f"encoder.stem.{name}.weight"], stem)
        assert torch.equal(weights[f"decoder.encoder.stem.{name}.weight"], stem)
    assert "encoder.stem.convs.0.norm.weight" in weights
    assert not [name for name in weights if name.startswith("out_tr")]
    assert len(weights) == 3 * 4 + 1


def test_the_plan_says_what_nnunet_reads(tmp_path: Path) -> None:
    source, _ = stored(tmp_path)
    content, lines = exported(tmp_path, source)
    plan = content["nnssl_adaptation_plan"]
    assert {**plan, "trainer_name": "ModelsGenesis"} == json.loads((tmp_path / PLAN_FILE).read_text())
    (configuration,) = plan["pretrain_plan"]["configurations"].values()
    assert configuration["spacing"] == [2.0, 1.0, 1.0]
    assert configuration["patch_size"] == plan["recommended_downstream_patchsize"] == [16, 16, 24]
    assert plan["architecture_plans"]["arch_kwargs"]["features_per_stage"] == [4, 8, 16, 32]
    assert (plan["key_to_encoder"], plan["key_to_stem"], plan["key_to_lpe"]) == ("encoder.stages", "encoder.stem", None)
    assert {f"{key}.weight" for key in plan["keys_to_in_proj"]} <= set(content["network_weights"])
    assert plan["modelsgenesis"]["intensity"] == PROVENANCE["intensity"]
    assert content["citations"][0]["name"] == "Models Genesis"
    assert any("-1000 to 1000" in line and "z-scores" in line for line in lines)


def test_drawn_spacings_are_no_spacing(tmp_path: Path) -> None:
    scale = {"spacing": {"median": [2.0] * 3, "low": [1.0] * 3, "high": [4.0] * 3}, "drawn": True}
    content, lines = exported(tmp_path, stored(tmp_path, scale=scale)[0])
    (configuration,) = content["nnssl_adaptation_plan"]["pretrain_plan"]["configurations"].values()
    assert configuration["spacing"] is None
    assert any("nnU-Net keeps its own" in line for line in lines)


def test_all_comes_back(tmp_path: Path) -> None:
    source, own = stored(tmp_path)
    exported(tmp_path, source)
    tensors, provenance = read_weights(tmp_path / "checkpoint_final.pth")
    assert provenance == PROVENANCE
    assert tensors.keys() == {name for name in own if not name.startswith("out_tr")}
    assert all(torch.equal(tensor, own[name]) for name, tensor in tensors.items())


def test_a_foreign_checkpoint_tells_its_origin(tmp_path: Path) -> None:
    """As nnssl writes it: arrays (Z, Y, X), no provenance of ours."""
    source, own = stored(tmp_path)
    content, _ = exported(tmp_path, source)
    del content["nnssl_adaptation_plan"]["modelsgenesis"]
    torch.save(content, tmp_path / "foreign.pth")
    tensors, provenance = read_weights(tmp_path / "foreign.pth")
    assert torch.equal(tensors["decoder.transpconvs.0.weight"], own["decoder.transpconvs.0.weight"])
    held = BackboneSettings(**provenance["backbone"])
    assert (held.name, held.norm, held.width) == ("resenc", "instance", 4)
    assert held.plans == preset("ResidualEncoderUNet", "S", 4).text()
    assert provenance["scale"]["spacing"]["median"] == [1.0, 1.0, 2.0]
    assert provenance["cube"] == [24, 16, 16]
    assert provenance["normalisation"] == ["ZScoreNormalization"]
    assert provenance["citations"][0]["name"] == "Models Genesis"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("architecture_plans", "arch_class_name"), "PrimusM", "network is PrimusM; only"),
        (("architecture_plans", "arch_kwargs", "conv_bias"), False, r"conv_bias False \(here True\)"),
        (("key_to_encoder",), "eva", "encoder is at 'eva'"),
        (("key_to_encoder",), "net.encoder.stages", "no tensors below"),
        (("pretrain_plan",), {}, "lacks what tells the network"),
    ],
)
def test_another_network_is_an_error_that_says_so(
    tmp_path: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    content, _ = exported(tmp_path, stored(tmp_path)[0])
    entry = content["nnssl_adaptation_plan"]
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(GenesisError, match=rf"other.pth.*{message}"):
        read_weights(tmp_path / "other.pth")


def test_networks_that_nnunet_does_not_build_are_refused(tmp_path: Path) -> None:
    source, _ = stored(tmp_path, backbone=to_dict(BackboneSettings("unet3d", 4)))
    for name in ("nnssl", "nnunetv2"):
        with pytest.raises(UsageError, match=r"backbone.name unet3d.*backbone.norm running"):
            exported(tmp_path, source, name)
    with pytest.raises(UsageError, match=r"\.pth"):
        EXPORTS.get("nnssl")(source, tmp_path / "x.pt")


def built(choice: BackboneSettings) -> Any:
    pytest.importorskip("dynamic_network_architectures")
    from modelsgenesis.models import build_backbone
    from modelsgenesis.models.heads import DenseNetwork

    torch.manual_seed(0)
    network = DenseNetwork(build_backbone(choice), 1)
    for tensor in network.parameters():
        tensor.data = torch.randn(tensor.shape) * 0.3
    return network.eval()


def test_a_z_score_changes_the_features_inside_by_nothing() -> None:
    """The first convolution answers a linear map of the scan by a linear map, which the instance norm undoes.

    At the border it does not: there zeros are padded, which mean -1000 HU here and the mean of the scan to nnU-Net.
    """
    choice = BackboneSettings("resenc", 4, "instance", preset="S")
    stem = built(choice).backbone.encoder.stem.convs[0].all_modules
    window = ct_window()
    values = torch.randint(-900, 900, (1, 1, 16, 16, 16)).double()
    unit = (values - window.low) / (window.high - window.low)
    scored = (values - values.mean()) / values.std()
    convolution, activated = stem[0].double(), nn.InstanceNorm3d(4, eps=1e-5)
    ours, theirs = (convolution(x)[..., 1:-1, 1:-1, 1:-1] for x in (unit, scored))
    torch.testing.assert_close(activated(theirs), activated(ours), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(convolution(scored)[..., 0, :, :], theirs.mean() + 0 * convolution(unit)[..., 0, :, :])


@pytest.mark.parametrize("way", ["-pretrained_weights", "PretrainedTrainer", "DynamicPretrainedTrainer"])
def test_nnunet_itself_loads_it(way: str, tmp_path: Path) -> None:
    """By its own functions, where it is installed; its trainers of pre-trained networks are not in release 2.8.1."""
    choice = BackboneSettings("resenc", 4, "instance", preset="S")
    network = built(choice)
    save_weights(tmp_path / "weights.safetensors", network, PROVENANCE)
    content, _ = exported(tmp_path, str(tmp_path / "weights.safetensors"))
    checkpoint, plan = str(tmp_path / "checkpoint_final.pth"), content["nnssl_adaptation_plan"]
    plans: Any = pytest.importorskip("nnunetv2.utilities.get_network_from_plans")
    described = plan["architecture_plans"]
    keys = ("arch_class_name", "arch_kwargs", "arch_kwargs_requiring_import")
    made = plans.get_network_from_plans(*(described[key] for key in keys), 1, 3, deep_supervision=False).eval()
    patch, place = plan["recommended_downstream_patchsize"], "nnunetv2.training.nnUNetTrainer.pretraining"
    keys = ("key_to_encoder", "key_to_stem", "keys_to_in_proj", "key_to_lpe")
    given = (checkpoint, 1, 1, patch, [16, 16, 16], *(plan[key] for key in keys))
    if way == "-pretrained_weights":
        loading: Any = pytest.importorskip("nnunetv2.run.load_pretrained_weights")
        loading.load_pretrained_weights(made, checkpoint)
    elif way == "PretrainedTrainer":
        trainer: Any = pytest.importorskip(f"{place}.pretrainedTrainer")
        trainer.PretrainedTrainer.load_pretrained_weights(made, *given)
    else:
        trainer = pytest.importorskip(f"{place}.dynamicPretrainedTrainer")
        kernels = described["arch_kwargs"]["kernel_sizes"]
        trainer.DynamicPretrainedTrainer.load_pretrained_weights_dynamic(made, *given, kernels, len(kernels))
    x = torch.rand(1, 1, 16, 24, 16)
    for one, other in zip(made.encoder(x.permute(0, 1, 4, 3, 2)), network.backbone.encode(x), strict=True):
        torch.testing.assert_close(one.permute(0, 1, 4, 3, 2), other, rtol=1e-4, atol=1e-4)


def test_a_foreign_checkpoint_begins_a_training(tmp_path: Path) -> None:
    choice = BackboneSettings("resenc", 4, "instance", preset="S")
    one, other = built(choice), built(choice)
    save_weights(tmp_path / "weights.safetensors", one, PROVENANCE)
    exported(tmp_path, str(tmp_path / "weights.safetensors"))
    for tensor in other.parameters():
        tensor.data.zero_()
    report = initialise(other, f"file:{tmp_path / 'checkpoint_final.pth'}")
    assert sorted(report.missing) == ["out_tr.final_conv.bias", "out_tr.final_conv.weight"]
    assert not report.skipped
    backbone = {name: tensor for name, tensor in named_tensors(other).items() if not name.startswith("out_tr")}
    assert all(torch.equal(tensor, named_tensors(one)[name]) for name, tensor in backbone.items())
