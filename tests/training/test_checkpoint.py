"""Checkpoints: what goes on from them is what was saved, in another memory format too."""

from pathlib import Path

import pytest
import torch
from torch import nn

from modelsgenesis.errors import GenesisError
from modelsgenesis.training import checkpoint
from modelsgenesis.training.checkpoint import State
from modelsgenesis.training.optim import Schedule, build_optimiser
from modelsgenesis.training.settings import OptimSettings

FORMATS = (torch.contiguous_format, torch.channels_last_3d)
OPTIM = OptimSettings(lr=0.01, warmup_steps=0, schedule="constant")


def begun(form: torch.memory_format) -> tuple[nn.Module, torch.optim.Optimizer, Schedule]:
    torch.manual_seed(0)
    network = nn.Conv3d(3, 5, 3).to(memory_format=form)  # type: ignore[call-overload]
    optimiser = build_optimiser(network.parameters(), OPTIM)
    return network, optimiser, Schedule(optimiser, OPTIM, 10, lower_is_better=True)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, number: int) -> None:
    x = torch.randn(2, 3, 6, 6, 6, generator=torch.Generator().manual_seed(number))
    network(x).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


@pytest.mark.parametrize("after", FORMATS)
@pytest.mark.parametrize("before", FORMATS)
def test_the_optimiser_goes_on_in_any_memory_format(
    before: torch.memory_format, after: torch.memory_format, tmp_path: Path
) -> None:
    whole, optimiser, schedule = begun(before)
    for number in range(3):
        step(whole, optimiser, number)
    checkpoint.save(tmp_path / "last.pt", State(step=3), whole, optimiser, schedule)
    other, its_optimiser, its_schedule = begun(after)
    assert checkpoint.load(tmp_path / "last.pt", other, its_optimiser, its_schedule).step == 3
    for number in range(3, 6):
        step(whole, optimiser, number)
        step(other, its_optimiser, number)
    for mine, theirs in zip(other.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("no_room")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    network, optimiser, schedule = begun(torch.contiguous_format)
    with pytest.raises(GenesisError, match=r"last\.pt: could not be written \(File too large\); free space"):
        checkpoint.save(tmp_path / "last.pt", State(), network, optimiser, schedule)
    assert list(tmp_path.iterdir()) == []
