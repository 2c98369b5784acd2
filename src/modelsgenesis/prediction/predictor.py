"""A fine-tuned network on one scan: what it sees, and what it says."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modelsgenesis.data.convert import convert
from modelsgenesis.data.plausible import doubt, look_at
from modelsgenesis.data.volume import Volume, without_voxels, write_volume
from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.metrics import LEVELS
from modelsgenesis.models.folding import fold_norms
from modelsgenesis.models.weights import initialise, read_weights
from modelsgenesis.prediction.maps import Maps, Member, draw_maps
from modelsgenesis.prediction.mirroring import refuse_mirroring
from modelsgenesis.targets.patches import fit_scan
from modelsgenesis.training.inference import Recipe, classify, read_recipe
from modelsgenesis.training.loop import channels_last
from modelsgenesis.training.sliding import slabs
from modelsgenesis.types import JSON, FloatArray, Shape


@dataclass(frozen=True)
class Input:
    """A case on its way into the network.

    Attributes:
        source: its first channel as read.
        prepared: the same at the spacing of the recipe, without voxels.
        image: (C, X, Y, Z) or (C, X, Y) float32 in [0, 1].
    """

    source: Volume
    prepared: Volume
    image: FloatArray


class Predictor:
    """A fine-tuned network and the recipe it was trained by.

    Args:
        weights: `weights.safetensors` of a fine-tuning run.
        device: where to compute; None for the first GPU, else the CPU.
        mirror: average over the mirror images along all axes of the network.
        inference: settings of `InferenceSettings` that are to differ from the run's.

    Raises GenesisError when the weights are missing, damaged or of no fine-tuning run, UsageError for settings of
    inference that cannot be, and where scans are not to be mirrored.
    """

    def __init__(
        self, weights: Path, device: torch.device | None = None, mirror: bool = False, **inference: Any
    ) -> None:
        provenance = read_weights(weights)[1]
        recipe = read_recipe(provenance, weights)
        self.recipe: Recipe = replace(recipe, inference=replace(recipe.inference, **inference))
        if mirror:
            refuse_mirroring(recipe.labels.values(), provenance, weights)
        network = self.recipe.network()
        report = initialise(network, f"file:{weights}", head=True)
        if report.missing:
            raise GenesisError(f"{weights}: lacks {report.missing[0]}; fine-tune again")
        automatic = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        placed: Any = fold_norms(network).to(device or automatic)
        self._axes: int = placed.backbone.axes
        self._mirror: Shape = tuple(range(self._axes)) if mirror else ()
        self.network = placed.to(memory_format=channels_last(self._axes))

    def input(self, volumes: Sequence[Volume]) -> Input:
        """What the network sees of a case, given one volume a channel.

        Raises GenesisError when one cannot be used or they differ in shape.
        """
        settings = self.recipe.images.preparing()
        parts: list[FloatArray] = []
        seen: list[Volume] = []
        for volume in volumes:
            prepared, integers, scale = convert(volume, settings)
            seen.append(without_voxels(prepared))
            del prepared
            self._refuse_other_shape(seen[-1].array.shape, seen[0].array.shape)
            parts.append(scale.unit(integers))
        return Input(volumes[0], seen[0], parts[0][None] if len(parts) == 1 else np.stack(parts))

    def sees_as(self, other: "Predictor") -> bool:
        """Whether `input` gives the same for both."""
        return (self.recipe.images, self._axes) == (other.recipe.images, other._axes)

    def _refuse_other_shape(self, shape: Shape, first: Shape) -> None:
        axes = len(shape)
        if axes < self._axes or (axes > self._axes and self.recipe.task != "segmentation"):
            raise GenesisError(f"{axes} axes; the network is for {self._axes}, of slices only when it segments")
        if shape != first:
            raise GenesisError(f"channels of shapes {first} and {shape}; resample them")

    def doubt(self, volume: Volume) -> str:
        """Why a scan does not look like those that the network was trained on; "" when it does."""
        modality = self.recipe.images.modality
        said = doubt(look_at(volume.array), modality, volume.modality)
        return f"not like the {modality} that the network was trained on: {said}" if said else ""

    def classify(self, images: Iterable[FloatArray]) -> Iterator[list[float]]:
        """Probabilities of the classes for each of `images`, (C, *patch.shape) in [0, 1]."""
        return classify(self.network, images, self.recipe.task, self.recipe.inference.windows, self._mirror)

    def classify_scan(self, given: Input) -> list[float]:
        """Probabilities of the classes for a whole scan."""
        patch = self.recipe.patch
        return next(self.classify([fit_scan(given.image, patch.shape, patch.fitting)]))

    def member(self, given: Input) -> Member:
        """The probabilities of the structures of a whole scan, to be asked for row by row."""
        recipe = self.recipe
        logits = slabs(self.network, given.image, recipe.patch.shape, recipe.sliding, self._mirror)
        return Member(logits, given.prepared)

    def segment(self, given: Input, name: str, out: Path) -> JSON:
        """Write `NAME.nii.gz` and the probability maps on the source grid into `out`; their names for `cases.json`."""
        maps = draw_maps([self.member(given)], len(self.recipe.labels), self.recipe.inference.probabilities)
        return write_maps(maps, given.source, name, out)


def write_maps(maps: Maps, source: Volume, name: str, out: Path) -> JSON:
    """Write `NAME.nii.gz` and `NAME_probK.nii.gz` on the grid of `source` into `out`; their names for `cases.json`."""
    files = {}
    for structure, levels in enumerate(() if maps.levels is None else maps.levels, 1):
        files[str(structure)] = f"{name}_prob{structure}.nii.gz"
        write_volume(levels, source, out / files[str(structure)], slope=1 / LEVELS)
    write_volume(maps.labels, source, out / f"{name}.nii.gz")
    return {"prediction": f"{name}.nii.gz", "probabilities": files}
