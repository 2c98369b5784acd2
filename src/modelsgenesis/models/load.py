"""Pre-trained networks in one call, for use in one's own code."""

import warnings
from dataclasses import replace
from typing import Any

from torch import nn

from modelsgenesis.config import build
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.norm import used_norm
from modelsgenesis.models.weights import initialise, provenance_of


def load(uri: str, input_channels: int = 1, norm: str = "") -> Any:
    """The pre-trained backbone of the init source `uri` (`run:PATH` or `file:PATH`), in evaluation mode.

    `encode(x)` gives its feature pyramid, for x (N, C, X, Y, Z) float32 in [0, 1] as a store's intensity map makes it.
    What it gives for an item does not depend on the other items of a batch.

    Args:
        uri: the init source; it must carry its provenance, as weights written by this package do.
        input_channels: channels of the input; other than one, the first convolution is spread over them.
        norm: another mode of the norms; "batch" makes batch norms evaluate with the statistics of the batch, as
            published. Empty: the mode of the training, batch norms with running statistics.

    Raises UsageError when the source does not say which network it is of, GenesisError when it cannot be read.
    """
    return segmenter(uri, 1, input_channels, norm).backbone.eval()


def segmenter(uri: str, classes: int, input_channels: int = 1, norm: str = "") -> DenseNetwork:
    """Pre-trained encoder-decoder with a new head: (N, C, X, Y, Z) to logits (N, classes, X, Y, Z). As `load`."""
    network = DenseNetwork(_backbone(uri, input_channels, norm), classes)
    _initialise(network, uri, "encoder-decoder")
    return network


def classifier(uri: str, classes: int, input_channels: int = 1, norm: str = "") -> ClassificationNetwork:
    """Pre-trained encoder with a new head: (N, C, X, Y, Z) to logits (N, classes). As `load`."""
    network = ClassificationNetwork(_backbone(uri, input_channels, norm), classes)
    _initialise(network, uri, "encoder")
    return network


def _initialise(network: nn.Module, uri: str, scope: str) -> None:
    for warning in initialise(network, uri, scope).warnings:
        warnings.warn(warning, stacklevel=3)


def _backbone(uri: str, input_channels: int, norm: str) -> nn.Module:
    provenance = provenance_of(uri)
    if "backbone" not in provenance:
        raise UsageError(f"{uri}: does not say which network it is of; build one and call models.weights.initialise")
    held = build(BackboneSettings, {**provenance["backbone"], "input_channels": input_channels}, uri)
    backbone: nn.Module = build_backbone(replace(held, norm=used_norm(held.norm, norm, uri)))
    return backbone
