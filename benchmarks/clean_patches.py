"""What stored networks restore of patches that nothing distorted, as fine-tuning shows them.

    python -m benchmarks.clean_patches WEIGHTS... --store STORE

Prints for each file the mean squared error with running statistics, as `eval()` takes them, and with those of batches
of 2 and of 8, as training takes them; beside it that of the best constant. Networks whose norm does not look at the
batch have one error. Cubes have the shape of the pre-training's and are cut by its default rule.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.rows import name_of
from modelsgenesis.config import build
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.scale import mismatch
from modelsgenesis.data.store import Store, open_store
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.weights import initialise, provenance_of
from modelsgenesis.proxies.restoration import Restoration, restore
from modelsgenesis.streams import generator
from modelsgenesis.training.initial import mismatches
from modelsgenesis.types import JSON

BATCH_NORMS = ("running", "batch")
"""Norms of the same tensors: the statistics of the training, and those of the batch at hand."""
SMALL, LARGE = 2, 8


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of clean cubes, restored by running statistics and by those of batches of SMALL and LARGE."""

    running: float
    small: float
    large: float
    constant: float


def clean(store: Store, path: Path, provenance: JSON, count: int, seed: int) -> Tensor:
    """`count` cubes (N, 1, ...) in [0, 1] of the shape that the weights were pre-trained with, at the store's spacing.

    Says on stderr where they are of another modality, window or scale than the cubes of the pre-training.
    """
    sampler = CubeSampler(store, store.scans, CubeSettings(shape=tuple(provenance["cube"])))
    of_store = store.scans[0]
    warnings = mismatches(of_store.modality, of_store.intensity, provenance)
    differing = mismatch(provenance.get("scale", {}), sampler.scale)
    for warning in [*warnings, *([differing.sentence] if differing else [])]:
        print(f"warning: {path.name}: {warning}", file=sys.stderr)
    return torch.from_numpy(np.stack([sampler.cube(generator(seed, item)).array for item in range(count)]))


def stored(path: Path, provenance: JSON, norm: str) -> nn.Module:
    """The network in the file with its restoration head, its norms built as `norm`.

    Raises GenesisError when the file does not hold all of it.
    """
    choice = build(BackboneSettings, provenance["backbone"], str(path))
    network = Restoration("identity").network(build_backbone(replace(choice, norm=norm)))
    missing = initialise(network, f"file:{path}", head=True).missing
    if missing:
        raise GenesisError(
            f"{path}: lacks {', '.join(missing[:3])} of the network that restores; give weights of genesis pretrain"
        )
    return network


def error(network: nn.Module, cubes: Tensor, size: int) -> float:
    """Mean squared error of restoring the cubes in evaluation mode, `size` of them at a time."""
    parts = zip(cubes.split(size), (restore(network, part) for part in cubes.split(size)), strict=True)
    return float(np.mean([(restored - part).square().mean(dtype=torch.float64).item() for part, restored in parts]))


def errors(path: Path, provenance: JSON, cubes: Tensor) -> Errors:
    """Those of one file; N cubes must fill batches of LARGE."""
    if len(cubes) % LARGE:
        raise UsageError(f"--cubes {len(cubes)}: must be a multiple of {LARGE}")
    norm = str(provenance["backbone"]["norm"])
    running, batch = BATCH_NORMS if norm in BATCH_NORMS else (norm, norm)
    kept, moved = stored(path, provenance, running), stored(path, provenance, batch)
    constant = cubes.double().var(correction=0).item()
    return Errors(error(kept, cubes, LARGE), error(moved, cubes, SMALL), error(moved, cubes, LARGE), constant)


def _provenance(path: Path) -> JSON:
    provenance = provenance_of(f"file:{path}")
    if provenance.get("command") != "pretrain":
        raise UsageError(f"{path}: is not of genesis pretrain, which writes networks that restore")
    return provenance


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path, help=".safetensors files of genesis pretrain")
    parser.add_argument("--store", type=Path, required=True, help="scans that no pre-training has seen")
    parser.add_argument("--cubes", type=int, default=64, help=f"a multiple of {LARGE}")
    parser.add_argument("--seed", type=int, default=0, help="decides the cubes")
    given = parser.parse_args(arguments)
    store, about = open_store(given.store), {path: _provenance(path) for path in given.weights}
    titles = ("running", f"batch of {SMALL}", f"batch of {LARGE}", "constant")
    print(f"{'weights':<40} {'norm':>8} " + " ".join(f"{title:>10}" for title in titles))
    for path, provenance in about.items():
        found = errors(path, provenance, clean(store, path, provenance, given.cubes, given.seed))
        values = (found.running, found.small, found.large, found.constant)
        shown = " ".join(f"{value:10.4f}" for value in values)
        print(f"{name_of(path):<40} {provenance['backbone']['norm']:>8} {shown}", flush=True)


if __name__ == "__main__":
    main()
