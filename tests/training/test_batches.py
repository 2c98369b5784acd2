"""The items of a run: the same as a list would hold, without the list."""

import tracemalloc
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from modelsgenesis.pretrain import preset
from modelsgenesis.training.batches import StepItems, step_batches
from modelsgenesis.training.settings import LoopSettings

RELEASED = 3_322_000
"""Steps of preset `released`."""


class _Numbers(Dataset[tuple[int]]):
    def __getitem__(self, item: int) -> tuple[int]:
        return (item,)


def fabric(devices: int = 1, device: int = 0) -> Any:
    return SimpleNamespace(world_size=devices, global_rank=device, device=torch.device("cpu"))


def listed(loop: LoopSettings, first_step: int, devices: int, device: int) -> list[int]:
    """The definition: item i of a step on a device, step by step."""
    return [
        (step * devices + device) * loop.batch_size + i
        for step in range(first_step, loop.steps)
        for i in range(loop.batch_size)
    ]


@pytest.mark.parametrize(("devices", "device"), [(1, 0), (3, 0), (3, 2)])
@pytest.mark.parametrize("first_step", [0, 4, 7])
def test_the_items_are_those_of_the_list(first_step: int, devices: int, device: int) -> None:
    loop = LoopSettings(steps=7, batch_size=5, workers=0)
    batches = list(step_batches(_Numbers(), loop, first_step, fabric(devices, device)))
    expected = listed(loop, first_step, devices, device)
    assert torch.cat([batch[0] for batch in batches] or [torch.empty(0)]).tolist() == expected
    assert [len(batch[0]) for batch in batches] == [5] * (7 - first_step)
    assert len(StepItems(range(first_step, 7), 5, devices, device)) == len(expected)


def test_all_devices_together_see_each_item_once() -> None:
    items = [item for device in range(3) for item in StepItems(range(2, 6), 4, 3, device)]
    assert sorted(items) == list(range(2 * 3 * 4, 6 * 3 * 4))


def test_the_longest_run_takes_no_memory() -> None:
    """Preset `released`, resumed in its middle too; a list of its items takes 776 MB."""
    loop = preset("released").loop
    assert loop.steps == RELEASED
    tracemalloc.start()
    try:
        for first_step in (0, RELEASED // 2):
            batches = step_batches(_Numbers(), loop, first_step, fabric())
            assert next(batches)[0].tolist() == list(range(first_step * 6, first_step * 6 + 6))
            assert sum(1 for _ in islice(batches, 100)) == 100
        assert sum(1 for _ in islice(StepItems(range(RELEASED), 6), 100_000)) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
