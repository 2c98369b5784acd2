"""Feature maps in the format channels-last, as compiled loops on a CPU see them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

CHANNELS_LAST: dict[int, Any] = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Axes of a feature map -> its memory format channels-last."""


def walkable(x: Tensor) -> bool:
    """Whether compiled loops may compute on `x`: on a CPU, channels-last, in float32 or bfloat16, not while traced."""
    return (
        not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.ndim in CHANNELS_LAST
        and x.numel() > 0
        and x.is_contiguous(memory_format=CHANNELS_LAST[x.ndim])
    )


def flat(x: Tensor) -> npt.NDArray[Any]:
    """The memory of a channels-last `x` (N, C, ...) as an array (N, voxels * C); bfloat16 as its bits, uint16."""
    values = x.detach().movedim(1, -1).reshape(len(x), -1)
    memory = values.view(torch.uint16) if x.dtype == torch.bfloat16 else values
    return np.asarray(memory.numpy())


def on_threads(kernel: Callable[[slice], None], items: int) -> None:
    """Run `kernel` on all items, parts of them on as many threads as PyTorch has."""
    threads = min(torch.get_num_threads(), items)
    if threads == 1:
        kernel(slice(None))
        return
    edges = [part * items // threads for part in range(threads + 1)]
    list(_pool(threads).map(kernel, map(slice, edges[:-1], edges[1:])))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "features")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork has none of its threads
