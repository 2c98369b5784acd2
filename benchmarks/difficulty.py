"""How hard the phantom tasks are for a narrow network from scratch, with all labels and with a tenth of them.

    python -m benchmarks.difficulty OUT [--targets ncc ecc ...] [--processes 2]

Writes phantoms, trains each target twice (one seed, one thread a run), prints the test metric of the papers. Small
enough for a CPU: base width 8 (16 for images), cubes of 32x32x32 or less. Interrupted, the same command goes on.
"""

import argparse
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from modelsgenesis.files import write_csv
from modelsgenesis.types import JSON

FRACTIONS = (1.0, 0.1)


@dataclass(frozen=True)
class Setup:
    """A target at this size: its phantoms (spacing in mm), metrics, steps and changes of the papers' recipe."""

    cases: int
    metrics: tuple[str, ...]
    steps: int
    shape: tuple[int, ...] | None = None
    spacing: tuple[float, ...] | None = None
    changes: tuple[tuple[str, Any], ...] = ()


SMALL = {"shape": [32, 32, 32]}
TARGETS = {
    "ncc": Setup(40, ("auc", "cpm"), 250, (96, 96, 56), (2.0, 2.0, 2.5), (("patch", SMALL), ("augmentation", "light"))),
    "ncs": Setup(
        40,
        ("paper_iou", "iou", "dice"),
        200,
        (96, 96, 56),
        (2.0, 2.0, 2.5),
        (("patch", SMALL), ("images", {"modality": "ct", "spacing": [1.5, 1.5, 1.5]}), ("loss", "dice-ce")),
    ),
    "ecc": Setup(
        30,
        ("auc",),
        300,
        (112, 112, 64),
        (1.5, 1.5, 2.0),
        (
            ("patch", {"shape": [16, 16, 16]}),
            ("images", {"modality": "ct", "spacing": [1.25, 1.25, 1.25]}),
            ("augmentation", "light"),
        ),
    ),
    "lcs": Setup(
        30,
        ("paper_iou", "iou", "dice"),
        200,
        (80, 80, 56),
        (4.2, 4.2, 4.5),
        (("patch", SMALL), ("loss", "dice-ce"), ("augmentation", "light"), ("optim", {"lr": 2e-3})),
    ),
    "bms": Setup(
        36,
        ("paper_iou", "iou", "dice"),
        200,
        (64, 76, 56),
        (2.5, 2.5, 2.5),
        (("patch", SMALL), ("loss", "dice-ce"), ("augmentation", "light"), ("optim", {"lr": 2e-3})),
    ),
    "dxc": Setup(240, ("auc",), 300, changes=(("patch", {"shape": [96, 96], "fitting": "resize"}),)),
    "iuc": Setup(40, ("auc",), 200),
}


def train(target: str, data: Path, run: Path, fraction: float) -> JSON:
    """One run; its test metrics."""
    import torch

    torch.set_num_threads(1)
    from modelsgenesis.config import overlaid
    from modelsgenesis.evaluate.collect import evaluate_run
    from modelsgenesis.finetune import FinetuneSettings, finetune, papers_settings

    setup = TARGETS[target]
    config = overlaid(FinetuneSettings, papers_settings(target), dict(setup.changes), "difficulty")
    image = config.backbone.name == "unet2d"
    config = replace(
        config,
        label_fraction=fraction,
        backbone=replace(config.backbone, width=16 if image else 8),
        inference=replace(config.inference, overlap=0.25),
        check=replace(config.check, on="patches" if config.loss == "dice-ce" else "auto", most_cases=300),
        loop=replace(
            config.loop,
            steps=setup.steps,
            batch_size=16 if image or target == "ecc" else 4,
            validate_every=setup.steps // 4,
            accelerator="cpu",
            precision="32-true",
        ),
        optim=replace(config.optim, warmup_steps=20),
        options={"luna16": str(data.parent / "ncc")} if target == "ncs" else {},
    )
    finished = finetune(target, data, run, config, resume=True)
    overall = evaluate_run(finished.path).summary["metrics"]["overall"]
    return {name: overall[name]["value"] for name in setup.metrics}


def write(target: str, folder: Path) -> Path:
    """The phantoms of a target, written once."""
    from modelsgenesis.phantoms import write_phantoms

    setup, partial = TARGETS[target], folder.with_name(f".{folder.name}.partial")
    if not folder.exists():
        shutil.rmtree(partial, ignore_errors=True)
        write_phantoms(target, partial, setup.cases, 0, setup.shape, setup.spacing)
        partial.rename(folder)
    return folder


def main() -> None:
    """Write the phantoms, run the cells, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = []
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        needed = dict.fromkeys([*(["ncc"] if "ncs" in given.targets else []), *given.targets])
        written = {name: pool.submit(write, name, given.out / "data" / name) for name in needed}
        cells = {
            (name, fraction): pool.submit(
                train, name, written[name].result(), given.out / f"{name}-{fraction:g}", fraction
            )
            for name in given.targets
            for fraction in FRACTIONS
        }
        for (name, fraction), cell in cells.items():
            found = cell.result()
            shown = ", ".join(f"{metric} {value:.3f}" for metric, value in found.items())
            print(f"{name}, {fraction:.0%} of the labels: {shown}", flush=True)
            rows += [{"target": name, "fraction": fraction, "metric": m, "value": v} for m, v in found.items()]
    write_csv(given.out / "difficulty.csv", ("target", "fraction", "metric", "value"), rows)


if __name__ == "__main__":
    main()
