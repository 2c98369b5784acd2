"""Networks in the form of the Hugging Face hub, from folders and the cache."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch

import modelsgenesis as mg
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork


def network(kind: type[Any] = DenseNetwork, name: str = "unet3d_light") -> Any:
    torch.manual_seed(2)
    made = kind(build_backbone(BackboneSettings(name, width=2, input_channels=2)), 3)
    made.provenance = {"modality": "ct", "cube": [16, 16, 16]}
    return made.eval()


@pytest.mark.parametrize("kind", [DenseNetwork, ClassificationNetwork])
@pytest.mark.parametrize("name", ["unet3d", "unet3d_light", "unet2d"])
def test_a_network_comes_back_whole_from_its_folder(kind: type[Any], name: str, tmp_path: Path) -> None:
    whole = network(kind, name)
    whole.save_pretrained(tmp_path)
    x = torch.rand(1, 2, *(32,) * whole.backbone.axes)
    for back in (mg.from_pretrained(str(tmp_path)), kind.from_pretrained(tmp_path)):
        assert type(back) is kind
        assert not back.training
        torch.testing.assert_close(back(x), whole(x), rtol=0, atol=0)
        assert back.provenance["modality"] == "ct"
        assert not back.load_report.missing
    shape = {"preset": "", "plans": ""}  # nnU-Net's alone
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["backbone"] == {"name": name, "width": 2, "norm": "running", "input_channels": 2, **shape}
    assert "library_name: modelsgenesis" in (tmp_path / "README.md").read_text()


def test_a_folder_of_the_hub_is_an_init_source(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path)
    report = mg.segmenter(str(tmp_path), classes=5, channels=2).load_report
    assert len(report.loaded) > 20
    assert report.missing == ["out_tr.final_conv.weight", "out_tr.final_conv.bias"]


def test_weights_of_a_pre_training_come_with_the_head_that_restores() -> None:
    x = torch.rand(1, 1, 16, 16, 16)
    torch.testing.assert_close(mg.from_pretrained("genesis-chest-ct")(x), mg.restorer("genesis-chest-ct")(x))


def test_what_was_trained_on_no_longer_says_that_it_restores(tmp_path: Path) -> None:
    mg.segmenter("genesis-chest-ct", classes=1).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="not the weights of a pre-training"):
        mg.restorer(str(tmp_path))
    assert "| training data | not stated |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("wrong", ["owner/nothing", "hf:nothing"])
def test_what_is_not_there_is_named(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GenesisError, match=f"hf:{wrong.removeprefix('hf:')}: "):
        mg.from_pretrained(wrong)


def test_networks_can_be_copied_and_pickled() -> None:
    whole, x = network(), torch.rand(1, 2, 16, 16, 16)
    for other in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        torch.testing.assert_close(other(x), whole(x))


def test_a_folder_is_written_where_its_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    network().save_pretrained("~/a/../shared")
    assert (tmp_path / "shared" / "model.safetensors").is_file()
    assert isinstance(mg.from_pretrained("~/shared"), DenseNetwork)
    (tmp_path / "file").touch()
    with pytest.raises(GenesisError, match="file: no folder to write into"):
        network().save_pretrained("file")
