"""Pre-trained networks in one call, for use in one's own code."""

import warnings
from typing import Any

from modelsgenesis import zoo
from modelsgenesis.errors import UsageError
from modelsgenesis.models import build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.weights import LoadReport, initialise, provenance_of
from modelsgenesis.models.whole import held_backbone, whole
from modelsgenesis.places import located
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
    given = whole(model, norm)
    if not given.pretrained:
        raise UsageError(f"{model}: not the weights of a pre-training, so nothing is restored; use segmenter or load")
    network: DenseNetwork = given.network
    return network


def from_pretrained(model: str) -> Any:
    """The whole network of a folder or repository that `save_pretrained` or `push_to_hub` wrote, in evaluation mode.

    Args:
        model: a folder, "owner/repo" of the hub, whose cache serves without a network, or as of `load`.

    Raises as `load`, and GenesisError when the weights hold no head.
    """
    uri = str(model)
    known = ":" in uri or uri in zoo.names() or located(uri).exists()
    return whole(uri if known else f"hf:{uri}").network


def _fill(network: Any, model: str, provenance: JSON, scope: str) -> None:
    report: LoadReport = initialise(network, model, scope)
    for warning in report.warnings:
        warnings.warn(warning, stacklevel=3)
    network.load_report, network.provenance = report, provenance


def _backbone(model: str, channels: int, norm: str) -> tuple[Any, JSON]:
    provenance = provenance_of(model)
    return build_backbone(held_backbone(provenance, model, norm, channels)), provenance
