"""The whole network of an init source, its head included, and what the weights say of themselves."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelsgenesis.config import build
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.norm import used_norm
from modelsgenesis.models.weights import initialise, read_weights, weights_file
from modelsgenesis.types import JSON


@dataclass(frozen=True)
class Whole:
    """A network with its head.

    Attributes:
        network: `DenseNetwork` or `ClassificationNetwork`, in evaluation mode; batch norms have running statistics.
        provenance: what the weights say of their origin.
    """

    network: Any
    provenance: JSON

    @property
    def segments(self) -> bool:
        """Whether it was fine-tuned to segment."""
        return bool(self.provenance.get("task") == "segmentation")

    @property
    def pretrained(self) -> bool:
        """Whether its head restores cubes."""
        return bool(self.provenance.get("command") == "pretrain")


def whole(source: str | Path, norm: str = "") -> Whole:
    """The network of the init source `source`, its head included; `norm` as of `models.load.load`.

    Raises UsageError for random weights and for weights that do not say which network they are of, GenesisError when
    the file cannot be read or lacks tensors.
    """
    tensors, provenance = read_weights(weights_file(source))
    backbone = build_backbone(held_backbone(provenance, source, norm))
    network: Any
    if "dense_1.weight" in tensors:
        network = ClassificationNetwork(backbone, len(tensors["dense_2.weight"]), len(tensors["dense_1.weight"]))
    elif "out_tr.final_conv.weight" in tensors:
        network = DenseNetwork(backbone, len(tensors["out_tr.final_conv.weight"]))
    else:
        raise GenesisError(f"{source}: holds no head; name the run itself")
    report = initialise(network, source, head=True)
    if report.missing:
        raise GenesisError(f"{source}: lacks {report.missing[0]}; is it whole? name the run itself")
    network.load_report, network.provenance = report, provenance
    return Whole(network.eval(), provenance)


def held_backbone(
    provenance: JSON, source: str | Path, norm: str = "", channels: int | None = None
) -> BackboneSettings:
    """The backbone that weights are of, with `channels` of input, and the mode of its norms in which they are used.

    Raises UsageError where `provenance` does not say, and for a norm that does not fit.
    """
    if "backbone" not in provenance:
        raise UsageError(f"{source}: does not say which network it is of; build one and call models.weights.initialise")
    held = build(BackboneSettings, provenance["backbone"], str(source))
    return replace(
        held,
        norm=used_norm(held.norm, norm, str(source)),
        input_channels=held.input_channels if channels is None else channels,
    )
