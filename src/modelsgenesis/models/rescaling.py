"""Weights as large as at the start of a training: the same function, which learns at the rate that it is told.

A norm undoes the size of the convolution before it, so a large weight and a small one are the same function. But a step
of the optimiser turns a large one less. Long pre-training makes weights grow (tenfold in the deepest level of the
phantoms' network), and the rates that suit a network from scratch then hardly move it.
"""

from collections.abc import Mapping

import torch
from torch import nn

from modelsgenesis.models.folding import normed_convolutions


def sizes(network: nn.Module) -> dict[str, float]:
    """Name of every convolution before a norm -> Euclidean norm of its weight."""
    found = normed_convolutions(network)
    return {name: float(getattr(module, convolution).weight.detach().norm()) for name, module, convolution, _ in found}


@torch.no_grad()
def rescale(network: nn.Module, wanted: Mapping[str, float]) -> None:
    """Bring the convolutions of `network` to the sizes `wanted`, in place; what the network computes stays.

    Running statistics of the norms behind them follow. Weights that are not named, or nothing but zeros, stay.
    """
    for name, module, convolution, norm in normed_convolutions(network):
        before, after = getattr(module, convolution), getattr(module, norm)
        held = float(before.weight.norm())
        if name not in wanted or held == 0:
            continue
        share = wanted[name] / held
        for part, factor in (
            (before.weight, share),
            (before.bias, share),
            (getattr(after, "running_mean", None), share),
            (getattr(after, "running_var", None), share**2),
        ):
            if part is not None:
                part.mul_(factor)
