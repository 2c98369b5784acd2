"""One or several fine-tuning runs that predict together: the mean of their probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelsgenesis.data.volume import Volume, without_voxels
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import read_json
from modelsgenesis.places import located
from modelsgenesis.prediction.cleaning import cleaned_structures, keep_largest
from modelsgenesis.prediction.maps import Maps, draw_maps
from modelsgenesis.prediction.predictor import Input, Predictor
from modelsgenesis.run import Run
from modelsgenesis.types import JSON


def is_run(path: str | Path) -> bool:
    """Whether the path is the folder of a run, finished or not."""
    folder = Run(located(path))
    return folder.weights.is_file() or folder.exists


def runs_and_scans(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments of `genesis predict`: the first is a run, and so are the next ones as long as they are run folders.

    Raises UsageError for a run folder that stands after a scan.
    """
    count = next((n for n, path in enumerate(given) if n and not is_run(path)), len(given))
    late = [path for path in given[count:] if is_run(path)]
    if late:
        raise UsageError(f"{late[0]}: a run after the scan {given[count]}; name all runs first, then the scans")
    return list(given[:count]), list(given[count:])


class Ensemble:
    """Runs that agree in what they say; they may differ in network, spacing, patch and everything else.

    Args:
        paths: finished fine-tuning runs, one at least.
        mirror: average over mirror images too.
        clean: keep the largest component alone of the structures for which every run has learnt so.
        inference: settings of `InferenceSettings` that are to differ from the runs'.

    Attributes:
        first: the predictor of the first run.
        cleaned: structures that are cleaned.

    Raises GenesisError when a run has no weights, UsageError when they differ in task, labels or channels (naming all
    that differs), and as `Predictor`.
    """

    def __init__(self, paths: Sequence[Path], mirror: bool = False, clean: bool = True, **inference: Any) -> None:
        runs = [Run(located(path)) for path in paths]
        for run in runs:
            if not run.weights.is_file():
                raise GenesisError(f"{run.path}: has no {run.weights.name}; is it a finished run of genesis finetune?")
        self._members = [Predictor(run.weights, mirror=mirror, **inference) for run in runs]
        self.first = self._members[0]
        for run, member in zip(runs[1:], self._members[1:], strict=True):
            _refuse_differing(runs[0].path, _said(self.first), run.path, _said(member))
        learnt = [
            cleaned_structures(read_json(run.cleaning), run.cleaning) if run.cleaning.is_file() else frozenset[int]()
            for run in runs
        ]
        self.cleaned = sorted(frozenset.intersection(*learnt)) if clean else []

    def inputs(self, volumes: Sequence[Volume]) -> list[Input]:
        """What each network sees of a case; raises as `Predictor.input`. No input holds the voxels of the source."""
        found: list[Input] = []
        for member in self._members:
            alike = (one for one, other in zip(found, self._members, strict=False) if other.sees_as(member))
            found.append(next(alike, None) or _light(member.input(volumes)))
        return found

    def maps(self, inputs: Sequence[Input]) -> Maps:
        """The label map of the mean probabilities, cleaned, and these as the runs say."""
        members = [member.member(given) for member, given in zip(self._members, inputs, strict=True)]
        recipe = self.first.recipe
        maps = draw_maps(members, len(recipe.labels), recipe.inference.probabilities)
        keep_largest(maps.labels, self.cleaned)
        return maps

    def classify(self, inputs: Sequence[Input]) -> list[float]:
        """The mean probabilities of the classes."""
        each = [member.classify_scan(given) for member, given in zip(self._members, inputs, strict=True)]
        mean: list[float] = np.mean(each, 0).tolist()
        return mean


def _light(given: Input) -> Input:
    return Input(without_voxels(given.source), given.prepared, given.image)


def _said(member: Predictor) -> JSON:
    recipe = member.recipe
    return {"task": recipe.task, "labels": recipe.labels, "input channels": recipe.backbone.input_channels}


def _refuse_differing(first: Path, there: JSON, other: Path, here: JSON) -> None:
    pairs = {name: (there[name], here[name]) for name in there if there[name] != here[name]}
    differing = [f"{name}: {_shown(theirs)} there, {_shown(mine)} here" for name, (theirs, mine) in pairs.items()]
    if differing:
        raise UsageError(f"{other}: cannot predict with {first} ({'; '.join(differing)}); choose runs of one target")


def _shown(value: Any) -> str:
    return ", ".join(f"{number} {name}" for number, name in value.items()) if isinstance(value, dict) else str(value)
