"""The pieces of work of a benchmark: what each needs, what it costs, and what its result depends on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from modelsgenesis.config import digest
from modelsgenesis.files import file_digest
from modelsgenesis.places import located
from modelsgenesis.types import JSON

Kind = Literal["phantoms", "store", "data", "pretraining", "tuning", "run"]
TRAINING = ("pretraining", "tuning", "run")


@dataclass(frozen=True)
class Cell:
    """Where a run stands in the comparison, and what it was made from."""

    data: str
    arm: str
    backbone: str
    fraction: float
    seed: int
    metric: str = ""
    pretraining: str = ""


@dataclass(frozen=True)
class Job:
    """One piece of work; plain values, so that it travels to another process.

    Args:
        name: its folder below that of the benchmark, or for a check of data a name alone.
        kind: what is done.
        group: whose speed it shares: name of the data, store or pre-training.
        needs: jobs that must be finished before.
        cost: of a training: items x voxels x width²; else scans or voxels. Compared within a kind only.
        spec: what decides the result, without places: settings, phantoms, target.
        place: folder or file of the data or scans (NUL between them), below the benchmark's folder or absolute.
        options: of the target task; they may hold places.
        tuning: jobs of which the one with the best validation decides `choices`; they may fail.
        choices: name of a tuning job -> the settings it tries.
        cell: of runs and tuning.
    """

    name: str
    kind: Kind
    group: str
    needs: tuple[str, ...] = ()
    cost: float = 1.0
    spec: JSON = field(default_factory=dict)
    place: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    tuning: tuple[str, ...] = ()
    choices: Mapping[str, JSON] = field(default_factory=dict)
    cell: Cell | None = None

    @property
    def settings(self) -> JSON:
        """Resolved settings of a training."""
        values: JSON = self.spec.get("settings", {})
        return values


def keys(jobs: Sequence[Job]) -> dict[str, str]:
    """Job -> digest of all its result depends on but the contents of foreign data and what tuning chooses.

    That is its own spec, and what it needs.
    """
    found: dict[str, str] = {}
    held: dict[str, str] = {}
    for job in jobs:
        found[job.name] = digest([job.kind, _with_contents(job, held), [found[name] for name in job.needs]])
    return found


def _with_contents(job: Job, held: dict[str, str]) -> JSON:
    """The spec with the digest of the weights in a file for its place, which says nothing of them.

    `held`: place -> digest of the files that other jobs start from too; each is read once.
    """
    kind, _, place = str(job.settings.get("init", "")).partition(":")
    if kind != "file" or not located(place).is_file():
        return job.spec
    if place not in held:
        held[place] = file_digest(located(place))
    return {**job.spec, "settings": {**job.settings, "init": f"file:{held[place]}"}}


def training_cost(settings: JSON, shape: Sequence[int]) -> float:
    """Multiply-adds of a training up to a factor that depends on the network: items x voxels x width²."""
    loop: Any = settings["loop"]
    return float(loop["steps"] * loop["batch_size"] * math.prod(shape) * int(settings["backbone"]["width"]) ** 2)
