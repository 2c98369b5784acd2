"""Batch norms folded into the convolutions before them: the same function with fewer passes over memory, to predict."""

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
    for module in list(network.modules()):
        for convolution, norm in _pairs(module):
            first, second = getattr(module, convolution), getattr(module, norm)
            if isinstance(first, _ConvNd) and _has_fixed_statistics(second):
                setattr(module, convolution, fuse_conv_bn_eval(first, second))
                setattr(module, norm, nn.Identity())
    return network


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    names = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential):
        return list(pairwise(names))
    return [(name, name.replace("conv", "bn", 1)) for name in names if name.replace("conv", "bn", 1) in names]


def _has_fixed_statistics(norm: nn.Module) -> bool:
    return isinstance(norm, _BatchNorm) and not isinstance(norm, AlwaysBatchNorm) and norm.track_running_stats
