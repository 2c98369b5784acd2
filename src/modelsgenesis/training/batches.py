"""Batches for the training loop: the items of a step depend on its number alone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from modelsgenesis.training.loaders import delivered
from modelsgenesis.training.settings import LoopSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def step_batches(
    dataset: Dataset[Any], loop: LoopSettings, first_step: int, fabric: "Fabric"
) -> Iterator[tuple[Tensor, ...]]:
    """Batches from step `first_step` to the last; on several devices each takes its own part of a step's items.

    Args:
        dataset: item number -> tuple of arrays; any number is valid.
        loop: batch size, steps and loader processes.
    """
    size = loop.batch_size
    items = [
        (step * fabric.world_size + fabric.global_rank) * size + i
        for step in range(first_step, loop.steps)
        for i in range(size)
    ]
    automatic = min(8, max(1, torch.multiprocessing.cpu_count() - 1)) if fabric.device.type == "cuda" else 0
    workers = loop.workers if loop.workers >= 0 else automatic
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=size,
        sampler=items,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,  # a store that was read must not be forked
        pin_memory=fabric.device.type == "cuda",
    )
    return delivered(loader)
