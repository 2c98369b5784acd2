"""`genesis demo`: the whole flow on procedural phantoms, in minutes, without a network or any data."""

from pathlib import Path

from modelsgenesis.config import settings
from modelsgenesis.data.cubes import CubeSettings
from modelsgenesis.data.prepare import prepare
from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.collect import Evaluation, evaluate_run, table
from modelsgenesis.evaluate.statistics import over_seeds
from modelsgenesis.files import write_csv
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.models import BackboneSettings
from modelsgenesis.phantoms.anatomy import LABELS, ORGANS
from modelsgenesis.phantoms.chest import write_segmentation, write_unlabelled
from modelsgenesis.places import writable
from modelsgenesis.pretrain import PretrainSettings, pretrain
from modelsgenesis.pretrain import summary as pretrain_summary
from modelsgenesis.report.build import build_report
from modelsgenesis.run import Run
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.split import SplitChoice
from modelsgenesis.training.figures import draw_comparison
from modelsgenesis.training.initial import BackboneChoice
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.validation import RestorationCheckSettings

ARMS = ("scratch", "genesis")
WHAT_IT_SHOWS = (
    "A minute of pre-training on phantoms shows the mechanism, not the benefit, and may do harm: the length of "
    "pre-training decides, and so few seeds prove nothing either way."
)


@settings
class DemoSettings:
    """Sizes of the demonstration; the defaults take under five minutes on two slow cores."""

    unlabelled: int = 16
    """Phantoms for pre-training."""
    labelled: int = 10
    """Phantoms with organs outlined: half for testing, two for validation, the rest for training."""
    label_fraction: float = 0.5
    """Share of the training phantoms whose labels are used."""
    seeds: int = 3
    """Fine-tuning runs of each arm."""
    width: int = 4
    """Base width of the network."""
    cube: int = 24
    """Side of the cubes."""
    pretrain_steps: int = 400
    """Steps of pre-training, 8 cubes each."""
    finetune_steps: int = 150
    """Steps of fine-tuning, 4 cubes each."""
    seed: int = 0
    """Decides everything."""


def demo(out: Path, choice: DemoSettings) -> str:
    """Pre-train, fine-tune from scratch and from the pre-trained weights, compare; what was found, as text.

    Writes into `out`: `phantoms/`, `store/`, `pretrained/`, a run folder for each arm and seed, `comparison.csv`,
    `comparison.png` and `report.html`. Interrupted, the same command goes on where it ended.
    """
    if choice.labelled < 6 or choice.seeds < 1:
        raise UsageError("demo: needs --labelled 6 or more and --seeds 1 or more")
    out = writable(out)
    print("1/4 phantoms: a chest CT for each of some patients, a few of them outlined", flush=True)
    scans, labelled = _phantoms(out / "phantoms", choice)
    prepare([scans], out / "store")
    print("2/4 pre-training without labels: restore distorted cubes", flush=True)
    pretrained = pretrain(out / "store", out / "pretrained", _pretraining(choice), resume=True, longer=False)
    print(pretrain_summary(pretrained), flush=True)
    print(f"3/4 fine-tuning: {', '.join(ORGANS)}, from scratch and from those weights", flush=True)
    runs = {
        (arm, seed): finetune(
            "folder", labelled, out / f"{arm}-{seed}", _finetuning(choice, pretrained, arm, seed), True, False
        )
        for seed in range(choice.seeds)
        for arm in ARMS
    }
    print("4/4 comparison on phantoms that no network has seen", flush=True)
    found = {key: evaluate_run(run.path) for key, run in runs.items()}
    said = _compare(out, pretrained, found)
    page = build_report([pretrained.path, *(run.path for run in runs.values())], out / "report.html").page
    return f"{said}\nreport: {page}"


def _phantoms(folder: Path, choice: DemoSettings) -> tuple[Path, Path]:
    """Folders of the unlabelled and of the labelled scans, written once."""
    scans, labelled = folder / "unlabelled", folder / "labelled"
    if len(list(scans.glob("*.nii.gz"))) < choice.unlabelled:
        write_unlabelled(scans, choice.unlabelled, choice.seed)
    if not (labelled / "dataset.json").is_file():
        write_segmentation(labelled, choice.labelled, choice.seed)
    return scans, labelled


def _pretraining(choice: DemoSettings) -> PretrainSettings:
    return PretrainSettings(
        seed=choice.seed,
        cubes=CubeSettings(shape=(choice.cube,) * 3),
        check=RestorationCheckSettings(cubes=64, cubes_alone=16, probe_cubes=128),
        backbone=BackboneSettings(width=choice.width),
        loop=LoopSettings(
            steps=choice.pretrain_steps,
            validate_every=max(1, choice.pretrain_steps // 5),
            precision="32-true",
            accelerator="cpu",
        ),
        optim=OptimSettings(lr=4e-3, warmup_steps=50),
    )


def _finetuning(choice: DemoSettings, pretrained: Run, arm: str, seed: int) -> FinetuneSettings:
    return FinetuneSettings(
        init="scratch" if arm == "scratch" else f"run:{pretrained.path}",
        seed=seed,
        label_fraction=choice.label_fraction,
        labels={organ: (LABELS[organ],) for organ in ORGANS},
        split=SplitChoice(test=0.5, validation=0.34),
        patch=PatchSettings(shape=(choice.cube,) * 3),
        backbone=BackboneChoice(width=choice.width),
        loop=LoopSettings(
            steps=choice.finetune_steps,
            batch_size=4,
            validate_every=max(1, choice.finetune_steps // 2),
            precision="32-true",
            accelerator="cpu",
        ),
        optim=OptimSettings(lr=4e-3, warmup_steps=10),
    )


def _compare(out: Path, pretrained: Run, found: dict[tuple[str, int], Evaluation]) -> str:
    groups = ("overall", *ORGANS)
    rows = [
        {"structure": name, "arm": arm, "seed": seed, "dice": evaluation.summary["metrics"][name]["dice"]["value"]}
        for name in groups
        for (arm, seed), evaluation in found.items()
    ]
    write_csv(out / "comparison.csv", list(rows[0]), rows)
    dice = {
        name: {arm: [r["dice"] for r in rows if (r["structure"], r["arm"]) == (name, arm)] for arm in ARMS}
        for name in groups
    }
    draw_comparison(out / "comparison.png", dice, "Dice on test phantoms")
    lines = [table(list(found.values())), "", "Dice on test phantoms, mean over seeds ± standard deviation:"]
    for name, arms in dice.items():
        spreads = {arm: over_seeds(values) for arm, values in arms.items()}
        shown = "   ".join(f"{arm} {spread.mean:.3f} ± {spread.deviation:.3f}" for arm, spread in spreads.items())
        lines.append(f"  {name:<8} {shown}   difference {spreads['genesis'].mean - spreads['scratch'].mean:+.3f}")
    pictures = f"pictures: {pretrained.figures / 'restoration.png'}, {out / 'comparison.png'}"
    return "\n".join([*lines, "", WHAT_IT_SHOWS, pictures])
