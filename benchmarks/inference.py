"""Whole scans through a segmentation network, against the same windows through the network as it was published.

python -m benchmarks inference
"""

import copy
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import nn

from benchmarks.rows import Row, turns
from benchmarks.training_step import as_released
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.models.folding import fold_norms
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.training.inference import InferenceSettings, windows_of
from modelsgenesis.training.loop import channels_last
from modelsgenesis.training.sliding import segment

PATCH, SCAN, WIDTH = (64, 64, 32), (112, 112, 72), 8


def rows(_folder: Path, repeats: int) -> Iterator[Row]:
    """The default settings, and larger windows, against the plain way, with one network."""
    torch.manual_seed(0)
    plain: nn.Module = DenseNetwork(build_backbone(BackboneSettings(width=WIDTH, norm="running")), 2)
    fast = fold_norms(copy.deepcopy(plain)).to(memory_format=channels_last(3))
    image = np.random.default_rng(0).random((1, *SCAN), np.float32)
    patches, larger = InferenceSettings(), InferenceSettings(window=16)

    def published() -> None:
        with as_released():
            segment(plain, image, PATCH, patches)

    found = windows_of(SCAN, PATCH, patches)

    def by_monai() -> None:
        with evaluating(fast):
            given = torch.from_numpy(image)[None]
            sliding_window_inference(given, PATCH, found.at_once, fast, overlap=found.overlap, mode="gaussian")

    times = turns(
        {
            "published": published,
            "monai": by_monai,
            "patches": lambda: segment(fast, image, PATCH, patches),
            "larger": lambda: segment(fast, image, PATCH, larger),
        },
        max(1, repeats // 2),
        warm=False,
    )
    of_patches, found = found, windows_of(SCAN, PATCH, larger)
    by_patches = of_patches.count * math.prod(PATCH)
    yield Row(
        f"whole-scan inference, {'x'.join(map(str, SCAN))}: norms folded, channels-last, doubling merged",
        times["published"] / times["patches"],
        "x",
        f"{times['patches']:.3g} s, {times['published']:.3g} s by 64x64x32 windows with overlap 0.5 either way",
        f"convolutions; the scan itself is {math.prod(SCAN) / by_patches:.0%} of the voxels that patches compute",
        must=1.5,
        goal=2,
    )
    yield Row(
        "MONAI's sliding window of the same network and windows",
        times["monai"] / times["patches"],
        "x",
        f"{times['patches']:.3g} s, {times['monai']:.3g} s by MONAI, which holds the logits of the whole scan",
        "convolutions",
        must=0.9,
        goal=1,
    )
    yield Row(
        "the same in windows of up to 16 patches (`inference.window`), which not every network bears",
        times["published"] / times["larger"],
        "x",
        f"{times['larger']:.3g} s, {times['published']:.3g} s",
        f"convolutions; {found.count * math.prod(found.sides) / by_patches:.0%} of the voxels that patches compute",
    )
