"""A finished benchmark as a folder, written without training: runs with predictions, evaluation, logs and examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from modelsgenesis.evaluate.examples import Example, write_examples
from modelsgenesis.evaluate.reading import BENCHMARK, FAILURES, TUNING
from modelsgenesis.files import write_csv, write_json, write_text
from modelsgenesis.phantoms.chest import chest
from modelsgenesis.training.figures import Restored, keep_restoration

SEGMENTATIONS = ("lcs", "bms", "ncs")
VERSIONS = {"modelsgenesis": "0.1.0", "torch": "2.8.0", "python": "3.11.7"}


@dataclass
class Sample:
    """What to write.

    Args:
        means: target -> arm -> mean score.
        seeds: of each arm.
        fractions: shares of labels; scores fall as they do.
        spread: standard deviation over seeds.
        subjects: in the test data.
        examples: whether runs keep test cases.
        failures: (name, message).
    """

    means: Mapping[str, Mapping[str, float]]
    seeds: Sequence[int] = (0, 1, 2)
    fractions: Sequence[float] = (1.0,)
    spread: float = 0.01
    subjects: int = 12
    examples: bool = True
    failures: Sequence[tuple[str, str]] = ()
    shared: Mapping[str, int] = field(default_factory=dict)
    """Target -> how many of its test subjects the pre-training saw."""
    scaled: Sequence[str] = ()
    """Targets whose pre-trained arms saw another scale."""


def write_benchmark(folder: Path, sample: Sample) -> Path:
    """The folder of a benchmark."""
    arms = list(dict.fromkeys(arm for of_target in sample.means.values() for arm in of_target))
    seen = [f"{target}-{number:03d}" for target, count in sample.shared.items() for number in range(count)]
    for number, arm in enumerate(arm for arm in arms if arm != "scratch"):
        write_pretraining(folder / "pretraining" / arm, ["outsider", *seen], number)
    cells = []
    for target, of_arms in sample.means.items():
        for arm, mean in of_arms.items():
            for fraction in sample.fractions:
                for seed in sample.seeds:
                    name = f"runs/{target}/{arm}/{fraction:g}/{seed}"
                    pretraining = "" if arm == "scratch" else arm
                    write_run(folder / name, sample, target, arm, mean, fraction, seed)
                    cell = {"data": target, "arm": arm, "backbone": "", "fraction": fraction, "seed": seed}
                    cells.append({"run": name, **cell, "metric": "", "pretraining": pretraining})
    plan = {"name": "phantoms", "seeds": list(sample.seeds)}
    write_json(folder / BENCHMARK, {"plan": plan, "reference": "scratch", "cells": cells})
    trials = [
        {"runs": [f"tuning/{arm}/{rate}"], "settings": {"optim": {"lr": rate}}, "validation": 0.5 + 10 * rate}
        for arm in arms
        for rate in (0.001, 0.002)
    ]
    told = {"data": next(iter(sample.means)), "backbone": "", "fraction": 1.0}
    write_json(
        folder / TUNING,
        [
            {**told, "arm": arm, "trials": trials[2 * n : 2 * n + 2], "chosen": {"optim": {"lr": 0.002}}}
            for n, arm in enumerate(arms)
        ],
    )
    write_json(folder / FAILURES, [{"name": name, "message": message} for name, message in sample.failures])
    return folder


def write_pretraining(path: Path, subjects: Sequence[str], seed: int = 0) -> None:
    """A pre-training run with cubes and a log."""
    write_json(path / "split.json", {"training": list(subjects), "validation": ["another"]})
    write_text(path / "config.yaml", yaml.safe_dump({"seed": seed, "proxy": "restoration", "loop": {"steps": 400}}))
    entries = []
    for step in range(40, 401, 40):
        error = 0.012 + 0.05 * float(np.exp(-step / 120)) * (1 + 0.1 * seed)
        alone = {"nonlinear": 0.7 * error, "shuffle": 0.35 * error, "inpaint": 0.5 * error, "outpaint": 1.5 * error}
        entries.append({"step": step, "loss": error, "validation": error, **alone, "probe": 0.4 + step / 1000})
    write_text(path / "metrics.jsonl", "".join(f"{json.dumps(entry)}\n" for entry in entries))
    write_json(
        path / "manifest.json",
        {
            **_manifest("pretrain", seed, 5400.0),
            "baselines": {"constant": 0.055, "nothing": 0.21, "own mean": 0.047, "probe": 0.38},
            "best": entries[-1],
            "init": {"source": "scratch"},
        },
    )
    rng = np.random.default_rng(seed)
    cubes = []
    for number in range(3):
        target = _patient(number)[16:64, 20:68, 12:44].astype(np.float32) / 255
        noisy = np.clip(target + rng.normal(0, 0.25, target.shape), 0, 1).astype(np.float32)
        noisy[10:24, 12:30, 8:20] = rng.random((14, 18, 12))
        restored = np.clip(target + rng.normal(0, 0.03, target.shape), 0, 1).astype(np.float32)
        cubes.append(Restored(noisy, restored, target, (4.0, 4.0, 5.0)))
    keep_restoration(path / "figures" / "restoration.npz", cubes)


def write_run(path: Path, sample: Sample, target: str, arm: str, mean: float, fraction: float, seed: int) -> None:
    """A fine-tuning run with its evaluation."""
    rng = np.random.default_rng([*target.encode(), *arm.encode(), seed, int(100 * fraction)])
    level = mean - 0.12 * (1 - mean) * float(np.log10(1 / fraction)) * (2 if arm == "scratch" else 1)
    level += float(rng.normal(0, sample.spread))
    task = "segmentation" if target in SEGMENTATIONS else "classification"
    monitor = "dice" if task == "segmentation" else "auc"
    test = [f"{target}-{number:03d}" for number in range(sample.subjects)]
    used = max(1, round(20 * fraction))
    sides = {"training": [f"t{n}" for n in range(used)], "validation": ["v0", "v1"], "test": test}
    write_json(path / "split.json", {**sides, "unused": [f"t{n}" for n in range(used, 20)]})
    settings: dict[str, Any] = {
        "init": "scratch" if arm == "scratch" else f"run:pretraining/{arm}",
        "seed": seed,
        "label_fraction": fraction,
        "backbone": {"name": "unet3d", "width": 16},
        "optim": {"lr": 0.001 if arm == "scratch" else 0.002},
    }
    write_text(path / "config.yaml", yaml.safe_dump(settings))
    rate = 0.012 if arm == "scratch" else 0.02
    curve = [(step, level * (1 - 0.8 * float(np.exp(-rate * step))) + float(rng.normal(0, 0.006))) for step in STEPS]
    write_text(path / "metrics.jsonl", "".join(f"{json.dumps({'step': s, monitor: v})}\n" for s, v in curve))
    more = {"init": {"source": settings["init"]}, "task": task, "monitor": monitor, "target": target}
    if target in sample.scaled and arm != "scratch":
        differing = {"factor": 2.5, "weights": "voxels of 2x2x2 mm", "here": "voxels of 5x5x5 mm", "mend": "resample"}
        more["scale"] = {"weights": None, "here": None, "mismatch": differing}
    counts = {name: len(of_side) for name, of_side in sides.items()}
    write_json(path / "manifest.json", {**_manifest("finetune", seed, 640.0 + seed), **more, "subjects": counts})
    if task == "segmentation":
        _segmentation(path, test, level, rng)
    else:
        _classification(path, test, level, rng)
    if sample.examples and seed == sample.seeds[0]:
        write_examples(path / "predictions", examples(task, test, level))


STEPS = range(20, 401, 20)


def _manifest(command: str, seed: int, seconds: float) -> dict[str, Any]:
    return {
        "command": command,
        "data": "1a0089b930d17c62",
        "finished": True,
        "seed": seed,
        "versions": VERSIONS,
        "machine": "Linux-x86_64",
        "git": "0123456789abcdef",
        "device": "cpu",
        "seconds": seconds,
        "peak_memory_mb": 900,
    }


def _segmentation(path: Path, test: Sequence[str], level: float, rng: np.random.Generator) -> None:
    """Evaluation without maps: the table and summary as `genesis evaluate` writes them."""
    scores = np.clip(level + rng.normal(0, 0.05, len(test)), 0, 1)
    rows = [
        {"case": s, "subject": s, "label": "organ", "outcome": "found", "dice": v}
        for s, v in zip(test, scores, strict=True)
    ]
    if level < 0.7:
        rows[0] |= {"dice": 0.0, "outcome": "missed"}
    write_csv(path / "evaluation" / "cases.csv", list(rows[0]), rows)
    value = float(np.mean([row["dice"] for row in rows]))
    missed = sum(row["outcome"] == "missed" for row in rows)
    counts = {"found": len(rows) - missed, "missed": missed, "false positive": 0, "absent": 0}
    metrics = {"dice": {"value": value, "low": None, "high": None, "cases": len(rows), "resamples": 0}}
    summary = {"task": "segmentation", "metrics": {"overall": metrics}, "outcomes": {"overall": counts}}
    write_json(path / "evaluation" / "summary.json", summary)
    cases = [{"case": s, "subject": s, "prediction": f"{s}.nii.gz", "truth": "absent"} for s in test]
    write_json(path / "predictions" / "cases.json", {"task": "segmentation", "labels": {"1": "organ"}, "cases": cases})


def _classification(path: Path, test: Sequence[str], level: float, rng: np.random.Generator) -> None:
    """Predictions whose AUC is about `level`, and their evaluation without resampling."""
    from scipy.stats import norm
    from sklearn.metrics import roc_auc_score

    cases = []
    for number, subject in enumerate(s for s in test for _ in range(4)):
        truth = number % 2
        logit = float(rng.normal(truth * np.sqrt(2) * norm.ppf(level), 1))
        p = float(1 / (1 + np.exp(-logit)))
        cases.append({"case": f"{subject}-{number}", "subject": subject, "probabilities": [1 - p, p], "truth": truth})
    labels = {"0": "false alarm", "1": "nodule"}
    write_json(path / "predictions" / "cases.json", {"task": "classification", "labels": labels, "cases": cases})
    names = {"value": float(roc_auc_score([c["truth"] for c in cases], [c["probabilities"][1] for c in cases]))}
    auc = {**names, "low": None, "high": None, "cases": len(cases), "resamples": 0}
    write_json(path / "evaluation" / "summary.json", {"task": "classification", "metrics": {"overall": {"auc": auc}}})


def _patient(number: int) -> np.ndarray:
    if number not in _PATIENTS:
        phantom = chest(np.random.default_rng((3, number)), shape=(80, 80, 64), spacing=(4.4, 4.4, 5.0))
        scaled = np.clip((phantom.array + 1000) / 1600, 0, 1) * 255
        _PATIENTS[number] = scaled.astype(np.uint8)
        _LABELS[number] = phantom.labels.astype(np.uint8)
    return _PATIENTS[number]


_PATIENTS: dict[int, np.ndarray] = {}
_LABELS: dict[int, np.ndarray] = {}


def examples(task: str, test: Sequence[str], level: float) -> list[Example]:
    """Best, median and worst."""
    found = []
    for number, place in enumerate(("best", "median", "worst")):
        image = _patient(number)
        score = min(0.999, level + 0.06 * (1 - number))
        if task == "segmentation":
            truth = (_LABELS[number] == np.unique(_LABELS[number])[-1]).astype(np.uint8)
            moved = np.roll(truth, (number, 2 * number, 0), (0, 1, 2))
            moved[:, :, : 8 * number] = 0
            found.append(
                Example(test[number], test[number], place, score, image, (4.4, 4.4, 5.0), (-1000, 600), truth, moved)
            )
        else:
            cube = image[20:60, 20:60, 20:52]
            told = (
                "truth: nodule; answer: nodule 0.97" if place != "worst" else "truth: nodule; answer: false alarm 0.9"
            )
            found.append(Example(test[number], test[number], place, score, cube, (1.0,) * 3, (0.0, 1.0), told=told))
    return found


RICH = Sample(
    {
        "ncc": {"scratch": 0.86, "genesis": 0.94, "shuffle-only": 0.88},
        "lcs": {"scratch": 0.78, "genesis": 0.845, "shuffle-only": 0.80},
        "bms": {"scratch": 0.66, "genesis": 0.66, "shuffle-only": 0.645},
    },
    seeds=(0, 1, 2, 3, 4),
    fractions=(0.1, 0.3, 1.0),
    failures=(("runs/lcs/shuffle-only/1/9", "the loss is not finite at step 40; lower --optim.lr"),),
)
