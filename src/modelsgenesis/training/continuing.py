"""A run that goes on: which settings may have changed since, and what that means for its numbers."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelsgenesis.progress import tell
from modelsgenesis.run import Run
from modelsgenesis.training.checkpoint import State
from modelsgenesis.training.optim import share_of_rate
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.types import JSON

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FREE = ("loop.workers", "loop.keep_at", "loop.tracker", "cache")
"""Without any effect on the numbers."""
HARDWARE = ("device", "device_name", "precision")
ROUNDING = ("loop.accelerator", "loop.precision", "loop.channels_last", "loop.compile", *HARDWARE)
"""The same calculation, elsewhere, in another order or in more or fewer digits: the numbers differ by rounding."""
SHARING = ("loop.devices", "loop.batch_size", "loop.accumulate")
"""How the items of a step are shared out."""
CONTINUED = "continued"
"""Entry of the manifest: a list of {step, changed: {setting: [before, from then on]}, remarks}."""


def may_change(there: JSON, here: JSON) -> set[str]:
    """Names of the settings that a run begun with `there` may go on without: what is trained stays the same.

    Devices, batch size and micro-batches may change together as long as a step takes the same items, of which as many
    pass through the network at once (batch norms see no others): 2 devices of 8 items are one of 16 in 2 micro-batches.
    The length may grow: more steps, or more patience.

    Args:
        there, here: settings by their full names, those of the loop among them.
    """
    allowed = {*FREE, *ROUNDING}
    if _dealt(there) == _dealt(here):
        allowed |= {*SHARING}
    if here["loop.steps"] > there["loop.steps"]:
        allowed |= {"loop.steps"}
    patience = (there["loop.patience"], here["loop.patience"])
    if patience[0] and (patience[1] == 0 or patience[1] > patience[0]):
        allowed |= {"loop.patience"}
    return allowed


def may_change_but_length(there: JSON, here: JSON) -> set[str]:
    """The same for a run that is one of several to be compared, and so must not become longer than it was."""
    return may_change(there, here) - {"loop.steps", "loop.patience"}


def _dealt(values: JSON) -> tuple[float, float]:
    """Items a step, and items that pass through the network at once."""
    size, devices = values["loop.batch_size"], values["loop.devices"]
    return size * int(devices), size / values["loop.accumulate"]


def on_devices(loop: LoopSettings, fabric: "Fabric") -> LoopSettings:
    """`loop` with the number of devices that were found: a step takes batch_size items on each, so it is a setting."""
    return replace(loop, devices=str(fabric.world_size))


def take_up(run: Run, config: Any, hardware: JSON) -> None:
    """Note in the run's folder what it goes on with: `config`, and another device or precision than before."""
    before = run.manifest()
    changed = run.changes(config)
    for name, now in hardware.items():
        if name in before and before[name] != now:
            changed[name] = (before[name], now)
    if changed:
        noted = [*before.get(CONTINUED, []), {"changed": {name: list(pair) for name, pair in changed.items()}}]
        run.take_up(config, **{CONTINUED: noted})


def say_how(run: Run, state: State, loop: LoopSettings, optim: OptimSettings) -> None:
    """Tell that a run goes on from `state`, with which changes and what they mean; the manifest keeps it."""
    step = state.step
    if step:
        tell(f"{run.path}: goes on from step {step} of {loop.steps}")
    if loop.patience and state.waited >= loop.patience:
        tell(f"  no further step: {state.waited} validations without improvement; raise --loop.patience to go on")
    entries = run.manifest().get(CONTINUED, [])
    for entry in entries:
        if "step" in entry:
            continue
        entry["step"], entry["remarks"] = step, _remarks(entry["changed"], step, loop, optim)
        tell(*(f"  {name}: {before} before, {now} from here on" for name, (before, now) in entry["changed"].items()))
        tell(*(f"  {remark}" for remark in entry["remarks"]))
    if entries:
        run.note(**{CONTINUED: entries})


def _remarks(changed: JSON, step: int, loop: LoopSettings, optim: OptimSettings) -> list[str]:
    found = []
    if set(changed) & {*ROUNDING, *SHARING}:
        found.append("the same calculation, rounded otherwise: not bit for bit what it would have been")
    if set(changed) & {*SHARING}:
        found.append(
            "batch norms: running statistics follow each pass of the first device, so with another number of passes a "
            "step they move at another pace from here on"
        )
    if "loop.steps" not in changed:
        return found
    planned = changed["loop.steps"][0]
    rates = ([share_of_rate(optim, steps, early) for steps in (planned, loop.steps)] for early in range(step))
    if any(before != now for before, now in rates):
        found.append(
            f"schedule {optim.schedule}: the first {step} steps had the rates of a run of {planned} steps, the "
            f"others have those of one of {loop.steps}: not the same as {loop.steps} steps at once"
        )
    if step == planned and planned % loop.validate_every:
        found.append(
            f"validated at step {planned} besides, which a run of {loop.steps} steps would not have been: the best "
            "weights may be of that step"
        )
    return found or [f"the same as {loop.steps} steps at once"]
