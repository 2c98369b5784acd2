"""The beginning of a run, once for all processes, and what is left of one that does not come to its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modelsgenesis.errors import GenesisError
from modelsgenesis.progress import tell
from modelsgenesis.run import Run
from modelsgenesis.training import continuing
from modelsgenesis.training.interrupt import InterruptedRunError
from modelsgenesis.training.keeping import Keeping
from modelsgenesis.types import JSON

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def begin(
    fabric: "Fabric", run: Run, command: str, config: Any, data: str, resume: bool, unit: str, longer: bool = True
) -> bool:
    """`Run.begin` in the first process; the others, started alike on further devices, learn what came of it.

    Of a finished run it is told which weights of `config.loop.keep_at`, counted in `unit`, it has not kept. With
    `longer` a run may go on beyond the steps it was begun with.
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
        keeping = Keeping(run, config.loop.keep_at, config.loop.batch_size * fabric.world_size, unit)
        tell(*(f"  {remark}" for remark in keeping.remarks_at_end(run.manifest()["step"])))
    return outcome


def hardware(fabric: "Fabric") -> JSON:
    """What a run computes with, for its manifest: device, its name where it has one, precision as it was resolved."""
    import torch

    name = {"device_name": torch.cuda.get_device_name(fabric.device)} if fabric.device.type == "cuda" else {}
    return {"device": str(fabric.device), **name, "precision": fabric.strategy.precision.precision}


@contextmanager
def resumable(fabric: "Fabric", run: Run) -> Iterator[None]:
    """Keep the run folder, however the block ends, unless its settings or data turn out not to fit before any training.

    Corrected ones must not meet a folder that "holds another run". Ctrl-C becomes an InterruptedRunError.
    """
    try:
        yield
    except KeyboardInterrupt:
        step = run.manifest().get("step", 0)
        held = f"stopped at once, step {step} is saved" if step else "stopped before anything was saved"
        raise InterruptedRunError(f"{run.path}: {held}; continue with --resume") from None
    except GenesisError as error:
        if fabric.is_global_zero and not run.trained and not isinstance(error, InterruptedRunError):
            run.remove()
        raise
