"""Runs with tiny random networks whose running statistics are those of some batches."""

from pathlib import Path
from typing import Any

import torch

from modelsgenesis.config import to_dict
from modelsgenesis.data.intensity import Intensity, ct_window
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import save_weights
from modelsgenesis.run import Run
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.training.inference import InferenceSettings, Recipe


def seen(network: Any) -> Any:
    """The network after a few batches, in evaluation mode."""
    torch.manual_seed(1)
    backbone = network.backbone
    for _ in range(3):
        network.train()(torch.rand(2, backbone.input_channels, *(64, 32, 32)[: backbone.axes]))
    return network.eval()


def _undecided(network: Any) -> Any:
    """The network with a bias by which no structure wins everywhere."""
    if isinstance(network, DenseNetwork):
        axes, channels = network.backbone.axes, network.backbone.input_channels
        ramp = torch.linspace(0, 1, 64).view(1, 1, 64, *(1,) * (axes - 1)).expand(1, channels, 64, *(32,) * (axes - 1))
        with torch.no_grad():
            logits = network(ramp)
            network.out_tr.final_conv.bias -= logits.mean((0, *range(2, 2 + axes)))
    return network


def pretrained(path: Path, choice: BackboneSettings) -> tuple[str, Any]:
    """A pre-training run; its source and its network."""
    torch.manual_seed(0)
    network = seen(DenseNetwork(build_backbone(choice), choice.input_channels))
    about = {"command": "pretrain", "backbone": to_dict(choice), "modality": "ct", "cube": [32, 32, 32]}
    save_weights(Run(path).weights, network, {**about, "intensity": to_dict(ct_window())})
    return f"run:{path}", network


def fine_tuned(
    path: Path,
    choice: BackboneSettings,
    task: str = "segmentation",
    images: ImageSettings | None = None,
    intensity: Intensity | None = None,
) -> tuple[str, Any]:
    """A fine-tuning run for two structures, or two classes; its source and its network."""
    torch.manual_seed(0)
    names = {"1": "one", "2": "two"} if task == "segmentation" else {"0": "no", "1": "yes"}
    recipe = Recipe(
        task=task,
        labels=names,
        truth_map={"1": (1,), "2": (2,)},
        backbone=choice,
        images=images or ImageSettings(),
        patch=PatchSettings((32, 32, 16)),
        inference=InferenceSettings(probabilities=False),
    )
    network = _undecided(seen(recipe.network()))
    about = {**to_dict(recipe), "intensity": to_dict(intensity or ct_window()), "modality": recipe.images.modality}
    save_weights(Run(path).weights, network, {"command": "finetune", **about})
    return f"run:{path}", network
