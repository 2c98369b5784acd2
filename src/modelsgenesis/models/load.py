"""Pre-trained networks in one call, for use in one's own code."""

import re
import warnings
from operator import index
from pathlib import Path
from typing import Any

from modelsgenesis.errors import UsageError
from modelsgenesis.models import build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.weights import LoadReport, initialise, provenance_of
from modelsgenesis.models.whole import held_backbone, whole
from modelsgenesis.places import located
from modelsgenesis.types import JSON

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""What a repository of the hub is called; not a path that begins with `.`, `~` or `/`, nor a misspelt name."""


def load(model: str | Path, channels: int = 1, norm: str = "") -> Any:
    """The pre-trained backbone of `model`, in evaluation mode.

    `encode(x)` gives its feature pyramid and `decode(pyramid)` features at every voxel, for x (N, C, X, Y, Z) or
    (N, C, X, Y) float32 in [0, 1], as `preprocess` makes it. What it gives for an item does not depend on the other
    items of a batch. What became of each tensor is in its `load_report`, what the weights say of their origin in its
    `provenance`.

    Args:
        model: a name of `list_models()`, a path (str or Path: a run folder, .safetensors, .pt), run:PATH, file:PATH or
            hf:OWNER/REPO. The weights must carry their provenance, as those of this package do, or be the published
            Genesis_Chest_CT.pt, which is recognised.
        channels: channels of the input; other than those of the weights, the first convolution is spread over them.
        norm: another mode of the norms; "batch" makes batch norms evaluate with the statistics of the batch, as
            published. Empty: the mode of the training, batch norms with running statistics.

    Raises UsageError when there are no such weights, they do not say which network they are of, or `channels` or
    `classes` is no number of things, GenesisError when they cannot be read.
    """
    network = segmenter(model, 1, channels, norm)
    backbone = network.backbone.eval()
    backbone.load_report, backbone.provenance = network.load_report, network.provenance
    return backbone


def segmenter(model: str | Path, classes: int, channels: int = 1, norm: str = "") -> DenseNetwork:
    """Pre-trained encoder-decoder with a new head: (N, C, X, Y, Z) to logits (N, classes, X, Y, Z), any size.

    `classes` counts the background. Arguments, attributes and errors as of `load`; in training mode.
    """
    backbone, provenance = _backbone(model, channels, norm)
    network = DenseNetwork(backbone, _counted("classes", classes))
    _fill(network, model, provenance, "encoder-decoder")
    return network


def classifier(model: str | Path, classes: int, channels: int = 1, norm: str = "") -> ClassificationNetwork:
    """Pre-trained encoder with a new head: (N, C, X, Y, Z) to logits (N, classes). As `segmenter`."""
    backbone, provenance = _backbone(model, channels, norm)
    network = ClassificationNetwork(backbone, _counted("classes", classes))
    _fill(network, model, provenance, "encoder")
    return network


def restorer(model: str | Path, norm: str = "") -> DenseNetwork:
    """The pre-trained network with the head that it was pre-trained with, in evaluation mode.

    Distorted cubes (N, 1, X, Y, Z) in [0, 1] to logits whose sigmoid is the restored cube (PAPER 1.3). Arguments and
    errors as of `load`; UsageError too where the weights are of another task.
    """
    given = whole(model, norm)
    if not given.pretrained:
        raise UsageError(f"{model}: not the weights of a pre-training, so nothing is restored; use segmenter or load")
    network: DenseNetwork = given.network
    return network


def from_pretrained(model: str | Path) -> Any:
    """The whole network of a folder or repository that `save_pretrained` or `push_to_hub` wrote, in evaluation mode.

    Args:
        model: a folder, "owner/repo" of the hub, whose cache serves without a network, or as of `load`.

    Raises as `load`, and GenesisError when the weights hold no head.
    """
    uri = str(model)
    of_hub = _REPOSITORY.fullmatch(uri) and not located(uri).exists()
    return whole(f"hf:{uri}" if of_hub else uri).network


def _fill(network: Any, model: str | Path, provenance: JSON, scope: str) -> None:
    report: LoadReport = initialise(network, model, scope)
    for warning in report.warnings:
        warnings.warn(warning, stacklevel=3)
    network.load_report, network.provenance = report, provenance


def _backbone(model: str | Path, channels: int, norm: str) -> tuple[Any, JSON]:
    provenance = provenance_of(model)
    return build_backbone(held_backbone(provenance, model, norm, _counted("channels", channels))), provenance


def _counted(name: str, value: int) -> int:
    """`value` as Python's own number; UsageError when it is no whole number or less than 1."""
    try:
        count = index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise UsageError(f"{name}: {value!r} must be a whole number, 1 or more")
    return count
