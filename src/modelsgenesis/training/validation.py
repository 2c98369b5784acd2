"""Validation of pre-training: a fixed, seeded set of distorted cubes of unseen subjects, and its baselines."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelsgenesis.config import settings
from modelsgenesis.data.cubes import Cube, CubeSampler
from modelsgenesis.models.norm import running_statistics
from modelsgenesis.progress import Progress
from modelsgenesis.proxies.restoration import restore
from modelsgenesis.streams import PROBE, VALIDATION, generator
from modelsgenesis.training.figures import Restored
from modelsgenesis.training.probe import probe
from modelsgenesis.transforms.mixture import Mixture, single
from modelsgenesis.types import FloatArray

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ALONE = ("nonlinear", "shuffle", "inpaint", "outpaint")
EXAMPLES = 6
PROBE_BATCH = 32
"""Cubes that pass through the encoder at once in the probe."""


@settings
class RestorationCheckSettings:
    """The validation of pre-training: fixed cubes of unseen subjects."""

    cubes: int = 256
    """Cubes distorted by the mixture."""
    cubes_alone: int = 64
    """Cubes for each distortion alone."""
    probe_cubes: int = 512
    """Cubes for the probe."""


class RestorationCheck:
    """Scores a network on the same distorted cubes every time.

    Args:
        distortions: the mixture of the training.
        sampler: cuts cubes of unseen subjects.
        network: the network at its random start; a copy of it gives the probe's baseline.
        config: the `PretrainSettings`.
        fabric: places the batches.
        baselines: those of the same run, where they are known already; found otherwise, which takes a validation.

    Attributes:
        baselines: mean squared error of `nothing` (the distorted input itself), `constant` (the best one for the whole
            set) and `own mean` (the mean of each target cube), and `probe`: R² of the random network.
    """

    def __init__(
        self,
        distortions: Mixture,
        sampler: CubeSampler,
        network: nn.Module,
        config: Any,
        fabric: "Fabric",
        baselines: dict[str, float] | None = None,
    ) -> None:
        self._mixture, self._sampler, self._config, self._fabric = distortions, sampler, config, fabric
        self._size = config.loop.batch_size // config.loop.accumulate  # as many as pass at once in training
        self._probe_batches: list[tuple[Tensor, npt.NDArray[np.float64]]] | None = None
        self.baselines = baselines or self._find_baselines(network)

    def scores(self, network: nn.Module) -> dict[str, float]:
        """`validation` (mean squared error under the mixture), `share` of the best constant's, each distortion alone,
        and the `probe`'s R²."""
        check = self._config.check
        total = check.cubes + len(ALONE) * check.cubes_alone + check.probe_cubes
        with Progress(total, "validation", "cubes", part=True) as progress:
            error = self._error(network, progress.over(self._batches(self._mixture, check.cubes), self._size))
            scores = {"validation": error, "share": error / self.baselines["constant"]}
            for name in ALONE:
                batches = self._batches(single(name), check.cubes_alone)
                scores[name] = self._error(network, progress.over(batches, self._size))
            return {**scores, "probe": self._probe(network, progress)}

    def examples(self, network: nn.Module) -> list[Restored]:
        """The first cubes of the validation."""
        found: list[Restored] = []
        for distorted, target in self._batches(self._mixture, EXAMPLES):
            restored = self._restored(network, distorted)
            for item, views in enumerate(zip(distorted, restored, target, strict=True), start=len(found)):
                spacing = self._cube(item).spacing
                before, after, wanted = (view[0].numpy() for view in views)
                found.append(Restored(before, after, wanted, spacing))
        return found[:EXAMPLES]

    def _cube(self, item: int) -> Cube:
        return self._sampler.cube(generator(self._config.seed, VALIDATION, item))

    def _batches(self, distortions: Mixture, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """At least `count` cubes in full batches: compiled code wants one size."""
        for start in range(0, count, self._size):
            pairs = []
            for item in range(start, start + self._size):
                rng = generator(self._config.seed, VALIDATION, item)
                pairs.append(distortions.views(self._sampler.cube(rng).array, rng))
            distorted, target = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
            yield distorted, target

    def _error(self, network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]]) -> float:
        errors = []
        for distorted, target in batches:
            restored = self._restored(network, distorted)
            errors.append(float((restored - target).square().mean(dtype=torch.float64)))
        return float(np.mean(errors))

    def _restored(self, network: nn.Module, distorted: Tensor) -> Tensor:
        """As the network is used later: batch norms with running statistics, in published networks too."""
        with running_statistics(network):
            return restore(network, self._fabric.to_device(distorted)).cpu()

    def _find_baselines(self, network: nn.Module) -> dict[str, float]:
        check = self._config.check
        with Progress(check.cubes, "baselines", "cubes") as progress:
            found = self._errors_of_baselines(progress)
        with Progress(check.probe_cubes, "probe of the random network", "cubes") as progress:
            return {**found, "probe": self._probe(network.to(self._fabric.device), progress, untrained=True)}

    def _errors_of_baselines(self, progress: Progress) -> dict[str, float]:
        nothing, own, means, squares = [], [], [], []
        batches = self._batches(self._mixture, self._config.check.cubes)
        for distorted, target in progress.over(batches, self._size):
            distorted, target = distorted.double().flatten(1), target.double().flatten(1)
            nothing.append((distorted - target).square().mean().item())
            own.append(target.var(1, correction=0).mean().item())
            means.append(target.mean().item())
            squares.append(target.square().mean().item())
        constant = float(np.mean(squares) - np.mean(means) ** 2)
        return {"nothing": float(np.mean(nothing)), "constant": constant, "own mean": float(np.mean(own))}

    def _probe(self, network: nn.Module, progress: Progress, untrained: bool = False) -> float:
        if self._probe_batches is None:
            self._probe_batches = list(self._positions())
        backbone: Any = network.backbone
        return probe(backbone, self._probe_batches, untrained, progress)

    def _positions(self) -> Iterator[tuple[Tensor, npt.NDArray[np.float64]]]:
        for start in range(0, self._config.check.probe_cubes, PROBE_BATCH):
            cubes = [
                self._sampler.cube(generator(self._config.seed, PROBE, item))
                for item in range(start, start + PROBE_BATCH)
            ]
            stacked: Sequence[FloatArray] = [cube.array for cube in cubes]
            yield self._fabric.to_device(torch.from_numpy(np.stack(stacked))), np.array([c.position for c in cubes])
