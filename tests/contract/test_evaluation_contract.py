"""In evaluation the output of an item is that of the item alone, whatever the norm and the way of loading."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import modelsgenesis
from modelsgenesis import zoo
from modelsgenesis.config import to_dict
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BACKBONES, BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import initialise, provenance_of, save_weights
from modelsgenesis.proxies.restoration import restore
from modelsgenesis.training.initial import BackboneChoice, resolve

WAYS: dict[str, Callable[[str], Any]] = {
    "load": lambda uri: _deepest(modelsgenesis.load(uri)),
    "segmenter": lambda uri: modelsgenesis.segmenter(uri, 3).eval(),
    "classifier": lambda uri: modelsgenesis.classifier(uri, 3).eval(),
    "fine-tuning": lambda uri: _fine_tuned(uri),
    "restoration": lambda uri: _restorer(uri),
}
"""Way of loading weights -> what then answers a batch."""
WIDTHS = {"monai_swinunetr": 12}
"""Small widths of backbones that do not take any."""
STORED = Path(__file__).parents[2] / "weights"
HERE = [*zoo.names(), *map(str, sorted(STORED.glob("*.safetensors")))]
CLOSE: dict[str, float] = {"rtol": 1e-5, "atol": 1e-5}


def norms(name: str) -> tuple[str, ...]:
    """The norms of a backbone; of a slow one, one."""
    return ("running",) if name in WIDTHS else BACKBONES.get(name).norms


def _deepest(backbone: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: backbone.encode(x)[-1]


def _fine_tuned(uri: str) -> nn.Module:
    backbone = build_backbone(resolve(BackboneChoice(), provenance_of(uri), uri, 1))
    network = DenseNetwork(backbone, 2)
    initialise(network, uri)
    return network.eval()


def _restorer(uri: str) -> Callable[[Tensor], Tensor]:
    network = DenseNetwork(build_backbone(resolve(BackboneChoice(), provenance_of(uri), uri, 1)), 1)
    initialise(network, uri, head=True)
    return lambda x: restore(network, x)


def trained(choice: BackboneSettings) -> nn.Module:
    """A network whose running statistics are those of some batches."""
    torch.manual_seed(0)
    network = DenseNetwork(build_backbone(choice), 1).train()
    for _ in range(3):
        network(torch.rand(2, 1, *(64, 32, 32)[: network.backbone.axes]))
    return network


def alone_and_together(answer: Callable[[Tensor], Tensor], axes: int) -> tuple[Tensor, Tensor]:
    """The answers to one item alone and beside five of other kinds: dark, bright, noise, constant, zero."""
    generator = torch.Generator().manual_seed(1)
    item, noise = (torch.rand(1, 1, *(32, 64, 32)[:axes], generator=generator) for _ in range(2))
    others = [0.1 * noise, 0.9 + 0.1 * noise, noise.round(), torch.full_like(noise, 0.5), torch.zeros_like(noise)]
    with torch.inference_mode():
        return answer(item)[0], answer(torch.cat([*others[:3], item, *others[3:]]))[3]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "norm"), [(name, mode) for name in BACKBONES.names() for mode in norms(name)])
def test_an_item_does_not_depend_on_its_batch(name: str, norm: str, way: str, tmp_path: Path) -> None:
    if name in ("resenc", "plainconv"):
        pytest.importorskip("dynamic_network_architectures")
    if name in WIDTHS and way not in ("load", "segmenter"):
        pytest.skip("a slow network: its encoder and the whole of it")
    choice = BackboneSettings(name, WIDTHS.get(name, 4), norm)
    network = trained(choice)
    save_weights(tmp_path / "weights.safetensors", network, {"backbone": to_dict(choice)})
    alone, together = alone_and_together(WAYS[way](f"run:{tmp_path}"), BACKBONES.get(name).axes)
    rounding = 5e-5 if name == "monai_swinunetr" else 1e-5  # its matrix products add up in another order for a batch
    torch.testing.assert_close(together, alone, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "uri", [*zoo.names(), *map(str, sorted(STORED.glob("*.safetensors")))], ids=lambda u: Path(u).stem
)
def test_nor_with_the_weights_that_are_here(uri: str, way: str) -> None:
    axes = BACKBONES.get(provenance_of(uri)["backbone"]["name"]).axes
    alone, together = alone_and_together(WAYS[way](uri), axes)
    torch.testing.assert_close(together, alone, **CLOSE)


def test_batch_statistics_are_there_for_those_who_ask(tmp_path: Path) -> None:
    choice = BackboneSettings(width=4, norm="batch")
    save_weights(tmp_path / "weights.safetensors", trained(choice), {"backbone": to_dict(choice)})
    backbone = modelsgenesis.load(f"run:{tmp_path}", norm="batch")
    alone, together = alone_and_together(_deepest(backbone), 3)
    assert (alone - together).abs().max() > 0.1


def test_a_single_small_image_is_classified() -> None:
    network = modelsgenesis.segmenter("genesis-chest-xray", 2).eval()
    assert network(torch.rand(1, 1, 32, 32)).isfinite().all()


def test_another_norm_than_that_of_the_weights_is_refused(tmp_path: Path) -> None:
    choice = BackboneSettings(width=4, norm="group")
    save_weights(tmp_path / "weights.safetensors", trained(choice), {"backbone": to_dict(choice)})
    for other in ("running", "batch", "instance"):
        with pytest.raises(UsageError, match=f"backbone.norm is {other}, but run:.* was trained with group"):
            modelsgenesis.load(f"run:{tmp_path}", norm=other)
    assert not any(isinstance(module, _BatchNorm) for module in modelsgenesis.load(f"run:{tmp_path}").modules())


def test_instance_norm_of_a_single_voxel_is_refused() -> None:
    backbone = build_backbone(BackboneSettings(width=4, norm="instance")).eval()
    with pytest.raises(UsageError, match="single voxel"):
        backbone.encode(torch.rand(2, 1, 8, 8, 8))
