"""One step of pre-training in every memory format and precision: `python -m benchmarks.training_step`.

A step is forward, loss, backward, clipping and update of the restoration network on cubes that are there already. The
variants take turns, so that whatever else the machine does meets them alike; medians, and ratios to the released way:
eager float32, the doubling and the convolution after it one by one. bfloat16 is left out where it is only emulated.
Compile time is not counted. `<- defaults` marks what the default settings choose on this machine.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.rows import Row, milliseconds
from modelsgenesis.models import BackboneSettings, build_backbone, upsampling
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.training.loop import make_fabric
from modelsgenesis.training.optim import build_optimiser
from modelsgenesis.training.settings import LoopSettings, OptimSettings

WARM_UP = 2


@dataclass(frozen=True)
class Variant:
    """How a step is computed."""

    channels_last: bool
    compile: bool
    bfloat16: bool

    def __str__(self) -> str:
        if self == PLAIN:
            return "as released, float32"
        formats = [name for name, on in (("channels-last", self.channels_last), ("compile", self.compile)) if on]
        return f"{' + '.join(formats) or 'eager'}, {'bfloat16' if self.bfloat16 else 'float32'}"


PLAIN = Variant(channels_last=False, compile=False, bfloat16=False)


def as_released() -> AbstractContextManager[Any]:
    """Within it decoders double and convolve one after the other, as the released network does."""
    return patch.object(upsampling, "_pays", return_value=False)


def default_variant() -> Variant:
    """What `LoopSettings()` chooses here."""
    loop = LoopSettings()
    precision = make_fabric(loop).strategy.precision.precision
    return Variant(loop.channels_last, loop.compile, precision.startswith("bf16"))


def variants(compiled: bool) -> list[Variant]:
    """All that this machine computes natively; those that compile only if `compiled`."""
    native = default_variant().bfloat16  # emulated bfloat16 takes many times as long
    return [
        Variant(last, made, bfloat16)
        for made, last, bfloat16 in itertools.product((False, True), repeat=3)
        if (compiled or not made) and (native or not bfloat16)
    ]


def measure(width: int, cube: tuple[int, ...], batch: int, repeats: int, compiled: bool) -> dict[Variant, float]:
    """Median seconds a step of each variant; those that this machine cannot compile are left out, with a message."""
    steps = {variant: step for variant in variants(compiled) if (step := warm(variant, width, cube, batch)) is not None}
    times: dict[Variant, list[float]] = {variant: [] for variant in steps}
    for _ in range(repeats):
        for variant, step in steps.items():
            began = time.perf_counter()
            step()
            times[variant].append(time.perf_counter() - began)
    return {variant: statistics.median(found) for variant, found in times.items()}


def warm(variant: Variant, width: int, cube: tuple[int, ...], batch: int) -> Callable[[], None] | None:
    """The step of a variant after its first calls, which compile; None where that fails."""
    step = make_step(variant, width, cube, batch)
    try:
        for _ in range(WARM_UP):
            step()
    except Exception as error:  # compilers fail in many ways
        print(f"{variant}: left out, {type(error).__name__}: {str(error).splitlines()[0][:100]}", flush=True)
        return None
    return step


def make_step(variant: Variant, width: int, cube: tuple[int, ...], batch: int) -> Callable[[], None]:
    """A step as the training loop does it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    proxy, optim = Restoration(), OptimSettings()
    network: Any = proxy.network(build_backbone(BackboneSettings(width=width))).to(device)
    views = [torch.rand(batch, 1, *cube, device=device) for _ in range(2)]
    if variant.channels_last:
        network = network.to(memory_format=torch.channels_last_3d)
        views = [view.contiguous(memory_format=torch.channels_last_3d) for view in views]
    if variant.compile:
        network.compile()
    optimiser = build_optimiser(network.parameters(), optim)

    def step() -> None:
        with (
            as_released() if variant == PLAIN else nullcontext(),
            torch.autocast(device.type, torch.bfloat16) if variant.bfloat16 else nullcontext(),
        ):
            loss, _ = proxy.loss(network, (views[0], views[1]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), optim.clip)
        optimiser.step()
        optimiser.zero_grad()
        loss.item()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def rows(_folder: Path, repeats: int) -> Iterator[Row]:
    """The best settings against the released way, at full and at a quarter of the width."""
    for width, cube, batch, must in ((32, (64, 64, 32), 1, 1.15), (8, (32, 32, 32), 8, 1.5)):
        times = measure(width, cube, batch, max(3, repeats if width == 8 else repeats // 2), compiled=True)
        best, chosen = min(times, key=lambda variant: times[variant]), default_variant()
        yield Row(
            f"training step, width {width}, {'x'.join(map(str, cube))}, best of {len(times)} settings",
            times[PLAIN] / times[best],
            "x",
            f"{best} {milliseconds(times[best])}; defaults ({chosen}) {milliseconds(times[chosen])}; "
            f"{PLAIN} {milliseconds(times[PLAIN])}",
            "convolutions in oneDNN, most of all the gradients of their weights; norms and ReLU pass over memory",
            must,
        )


def lines(times: dict[Variant, float], chosen: Variant) -> Iterator[str]:
    """The table, and how far the defaults are from the best."""
    for variant, seconds in sorted(times.items(), key=lambda item: item[1]):
        mark = "  <- defaults" if variant == chosen else ""
        yield f"{variant!s:>34} {1e3 * seconds:9.1f} ms {times[PLAIN] / seconds:6.2f} x{mark}"
    best = min(times, key=lambda variant: times[variant])
    yield f"the defaults take {times[chosen] / times[best]:.2f} times as long as the best ({best})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--cube", type=int, nargs=3, default=(32, 32, 32))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes minutes")
    given = parser.parse_args()
    times = measure(given.width, tuple(given.cube), given.batch, given.repeats, not given.no_compile)
    threads = "" if torch.cuda.is_available() else f", {torch.get_num_threads()} threads"
    print(f"width {given.width}, cube {'x'.join(map(str, given.cube))}, batch {given.batch}{threads}")
    print("\n".join(lines(times, default_variant())))


if __name__ == "__main__":
    main()
