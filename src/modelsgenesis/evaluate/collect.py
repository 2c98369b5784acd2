"""From the predictions of a run to a row a case, a summary with confidence intervals, and a table for the terminal."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.classification import Scores, classification_scores
from modelsgenesis.evaluate.detection import Candidates, detection_intervals
from modelsgenesis.evaluate.metrics import TOLERANCE, outcome, segmentation_scores
from modelsgenesis.evaluate.predictions import (
    Classification,
    ClassifiedCase,
    LabelMap,
    Segmentation,
    SegmentedCase,
    read_levels,
    read_map,
    read_matching,
    read_predictions,
)
from modelsgenesis.evaluate.statistics import LEVEL, Interval, mean_interval, statistic_intervals
from modelsgenesis.files import write_csv, write_json
from modelsgenesis.places import located
from modelsgenesis.progress import Progress
from modelsgenesis.types import JSON

SEGMENTATION_METRICS = ("dice", "iou", "paper_iou", "paper_iou_keras", "nsd", "hd95")
OVERALL = "overall"
"""Name of the mean over all structures or classes in a summary."""


@dataclass(frozen=True)
class Evaluation:
    """How good one run is.

    Attributes:
        run: the run folder.
        task: "segmentation", "classification" or "multilabel".
        rows: one a case and structure (segmentation) or one a case (classification), as in `evaluation/cases.csv`.
        summary: as in `evaluation/summary.json`: `metrics[group][metric]` holds value, low, high (95 % confidence
            interval), cases and resamples, group being "overall" or a structure's or class's name; undefined is None.
            Of candidates for lesions also `froc`: sensitivity at so many false positives a scan, in the same form.
    """

    run: Path
    task: str
    rows: list[JSON]
    summary: JSON


def evaluate_run(run_folder: Path, tolerance: float = TOLERANCE, seed: int = 0) -> Evaluation:
    """Score the predictions of a run and write `evaluation/cases.csv` and `evaluation/summary.json` into it.

    Args:
        run_folder: a fine-tuning run with `predictions/cases.json`.
        tolerance: of the normalised surface distance, mm.
        seed: of the bootstrap.

    Raises:
        GenesisError: a file is absent, damaged, or lies on another grid than its truth; no case has a truth.
    """
    run_folder = located(run_folder)
    folder = run_folder / "predictions"
    predictions = read_predictions(folder)
    if not any(case.truth is not None for case in predictions.cases):
        raise GenesisError(f"{folder / 'cases.json'}: no case has a truth to compare with; predict labelled cases")
    if isinstance(predictions, Segmentation):
        rows = _segmentation_rows(predictions, folder, tolerance)
        summary = _segmentation_summary(rows, predictions, seed) | {"tolerance_mm": tolerance}
    else:
        rows, summary = _classification(predictions, folder / "cases.json", seed)
    truths = [case for case in predictions.cases if case.truth is not None]
    summary = {
        "task": predictions.task,
        "cases": len(truths),
        "subjects": len({case.subject for case in truths}),
        "without_truth": len(predictions.cases) - len(truths),
        "level": LEVEL,
        "seed": seed,
        **summary,
    }
    write_csv(run_folder / "evaluation" / "cases.csv", list(rows[0]), rows)
    write_json(run_folder / "evaluation" / "summary.json", summary)
    return Evaluation(run_folder, predictions.task, rows, summary)


def _segmentation_rows(predictions: Segmentation, folder: Path, tolerance: float) -> list[JSON]:
    rows: list[JSON] = []
    cases = [case for case in predictions.cases if case.truth is not None]
    with Progress(len(cases), "evaluating", "cases") as progress:
        for case in cases:
            rows += _case_rows(case, predictions.labels, folder, tolerance)
            progress.advance()
    return rows


def _case_rows(case: SegmentedCase, labels: dict[str, str], folder: Path, tolerance: float) -> list[JSON]:
    """One row a structure of a case with a truth."""
    truth = read_map(folder / str(case.truth))
    prediction = read_matching(folder / case.prediction, truth)
    _refuse_unknown(prediction, labels)
    known = ~np.isin(truth.values, case.ignored)  # elsewhere nothing is predicted, so surfaces end there as well
    rows = []
    for value, name in labels.items():
        of_truth = np.isin(truth.values, case.truth_map.get(value, [int(value)]))
        of_prediction = (prediction.values == int(value)) & known
        levels = _levels(case, value, folder, truth)
        levels = levels if levels is None else levels * known
        scores = segmentation_scores(of_truth, of_prediction, truth.spacing, levels, tolerance)
        millilitres = math.prod(truth.spacing) / 1000
        rows.append(
            {"case": case.case, "subject": case.subject, "label": name, "outcome": outcome(of_truth, of_prediction)}
            | {metric: scores.get(metric, math.nan) for metric in SEGMENTATION_METRICS}
            | {"truth_ml": np.count_nonzero(of_truth) * millilitres}
            | {"prediction_ml": np.count_nonzero(of_prediction) * millilitres}
        )
    return rows


def _refuse_unknown(prediction: LabelMap, labels: dict[str, str]) -> None:
    """A value that stands for no structure would count as background."""
    unknown = set(np.unique(prediction.values).tolist()) - {0, *map(int, labels)}
    if unknown:
        valid = ", ".join(f"{value} {name}" for value, name in labels.items())
        found = f"{prediction.path}: holds {min(unknown)}, which is no structure of the run"
        raise GenesisError(f"{found} (0 background, {valid}); predict again")


def _levels(case: SegmentedCase, value: str, folder: Path, like: LabelMap) -> Any:
    if value not in case.probabilities:
        return None
    return read_levels(folder / case.probabilities[value], like)


def _segmentation_summary(rows: list[JSON], predictions: Segmentation, seed: int) -> JSON:
    """Means over cases: of each structure, and overall of each case's mean over its structures."""
    metrics = [metric for metric in SEGMENTATION_METRICS if not all(math.isnan(row[metric]) for row in rows)]
    by_case: dict[str, list[JSON]] = {}
    for row in rows:
        by_case.setdefault(row["case"], []).append(row)
    subjects = [of_case[0]["subject"] for of_case in by_case.values()]
    groups = {OVERALL: list(predictions.labels.values())} | {name: [name] for name in predictions.labels.values()}
    table, outcomes = {}, {}
    for group, members in groups.items():
        chosen = [[row for row in of_case if row["label"] in members] for of_case in by_case.values()]
        table[group] = {
            metric: _plain(mean_interval([_mean(of_case, metric) for of_case in chosen], subjects, seed=seed))
            for metric in metrics
        }
        counts = Counter(row["outcome"] for of_case in chosen for row in of_case)
        outcomes[group] = {name: counts[name] for name in ("found", "missed", "false positive", "absent")}
    return {"metrics": table, "outcomes": outcomes}


def _mean(rows: list[JSON], metric: str) -> float:
    """Mean over a case's structures; those absent from truth and prediction have no score and do not count."""
    defined = [row[metric] for row in rows if not math.isnan(row[metric])]
    return float(np.mean(defined)) if defined else math.nan


def _classification(predictions: Classification, path: Path, seed: int) -> tuple[list[JSON], JSON]:
    """Rows and summary; all metrics are of all cases together."""
    cases = [case for case in predictions.cases if case.truth is not None]
    order = sorted(predictions.labels, key=int)
    names = [predictions.labels[index] for index in order]
    for case in cases:
        _check(case, predictions.task, len(names), path)
    probabilities = np.array([case.probabilities for case in cases], dtype=np.float64)
    truth = np.array([case.truth for case in cases], dtype=np.int64)
    scores: Scores = classification_scores(truth, probabilities, names)
    intervals = statistic_intervals(
        lambda drawn: classification_scores(truth[drawn], probabilities[drawn], names).values,
        len(cases),
        [case.subject for case in cases],
        seed=seed,
    )
    table: dict[str, JSON] = {OVERALL: {}}
    for key, interval in intervals.items():
        metric, _, group = key.partition("/")
        table.setdefault(group or OVERALL, {})[metric] = _plain(interval)
    more: JSON = {}
    if predictions.findings:
        candidates = Candidates(
            [case.probabilities[-1] for case in cases],
            [case.subject for case in cases],
            [case.finding for case in cases],
            predictions.findings,
        )
        found = {name: _plain(one) for name, one in detection_intervals(candidates, seed).items()}
        table[OVERALL]["cpm"] = found.pop("cpm")
        more = {"froc": found}
    rows = [_classified_row(case, names) for case in cases]
    return rows, {"metrics": table, "reasons": scores.reasons, **more}


def _check(case: ClassifiedCase, task: str, classes: int, path: Path) -> None:
    truth = case.truth
    if isinstance(truth, list):
        fits = task == "multilabel" and len(truth) == classes and set(truth) <= {0, 1}
    else:
        fits = task == "classification" and truth is not None and 0 <= truth < classes
    if not fits:
        form = f"a list of {classes} of 0 and 1" if task == "multilabel" else f"a class from 0 to {classes - 1}"
        raise GenesisError(f"{path}: truth of case {case.case!r} is {truth}, not {form}; correct it or predict again")
    if len(case.probabilities) != classes or not all(0 <= p <= 1 + 1e-6 for p in case.probabilities):
        raise GenesisError(f"{path}: case {case.case!r} needs {classes} probabilities in [0, 1]; predict again")


def _classified_row(case: ClassifiedCase, names: list[str]) -> JSON:
    truth, likely = case.truth, names[int(np.argmax(case.probabilities))]
    if isinstance(truth, list):
        carried = " ".join(name for name, has in zip(names, truth, strict=True) if has)
        likely = " ".join(name for name, p in zip(names, case.probabilities, strict=True) if p >= 0.5)
    else:
        carried = names[truth] if truth is not None else ""
    row: JSON = {"case": case.case, "subject": case.subject, "truth": carried, "prediction": likely}
    return row | {f"p({name})": p for name, p in zip(names, case.probabilities, strict=True)}


def _plain(interval: Interval) -> JSON:
    """An interval as JSON has it: null for what is undefined."""
    values = dataclasses.asdict(interval)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def table(evaluations: Sequence[Evaluation]) -> str:
    """A plain aligned table of one or several runs, one for each task: value [95 % confidence interval]."""
    blocks = []
    for task in dict.fromkeys(evaluation.task for evaluation in evaluations):
        chosen = [evaluation for evaluation in evaluations if evaluation.task == task]
        tables = [(one, group, metrics) for one in chosen for group, metrics in one.summary["metrics"].items()]
        columns = list(dict.fromkeys(metric for _, _, metrics in tables for metric in metrics))
        lines = [["run", "of", *columns, "cases"]]
        for one, group, metrics in tables:
            cells = [_cell(metrics.get(column)) for column in columns]
            counted = max((value["cases"] for value in metrics.values()), default=0)
            lines.append([one.run.name, group, *cells, str(counted)])
        blocks.append(_aligned(lines) + "".join(_notes(one) for one in chosen))
    return "\n\n".join(blocks)


def _cell(value: JSON | None) -> str:
    if value is None:
        return ""
    if value["value"] is None:
        return "undefined"
    limits = "" if value["low"] is None else f" [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value['value']:.3f}{limits}"


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _notes(evaluation: Evaluation) -> str:
    """What a reader must know beside the numbers: structures missed or made up, metrics the data leave undefined."""
    notes = [f"{metric}: {reason}" for metric, reason in evaluation.summary.get("reasons", {}).items()]
    for group, counts in evaluation.summary.get("outcomes", {}).items():
        told = [f"{counts[name]} {name}" for name in ("missed", "false positive", "absent") if counts[name]]
        if told and group != OVERALL:
            notes.append(f"{group}: {', '.join(told)}")
    return "".join(f"\n{evaluation.run.name}: {note}" for note in notes)
