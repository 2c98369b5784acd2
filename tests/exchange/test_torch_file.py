"""`--to torch`: the original network loads the file and gives the same; our own reader gets all of it back."""

from pathlib import Path
from typing import Any

import pytest
import torch

from modelsgenesis import load
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.exchange import EXPORTS
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import initialise, provenance_of
from tests.exchange.networks import fine_tuned, pretrained
from tests.exchange.original import Original


def export(source: str, out: Path) -> list[str]:
    return EXPORTS.get("torch")(source, out)


def original(path: Path, width: int, outputs: int = 1) -> Original:
    """As users of the published file load it: strictly, without `module.`."""
    content: Any = torch.load(path, weights_only=True)
    network = Original(width, outputs)
    network.load_state_dict({name.replace("module.", ""): value for name, value in content["state_dict"].items()})
    return network.eval()


@pytest.mark.parametrize("norm", ["running", "batch"])
def test_the_original_network_loads_it_and_gives_the_same(norm: str, tmp_path: Path) -> None:
    source, _ = pretrained(tmp_path / "run", BackboneSettings("unet3d", 4, norm))
    export(source, tmp_path / "out.pt")
    held = torch.load(tmp_path / "out.pt", weights_only=True)["state_dict"]
    assert {"module.down_tr64.ops.0.conv1.weight", "module.up_tr256.up_conv.bias", "module.out_tr.final_conv.bias"} <= {
        *held
    }
    assert all(name.startswith("module.") for name in held)
    ours = DenseNetwork(build_backbone(BackboneSettings("unet3d", 4, "batch")), 1).eval()
    initialise(ours, source, head=True)
    x = torch.rand(2, 1, 32, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(original(tmp_path / "out.pt", 4)(x), ours(x).sigmoid(), rtol=0, atol=1e-6)


def test_a_fine_tuned_network_has_its_own_head(tmp_path: Path) -> None:
    source, _ = fine_tuned(tmp_path / "run", BackboneSettings("unet3d", 2))
    lines = export(source, tmp_path / "out.pt")
    assert "head is that of the task" in lines[1]
    original(tmp_path / "out.pt", 2, outputs=3)


@pytest.mark.parametrize(
    ("name", "norm", "said"),
    [
        ("unet3d", "running", "width is 4, that of the original network 32"),
        ("unet3d", "group", "norm is group: the original network, which has batch norms, gives something else"),
        ("unet3d_light", "running", "the names are those of unet3d_light: the original 3D network does not load them"),
        ("unet2d", "running", "the names are those of unet2d"),
        ("monai_dynunet", "instance", "the names are those of monai_dynunet"),
    ],
)
def test_it_comes_back_whole(name: str, norm: str, said: str, tmp_path: Path) -> None:
    source, network = pretrained(tmp_path / "run", BackboneSettings(name, 4, norm))
    assert said in "\n".join(export(source, tmp_path / "out.pt"))
    again = DenseNetwork(build_backbone(BackboneSettings(name, 4, norm)), 1)
    report = initialise(again, f"file:{tmp_path / 'out.pt'}", head=True)
    assert not report.missing
    assert not report.skipped
    for tensor_name, tensor in network.state_dict().items():
        if "num_batches" not in tensor_name:
            assert torch.equal(again.state_dict()[tensor_name], tensor), tensor_name
    assert provenance_of(f"file:{tmp_path / 'out.pt'}") == provenance_of(source)
    x = torch.rand(1, 1, *(32,) * network.backbone.axes)
    with torch.inference_mode():
        for one, other in zip(load(str(tmp_path / "out.pt")).encode(x), network.backbone.encode(x), strict=True):
            torch.testing.assert_close(one, other)


def test_what_cannot_be_exported_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="random weights"):
        export("scratch:he", tmp_path / "out.pt")
    torch.save({"a": torch.ones(1)}, tmp_path / "odd.pt")
    with pytest.raises(UsageError, match="does not say which network"):
        export(f"file:{tmp_path / 'odd.pt'}", tmp_path / "out.pt")
    with pytest.raises(GenesisError, match="no such"):
        export(f"file:{tmp_path / 'nowhere.pt'}", tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()
