"""The loop: what is not finite ends the training with a message."""

from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelsgenesis.errors import GenesisError
from modelsgenesis.run import Run
from modelsgenesis.training.loop import fit, make_fabric
from modelsgenesis.training.settings import LoopSettings, OptimSettings


class _Task:
    unit, monitor, lower_is_better = "items", "score", True
    missed: tuple[str, ...] = ()

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        self._loss = loss

    def batches(self, _first_step: int, _fabric: Any) -> Generator[tuple[Tensor, ...], None, None]:
        while True:
            yield (torch.ones(2, 1),)

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        return self._loss(network(batch[0]).sum())

    def validate(self, _network: nn.Module) -> dict[str, float]:
        return {"score": 0.0}

    def keep(self, network: nn.Module, score: float, step: int) -> None: ...


@pytest.mark.parametrize(
    ("what", "loss"), [("loss", lambda x: x / 0), ("gradient", lambda x: (x * 0).sqrt())], ids=["loss", "gradient"]
)
def test_what_is_not_finite_ends_it(what: str, loss: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    loop = LoopSettings(steps=2, batch_size=2, accelerator="cpu", precision="32-true")
    run.begin("finetune", loop, "digest", resume=False)
    network = nn.Sequential(nn.Linear(1, 1))
    network.backbone = SimpleNamespace(axes=2)  # type: ignore[assignment]
    message = f"{what} is not finite at step 0; --resume with --loop.precision 32-true goes on"
    with pytest.raises(GenesisError, match=message):
        fit(_Task(loss), network, make_fabric(loop), run, loop, OptimSettings())
