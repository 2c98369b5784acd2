"""From run folders to a comparison: those of a benchmark, or loose ones."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.evaluate.collect import OVERALL, evaluate_run
from modelsgenesis.evaluate.leaks import Pairing, leaks, overlaps
from modelsgenesis.evaluate.predictions import Segmentation, read_predictions
from modelsgenesis.evaluate.results import CaseResult, Comparison, Failure, Leak, Result, Trial
from modelsgenesis.files import ENCODING, ODD_BYTES, read_json
from modelsgenesis.places import located
from modelsgenesis.run import Run
from modelsgenesis.types import JSON

BENCHMARK = "benchmark.json"
"""Of a benchmark's folder: its plan and its cells."""
FAILURES = "failures.json"
TUNING = "tuning.json"
_OF_CLASSES = ("auc", "average_precision", "accuracy", "balanced_accuracy")
METRICS = {
    "segmentation": ("paper_iou", "dice", "iou", "paper_iou_keras", "nsd"),
    "classification": (*_OF_CLASSES, "cpm"),
    "multilabel": _OF_CLASSES,
}
"""What results of a task can be judged by, the usual first; of all of them larger is better."""


def load_benchmark(folder: Path) -> Comparison:
    """The finished runs of a benchmark, what failed, and what pre-training and target data share.

    Raises GenesisError when `folder` holds no benchmark, or a run of it is damaged.
    """
    contents = _contents(folder)
    results = [_result(folder / cell["run"], cell) for cell in contents["cells"] if Run(folder / cell["run"]).finished]
    failed = read_json(folder / FAILURES) if (folder / FAILURES).is_file() else []
    settled = {result.run for result in results} | {folder / one["name"] for one in failed}
    return Comparison(
        results=tuple(results),
        pretraining=_pretraining(folder, contents["cells"]),
        reference=contents["reference"],
        failures=tuple(Failure(folder / one["name"], one["name"], one["message"]) for one in failed),
        waiting=tuple(cell["run"] for cell in contents["cells"] if folder / cell["run"] not in settled),
        leaks=leaks(benchmark_overlaps(folder)),
        trials=tuple(_trials(folder / TUNING)),
        plan=contents["plan"],
    )


def _trials(path: Path) -> Iterator[Trial]:
    for cell in read_json(path) if path.is_file() else []:
        where = (cell["data"], cell["arm"], cell["backbone"], cell["fraction"])
        for one in cell["trials"]:
            chosen = one["settings"] == cell["chosen"]
            yield Trial(*where, tuple(one["runs"]), one["settings"], one["validation"], chosen)


def benchmark_overlaps(folder: Path) -> list[Leak]:
    """Everything that pre-training and target data of a benchmark share, with training cases too."""
    cells = [cell for cell in _contents(folder)["cells"] if cell["pretraining"]]
    return overlaps(
        [
            Pairing(folder / cell["run"], folder / "pretraining" / cell["pretraining"], cell["arm"], cell["data"])
            for cell in cells
            if Run(folder / cell["run"]).finished
        ]
    )


def load_runs(runs: Sequence[Path], metric: str = "", reference: str = "scratch") -> Comparison:
    """Loose fine-tuning runs as a comparison: targets and arms are named after target task and init source.

    Args:
        runs: folders of finished fine-tuning runs; those that were not evaluated yet are.
        metric: what they are judged by; empty: the usual one of their task.
        reference: the arm that others are compared with.

    Raises UsageError for no runs, GenesisError naming a folder that is no finished fine-tuning run.
    """
    if not runs:
        raise UsageError("comparison: name at least one run folder")
    found, pairings = [], []
    for path in runs:
        run = Run(path)
        if not run.finished or run.manifest()["command"] != "finetune":
            raise GenesisError(f"{path}: not a finished fine-tuning run; finish it with genesis finetune ... --resume")
        result = _result(path, {"metric": metric})
        found.append(result)
        origin = _origin(run)
        if origin is not None:
            pairings.append(Pairing(path, origin, result.arm, result.target))
    return Comparison(
        results=tuple(found),
        pretraining={pairing.arm: pairing.pretraining for pairing in pairings},
        reference=reference,
        leaks=leaks(overlaps(pairings)),
    )


def _contents(folder: Path) -> JSON:
    path = folder / BENCHMARK
    if not path.is_file():
        raise GenesisError(f"{folder}: holds no {BENCHMARK}; name a folder that genesis benchmark made")
    contents: JSON = read_json(path)
    return contents


def _pretraining(folder: Path, cells: Sequence[JSON]) -> dict[str, Path]:
    """Arm -> its pre-training; of arms with several, each under `arm (name)`."""
    names: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell["pretraining"]:
            names.setdefault(cell["arm"], {})[cell["pretraining"]] = None
    return {
        (arm if len(several) == 1 else f"{arm} ({name})"): folder / "pretraining" / name
        for arm, several in names.items()
        for name in several
    }


def _origin(run: Run) -> Path | None:
    """The pre-training that a run started from: as it was named, from here or from a folder above the run."""
    kind, _, rest = str(run.manifest()["init"]["source"]).partition(":")
    if kind != "run":
        return None
    places = [located(rest), *(located(parent / rest) for parent in run.path.absolute().parents)]
    return next((place for place in places if Run(place).exists), None)


def _result(path: Path, cell: Mapping[str, Any]) -> Result:
    """A finished run as a row; `cell` says where it stands, its own files what is not said there."""
    run = Run(path)
    manifest, config = run.manifest(), _config(path)
    if not (path / "evaluation" / "summary.json").is_file():
        evaluate_run(path)
    summary = read_json(path / "evaluation" / "summary.json")
    metric = _metric(summary, str(cell.get("metric") or ""), path)
    value = summary["metrics"][OVERALL][metric]["value"]
    monitor = manifest["monitor"]
    return Result(
        run=path,
        target=cell.get("data") or manifest.get("target", "") or path.parent.name,
        arm=cell.get("arm") or config["init"],
        backbone=cell.get("backbone") or config["backbone"]["name"],
        fraction=config["label_fraction"],
        seed=config["seed"],
        task=manifest["task"],
        metric=metric,
        score=math.nan if value is None else float(value),
        cases=_cases(path, metric),
        outcomes=summary.get("outcomes", {}).get(OVERALL, {}),
        curve=tuple((entry["step"], entry[monitor]) for entry in run.metrics() if monitor in entry),
        monitor=monitor,
        seconds=float(manifest.get("seconds", 0.0)),
        training_subjects=int(manifest["subjects"]["training"]),
        scale=_scale(manifest),
        missed=tuple(manifest.get("best", {}).get("missed", ())),
    )


def _scale(manifest: JSON) -> str:
    """How the scale of the weights differs from that of the target, as `finetune` found it."""
    found = (manifest.get("scale") or {}).get("mismatch")
    return (
        f"{found['weights']} in pre-training, {found['here']} here, a factor of {found['factor']:.1f}" if found else ""
    )


def _config(path: Path) -> JSON:
    config: JSON = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    return config


def _metric(summary: JSON, wanted: str, path: Path) -> str:
    there = [name for name in METRICS[summary["task"]] if name in summary["metrics"][OVERALL]]
    for name in there:
        if wanted in ("", name):
            return name
    raise GenesisError(f"{path}: cannot be judged by {wanted or 'any metric'}; by {', '.join(there) or 'none'}")


def _cases(path: Path, metric: str) -> dict[str, CaseResult]:
    """Test case -> its score, or its probabilities where only all cases together have a score."""
    predictions = read_predictions(path / "predictions")
    if not isinstance(predictions, Segmentation):
        return {
            one.case: CaseResult(
                one.subject,
                math.nan,
                tuple(one.truth) if isinstance(one.truth, list) else one.truth,
                tuple(one.probabilities),
            )
            for one in predictions.cases
            if one.truth is not None
        }
    scores: dict[str, tuple[str, list[float]]] = {}
    with (path / "evaluation" / "cases.csv").open(newline="", encoding=ENCODING, errors=ODD_BYTES) as handle:
        for row in csv.DictReader(handle):
            score = float(row[metric]) if row[metric] else math.nan
            values = scores.setdefault(row["case"], (row["subject"], []))[1]
            if not math.isnan(score):
                values.append(score)
    return {
        case: CaseResult(subject, sum(values) / len(values) if values else math.nan)
        for case, (subject, values) in scores.items()
    }
