"""What a run says before its first step, and how long it will take as soon as some steps have been timed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelsgenesis.progress import spoken, tell
from modelsgenesis.targets.candidates import plural
from modelsgenesis.training.settings import LoopSettings
from modelsgenesis.types import Shape

if TYPE_CHECKING:
    from lightning_fabric import Fabric

TIMED_STEPS, TIMED_SECONDS = 10, 10.0
"""An estimate needs so many steps, or steps that took so long; the first one, which compiles, is not among them."""


def open_with(
    data: Sequence[str], network: Any, backbone: Any, fabric: "Fabric", loop: LoopSettings, unit: str
) -> None:
    """Tell what a run trains, on what and where.

    Args:
        data: lines about the data.
        network: the network.
        backbone: its settings.
        fabric: device and precision.
        loop: steps and items a step.
        unit: what the items are called.
    """
    parameters = sum(parameter.numel() for parameter in network.parameters())
    items = loop.batch_size * fabric.world_size
    others = f" and {fabric.world_size - 1} more" if fabric.world_size > 1 else ""
    tell(
        *data,
        f"network: {backbone.name}, width {backbone.width}, norm {backbone.norm}; {plural(parameters, 'parameter')}",
        f"device: {fabric.device}{others}, precision {fabric.strategy.precision.precision}",
        f"training: {plural(loop.steps, 'step')} of {items} {unit} ({loop.steps * items:,} {unit}), "
        f"a validation every {loop.validate_every:,}",
    )


def extent(shape: Shape) -> str:
    """ "64x64x32"."""
    return "x".join(str(side) for side in shape)


class Pace:
    """How long the rest of a training takes, from the steps and validations of this process.

    Args:
        loop: its length.
        step: steps done before.
        items: items a step.
        unit: what the items are called.
    """

    def __init__(self, loop: LoopSettings, step: int, items: int, unit: str) -> None:
        self._loop, self._step, self._items, self._unit = loop, step, items, unit
        self._steps, self._seconds = -1, 0.0  # the first step is not counted
        self._said = self._said_whole = False

    def stepped(self, seconds: float) -> str:
        """A step is done; an estimate when it is time for one, else "" """
        self._step += 1
        self._steps += 1
        self._seconds += seconds if self._steps else 0.0
        enough = self._steps >= TIMED_STEPS or self._seconds >= TIMED_SECONDS
        if self._said or not enough:
            return ""
        self._said = True
        rate = self._items * self._steps / self._seconds
        return f"about {spoken(self._left())} to go at {rate:.3g} {self._unit}/s, validations not counted"

    def validated(self, seconds: float) -> str:
        """A validation is done; after the first one, an estimate with validations, else "" """
        left = -(-(self._loop.steps - self._step) // self._loop.validate_every)
        if self._said_whole or self._steps < 1 or not left:
            return ""
        self._said = self._said_whole = True
        whole = self._left() + left * seconds
        return f"about {spoken(whole)} to go, {plural(left, 'validation')} of {spoken(seconds)} among it"

    def _left(self) -> float:
        return self._seconds / self._steps * (self._loop.steps - self._step)
