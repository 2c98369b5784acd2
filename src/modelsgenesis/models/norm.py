"""Normalisation layers of the backbones, for volumes and images, with the ReLU that follows them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import gcd, prod
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from modelsgenesis.errors import UsageError

NormMode = Literal["running", "group", "instance", "batch"]
"""``running``: batch norm, which evaluates with running statistics; ``group``: group norm of up to 8 groups;
``instance``: each channel of each item by itself; ``batch``: batch norm that evaluates with the statistics of the batch
too, as published (PAPER 1.3). The output of an item then depends on the others: only to reproduce published numbers."""
GROUPS = 8


class AlwaysBatchNorm(_BatchNorm):
    """Batch norm that uses the statistics of the batch at hand in training and at inference (PAPER 1.3)."""

    always = True
    """False on a layer makes it an ordinary batch norm: see `running_statistics`."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of spatial axes."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...); running statistics are kept up only in training, for export."""
        if not self.always:
            return super().forward(input)
        mean, var = (self.running_mean, self.running_var) if self.training else (None, None)
        return functional.batch_norm(input, mean, var, self.weight, self.bias, True, self.momentum or 0.0, self.eps)


class InstanceNorm(nn.GroupNorm):
    """Group norm with one channel a group."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...); UsageError where a channel is a single voxel, which would become a constant."""
        refuse_single_voxel(input.shape[2:])
        return super().forward(input)


def refuse_single_voxel(sides: Sequence[int]) -> None:
    """UsageError for features of these sides that instance norm would make a constant."""
    if prod(sides) == 1:
        raise UsageError(
            "backbone.norm: instance: the deepest features are a single voxel, which instance norm makes a "
            "constant; give larger inputs or use group"
        )


def make_norm(mode: str, channels: int, axes: int) -> nn.Module:
    """The norm layer for features (N, channels, ...) with `axes` spatial axes; UsageError for an unknown mode."""
    if mode not in get_args(NormMode):
        raise UsageError(f"backbone.norm: {mode!r} is unknown; valid: {', '.join(get_args(NormMode))}")
    if mode == "group":
        return nn.GroupNorm(gcd(GROUPS, channels), channels)
    if mode == "instance":
        return InstanceNorm(channels)
    if mode == "batch":
        return AlwaysBatchNorm(channels)
    return nn.BatchNorm3d(channels) if axes == 3 else nn.BatchNorm2d(channels)


def used_norm(held: str, asked: str, source: str) -> str:
    """The mode in which weights of `source`, trained with the mode `held`, are used: `asked`, or "" for the usual one.

    `batch` and `running` hold the same tensors; unless asked for, batch norms evaluate with running statistics.
    Raises UsageError where the weights do not fit the mode asked for.
    """
    usual = "running" if held == "batch" else held
    if asked and asked != usual and not {asked, held} <= {"batch", "running"}:
        raise UsageError(
            f"backbone.norm is {asked}, but {source} was trained with {held}; leave backbone.norm out, "
            "or pre-train with it"
        )
    return asked or usual


@contextmanager
def running_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, norms of mode `batch` evaluate with their running statistics."""
    norms = [module for module in network.modules() if isinstance(module, AlwaysBatchNorm)]
    before = [norm.always for norm in norms]
    for norm in norms:
        norm.always = False
    try:
        yield
    finally:
        for norm, always in zip(norms, before, strict=True):
            norm.always = always
