"""Folders given on the command line to a comparison; what cannot be used is listed with the reason."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.predictions import Classification, read_predictions
from modelsgenesis.evaluate.results import CaseResult, Comparison, Result
from modelsgenesis.files import read_json
from modelsgenesis.report.facts import read_facts
from modelsgenesis.run import Run

DEPTH = 4
"""Folders below a given one that are searched for runs."""
METRIC = {"segmentation": "dice", "classification": "auc", "multilabel": "auc"}


@dataclass
class Gathered:
    """A comparison, and why some folders are not in it: (folder, reason)."""

    comparison: Comparison
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def gather(folders: Sequence[Path]) -> Gathered:
    """Read all runs at or below `folders`."""
    left_out: list[tuple[Path, str]] = []
    results: list[Result] = []
    pretraining: dict[str, Path] = {}
    for folder in folders:
        runs = list(_runs(folder, DEPTH)) if folder.is_dir() else []
        if not runs:
            left_out.append((folder, "no run folder in it" if folder.is_dir() else "there is no such folder"))
        for path in runs:
            try:
                manifest = read_facts(path, path).manifest
                if manifest.get("command") == "pretrain":
                    pretraining[path.name] = path
                else:
                    results.append(_result(path))
            except GenesisError as error:
                left_out.append((path, str(error)))
    return Gathered(Comparison(tuple(results), pretraining), left_out)


def _runs(folder: Path, depth: int) -> Iterable[Path]:
    if Run(folder).exists:
        yield folder
    elif depth:
        for below in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "cache"):
            yield from _runs(below, depth - 1)


def _result(path: Path) -> Result:
    facts = read_facts(path, path)
    if not facts.is_finished:
        raise GenesisError(f"{path}: not finished; go on with --resume")
    if not (path / "evaluation" / "summary.json").is_file():
        raise GenesisError(f"{path}: not evaluated; run genesis evaluate {path}")
    summary = read_json(path / "evaluation" / "summary.json")
    task = summary["task"]
    metric = METRIC[task]
    outcomes = summary.get("outcomes", {}).get("overall", {})
    monitor = str(facts.manifest.get("monitor", ""))
    source = str(facts.manifest["init"])
    value = summary["metrics"]["overall"][metric]["value"]
    return Result(
        run=path,
        target=str(facts.manifest.get("target") or path.name.rsplit("-", 1)[0]),
        arm=Path(source.partition(":")[2]).name if source.startswith("run:") else source,
        backbone=str(facts.settings.get("backbone.name", "")),
        fraction=float(facts.settings.get("label_fraction", 1.0)),
        seed=int(facts.manifest.get("seed") or 0),
        task=task,
        metric=metric,
        score=math.nan if value is None else value,
        cases=_cases(path, task, metric),
        outcomes=outcomes,
        curve=tuple((int(e["step"]), float(e[monitor])) for e in Run(path).metrics() if monitor in e),
        monitor=monitor,
        seconds=facts.seconds,
        training_subjects=int(facts.sides.get("training", 0)),
    )


def _cases(path: Path, task: str, metric: str) -> dict[str, CaseResult]:
    if task != "segmentation":
        read: Any = read_predictions(path / "predictions")
        if not isinstance(read, Classification):
            raise GenesisError(f"{path}: predictions and evaluation are of different tasks; evaluate again")
        return {
            case.case: CaseResult(
                case.subject,
                math.nan,
                tuple(case.truth) if isinstance(case.truth, list) else case.truth,
                tuple(case.probabilities),
            )
            for case in read.cases
            if case.truth is not None
        }
    found: dict[str, tuple[str, list[float]]] = {}
    with (path / "evaluation" / "cases.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            found.setdefault(row["case"], (row["subject"], []))[1].append(float(row[metric] or "nan"))
    return {
        case: CaseResult(subject, float(sum(kept) / len(kept)) if (kept := [s for s in scores if s == s]) else math.nan)
        for case, (subject, scores) in found.items()
    }
