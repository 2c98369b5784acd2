"""Choosing settings of an arm by validation: all combinations with the same seeds, the best serves all runs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from modelsgenesis.benchmark.jobs import Job
from modelsgenesis.config import merge
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.run import Run
from modelsgenesis.types import JSON


@dataclass(frozen=True)
class Candidate:
    """Settings that were tried.

    Args:
        settings: what was tried.
        runs: the trials, one a seed.
        validation: mean over those that finished of their best validation; None when none did.
        along: mean over those of all their validations, which tells equals apart: few validation subjects are soon
            told perfectly whatever was tried.
    """

    settings: JSON
    runs: tuple[str, ...]
    validation: float | None
    along: float | None


def combinations(tune: Mapping[str, Sequence[Any]]) -> dict[str, JSON]:
    """Name of each combination, safe in a path -> its settings; none when there is nothing to choose.

    Raises UsageError when two of them have one name.
    """
    if not tune:
        return {}
    named = {}
    for values in itertools.product(*tune.values()):
        label = "+".join(f"{setting}={value}" for setting, value in zip(tune, values, strict=True))
        overlay: JSON = {}
        for setting, value in zip(tune, values, strict=True):
            overlay = merge(overlay, nested(setting, value))
        name = "".join(c if c.isalnum() or c in ".=+-_" else "_" for c in label)
        if name in named:
            raise UsageError(f"tune: two combinations would share the folder {name}; values must differ in it")
        named[name] = overlay
    return named


def nested(setting: str, value: Any) -> JSON:
    """`optim.lr` as {"optim": {"lr": value}}."""
    for part in reversed(setting.split(".")):
        value = {part: value}
    plain: JSON = value
    return plain


def candidates(folder: Path, job: Job) -> list[Candidate]:
    """What was tried for `job`, in the order of the plan."""
    runs: list[tuple[JSON, list[str]]] = []
    for name in job.tuning:
        same = next((names for choice, names in runs if choice == job.choices[name]), None)
        if same is None:
            runs.append((job.choices[name], [name]))
        else:
            same.append(name)
    found = []
    for choice, names in runs:
        scores = [_validations(Run(folder / name)) for name in names if Run(folder / name).finished]
        validation, along = map(fmean, zip(*scores, strict=True)) if scores else (None, None)
        found.append(Candidate(choice, tuple(names), validation, along))
    return found


def best(folder: Path, job: Job) -> JSON:
    """The settings tried for `job` with the best validation, of equals along the way; trials that failed are left out.

    Raises GenesisError when none is finished.
    """
    tried = [one for one in candidates(folder, job) if one.validation is not None]
    if not tried:
        raise GenesisError(f"{job.name}: none of its {len(job.tuning)} tuning runs is finished; see their messages")
    return max(tried, key=lambda one: (one.validation, one.along)).settings


def _validations(run: Run) -> tuple[float, float]:
    """The best validation of a finished fine-tuning run, and the mean of all."""
    manifest = run.manifest()
    monitor = manifest["monitor"]
    along = [entry[monitor] for entry in run.metrics() if monitor in entry]
    return float(manifest["best"].get(monitor, -math.inf)), fmean(along) if along else -math.inf
