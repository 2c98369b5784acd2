"""Scratch against pre-trained on two small tasks of real CT: lungs (another patient as test) and liver (one patient).

    python -m benchmarks.real_ct DATA INIT OUT [--seeds 5] [--steps 250]

DATA holds a folder a source, INIT is the init source to compare with scratch (`run:...`, `file:...`). What is labelled
and what is tested: see `arrange_real`.

The learning rate of each arm is chosen by the validation Dice of seed 0, then every seed runs with it. Two runs at a
time, one thread each. The pre-training must not have seen either patient (name them in --split.subjects there).
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from scipy.stats import ttest_ind

from benchmarks.arrange_real import SEGMENTATIONS, write_segmentation
from modelsgenesis.evaluate.collect import evaluate_run
from modelsgenesis.evaluate.statistics import over_seeds
from modelsgenesis.files import write_csv

RATES = (5e-4, 2e-3, 8e-3)
ARMS = ("scratch", "genesis")
TASKS = {"lungs": (32, 32, 32), "liver": (48, 48, 16)}
"""Tasks of `arrange_real` -> patch."""


def tests_of(task: str) -> tuple[str, ...]:
    """Names of its test cases."""
    return tuple(piece.name for piece in SEGMENTATIONS[task] if piece.name.startswith("test"))


def train(
    task: str, data: Path, out: Path, init: str, rate: float, seed: int, steps: int
) -> tuple[float, dict[str, float]]:
    """One run; validation Dice, and test Dice by case."""
    import torch

    torch.set_num_threads(1)
    from modelsgenesis.finetune import FinetuneSettings, finetune
    from modelsgenesis.targets.patches import PatchSettings
    from modelsgenesis.targets.split import SplitChoice
    from modelsgenesis.training.inference import InferenceSettings
    from modelsgenesis.training.initial import BackboneChoice
    from modelsgenesis.training.settings import LoopSettings, OptimSettings

    config = FinetuneSettings(
        init=init,
        seed=seed,
        split=SplitChoice(
            validation_subjects=("val",),
            test_subjects=tests_of(task),
        ),
        patch=PatchSettings(shape=TASKS[task]),
        inference=InferenceSettings(overlap=0.25),
        backbone=BackboneChoice(width=8),
        loop=LoopSettings(steps=steps, batch_size=4, validate_every=max(1, steps // 5), accelerator="cpu"),
        optim=OptimSettings("adam", lr=rate, weight_decay=0.0, warmup_steps=20),
    )
    run = finetune("folder", data, out, config, resume=True)
    rows = evaluate_run(run.path).rows
    return run.manifest()["best"]["dice"], {row["case"]: row["dice"] for row in rows}


def main() -> None:
    """Write the tasks, choose the rates, run the seeds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("init")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=250)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    inits = {"scratch": "scratch", "genesis": given.init}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def start(task: str, arm: str, rate: float, seed: int):  # type: ignore[no-untyped-def]
            run = given.out / "runs" / f"{task}-{arm}-{rate:g}-{seed}"
            return pool.submit(train, task, given.out / task, run, inits[arm], rate, seed, given.steps)

        for task in TASKS:
            write_segmentation(given.data, given.out, task)
        cells = [(task, arm) for task in TASKS for arm in ARMS]
        trials = {(cell, rate): start(*cell, rate, 0) for cell in cells for rate in RATES}
        scores = {key: trial.result()[0] for key, trial in trials.items()}
        best = {cell: max(RATES, key=lambda rate, cell=cell: scores[cell, rate]) for cell in cells}
        for cell in cells:
            print(*cell, "validation Dice by rate:", {rate: round(scores[cell, rate], 3) for rate in RATES}, flush=True)
        runs = {(cell, seed): start(*cell, best[cell], seed) for cell in cells for seed in range(given.seeds)}
        found = {key: run.result()[1] for key, run in runs.items()}
        for cell in cells:
            kept = over_seeds([runs[cell, seed].result()[0] for seed in range(given.seeds)])
            print(*cell, f"best validation Dice {kept.mean:.3f} ± {kept.deviation:.3f}", flush=True)
    report(given.out, best, found, given.seeds)


def report(out: Path, best: dict, found: dict, seeds: int) -> None:  # type: ignore[type-arg]
    """Print and write the comparison."""
    rows = []
    for task in TASKS:
        for case in tests_of(task):
            values = {arm: [found[(task, arm), seed][case] for seed in range(seeds)] for arm in ARMS}
            p = float(ttest_ind(values["genesis"], values["scratch"], equal_var=False).pvalue)
            for arm in ARMS:
                spread = over_seeds(values[arm])
                row = {"task": task, "test": case, "arm": arm, "rate": best[task, arm], "seeds": seeds}
                rows.append({**row, "dice": round(spread.mean, 4), "sd": round(spread.deviation, 4), "p": round(p, 4)})
                dice = f"Dice {spread.mean:.3f} ± {spread.deviation:.3f}"
                print(f"{task} {case:<19} {arm:<8} rate {best[task, arm]:g}: {dice}")
            print(f"  Welch's t-test over seeds: p = {p:.3f}")
    write_csv(out / "real_ct.csv", list(rows[0]), rows)


if __name__ == "__main__":
    main()
