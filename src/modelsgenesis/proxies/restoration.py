"""The proxy task of Models Genesis: restore the cube from its distorted form (PAPER 1)."""

from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.transforms.mixture import PRESETS, Mixture, mixture, single
from modelsgenesis.types import FloatArray


class Restoration:
    """Views, network and loss of the restoration task.

    Args:
        distortions: name of the mixture: released, paper, default, or one distortion alone
            (nonlinear, shuffle, inpaint, outpaint, identity).
    """

    def __init__(self, distortions: str = "default") -> None:
        self.mixture: Mixture = mixture(distortions) if distortions in PRESETS else single(distortions)

    def views(self, x: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """(distorted, target) of a cube (C, X, Y, Z) in [0, 1]; consumes `rng`, leaves `x` alone."""
        return self.mixture.views(x, rng)

    def network(self, backbone: Any) -> nn.Module:
        """The network that restores: as many output as input channels."""
        return DenseNetwork(backbone, backbone.input_channels)

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error over the whole cube (PAPER 1.3), and its parts.

        Returns the loss and `spread`: standard deviation of the restored batch over that of the target; near zero
        means that the network answers with a constant.
        """
        distorted, target = batch
        restored = network(distorted).float().sigmoid()
        spread = restored.detach().std() / target.std().clamp_min(1e-6)
        return functional.mse_loss(restored, target), {"spread": spread}


def restore(network: nn.Module, distorted: Tensor) -> Tensor:
    """Restored cubes in [0, 1], without gradients, in evaluation mode (which is left as it was)."""
    with evaluating(network):
        restored: Tensor = network(distorted).float().sigmoid()
    return restored
