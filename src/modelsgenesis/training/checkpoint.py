"""The state of a training run on disk: written whole or not at all, opened without running code."""

from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import replacing
from modelsgenesis.training.optim import Schedule


@dataclass
class State:
    """Where a training run stands.

    Attributes:
        step: optimiser steps done.
        best: best validation score so far, None before the first validation.
        best_step: the step it was reached at.
        waited: validations since then.
        loss: sum of the training losses since the last validation.
        losses: how many.
    """

    step: int = 0
    best: float | None = None
    best_step: int = 0
    waited: int = 0
    loss: float = 0.0
    losses: int = 0


def save(path: Path, state: State, network: nn.Module, optimiser: torch.optim.Optimizer, schedule: Schedule) -> None:
    """Write the checkpoint to `path` atomically; GenesisError naming it when the disk refuses."""
    content = {
        "state": asdict(state),
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
    }
    serialised = BytesIO()
    torch.save(content, serialised)
    with replacing(path) as temporary:
        temporary.write_bytes(serialised.getbuffer())  # PyTorch's own writing hides what the disk says


def load(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, schedule: Schedule) -> State:
    """Restore what `save` wrote; a fresh State when there is no checkpoint; GenesisError when it is damaged."""
    if not path.is_file():
        return State()
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds on a damaged file
        raise GenesisError(f"{path}: the checkpoint is damaged ({error}); delete it to start again") from error
    network.load_state_dict(content["network"])
    optimiser.load_state_dict(content["optimiser"])
    _in_layout_of_parameters(optimiser)
    schedule.load_state_dict(content["schedule"])
    torch.set_rng_state(content["random"])
    return State(**content["state"])


def _in_layout_of_parameters(optimiser: torch.optim.Optimizer) -> None:
    """Give what the optimiser keeps of a parameter that parameter's memory format.

    A run may go on in another format, and PyTorch's fused optimisers on a CPU go through memory without a look at it.
    """
    inner: Any = getattr(optimiser, "optimizer", optimiser)  # Lightning Fabric wraps it
    for parameter, kept in inner.state.items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                kept[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
