"""What an export starts from: the whole network of an init source, in evaluation mode, and what it says of itself."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelsgenesis.config import build
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.norm import used_norm
from modelsgenesis.models.weights import file_of, initialise, read_weights
from modelsgenesis.types import JSON


@dataclass(frozen=True)
class Whole:
    """A network with its head.

    Attributes:
        network: `DenseNetwork` or `ClassificationNetwork`, in evaluation mode; batch norms have running statistics.
        provenance: what the weights say of their origin.
        path: their file.
    """

    network: Any
    provenance: JSON
    path: Path

    @property
    def segments(self) -> bool:
        """Whether it was fine-tuned to segment."""
        return bool(self.provenance.get("task") == "segmentation")

    @property
    def pretrained(self) -> bool:
        """Whether its head restores cubes."""
        return bool(self.provenance.get("command") == "pretrain")


def whole(source: str) -> Whole:
    """The network of the init source `source`, its head included.

    Raises UsageError for random weights and for weights that do not say which network they are of, GenesisError when
    the file cannot be read or lacks tensors.
    """
    path = file_of(source)
    if path is None:
        raise UsageError(f"{source}: random weights are not exported; name a run, a file or weights of the zoo")
    tensors, provenance = read_weights(path)
    if "backbone" not in provenance:
        raise UsageError(f"{source}: does not say which network it is of; export weights that this package wrote")
    held = build(BackboneSettings, provenance["backbone"], source)
    backbone = build_backbone(replace(held, norm=used_norm(held.norm, "", source)))
    network: Any
    if "dense_1.weight" in tensors:
        network = ClassificationNetwork(backbone, len(tensors["dense_2.weight"]), len(tensors["dense_1.weight"]))
    elif "out_tr.final_conv.weight" in tensors:
        network = DenseNetwork(backbone, len(tensors["out_tr.final_conv.weight"]))
    else:
        raise GenesisError(f"{source}: holds no head; export the run itself")
    report = initialise(network, f"file:{path}", head=True)
    if report.missing:
        raise GenesisError(f"{source}: lacks {report.missing[0]}; is it whole? export the run itself")
    return Whole(network.eval(), provenance, path)
