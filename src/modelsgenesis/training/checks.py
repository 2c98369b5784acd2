"""Validation of fine-tuning: Dice on unseen scans, ranking and decisions on unseen cases."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.classification import classification_scores
from modelsgenesis.evaluate.metrics import dice
from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.progress import counted
from modelsgenesis.streams import VALIDATION, generator
from modelsgenesis.targets.base import IGNORED
from modelsgenesis.targets.patches import PatchSampler, classified_input
from modelsgenesis.targets.prepared import Labels, PreparedCase, PreparedTarget
from modelsgenesis.training.inference import Recipe, classify, windows_of
from modelsgenesis.training.sliding import slabs


@settings
class CaseCheckSettings:
    """The validation of fine-tuning; the test cases are always predicted whole."""

    on: Literal["auto", "scans", "patches"] = "auto"
    """scans (whole, by sliding windows), patches (fixed ones), or auto: scans unless they take too many windows."""
    most_windows: int = 1024
    """auto: most windows of all validation scans together."""
    patches: int = 128
    """Patches."""
    most_cases: int = 4096
    """Classification: cases of the validation at most; of more, a random part with every class in it is used."""


class SegmentationCheck:
    """Mean Dice of the structures on validation scans, or pooled over fixed patches of them when scans are too slow.

    Args:
        data: where the cases lie.
        cases: the validation cases; one of them at least holds a structure.
        recipe: windows and structures.
        choice: scans or patches.
        seed: decides the patches.

    Attributes:
        on: "scans" or "patches".
        missed: structures that the cases of the last `scores` have and that were predicted nowhere in them.
    """

    monitor = "dice"
    missed: tuple[str, ...] = ()

    def __init__(
        self, data: PreparedTarget, cases: Sequence[PreparedCase], recipe: Recipe, choice: CaseCheckSettings, seed: int
    ) -> None:
        self._data, self._cases, self._recipe, self._choice, self._seed = data, cases, recipe, choice, seed
        self._sampler = PatchSampler(data, cases, recipe.patch)
        shape = recipe.patch.shape
        scans = [shape if case.case.centre is not None else case.shape for case in cases]
        windows = sum(windows_of(scan, shape, replace(recipe.inference, window=1)).count for scan in scans)
        automatic = "scans" if windows <= choice.most_windows else "patches"
        self.on = automatic if choice.on == "auto" else choice.on

    def scores(self, network: nn.Module) -> dict[str, float]:
        """`dice`, the mean over structures, and `dice NAME` of each; those nobody has or predicts are left out."""
        found: dict[int, list[float]] = {structure: [] for structure in self._data.target.labels}
        there, said = set[int](), set[int]()
        on_scans = self.on == "scans"
        for truth, predicted in self._on_scans(network, self._cases) if on_scans else self._on_patches(network):
            known = truth != IGNORED
            there.update(np.unique(truth).tolist())
            said.update(np.unique(predicted[known]).tolist())
            for structure, values in found.items():
                values.append(dice(truth == structure, (predicted == structure) & known))
        self.missed = tuple(self._recipe.labels[str(k)] for k in found if k in there - said)
        defined = {k: [value for value in values if not math.isnan(value)] for k, values in found.items()}
        by_name = {self._recipe.labels[str(k)]: float(np.mean(values)) for k, values in defined.items() if values}
        mean = float(np.mean(list(by_name.values()))) if by_name else 0.0  # of patches that hold nothing
        return {"dice": mean} | {f"dice {name}": by_name[name] for name in by_name}

    def _on_scans(self, network: nn.Module, cases: Sequence[PreparedCase]) -> Iterator[tuple[Labels, Labels]]:
        """Truth and prediction of each scan: a structure's Dice is the mean over the scans in which it is defined."""
        shape = self._recipe.patch.shape
        for case in counted(cases, "validation", "cases"):
            logits = slabs(network, self._data.judged_image(case, shape), shape, self._recipe.sliding)
            predicted = [slab.argmax(0).to(torch.uint8).cpu().numpy() for slab in logits]
            yield self._data.judged_label(case, shape), np.concatenate(predicted, -1)

    def whole_scans(self, network: nn.Module) -> Iterator[tuple[Labels, Labels]]:
        """Truth and prediction of the first scans that take `most_windows` together, one at least; nothing of cases
        that are places in a scan. Without its resampling, this is what `genesis predict` would say of them."""
        shape, left = self._recipe.patch.shape, self._choice.most_windows
        kept: list[PreparedCase] = []
        for case in self._cases:
            left -= windows_of(case.shape, shape, replace(self._recipe.inference, window=1)).count
            if case.case.centre is None and (left >= 0 or not kept):
                kept.append(case)
        yield from self._on_scans(network, kept)

    def _on_patches(self, network: nn.Module) -> Iterator[tuple[Labels, Labels]]:
        """Truth and prediction of all patches together."""
        size = self._recipe.inference.windows
        predicted, truth = [], []
        for start in range(0, self._choice.patches, size):
            items = range(start, start + size)
            pairs = [self._sampler.patch(generator(self._seed, VALIDATION, item), item) for item in items]
            images = torch.from_numpy(np.stack([image for image, _ in pairs]))
            with evaluating(network):
                logits = network.forward(images.to(next(network.parameters()).device))
            predicted.append(logits.argmax(1).to(torch.uint8).cpu().numpy())
            truth.append(np.stack([label for _, label in pairs]))
        yield np.concatenate(truth), np.concatenate(predicted)


class ClassificationCheck:
    """Ranking and decisions on the validation cases.

    Attributes:
        monitor: "auc"; the cases have two classes at least.
        missed: nothing; what ranks cases well need not decide for every class.
    """

    monitor = "auc"
    missed: tuple[str, ...] = ()

    def __init__(
        self, data: PreparedTarget, cases: Sequence[PreparedCase], recipe: Recipe, choice: CaseCheckSettings, seed: int
    ) -> None:
        cases = _part(cases, choice.most_cases, seed)
        self._data, self._cases, self._recipe = data, cases, recipe
        labels: list[Any] = [case.case.label for case in cases]
        self._truth = np.array(labels, np.int64)
        if not len(self._truth):
            raise UsageError("split: no validation case")

    def scores(self, network: nn.Module) -> dict[str, float]:
        """`auc`, `balanced_accuracy` and `accuracy`; undefined ones are left out."""
        cases = counted(self._cases, "validation", "cases")
        inputs = (classified_input(self._data, case, self._recipe.patch) for case in cases)
        size = self._recipe.inference.windows
        probabilities = np.array(list(classify(network, inputs, self._recipe.task, size)))
        values = classification_scores(self._truth, probabilities).values
        shown = {name: values[name] for name in ("auc", "balanced_accuracy", "accuracy")}
        return {name: value for name, value in shown.items() if not math.isnan(value)}


def _part(cases: Sequence[PreparedCase], most: int, seed: int) -> Sequence[PreparedCase]:
    """At most about `most` cases: at random, but of a rare class up to `most` / classes, as many as there are."""
    if len(cases) <= most:
        return cases
    fair = most // len({str(case.case.label) for case in cases})
    kept: list[PreparedCase] = []
    rest: list[PreparedCase] = []
    counts: Counter[str] = Counter()
    for index in generator(seed, VALIDATION).permutation(len(cases)).tolist():
        label = str(cases[index].case.label)
        (kept if counts[label] < fair else rest).append(cases[index])
        counts[label] += 1
    return [*kept, *rest[: max(0, most - len(kept))]]
