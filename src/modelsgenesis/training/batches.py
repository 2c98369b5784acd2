"""Batches for the training loop: the items of a step depend on its number alone."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from modelsgenesis.training.loaders import delivered
from modelsgenesis.training.settings import LoopSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class StepItems:
    """The numbers of all items of the steps, counted out one by one: a run of millions of steps needs no list of them.

    Args:
        steps: the steps, in order.
        size: items a step on each device.
        devices: how many there are; the items of a step are dealt to them in blocks.
        device: whose items these are.
    """

    steps: range
    size: int
    devices: int = 1
    device: int = 0

    def __iter__(self) -> Iterator[int]:
        for step in self.steps:
            first = (step * self.devices + self.device) * self.size
            yield from range(first, first + self.size)

    def __len__(self) -> int:
        return len(self.steps) * self.size


def step_batches(
    dataset: Dataset[Any], loop: LoopSettings, first_step: int, fabric: "Fabric"
) -> Generator[tuple[Tensor, ...], None, None]:
    """Batches from step `first_step` to the last; on several devices each takes its own part of a step's items.

    Args:
        dataset: item number -> tuple of arrays; any number is valid.
        loop: batch size, steps and loader processes.
    """
    automatic = min(8, max(1, torch.multiprocessing.cpu_count() - 1)) if fabric.device.type == "cuda" else 0
    workers = loop.workers if loop.workers >= 0 else automatic
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=loop.batch_size,
        sampler=StepItems(range(first_step, loop.steps), loop.batch_size, fabric.world_size, fabric.global_rank),
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,  # a store that was read must not be forked
        pin_memory=fabric.device.type == "cuda",
    )
    return delivered(loader)
