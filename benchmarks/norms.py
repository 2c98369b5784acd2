"""Norm and ReLU as one step against PyTorch's own modules: `python -m benchmarks norms`.

The features of the finest level of the small network, and its whole step. All take turns; one thread.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import torch

from benchmarks.rows import Row, milliseconds, turns
from benchmarks.training_step import default_variant
from modelsgenesis.models import BackboneSettings, build_backbone, normed
from modelsgenesis.models.norm import make_norm
from modelsgenesis.proxies.restoration import Restoration
from modelsgenesis.training.memory import keep_freed_memory
from modelsgenesis.training.optim import build_optimiser
from modelsgenesis.training.settings import OptimSettings

MODES = ("running", "group", "instance")
FEATURES = (8, 16, 32, 32, 32)
LAST = torch.channels_last_3d


def rows(_folder: Path, repeats: int) -> Iterator[Row]:
    """The layer, then the step."""
    keep_freed_memory()
    bfloat16 = default_variant().bfloat16
    layers = {(mode, ours): _layer(mode, ours, bfloat16) for mode in MODES for ours in (True, False)}
    times = turns(layers, 4 * repeats)
    limit = "passes over memory: two for the result, two for the gradient"
    yield from _rows("norm, ReLU and their gradients, 16 channels of 32x32x32", times, limit, must=1.0)
    steps = {(mode, ours): _step(mode, ours, bfloat16) for mode in MODES for ours in (True, False)}
    yield from _rows("training step of unet3d_light, width 8", turns(steps, 2 * repeats), "convolutions", must=1.0)


def _rows(what: str, times: dict[tuple[str, bool], float], limit: str, must: float) -> Iterator[Row]:
    plain = times["running", False]
    for mode in MODES:
        ours, theirs = times[mode, True], times[mode, False]
        yield Row(
            f"{what}, {mode}, against PyTorch's batch norm",
            plain / ours,
            "x",
            f"{milliseconds(ours)}; by PyTorch's modules {milliseconds(theirs)}, its batch norm {milliseconds(plain)}",
            limit,
            must=must,
        )


def _pytorchs(ours: bool):  # type: ignore[no-untyped-def]
    return nullcontext() if ours else patch.object(normed, "_taken", return_value=False)


def _layer(mode: str, ours: bool, bfloat16: bool) -> Callable[[], None]:
    torch.manual_seed(0)
    norm = make_norm(mode, FEATURES[1], 3)
    x = torch.randn(FEATURES, dtype=torch.bfloat16 if bfloat16 else torch.float32).contiguous(memory_format=LAST)
    x.requires_grad_()
    slope = torch.randn_like(x)

    def call() -> None:
        with _pytorchs(ours):
            torch.autograd.grad(normed.normed(norm, x), [x, *norm.parameters()], slope)

    call()
    return call


def _step(mode: str, ours: bool, bfloat16: bool) -> Callable[[], None]:
    torch.manual_seed(0)
    proxy, optim = Restoration(), OptimSettings()
    network = proxy.network(build_backbone(BackboneSettings("unet3d_light", 8, mode))).to(memory_format=LAST)
    views = tuple(torch.rand(8, 1, 32, 32, 32).contiguous(memory_format=LAST) for _ in range(2))
    optimiser = build_optimiser(network.parameters(), optim)

    def step() -> None:
        with _pytorchs(ours):
            with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
                loss, _ = proxy.loss(network, views)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), optim.clip)
        optimiser.step()
        optimiser.zero_grad()

    step()
    return step
