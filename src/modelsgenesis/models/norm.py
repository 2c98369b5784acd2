"""Normalisation layers of the backbones, for volumes and images."""

from math import gcd
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

NormMode = Literal["batch", "running", "group"]
"""``batch``: batch statistics always, also at inference, as published; ``running``: PyTorch's usual batch norm;
``group``: group norm, for batches too small for statistics."""


class AlwaysBatchNorm(_BatchNorm):
    """Batch norm that uses the statistics of the batch at hand in training and at inference (PAPER 1.3)."""

    always = True
    """Set to False on a layer to make it an ordinary batch norm with running statistics."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of spatial axes."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...); running statistics are kept up only in training, for export."""
        if not self.always:
            return super().forward(input)
        mean, var = (self.running_mean, self.running_var) if self.training else (None, None)
        return functional.batch_norm(input, mean, var, self.weight, self.bias, True, self.momentum or 0.0, self.eps)


def make_norm(mode: NormMode, channels: int, axes: int) -> nn.Module:
    """The norm layer of `mode` for features (N, channels, ...) with `axes` spatial axes."""
    if mode == "group":
        return nn.GroupNorm(gcd(8, channels), channels)
    if mode == "batch":
        return AlwaysBatchNorm(channels)
    return nn.BatchNorm3d(channels) if axes == 3 else nn.BatchNorm2d(channels)
