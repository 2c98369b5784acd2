"""Batch norms folded into the convolutions before them: the same function with fewer passes over memory, to predict."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_eval

from modelsgenesis.models.norm import AlwaysBatchNorm

Network = TypeVar("Network", bound=nn.Module)


def fold_norms(network: Network) -> Network:
    """Fold every batch norm with running statistics into its convolution, in place; the network is for inference then.

    The pairs are attributes `conv<N>` and `bn<N>` of one module, and neighbours in an `nn.Sequential`. Norms that take
    their statistics from the input (`batch`, `group`) stay.
    """
    network.eval()
    for _, module, convolution, norm in list(normed_convolutions(network)):
        if _has_fixed_statistics(getattr(module, norm)):
            setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
            setattr(module, norm, nn.Identity())
    return network


def normed_convolutions(network: nn.Module) -> Iterator[tuple[str, nn.Module, str, str]]:
    """Convolutions with a norm behind them: name in `network`, the module of both, their names in it."""
    for prefix, module in network.named_modules():
        for convolution, norm in _pairs(module):
            there = isinstance(getattr(module, norm), _BatchNorm | nn.GroupNorm)
            if there and isinstance(getattr(module, convolution), _ConvNd):
                yield f"{prefix}.{convolution}".lstrip("."), module, convolution, norm


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    names = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential):
        return list(pairwise(names))
    return [(name, name.replace("conv", "bn", 1)) for name in names if name.replace("conv", "bn", 1) in names]


def _has_fixed_statistics(norm: nn.Module) -> bool:
    return isinstance(norm, _BatchNorm) and not isinstance(norm, AlwaysBatchNorm) and norm.track_running_stats
