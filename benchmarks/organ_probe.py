"""What organ a voxel is of, by a linear classifier on frozen features: `python -m benchmarks.organ_probe WEIGHTS...`.

Features are the levels of the encoder's pyramid, interpolated to the voxel; classes background, lung, heart and liver
of chest phantoms; half of the patients train the classifier (ridge, its penalty chosen inside), the others test it.
Prints the balanced accuracy (0.25: chance), the share found of each class, and the same of random networks of the same
kind, whose norms have the statistics of the training cubes.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.rows import name_of
from modelsgenesis.config import build
from modelsgenesis.data.intensity import Intensity, ct_window
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.load import load
from modelsgenesis.models.norm import used_norm
from modelsgenesis.models.weights import provenance_of
from modelsgenesis.phantoms.anatomy import LABELS, ORGANS
from modelsgenesis.phantoms.chest import chest
from modelsgenesis.phantoms.patients import patient
from modelsgenesis.streams import CHEST_SEGMENTATION
from modelsgenesis.training.probe import FARTHEST, PENALTIES
from modelsgenesis.types import Shape

FIELD: Shape = (144, 112, 96)
"""Voxels of a phantom: the chest from side to side at 1.7 mm."""
SIDE = 32
CUBES = 8
"""Cubes a patient, at random places."""
VOXELS = 24
"""Voxels of each class that a cube holds."""
BATCH = 8
CLASSES = ("background", *ORGANS)
RANDOM = (0, 1, 2)
"""Seeds of the random networks."""


@dataclass(frozen=True)
class Cubes:
    """Labelled cubes.

    Args:
        images: (N, 1, X, Y, Z) float32 in [0, 1].
        voxels: of each cube the flat indices of the voxels that are classified.
        classes: and what they are, indices of CLASSES.
    """

    images: Tensor
    voxels: Sequence[npt.NDArray[np.int64]]
    classes: Sequence[npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Found:
    """Balanced accuracy on the test cubes, and the share found of each of CLASSES."""

    accuracy: float
    recall: tuple[float, ...]


def cubes_of(patients: Iterable[int], seed: int, spacing: float, intensity: Intensity) -> Cubes:
    """Cubes of these chest phantoms, the same for the same numbers. A nodule counts as lung."""
    values = np.zeros(256, np.int64)
    for organ in ORGANS:
        values[LABELS[organ]] = CLASSES.index(organ)
    values[LABELS["nodule"]] = values[LABELS["lung"]]
    images, voxels, classes = [], [], []
    for index in patients:
        rng = patient(seed, CHEST_SEGMENTATION, index)
        phantom = chest(rng, FIELD, (spacing,) * 3)
        unit, labels = intensity.unit(intensity.encode(phantom.array)), values[phantom.labels]
        for _ in range(CUBES):
            corner = rng.integers(0, np.array(FIELD) - SIDE, endpoint=True)
            cube = tuple(slice(int(c), int(c) + SIDE) for c in corner)
            chosen = _drawn(rng, labels[cube].ravel())
            images.append(unit[cube][None])
            voxels.append(chosen)
            classes.append(labels[cube].ravel()[chosen])
    return Cubes(torch.from_numpy(np.stack(images)), voxels, classes)


def _drawn(rng: np.random.Generator, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Indices of at most VOXELS voxels of each class in `labels` (V,)."""
    places = [np.flatnonzero(labels == number) for number in range(len(CLASSES))]
    return np.concatenate([rng.choice(at, min(len(at), VOXELS), replace=False) for at in places])


def features(backbone: Any, cubes: Cubes) -> npt.NDArray[np.float32]:
    """Features of all chosen voxels, (V, channels of all levels); `backbone` in the mode it is in."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(cubes.images), BATCH):
            images = cubes.images[start : start + BATCH]
            levels = backbone.encode(images)
            for item, chosen in enumerate(cubes.voxels[start : start + BATCH]):
                places = _places(chosen, images.shape[2:])
                found.append(np.concatenate([_interpolated(level[item].float(), places) for level in levels], 1))
    return np.concatenate(found)


def _places(voxels: npt.NDArray[np.int64], shape: Sequence[int]) -> Tensor:
    """Middles of voxels, (V, 3) along X, Y, Z, where the cube reaches from -1 to 1."""
    indices = np.stack(np.unravel_index(voxels, tuple(shape)), 1)
    return torch.from_numpy(((2 * indices + 1) / np.array(shape) - 1).astype(np.float32))


def _interpolated(level: Tensor, places: Tensor) -> npt.NDArray[np.float32]:
    """Features (V, C) of a level (C, X, Y, Z) at `places`, linearly between its voxels."""
    grid = places.flip(1)[None, None, None]  # grid_sample counts the last axis first
    values = functional.grid_sample(level[None], grid, padding_mode="border", align_corners=False)
    return values[0, :, 0, 0].T.numpy()


def probed(backbone: Any, training: Cubes, test: Cubes) -> Found:
    """How well a linear classifier on the frozen features of `training` does on `test`; classes count alike."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.metrics import recall_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    limited = FunctionTransformer(np.clip, kw_args={"a_min": -FARTHEST, "a_max": FARTHEST})
    model = make_pipeline(StandardScaler(), limited, RidgeClassifierCV(PENALTIES, class_weight="balanced"))
    model.fit(features(backbone, training), np.concatenate(training.classes))
    truth = np.concatenate(test.classes)
    recall = recall_score(truth, model.predict(features(backbone, test)), labels=range(len(CLASSES)), average=None)
    return Found(float(np.mean(recall)), tuple(float(share) for share in recall))


def random_network(choice: BackboneSettings, seed: int, cubes: Cubes) -> nn.Module:
    """A backbone that has learnt nothing, in evaluation mode; batch norms hold the statistics of `cubes`."""
    torch.manual_seed(seed)
    backbone: Any = build_backbone(replace(choice, norm=used_norm(choice.norm, "", "")))
    for module in backbone.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = None  # a plain average over the batches
    with torch.inference_mode():
        for start in range(0, len(cubes.images), BATCH):
            backbone.train().encode(cubes.images[start : start + BATCH])
    network: nn.Module = backbone.eval()
    return network


def _settings(path: Path) -> BackboneSettings:
    """Of the network in the file; UsageError unless it is one of volumes."""
    choice = build(BackboneSettings, provenance_of(f"file:{path}").get("backbone", {}), str(path))
    if load(f"file:{path}").axes != 3:
        raise UsageError(f"{path}: {choice.name} is for images; organs are probed in volumes")
    return choice


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each file, and one for the random networks of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path, help=".safetensors files")
    parser.add_argument("--patients", type=int, default=24, help="half of them are for testing")
    parser.add_argument("--seed", type=int, default=1700, help="of the patients; another one than in pre-training")
    parser.add_argument("--spacing", type=float, default=1.7, help="mm per voxel, along each axis")
    given = parser.parse_args(arguments)
    kinds = {path: _settings(path) for path in given.weights}
    half = given.patients // 2
    sides = (range(half), range(half, given.patients))
    training, test = (cubes_of(side, given.seed, given.spacing, ct_window()) for side in sides)
    print(f"{'weights':<44} {'balanced':>10} " + " ".join(f"{name:>10}" for name in CLASSES))
    for path in kinds:
        _say(name_of(path), probed(load(f"file:{path}"), training, test))
    for kind in dict.fromkeys(kinds.values()):
        found = [probed(random_network(kind, seed, training), training, test) for seed in RANDOM]
        mean = Found(
            float(np.mean([one.accuracy for one in found])),
            tuple(float(np.mean(shares)) for shares in zip(*(one.recall for one in found), strict=True)),
        )
        spread = np.std([one.accuracy for one in found], ddof=1)
        _say(f"random {kind.name} {kind.width} {kind.norm} (±{spread:.3f})", mean)


def _say(name: str, found: Found) -> None:
    shares = " ".join(f"{share:10.3f}" for share in (found.accuracy, *found.recall))
    print(f"{name:<44} {shares}", flush=True)


if __name__ == "__main__":
    main()
