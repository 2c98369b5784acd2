"""Training on labelled cases: the items, and the task that the loop runs."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.utils.data import Dataset

from modelsgenesis.streams import FINETUNING, generator
from modelsgenesis.targets.patches import PatchSampler, classified_input
from modelsgenesis.targets.prepared import PreparedCase, PreparedTarget
from modelsgenesis.training.augmentation import Augmentation
from modelsgenesis.training.batches import step_batches
from modelsgenesis.training.inference import Recipe
from modelsgenesis.training.loop import Batch
from modelsgenesis.training.losses import Loss
from modelsgenesis.training.settings import LoopSettings
from modelsgenesis.types import JSON, FloatArray

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Item = tuple[FloatArray, npt.NDArray[Any]]
"""Image (C, X, Y, Z) in [0, 1], and structures (1, X, Y, Z) uint8, class () int64 or labels (L,) float32."""
Sampling = Literal["uniform", "balanced"]


class Items(Dataset[Item]):
    """Item number -> augmented item, a function of the seed and the number alone.

    Args:
        data: where the cases lie.
        cases: the training cases.
        recipe: task and patches.
        augmentation: what is done to each item.
        sampling: of a classification: "uniform" over cases, or "balanced": over classes first.
        seed: decides cases, patches and augmentation.
    """

    def __init__(
        self,
        data: PreparedTarget,
        cases: Sequence[PreparedCase],
        recipe: Recipe,
        augmentation: Augmentation,
        sampling: Sampling,
        seed: int,
    ) -> None:
        self._data, self._cases, self._recipe = data, cases, recipe
        self._augmentation, self._seed = augmentation, seed
        self._sampler = PatchSampler(data, cases, recipe.patch) if recipe.task == "segmentation" else None
        self._groups = _by_label(cases) if sampling == "balanced" else [list(cases)]

    def __getitem__(self, item: int) -> Item:
        rng = generator(self._seed, FINETUNING, item)
        if self._sampler is not None:
            patch, label = self._sampler.patch(rng, item)
            image, structures = self._augmentation.apply(patch, label[None], rng)
            return image, structures
        group = self._groups[int(rng.integers(len(self._groups)))]
        case = group[int(rng.integers(len(group)))]
        seen = classified_input(self._data, case, self._recipe.patch, rng)
        image, _ = self._augmentation.apply(seen, None, rng)
        several = self._recipe.task == "multilabel"
        return image, np.array(case.case.label, np.float32 if several else np.int64)


def _by_label(cases: Sequence[PreparedCase]) -> list[list[PreparedCase]]:
    """The cases of each class (of each combination of labels, where a case may have several)."""
    groups: dict[str, list[PreparedCase]] = {}
    for case in cases:
        groups.setdefault(str(case.case.label), []).append(case)
    return [groups[label] for label in sorted(groups)]


class Check(Protocol):
    """What scores the network on the validation cases."""

    monitor: str
    missed: tuple[str, ...]

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Scores, of which `monitor` chooses the best weights: higher is better; `missed` is about them."""
        ...


class Supervised:
    """The loop's task.

    Args:
        items: the training items.
        loop: batches.
        loss: of logits and truth.
        check: validation.
        save: writes (network, path, what there is to say about it).
        best: where the best weights so far are written.
    """

    unit, lower_is_better = "items", False

    def __init__(
        self,
        items: Items,
        loop: LoopSettings,
        loss: Loss,
        check: Check,
        save: Callable[[nn.Module, Path, JSON], None],
        best: Path,
    ) -> None:
        self._items, self._loop, self._loss, self._check = items, loop, loss, check
        self._save, self._best = save, best
        self.monitor = check.monitor

    def batches(self, first_step: int, fabric: "Fabric") -> Generator[Batch, None, None]:
        """Batches of (image, truth) from step `first_step` on."""
        return step_batches(self._items, self._loop, first_step, fabric)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch."""
        image, truth = batch
        return self._loss(network(image), truth)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Scores on the validation cases."""
        return self._check.scores(network)

    @property
    def missed(self) -> tuple[str, ...]:
        """Structures of the validation cases that the last `validate` predicted nowhere."""
        return self._check.missed

    def keep(self, network: nn.Module, score: float, step: int) -> None:
        """Store the weights, the best so far."""
        self._save(network, self._best, {"step": step, "validation": score})

    def save(self, network: nn.Module, path: Path, about: JSON) -> None:
        """Write the weights to `path`, with where they come from and what there is to say `about` them."""
        self._save(network, path, about)
