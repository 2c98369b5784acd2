"""How a trained network is applied: its recipe, the windows over a scan, one forward pass for a classification."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import combinations, islice, product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from modelsgenesis.config import build, settings
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.types import JSON, FloatArray, Shape

STRIDE = 8
"""Sides of windows are multiples of it, so that networks need not pad them."""


@settings
class InferenceSettings:
    """How whole scans are segmented."""

    overlap: float = 0.5
    """Overlap of neighbouring windows, a share of the side of a patch."""
    window: int = 1
    """Voxels of a window at most, in patches. Larger windows overlap less (as many voxels as patches would, of longer
    sides), so less is computed twice; they need memory. A network is trained on patches, most of whose voxels lie near
    a border, and may be another one in larger windows: compare first (`benchmarks.windows`, docs/results.md). With
    another `backbone.norm` than "running", whose statistics are those of the window, a window is always a patch."""
    windows: int = 4
    """Patches (or cases of a classification) a forward pass; a larger window goes alone. With `backbone.norm` "batch"
    they share their statistics, so it changes the result."""
    probabilities: bool = True
    """Write the probability map of each structure beside the label map."""

    def __post_init__(self) -> None:
        """Raises UsageError for an overlap outside [0, 1) and for no patch."""
        if not 0 <= self.overlap < 1:
            raise UsageError(f"inference.overlap: {self.overlap} must be 0 or more and below 1")
        if min(self.window, self.windows) < 1:
            raise UsageError(f"inference.window and .windows: {self.window} and {self.windows} must be 1 or more")


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

    @property
    def sliding(self) -> InferenceSettings:
        """`inference`, with windows of one patch where the norm takes its statistics from the window."""
        return self.inference if self.backbone.norm == "running" else replace(self.inference, window=1)

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


@dataclass(frozen=True)
class Windows:
    """How a scan is covered: `sides` of a window and overlap as a share of each, along all axes of the scan; how many
    windows cover it; how many go through the network at once."""

    sides: Shape
    overlap: tuple[float, ...]
    count: int
    at_once: int


def windows_of(scan: Shape, patch: Shape, choice: InferenceSettings) -> Windows:
    """The windows of at most `choice.window` patches that cover `scan` with the fewest voxels.

    Along axes that `patch` lacks (slices of a volume) they are one voxel thick.
    """
    shared = [int(choice.overlap * side) for side in patch]
    options = [list(_divisions(n, side, both)) for n, side, both in zip(scan, patch, shared, strict=False)]
    largest = choice.window * math.prod(patch)
    fitting = (each for each in product(*options) if math.prod(side for _, side in each) <= largest)
    chosen = min(fitting, key=lambda each: math.prod(number * side for number, side in each))
    sides, thin = [side for _, side in chosen], scan[len(patch) :]
    return Windows(
        sides=(*sides, *(1,) * len(thin)),
        overlap=(*(both / side for both, side in zip(shared, sides, strict=True)), *(0.0,) * len(thin)),
        count=math.prod(number for number, _ in chosen) * math.prod(thin),
        at_once=max(1, choice.windows * math.prod(patch) // math.prod(sides)),
    )


def _divisions(length: int, patch: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Ways to cover an axis: how many windows, and their side, from one window down to windows of one patch."""
    number = 1
    while True:
        even = -(-(length + (number - 1) * overlap) // number)
        side = max(patch, even if number == 1 else -(-even // STRIDE) * STRIDE)
        yield 1 + -(-max(0, length - side) // (side - overlap)), side
        if side == patch:
            return
        number += 1


def classify(
    network: nn.Module, images: Iterable[FloatArray], task: str, size: int, mirror: Shape = ()
) -> Iterator[list[float]]:
    """Probabilities of the classes for each input (C, *sides), `size` inputs a forward pass.

    They sum to 1 ("classification") or stand each by itself ("multilabel"). With `mirror`, axes of the sides, they are
    the mean over the input and its mirror images.
    """
    device, waiting = next(network.parameters()).device, iter(images)
    while batch := list(islice(waiting, size)):
        given = torch.from_numpy(np.stack(batch)).to(device)
        with evaluating(network):
            found = [
                logits.softmax(1) if task == "classification" else logits.sigmoid()
                for flips in mirrored(mirror)
                for logits in [network.forward(given.flip([axis + 2 for axis in flips])).double()]
            ]
        yield from torch.stack(found).mean(0).tolist()


def mirrored(axes: Shape) -> Iterator[Shape]:
    """All sets of `axes` to mirror along, the empty one first."""
    for count in range(len(axes) + 1):
        yield from combinations(axes, count)
