"""What every registered init source must keep: its report accounts for every tensor, on both sides."""

import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from torch import nn

from modelsgenesis import zoo
from modelsgenesis.errors import GenesisError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.weights import INIT_SOURCES, initialise, named_tensors, save_weights

SAMPLES: dict[str, Callable[[Path], str]] = {
    "scratch": lambda _: "scratch:he",
    "run": lambda folder: f"run:{folder}",
    "file": lambda folder: f"file:{folder / 'weights.safetensors'}",
    "zoo": lambda _: "genesis-of-the-test",
    "hf": lambda _: "hf:someone/something",
}
"""A URI of each kind, given a folder that holds weights.safetensors."""
NETWORKS = {"dense": DenseNetwork, "classification": ClassificationNetwork}


def build(kind: str, channels: int = 1, outputs: int = 2) -> nn.Module:
    return NETWORKS[kind](build_backbone(BackboneSettings(width=2, input_channels=channels)), outputs)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    torch.manual_seed(5)
    folder, network = tmp_path_factory.mktemp("source"), build("dense", outputs=1)
    save_weights(folder / "weights.safetensors", network, {})
    of_hub = folder / "hub/models--someone--something"
    for place in (folder / "zoo/genesis-of-the-test.safetensors", of_hub / "snapshots/1/model.safetensors"):
        place.parent.mkdir(parents=True)
        shutil.copy(folder / "weights.safetensors", place)
    (of_hub / "refs").mkdir()
    (of_hub / "refs/main").write_text("1")
    return folder, network


@pytest.fixture(autouse=True)
def places(stored: tuple[Path, nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo of one network, and a cache of the hub that holds one repository."""
    monkeypatch.setattr(zoo, "_folder", lambda: stored[0] / "zoo")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(stored[0] / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_every_source_has_a_sample() -> None:
    assert set(SAMPLES) == set(INIT_SOURCES.names())


@pytest.mark.parametrize("source", INIT_SOURCES.names())
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scope", ["encoder", "encoder-decoder"])
@pytest.mark.parametrize("head", [False, True])
def test_report_accounts_for_every_tensor(
    stored: tuple[Path, nn.Module], source: str, kind: str, channels: int, scope: str, head: bool
) -> None:
    folder, origin = stored
    torch.manual_seed(0)
    network = build(kind, channels)
    before = {name: tensor.clone() for name, tensor in named_tensors(network).items()}
    report = initialise(network, SAMPLES[source](folder), scope, head)
    own, given = named_tensors(network), named_tensors(origin)

    taken = [*report.loaded, *report.adapted]
    assert sorted([*taken, *report.missing]) == sorted(own)  # each of the network's tensors exactly once
    for name in report.loaded:
        assert torch.equal(own[name], given[name])
    if source == "scratch":
        assert not taken
        return
    assert sorted([*taken, *report.skipped]) == sorted(given)  # and each of the source's
    assert all(report.skipped.values())
    assert all(torch.equal(own[name], before[name]) for name in report.missing)
    assert not [name for name in taken if scope == "encoder" and name.startswith("up_")]
    assert not [name for name in taken if not head and not name.startswith(("down_", "up_"))]


@pytest.mark.parametrize("source", INIT_SOURCES.names())
def test_summary_is_plain_text(stored: tuple[Path, nn.Module], source: str) -> None:
    uri = SAMPLES[source](stored[0])
    report = initialise(build("dense"), uri)
    assert report.summary().startswith(f"init {uri}: ")
    assert report.to_dict()["source"] == uri


@pytest.mark.parametrize("source", INIT_SOURCES.names())
def test_what_is_not_there_is_never_a_silent_start_from_scratch(source: str, tmp_path: Path) -> None:
    network = build("dense")
    before = {name: tensor.clone() for name, tensor in named_tensors(network).items()}
    with pytest.raises(GenesisError):
        initialise(network, f"{source}:{tmp_path / 'nowhere'}")
    assert all(torch.equal(tensor, before[name]) for name, tensor in named_tensors(network).items())
