"""Whole scans through a segmentation network, against windows of one patch with overlap 0.5.

python -m benchmarks inference
"""

import copy
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.rows import Row, turns
from benchmarks.training_step import as_released
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.folding import fold_norms
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.training.inference import InferenceSettings, segment, windows_of
from modelsgenesis.training.loop import channels_last

PATCH, SCAN, WIDTH = (64, 64, 32), (112, 112, 72), 8


def rows(_folder: Path, repeats: int) -> Iterator[Row]:
    """The default settings against the plain way, with one network."""
    torch.manual_seed(0)
    plain: nn.Module = DenseNetwork(build_backbone(BackboneSettings(width=WIDTH, norm="running")), 2)
    fast = fold_norms(copy.deepcopy(plain)).to(memory_format=channels_last(3))
    image = np.random.default_rng(0).random((1, *SCAN), np.float32)
    ours, usual = InferenceSettings(), InferenceSettings(window=1)

    def patches() -> None:
        with as_released():
            segment(plain, image, PATCH, usual)

    times = turns(
        {
            "ours": lambda: segment(fast, image, PATCH, ours),
            "patches": patches,
            "patches, fast network": lambda: segment(fast, image, PATCH, usual),
        },
        max(1, repeats // 2),
        warm=False,
    )
    found, of_patches = windows_of(SCAN, PATCH, ours), windows_of(SCAN, PATCH, usual)
    computed = found.count * math.prod(found.sides) / (of_patches.count * math.prod(of_patches.sides))
    limit = f"convolutions; {computed:.0%} of the voxels that patches compute, the scan itself is "
    limit += f"{math.prod(SCAN) / (of_patches.count * math.prod(PATCH)):.0%}"
    yield Row(
        f"whole-scan inference, {'x'.join(map(str, SCAN))}",
        times["patches"] / times["ours"],
        "x",
        f"{times['ours']:.3g} s, {times['patches']:.3g} s by 64x64x32 windows with overlap 0.5",
        limit,
        must=2,
        goal=4,
    )
    yield Row(
        "the same windows, the network alone: norms folded, channels-last, doubling merged",
        times["patches"] / times["patches, fast network"],
        "x",
        f"{times['patches, fast network']:.3g} s, {times['patches']:.3g} s",
        "convolutions",
    )
