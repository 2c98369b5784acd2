"""Pre-trained networks in one call, for use in one's own code."""

import warnings
from dataclasses import replace
from typing import Any

from modelsgenesis.config import build
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.norm import used_norm
from modelsgenesis.models.weights import LoadReport, initialise, provenance_of
from modelsgenesis.types import JSON


def load(model: str, channels: int = 1, norm: str = "") -> Any:
    """The pre-trained backbone of `model`, in evaluation mode.

    `encode(x)` gives its feature pyramid and `decode(pyramid)` features at every voxel, for x (N, C, X, Y, Z) or
    (N, C, X, Y) float32 in [0, 1], as `preprocess` makes it. What it gives for an item does not depend on the other
    items of a batch. What became of each tensor is in its `load_report`, what the weights say of their origin in its
    `provenance`.

    Args:
        model: a name of `list_models()`, a path (a run folder, .safetensors, .pt), run:PATH, file:PATH or
            hf:OWNER/REPO. The weights must carry their provenance, as those of this package do, or be the published
            Genesis_Chest_CT.pt, which is recognised.
        channels: channels of the input; other than those of the weights, the first convolution is spread over them.
        norm: another mode of the norms; "batch" makes batch norms evaluate with the statistics of the batch, as
            published. Empty: the mode of the training, batch norms with running statistics.

    Raises UsageError when there are no such weights or they do not say which network they are of, GenesisError when
    they cannot be read.
    """
    network = segmenter(model, 1, channels, norm)
    backbone = network.backbone.eval()
    backbone.load_report, backbone.provenance = network.load_report, network.provenance
    return backbone


def segmenter(model: str, classes: int, channels: int = 1, norm: str = "") -> DenseNetwork:
    """Pre-trained encoder-decoder with a new head: (N, C, X, Y, Z) to logits (N, classes, X, Y, Z), any size.

    `classes` counts the background. Arguments, attributes and errors as of `load`; in training mode.
    """
    backbone, provenance = _backbone(model, channels, norm)
    network = DenseNetwork(backbone, classes)
    _fill(network, model, provenance, "encoder-decoder")
    return network


def classifier(model: str, classes: int, channels: int = 1, norm: str = "") -> ClassificationNetwork:
    """Pre-trained encoder with a new head: (N, C, X, Y, Z) to logits (N, classes). As `segmenter`."""
    backbone, provenance = _backbone(model, channels, norm)
    network = ClassificationNetwork(backbone, classes)
    _fill(network, model, provenance, "encoder")
    return network


def restorer(model: str, norm: str = "") -> DenseNetwork:
    """The pre-trained network with the head that it was pre-trained with, in evaluation mode.

    Distorted cubes (N, 1, X, Y, Z) in [0, 1] to logits whose sigmoid is the restored cube (PAPER 1.3). Arguments and
    errors as of `load`; UsageError too where the weights are of another task.
    """
    backbone, provenance = _backbone(model, 1, norm)
    if provenance.get("command") != "pretrain":
        raise UsageError(f"{model}: not the weights of a pre-training, so nothing is restored; use segmenter or load")
    network = DenseNetwork(backbone, 1)
    _fill(network, model, provenance, "encoder-decoder", head=True)
    return network.eval()


def _fill(network: Any, model: str, provenance: JSON, scope: str, head: bool = False) -> None:
    report: LoadReport = initialise(network, model, scope, head)
    for warning in report.warnings:
        warnings.warn(warning, stacklevel=3)
    network.load_report, network.provenance = report, provenance


def _backbone(model: str, channels: int, norm: str) -> tuple[Any, JSON]:
    provenance = provenance_of(model)
    if "backbone" not in provenance:
        raise UsageError(f"{model}: does not say which network it is of; build one and call models.weights.initialise")
    held = build(BackboneSettings, {**provenance["backbone"], "input_channels": channels}, model)
    return build_backbone(replace(held, norm=used_norm(held.norm, norm, model))), provenance
