"""A norm and the ReLU after it as one step: the same function, in fewer passes over memory.

On a CPU PyTorch's modules pass over a feature map more often, and its group norm is slow for channels-last
(`python -m benchmarks norms`). Here the statistics take one pass, the result takes one and the gradient two, and only
the input is kept for it. Elsewhere (on a GPU, in other memory formats, in float64, under a compiler or tracer)
PyTorch's own modules compute it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from modelsgenesis.models import kernels
from modelsgenesis.models.features import CHANNELS_LAST, flat, on_threads, walkable
from modelsgenesis.models.norm import AlwaysBatchNorm

PIVOT_VOXELS = 64
"""About how many voxels of an item the pivot is the mean of."""
Table = npt.NDArray[Any]
"""(N, C): a number for each item and channel."""


def normed(norm: nn.Module, x: Tensor, relu: bool = True) -> Tensor:
    """`norm` of the features `x` (N, C, ...), then a ReLU unless told otherwise; running statistics follow training."""
    if not _taken(norm, x):
        y: Tensor = norm(x)
        return functional.relu(y, inplace=True) if relu else y
    module: Any = norm
    if isinstance(norm, nn.GroupNorm):
        return _Normed.apply(x, module.weight, module.bias, norm.num_groups, norm.eps, relu)[0]  # type: ignore
    y, mean, variance = _Normed.apply(x, module.weight, module.bias, 0, module.eps, relu)  # type: ignore
    if norm.training:
        _keep_up(module, mean[0], variance[0], x.numel() // x.shape[1])
    return y


def _taken(norm: nn.Module, x: Tensor) -> bool:
    """Whether the kernels compute it."""
    if isinstance(norm, _BatchNorm):
        of_batch = norm.training or (isinstance(norm, AlwaysBatchNorm) and norm.always)
        if not of_batch or norm.momentum is None or not norm.track_running_stats:
            return False
    elif not isinstance(norm, nn.GroupNorm):
        return False
    return (
        walkable(x)
        and x.numel() > x.shape[0] * x.shape[1]  # a single voxel is refused or constant: PyTorch's modules say so
        and norm.weight is not None
        and norm.weight.dtype == torch.float32
    )


@torch.no_grad()
def _keep_up(norm: Any, mean: Tensor, variance: Tensor, count: int) -> None:
    """Running statistics after a batch of `count` values a channel, as PyTorch keeps them: of the unbiased variance."""
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
    if not (isinstance(norm, AlwaysBatchNorm) and norm.always):
        norm.num_batches_tracked.add_(1)


class _Normed(Function):
    """Normalise over sets of channels: `groups` of them in each item, or (0) each channel over the whole batch.

    Returns the result, mean and (biased) variance of every channel's set, (N, C) float32.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, epsilon: float, relu: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        features, channels = flat(x), x.shape[1]
        voxels = x.numel() // (x.shape[0] * channels)
        width = kernels.lanes(channels, voxels)
        pivot = _pivot(x)
        total, square = np.empty(pivot.shape), np.empty(pivot.shape)
        on_threads(lambda s: kernels.moments(features[s], channels, width, pivot[s], total[s], square[s]), len(pivot))
        away = total / voxels
        means, spreads = pivot + away, square / voxels - away**2
        mean = _over_sets(means, groups)
        variance = _over_sets(spreads + (means - mean) ** 2, groups)
        inverse = 1 / np.sqrt(variance + epsilon)
        scale = (inverse * weight.detach().numpy()).astype(np.float32)
        shift = (bias.detach().numpy() - mean * scale).astype(np.float32)
        y = torch.empty_like(x, memory_format=CHANNELS_LAST[x.ndim])
        out = flat(y)
        on_threads(lambda s: kernels.affine(features[s], width, scale[s], shift[s], relu, out[s]), len(pivot))
        ctx.save_for_backward(x, weight)
        ctx.state = (groups, relu, width, voxels, mean, inverse, scale, shift)
        mean_of_set, variance_of_set = torch.from_numpy(np.stack((mean, variance)).astype(np.float32)).unbind()
        ctx.mark_non_differentiable(mean_of_set, variance_of_set)
        return y, mean_of_set, variance_of_set

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        groups, relu, width, voxels, mean, inverse, scale, shift = ctx.state
        features, pivot = flat(x), _pivot(x)
        slopes = flat(gradient.contiguous(memory_format=CHANNELS_LAST[x.ndim]))
        total, product = np.empty(pivot.shape), np.empty(pivot.shape)
        on_threads(
            lambda s: kernels.gradient_sums(
                slopes[s], features[s], width, scale[s], shift[s], pivot[s], relu, total[s], product[s]
            ),
            len(pivot),
        )
        of_weight = (product - (mean - pivot) * total) * inverse  # sums of g times the normalised x
        gamma = weight.detach().numpy()
        mean_slope = _over_sets(total * gamma / voxels, groups)
        mean_product = _over_sets(of_weight * gamma / voxels, groups)
        of_x = -(inverse**2) * mean_product
        factors = np.stack((scale, of_x, -inverse * mean_slope - of_x * mean)).astype(np.float32)
        result = torch.empty_like(x, memory_format=CHANNELS_LAST[x.ndim])
        out = flat(result)
        on_threads(
            lambda s: kernels.gradient_of_input(
                slopes[s], features[s], width, scale[s], shift[s], relu, factors[:, s], out[s]
            ),
            len(pivot),
        )
        sums = (torch.from_numpy(each.sum(0).astype(np.float32)) for each in (of_weight, total))
        return result, *sums, None, None, None


def _over_sets(values: Table, groups: int) -> Table:
    """The mean of `values` over the set that each channel of an item belongs to, at its place: (N, C)."""
    sets = values.reshape(len(values), groups, -1) if groups else values
    means = sets.mean(-1 if groups else 0, keepdims=True)
    spread: Table = np.broadcast_to(means, sets.shape).reshape(values.shape)
    return spread


def _pivot(x: Tensor) -> Table:
    """About the mean of each item's channels, from a few voxels all over it, (N, C) float32.

    Not from one voxel: those at a border differ, for convolutions see zeros beyond.
    """
    voxels = x.detach().flatten(2)
    step = voxels.shape[2] // PIVOT_VOXELS | 1  # odd: an even one would stay at the border where sides are even
    few: Table = voxels[:, :, ::step].float().mean(2).numpy()
    return few
