"""The training loop of pre-training and fine-tuning, on Lightning Fabric."""

import math
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from modelsgenesis.errors import GenesisError, UsageError, first_line
from modelsgenesis.progress import Progress, tell
from modelsgenesis.run import Run
from modelsgenesis.training import checkpoint
from modelsgenesis.training.checkpoint import State
from modelsgenesis.training.continuing import say_how
from modelsgenesis.training.interrupt import InterruptedRunError, StopSignal
from modelsgenesis.training.keeping import Keeping
from modelsgenesis.training.loaders import LostLoaderError
from modelsgenesis.training.memory import keep_freed_memory
from modelsgenesis.training.opening import Pace
from modelsgenesis.training.optim import Schedule, build_optimiser, parameter_groups
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.trackers import Trackers
from modelsgenesis.types import JSON

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Batch = tuple[Tensor, ...]
STOPPING = "stopping: the step or validation under way is finished and saved first; Ctrl-C once more stops at once"


class Task(Protocol):
    """What the loop trains."""

    unit: str
    """Name of the items, for the progress bar."""
    monitor: str
    """Which entry of `validate` chooses the best weights."""
    lower_is_better: bool

    def batches(self, first_step: int, fabric: "Fabric") -> Generator[Batch, None, None]:
        """Batches from step `first_step` on; the batch of a step depends on the seed and the step alone."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Scores on the validation data; leaves the network as it was."""
        ...

    @property
    def missed(self) -> Sequence[str]:
        """What the validation data hold and the last `validate` found nowhere; empty where nothing is looked for."""
        ...

    def keep(self, network: nn.Module, score: float, step: int) -> None:
        """Store the weights, the best so far."""
        ...

    def save(self, network: nn.Module, path: Path, about: JSON) -> None:
        """Write the weights to `path`, with where they come from and what there is to say `about` them."""
        ...


def make_fabric(loop: LoopSettings) -> "Fabric":
    """The Fabric the settings describe."""
    from lightning_fabric import Fabric  # takes seconds to import
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    precision: Any = precision_of(loop.precision, loop.accelerator)
    try:
        devices = loop.devices if loop.devices == "auto" else int(loop.devices)
        fabric = Fabric(accelerator=loop.accelerator, devices=devices, precision=precision)
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        chosen = f"{loop.accelerator}, {loop.devices}, {loop.precision}"
        raise UsageError(f"loop.accelerator, devices, precision ({chosen}): {first_line(error)}") from error
    fabric.launch()
    return fabric


def fit(
    task: Task,
    network: nn.Module,
    fabric: "Fabric",
    run: Run,
    loop: LoopSettings,
    optim: OptimSettings,
    loaded: Collection[str] = (),
) -> State:
    """Train `network` in place from the run's checkpoint, if there is one, to the end.

    `loaded` names the tensors taken over from init, which `optim` may treat differently.

    Raises InterruptedRunError after Ctrl-C or SIGTERM and LostLoaderError for a lost loader process (the state is saved
    first), GenesisError when the loss is not finite.
    """
    network = _arranged(network, loop)
    wrapped, optimiser = fabric.setup(network, build_optimiser(parameter_groups(network, loaded, optim), optim))
    schedule = Schedule(optimiser, optim, loop.steps, task.lower_is_better)
    items = loop.batch_size * fabric.world_size
    state = checkpoint.load(run.last, network, optimiser, schedule)
    keeping = Keeping(run, loop.keep_at, items, task.unit)
    if fabric.is_global_zero:
        _go_on(run, state, keeping, loop, optim)
        _keep_marked(task, network, keeping, state.step)  # of a finished run that was asked for them later
    trainer = _Trainer(task, wrapped, optimiser, fabric, loop, optim)
    pace = Pace(loop, state.step, items, task.unit)

    def save() -> None:
        if fabric.is_global_zero:
            _keep_marked(task, network, keeping, state.step)
            checkpoint.save(run.last, state, network, optimiser, schedule)
            run.note(step=state.step)

    bar = Progress(loop.steps * items, "training", task.unit, state.step * items)
    kept = Trackers(run, state.step, loop.tracker) if fabric.is_global_zero else nullcontext()
    with StopSignal(STOPPING) as stop, bar, kept as trackers, closing(task.batches(state.step, fabric)) as batches:
        while state.step < loop.steps and not (loop.patience and state.waited >= loop.patience):
            try:
                batch = next(batches)
            except LostLoaderError as error:
                save()
                raise _stopped(run, state, loop, None if stop.asked else error) from error
            rate, began = schedule.set(state.step), time.monotonic()
            state.loss += trainer.step(batch, state.step)
            state.losses += 1
            state.step += 1
            bar.advance(items, f"loss {state.loss / state.losses:.5f}")
            bar.say(pace.stepped(time.monotonic() - began))
            due = state.step % loop.validate_every == 0 or state.step == loop.steps
            if due:
                began = time.monotonic()
                scores, improved = _validate(task, network, state, schedule)
                if trackers is not None:
                    if improved:
                        task.keep(network, scores[task.monitor], state.step)
                        trackers.show(state.step)
                    _record(run, trackers, bar, state, {**scores, "lr": rate}, improved, task.missed)
                bar.say(pace.validated(time.monotonic() - began))
                state.loss, state.losses = 0.0, 0
            asked = _any_rank(fabric, stop.asked)
            if due or asked or keeping.at(state.step):
                save()
            if asked:
                raise _stopped(run, state, loop)
    return state


def _stopped(run: Run, state: State, loop: LoopSettings, lost: LostLoaderError | None = None) -> GenesisError:
    """What to raise after saving: because it was asked to stop, or for what `lost` says."""
    if lost is not None:
        return LostLoaderError(f"{run.path}: {lost}; step {state.step} is saved, continue with --resume")
    return InterruptedRunError(f"{run.path}: stopped at step {state.step} of {loop.steps}; continue with --resume")


def _arranged(network: nn.Module, loop: LoopSettings) -> nn.Module:
    """The network in the memory format that is asked for, compiled where that is; freed memory is kept from here on."""
    keep_freed_memory()
    if loop.channels_last:
        # A format is for tensors of its number of axes, so the network's volumes or images take the one that is theirs.
        network = network.to(memory_format=channels_last(network.backbone.axes))  # type: ignore
    if loop.compile:
        network.compile()
    return network


def precision_of(precision: str, accelerator: str) -> str:
    """The precision as Lightning Fabric names it, `auto` resolved for the device."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if _computes_bfloat16(accelerator) else "32-true"


def _computes_bfloat16(accelerator: str) -> bool:
    """Whether bfloat16 is native to the device: there it is the faster one; emulated it is slower than float32."""
    if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return False
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.11
    return bool(capabilities.get("avx512_bf16", False))


class _Trainer:
    """One optimiser step: micro-batches, clipping, update."""

    def __init__(
        self, task: Task, network: Any, optimiser: Any, fabric: "Fabric", loop: LoopSettings, optim: OptimSettings
    ) -> None:
        self._task, self._network, self._optimiser, self._fabric = task, network, optimiser, fabric
        self._loop, self._optim = loop, optim

    def step(self, batch: Batch, number: int) -> float:
        """Train on `batch` and return its loss."""
        batch = tuple(self._place(tensor) for tensor in batch)
        parts = list(zip(*(tensor.chunk(self._loop.accumulate) for tensor in batch), strict=True))
        total = 0.0
        for index, part in enumerate(parts):
            with self._fabric.no_backward_sync(self._network, enabled=index < len(parts) - 1):
                loss = self._task.loss(self._network, part) / len(parts)
                self._fabric.backward(loss)
            total += loss.item()
        _refuse_infinite(total, "loss", number)
        if self._optim.clip:
            norm = self._fabric.clip_gradients(
                self._network, self._optimiser, max_norm=self._optim.clip, error_if_nonfinite=False
            )
            _refuse_infinite(0.0 if norm is None else float(norm), "gradient", number)
        self._optimiser.step()
        self._optimiser.zero_grad()
        return total

    def _place(self, tensor: Tensor) -> Tensor:
        tensor = self._fabric.to_device(tensor)
        if self._loop.channels_last and tensor.ndim in (4, 5):
            return tensor.contiguous(memory_format=channels_last(tensor.ndim - 2))
        return tensor


def _refuse_infinite(value: float, what: str, step: int) -> None:
    if not math.isfinite(value):
        raise GenesisError(
            f"{what} is not finite at step {step}; --resume with --loop.precision 32-true goes on from the last "
            "checkpoint; or begin again with a lower --optim.lr under another --out"
        )


def channels_last(axes: int) -> Any:
    """The memory format of networks and batches with `axes` spatial axes."""
    return torch.channels_last_3d if axes == 3 else torch.channels_last


def _any_rank(fabric: "Fabric", flag: bool) -> bool:
    if fabric.world_size == 1:
        return flag
    return bool(fabric.all_reduce(torch.tensor(float(flag)), reduce_op="sum") > 0)  # type: ignore[operator]


def _validate(task: Task, network: nn.Module, state: State, schedule: Schedule) -> tuple[dict[str, float], bool]:
    """The scores, and whether they are the best so far; `state` and `schedule` take note."""
    scores = task.validate(network)
    score = scores[task.monitor]
    schedule.validated(score)
    improved = state.best is None or (score < state.best if task.lower_is_better else score > state.best)
    state.waited = 0 if improved else state.waited + 1
    if improved:
        state.best, state.best_step = score, state.step
    return scores, improved


def _go_on(run: Run, state: State, keeping: Keeping, loop: LoopSettings, optim: OptimSettings) -> None:
    """Bring the run folder to `state`, and tell what there is to say of it."""
    run.forget_after(state.step)
    say_how(run, state, loop, optim)
    tell(*keeping.remarks(state.step, loop.steps))


def _keep_marked(task: Task, network: nn.Module, keeping: Keeping, step: int) -> None:
    for path in keeping.at(step):
        task.save(network, path, keeping.items_at(step))


def _record(
    run: Run,
    trackers: Trackers,
    bar: Progress,
    state: State,
    scores: dict[str, float],
    improved: bool,
    missed: Sequence[str],
) -> None:
    """Write the scores of a validation to metrics.jsonl, the trackers and the terminal, and what it `missed`."""
    entry = {"loss": state.loss / max(1, state.losses), **scores}
    run.log(step=state.step, **entry, rate=round(bar.rate, 2), **({"missed": list(missed)} if missed else {}))
    trackers.log(state.step, entry)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in entry.items())
    bar.say(f"step {state.step}: {shown}{' (best)' if improved else ''}")
    if missed:
        bar.say(f"warning: predicted nowhere, though the validation cases have it: {', '.join(missed)}")
