"""Choosing settings of an arm by validation: every combination is tried, the best one serves all seeds."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelsgenesis.benchmark.jobs import Job
from modelsgenesis.config import merge
from modelsgenesis.errors import GenesisError
from modelsgenesis.run import Run
from modelsgenesis.types import JSON


def combinations(tune: Mapping[str, Sequence[Any]]) -> dict[str, JSON]:
    """Name of each combination, safe in a path -> its settings; none when there is nothing to choose."""
    if not tune:
        return {}
    named = {}
    for values in itertools.product(*tune.values()):
        label = "+".join(f"{setting}={value}" for setting, value in zip(tune, values, strict=True))
        overlay: JSON = {}
        for setting, value in zip(tune, values, strict=True):
            overlay = merge(overlay, nested(setting, value))
        named["".join(c if c.isalnum() or c in ".=+-_" else "_" for c in label)] = overlay
    return named


def nested(setting: str, value: Any) -> JSON:
    """`optim.lr` as {"optim": {"lr": value}}."""
    for part in reversed(setting.split(".")):
        value = {part: value}
    plain: JSON = value
    return plain


def best(folder: Path, job: Job) -> tuple[str, JSON]:
    """The trial of `job` with the best validation, and the settings it tried; trials that failed are left out.

    Raises GenesisError when none is finished.
    """
    scores = {name: validation_score(folder / name) for name in job.tuning if Run(folder / name).finished}
    if not scores:
        raise GenesisError(f"{job.name}: none of its {len(job.tuning)} tuning runs is finished; see their messages")
    winner = max(scores, key=lambda name: scores[name])  # the first of equals
    return winner, job.choices[winner]


def validation_score(run: Path) -> float:
    """The best validation of a finished fine-tuning run."""
    manifest = Run(run).manifest()
    return float(manifest["best"].get(manifest["monitor"], float("-inf")))
