"""From a trained network to predictions: sliding windows over whole scans, one forward pass for a classification."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelsgenesis.config import build, settings
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.types import JSON, FloatArray, Shape

LARGEST_ON_DEVICE = 2 * 2**30
"""Bytes of a scan's logits up to which they stay on the device of the network."""


@settings
class InferenceSettings:
    """How whole scans are segmented."""

    overlap: float = 0.5
    """Overlap of neighbouring windows, a share of their side."""
    windows: int = 4
    """Windows (or cases of a classification) a forward pass. With `backbone.norm` "batch" they share their statistics,
    so it changes the result."""
    probabilities: bool = True
    """Write the probability map of each structure beside the label map."""


@settings
class Recipe:
    """All that turns a scan into the network's input and its output into a prediction; travels with the weights."""

    task: str
    """segmentation, classification or multilabel."""
    labels: dict[str, str]
    """Names of the structures 1, 2, ... of a segmentation, of the classes 0, 1, ... otherwise."""
    truth_map: dict[str, tuple[int, ...]]
    """Structure -> values in the label files (segmentation)."""
    backbone: BackboneSettings
    images: ImageSettings
    patch: PatchSettings
    inference: InferenceSettings

    def network(self) -> nn.Module:
        """The network, at random weights."""
        backbone = build_backbone(self.backbone)
        if self.task == "segmentation":
            return DenseNetwork(backbone, 1 + len(self.labels))
        return ClassificationNetwork(backbone, len(self.labels))


def read_recipe(provenance: JSON, source: Path) -> Recipe:
    """The recipe in the provenance of the weights `source`; GenesisError when they are not of a fine-tuning run."""
    names = [field.name for field in fields(Recipe)]
    if provenance.get("command") != "finetune" or not set(names) <= set(provenance):
        raise GenesisError(f"{source}: not the weights of a fine-tuning run; make one with genesis finetune")
    try:
        return build(Recipe, {name: provenance[name] for name in names}, str(source))
    except UsageError as error:
        raise GenesisError(f"{error}; written by another version? fine-tune again") from error


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """`network` in evaluation mode and without gradients; its mode is given back."""
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(training)


def segment(network: nn.Module, image: FloatArray, shape: Shape, choice: InferenceSettings) -> Tensor:
    """Logits (1 + structures, X, Y(, Z)), float32, of a whole scan (C, X, Y(, Z)) in [0, 1].

    Windows of `shape` are blended with Gaussian weights; a scan smaller than a window is padded with zeros. A network
    of images goes through the axial slices of a volume.
    """
    from monai.inferers import sliding_window_inference

    device = next(network.parameters()).device
    outputs = network.out_tr.final_conv.out_channels  # type: ignore[union-attr]
    large = 4 * int(outputs) * math.prod(image.shape[1:]) > LARGEST_ON_DEVICE  # type: ignore[arg-type]
    thin = image.ndim - 1 - len(shape)
    with evaluating(network):
        logits: Any = sliding_window_inference(
            torch.from_numpy(image)[None],
            (*shape, *(1,) * thin),
            choice.windows,
            # not compiled: the last windows of a scan are fewer
            (lambda window: network.forward(window[..., 0])[..., None]) if thin else network.forward,
            overlap=choice.overlap,
            mode="gaussian",
            sw_device=device,
            device="cpu" if large else device,
        )
    found: Tensor = logits[0].float()
    return found


def count_windows(scan: Shape, shape: Shape, overlap: float) -> int:
    """Windows that cover a scan; axes that `shape` lacks are one voxel thick."""
    shape = (*shape, *(1,) * (len(scan) - len(shape)))
    steps = [max(1, int(side * (1 - overlap))) for side in shape]
    return math.prod(1 + math.ceil(max(0, n - side) / step) for n, side, step in zip(scan, shape, steps, strict=True))


def classify(network: nn.Module, images: Iterable[FloatArray], task: str, size: int) -> Iterator[list[float]]:
    """Probabilities of the classes for each input (C, *sides), `size` inputs a forward pass.

    They sum to 1 ("classification") or stand each by itself ("multilabel").
    """
    device, waiting = next(network.parameters()).device, iter(images)
    while batch := list(islice(waiting, size)):
        with evaluating(network):
            logits = network.forward(torch.from_numpy(np.stack(batch)).to(device)).double()
            probabilities = logits.softmax(1) if task == "classification" else logits.sigmoid()
        yield from probabilities.tolist()
