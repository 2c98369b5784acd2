"""Scratch against pre-trained on two small tasks of real CT: lungs (another patient as test) and liver (one patient).

    python -m benchmarks.real_ct DATA INIT OUT [--seeds 5] [--steps 250]

DATA holds the folders `nsclc-radiomics-lung1-001` and `cc-tumor-heterogeneity-ccth-a01` (CT and label maps), INIT is
the init source to compare with scratch (`run:...`, `file:...`). Few slices are labelled for training. The sides are
slabs with gaps between them:

- lungs: training and validation on slabs of the first patient; test on the whole chest of the second, and a third slab.
- liver: all slabs of the second patient, so its figures speak of the rest of that patient, not of others.

The learning rate of each arm is chosen by the validation Dice of seed 0, then every seed runs with it. Two runs at a
time, one thread each. The pre-training must not have seen either patient (name them in --split.subjects there).
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from scipy.stats import ttest_ind

from modelsgenesis.evaluate.collect import evaluate_run
from modelsgenesis.evaluate.statistics import over_seeds
from modelsgenesis.files import write_csv, write_json

RATES = (5e-4, 2e-3, 8e-3)
ARMS = ("scratch", "genesis")


@dataclass(frozen=True)
class Slab:
    """Slices `first` to before `last` (None: to the end) of a scan, and the side they serve on."""

    name: str
    side: str
    image: str
    labels: str
    first: int = 0
    last: int | None = None


LUNG1, CCTH = "nsclc-radiomics-lung1-001", "cc-tumor-heterogeneity-ccth-a01"
LUNG1_FILES = (f"{LUNG1}/ct.nii.gz", f"{LUNG1}/labels.nii.gz")
ABDOMEN = (f"{CCTH}/abdomen_ct.nii.gz", f"{CCTH}/abdomen_labels.nii.gz")
CHEST = (f"{CCTH}/chest_ct.nii.gz", f"{CCTH}/chest_labels.nii.gz")
TASKS = {
    # values of each file that make up the structure, which is written as 1; patch; slabs
    "lungs": (
        {LUNG1: (1, 2), CCTH: (2, 3, 4, 5, 6)},
        (32, 32, 32),
        (
            Slab("train", "training", *LUNG1_FILES, 60, 92),
            Slab("val", "validation", *LUNG1_FILES, 94, 126),
            Slab("test-same-patient", "test", *LUNG1_FILES, 16, 58),
            Slab("test-other-patient", "test", *CHEST),
        ),
    ),
    "liver": (
        {CCTH: (1,)},
        (48, 48, 16),
        (
            Slab("train", "training", *ABDOMEN, 66, 90),
            Slab("val", "validation", *ABDOMEN, 48, 64),
            Slab("test-lower", "test", *ABDOMEN, 24, 46),
            Slab("test-upper", "test", *ABDOMEN, 92, 112),
        ),
    ),
}


def write_task(data: Path, out: Path, name: str) -> Path:
    """Write the slabs of a task in the nnU-Net layout."""
    members, _, slabs = TASKS[name]
    folder = out / name
    for slab in slabs:
        image, labels = (
            sitk.ReadImage(str(data / file))[:, :, slab.first : slab.last] for file in (slab.image, slab.labels)
        )
        values = members[slab.image.split("/")[0]]
        mask = sum((labels == value for value in values[1:]), labels == values[0])
        for kind, content, file in (("images", image, f"{slab.name}_0000"), ("labels", mask, slab.name)):
            (folder / f"{kind}Tr").mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(content, str(folder / f"{kind}Tr" / f"{file}.nii.gz"))
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, name: 1},
        "numTraining": len(slabs),
        "file_ending": ".nii.gz",
    }
    write_json(folder / "dataset.json", description)
    return folder


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

    _, patch, slabs = TASKS[task]
    config = FinetuneSettings(
        init=init,
        seed=seed,
        split=SplitChoice(
            validation_subjects=tuple(s.name for s in slabs if s.side == "validation"),
            test_subjects=tuple(s.name for s in slabs if s.side == "test"),
        ),
        patch=PatchSettings(shape=patch),
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
            write_task(given.data, given.out, task)
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
    for task, (_, _, slabs) in TASKS.items():
        for case in (slab.name for slab in slabs if slab.side == "test"):
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
