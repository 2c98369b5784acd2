"""The beginning of a run: once for all processes, and without a trace when it comes to nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modelsgenesis.errors import GenesisError
from modelsgenesis.progress import tell
from modelsgenesis.run import Run
from modelsgenesis.training import continuing
from modelsgenesis.types import JSON

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def begin(fabric: "Fabric", run: Run, command: str, config: Any, data: str, resume: bool, longer: bool = True) -> bool:
    """`Run.begin` in the first process; the others, started alike on further devices, learn what came of it.

    With `longer` a run may go on beyond the steps it was begun with.
    """
    may_change = continuing.may_change if longer else continuing.may_change_but_length
    outcome: bool | GenesisError = False
    if fabric.is_global_zero:
        try:
            outcome = run.begin(command, config, data, resume, may_change)
        except GenesisError as error:
            outcome = error
    outcome = fabric.broadcast(outcome)
    if isinstance(outcome, GenesisError):
        raise outcome
    if not outcome:
        tell(f"{run.path}: is finished; nothing is left to do")
    return outcome


def hardware(fabric: "Fabric") -> JSON:
    """What a run computes with, for its manifest: device, its name where it has one, precision as it was resolved."""
    import torch

    name = {"device_name": torch.cuda.get_device_name(fabric.device)} if fabric.device.type == "cuda" else {}
    return {"device": str(fabric.device), **name, "precision": fabric.strategy.precision.precision}


@contextmanager
def no_empty_run(fabric: "Fabric", run: Run) -> Iterator[None]:
    """Remove the run folder when the block fails before the first checkpoint.

    Settings that do not fit show here, and corrected ones must not meet a folder that "holds another run".
    """
    try:
        yield
    except Exception:
        trained = run.checkpoints.is_dir() and any(run.checkpoints.iterdir())
        if fabric.is_global_zero and not trained:
            shutil.rmtree(run.path, ignore_errors=True)
        raise
