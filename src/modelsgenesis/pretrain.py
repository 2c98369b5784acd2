"""`genesis pretrain`: learn from unlabelled scans by a proxy task."""

import copy
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from modelsgenesis.config import settings, to_dict
from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.manifest import Scan
from modelsgenesis.data.scale import ORIENTATION, mismatch
from modelsgenesis.data.seen import write_images
from modelsgenesis.data.splits import SplitSettings, split_subjects
from modelsgenesis.data.store import Store, open_store
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import replacing, write_json
from modelsgenesis.models import BACKBONES, BackboneSettings, build_backbone
from modelsgenesis.models.norm import used_norm
from modelsgenesis.models.weights import HEAD_PREFIXES, LoadReport, initialise, provenance_of, save_weights
from modelsgenesis.places import writable
from modelsgenesis.progress import tell
from modelsgenesis.proxies import PROXIES
from modelsgenesis.run import Run
from modelsgenesis.streams import generator
from modelsgenesis.targets.candidates import first_few, plural
from modelsgenesis.training.batches import step_batches
from modelsgenesis.training.continuing import on_devices, take_up
from modelsgenesis.training.device import refuse_absent_device
from modelsgenesis.training.figures import draw_curves, draw_restoration, keep_restoration
from modelsgenesis.training.initial import mismatches
from modelsgenesis.training.loop import Batch, fit, make_fabric
from modelsgenesis.training.opening import extent, open_with
from modelsgenesis.training.patience import refuse_idle_patience
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.start import begin, hardware, resumable
from modelsgenesis.training.trackers import refuse_absent_tracker
from modelsgenesis.training.validation import RestorationCheck, RestorationCheckSettings
from modelsgenesis.transforms.base import spatial
from modelsgenesis.types import JSON, FloatArray

if TYPE_CHECKING:
    from lightning_fabric import Fabric

COLLAPSED = 0.02
"""Spread of the output over that of the target under which it counts as a constant."""
PATIENCE_COLLAPSED = 200
"""Consecutive steps of it that end the run."""


@settings
class PretrainSettings:
    """Everything a pre-training run depends on."""

    proxy: str = "restoration"
    """A registered proxy task."""
    distortions: str = "default"
    """released, paper, default, or one alone: nonlinear, shuffle, inpaint, outpaint, identity."""
    init: str = "scratch"
    """Init source of the backbone."""
    seed: int = 0
    """Decides split, start, cubes and distortions."""
    epoch_cubes: int = 4096
    """Cubes after which the random streams are numbered anew; no other effect."""
    cubes: CubeSettings = CubeSettings()
    split: SplitSettings = SplitSettings()
    check: RestorationCheckSettings = RestorationCheckSettings()
    backbone: BackboneSettings = BackboneSettings()
    loop: LoopSettings = LoopSettings()
    optim: OptimSettings = OptimSettings()


def preset(name: str) -> PretrainSettings:
    """Settings `default`, or `released`: the released code's protocol (PAPER 1.3).

    Released epochs are 32 cubes a scan of 623 scans in batches of 6; validation follows each; it ends after 50 without
    improvement.
    """
    if name == "default":
        return PretrainSettings()
    if name == "released":
        return PretrainSettings(
            distortions="released",
            backbone=BackboneSettings(norm="batch"),
            cubes=CubeSettings(rule="released"),
            loop=LoopSettings(steps=3_322 * 1_000, batch_size=6, validate_every=3_322, patience=50),
            optim=OptimSettings("sgd", lr=1.0, weight_decay=0.0, schedule="plateau", warmup_steps=0, clip=0.0),
        )
    raise UsageError(f"unknown preset {name!r}; valid: default, released")


def pretrain(store_path: Path, out: Path, config: PretrainSettings, resume: bool = False, longer: bool = True) -> Run:
    """Pre-train on the store at `store_path` into the run folder `out`.

    A finished run is recognised and left alone. With `resume` an interrupted one goes on, and with `longer` one that
    had fewer steps too; `training.continuing` says which other settings may have changed.

    Raises UsageError for settings that do not fit, InterruptedRunError after Ctrl-C, GenesisError when the network
    collapses to a constant.
    """
    store, run = open_store(store_path), Run(writable(out))
    _refuse_unfit(config)
    fabric = make_fabric(config.loop)
    config = replace(config, loop=on_devices(config.loop, fabric))
    if begin(fabric, run, "pretrain", config, store.digest(), resume, _Pretraining.unit, longer):
        with resumable(fabric, run):
            _train(store, run, fabric, config)
        fabric.barrier()  # nobody reads the run before it is finished
    return run


def _refuse_unfit(config: PretrainSettings) -> None:
    axes = BACKBONES.get(config.backbone.name).axes  # type: ignore[attr-defined]  # of the class: nothing is built yet
    if len(config.cubes.shape) != axes:
        raise UsageError(f"cubes.shape: {config.cubes.shape}: backbone {config.backbone.name} needs {axes} sides")
    if config.backbone.input_channels != 1:
        raise UsageError("backbone.input_channels: the scans of a store have one channel; leave it at 1")
    spatial((1, *config.cubes.shape))
    refuse_absent_device(config.loop)
    refuse_absent_tracker(config.loop.tracker)
    refuse_idle_patience(config.loop, config.optim)


def _train(store: Store, run: Run, fabric: "Fabric", config: PretrainSettings) -> None:
    training, validation = split_subjects((scan.subject for scan in store.scans), config.split, config.seed)
    sides = dict.fromkeys(training, "training") | dict.fromkeys(validation, "validation")
    if fabric.is_global_zero:
        write_json(run.path / "split.json", {"training": training, "validation": validation})
        write_images(run.path, ((sides[scan.subject], scan.subject, scan) for scan in store.scans))
    samplers = [
        CubeSampler(store, [scan for scan in store.scans if sides[scan.subject] == side], config.cubes)
        for side in ("training", "validation")
    ]
    origin = provenance_of(config.init)
    if "backbone" in origin:  # weights of another norm are another function, though their tensors fit
        used_norm(origin["backbone"]["norm"], config.backbone.norm, config.init)
    fabric.seed_everything(config.seed, verbose=False)
    proxy = PROXIES.get(config.proxy)(config.distortions)
    network = proxy.network(build_backbone(config.backbone))
    begun = copy.deepcopy(network)  # what the probe compares with, whatever the run starts from
    report = initialise(network, config.init, head=True)
    open_with(_about_data(samplers, config.cubes), network, config.backbone, fabric, config.loop, "cubes")
    warnings = [*report.warnings, *_mismatches(samplers[0], origin)]
    tell(*_about_init(report), *(f"warning: {warning}" for warning in warnings))
    check = RestorationCheck(proxy.mixture, samplers[1], begun, config, fabric, run.manifest().get("baselines"))
    task = _Pretraining(config, run, samplers[0], check)
    if fabric.is_global_zero:
        take_up(run, config, hardware(fabric))
        run.note(
            init=report.to_dict(),
            warnings=warnings,
            **hardware(fabric),
            parameters=sum(p.numel() for p in network.parameters()),
            scans_dropped=[scan.id for sampler in samplers for scan in sampler.dropped],
            scans_padded=[scan.id for sampler in samplers for scan in sampler.padded],
            baselines=task.check.baselines,
        )
    state = fit(task, network, fabric, run, config.loop, config.optim, report.taken)
    if fabric.is_global_zero:
        _close(task, run, state.best_step)


def _mismatches(sampler: CubeSampler, origin: JSON) -> list[str]:
    """What weights of `origin` saw otherwise than the cubes show it: modality, window, scale."""
    scan = sampler.scans[0]
    differing = mismatch(origin.get("scale", {}), sampler.scale)
    return [*mismatches(scan.modality, scan.intensity, origin), *([differing.sentence] if differing else [])]


def _about_data(samplers: Sequence[CubeSampler], choice: CubeSettings) -> list[str]:
    """What the run trains and validates on, and what it leaves out, in lines."""
    counts = [
        f"{plural(len({scan.subject for scan in one.scans}), 'subject')} ({plural(len(one.scans), 'scan')})"
        for one in samplers
    ]
    lines = [f"data: {counts[0]} for training, {counts[1]} for validation"]
    padded, dropped = ([scan for one in samplers for scan in getattr(one, name)] for name in ("padded", "dropped"))
    lines.append(f"cubes: {extent(choice.shape)} voxels, rule {choice.rule}")
    if padded:
        lines.append(f"  padded with zeros, thinner than a cube: {_named(padded)}")
    if dropped:
        finer = "--cubes.thin" if choice.spacing is None else "finer --cubes.spacing"
        way = "--cubes.rule default" if choice.rule == "released" else finer
        lines.append(f"  left out, too small: {_named(dropped)}; a smaller --cubes.shape, or {way}, takes them")
    return lines


def _named(scans: Sequence[Scan]) -> str:
    return f"{plural(len(scans), 'scan')} ({first_few([f'{scan.id} {extent(scan.shape)}' for scan in scans])})"


def _about_init(report: LoadReport) -> list[str]:
    """What was taken over; the head is that of the proxy task, so that the task goes on where the source has it."""
    if not report.taken:
        return [f"init: {report.source}"]
    head = [name for name in report.taken if name.startswith(HEAD_PREFIXES)]
    return [report.summary(), f"  head of the proxy task: {'loaded, the task goes on' if head else 'new'}"]


def cube_batches(
    sampler: CubeSampler, config: PretrainSettings, first_step: int, fabric: "Fabric"
) -> Generator[Batch, None, None]:
    """Batches of (distorted, target) for the steps from `first_step` on."""
    proxy = PROXIES.get(config.proxy)(config.distortions)
    return step_batches(_CubeDataset(sampler, proxy, config), config.loop, first_step, fabric)


class _CubeDataset(Dataset[tuple[FloatArray, FloatArray]]):
    """Item -> (distorted, target), a function of the seed and the item alone."""

    def __init__(self, sampler: CubeSampler, proxy: Any, config: PretrainSettings) -> None:
        self._sampler, self._proxy, self._config = sampler, proxy, config

    def __getitem__(self, item: int) -> tuple[FloatArray, FloatArray]:
        epoch, number = divmod(item, self._config.epoch_cubes)
        rng = generator(self._config.seed, epoch, number)
        views: tuple[FloatArray, FloatArray] = self._proxy.views(self._sampler.cube(rng).array, rng)
        return views


class _Pretraining:
    """The loop's task: batches of distorted cubes, the proxy's loss, the check on unseen subjects."""

    unit, monitor, lower_is_better = "cubes", "validation", True
    missed: tuple[str, ...] = ()

    def __init__(self, config: PretrainSettings, run: Run, sampler: CubeSampler, check: RestorationCheck) -> None:
        self._config, self._run, self.check = config, run, check
        self._proxy = PROXIES.get(config.proxy)(config.distortions)
        self._sampler = sampler
        self._constant_for = 0  # micro-batches in a row

    def batches(self, first_step: int, fabric: "Fabric") -> Generator[Batch, None, None]:
        """Batches of (distorted, target) from step `first_step` on."""
        return cube_batches(self._sampler, self._config, first_step, fabric)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The proxy's loss; ends the run when the network has answered with a constant for long."""
        loss, parts = self._proxy.loss(network, batch)
        collapsed = "spread" in parts and parts["spread"].item() < COLLAPSED
        self._constant_for = self._constant_for + 1 if collapsed else 0
        if self._constant_for >= PATIENCE_COLLAPSED * self._config.loop.accumulate:
            raise GenesisError(
                f"{self._run.path}: the network collapsed to a constant (spread of its output under {COLLAPSED:.0%} of "
                f"the target's for {PATIENCE_COLLAPSED} steps); use --preset default, or a lower --optim.lr with "
                "warm-up, and check with genesis info that the store's intensities fill [0, 1]"
            )
        total: Tensor = loss
        return total

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Restoration error of unseen subjects, overall and per distortion, and the probe's R²."""
        return self.check.scores(network)

    def keep(self, network: nn.Module, score: float, step: int) -> None:
        """Store the weights with their provenance, and show what the network restores."""
        self.save(network, self._run.best, {"step": step, "validation": score})
        examples = self.check.examples(network)
        draw_restoration(self._run.figures / "restoration.png", examples)
        keep_restoration(self._run.figures / "restoration.npz", examples)

    def save(self, network: nn.Module, path: Path, about: JSON) -> None:
        """Write the weights to `path` with their provenance and what there is to say `about` them."""
        scan = self._sampler.scans[0]
        provenance = {
            "command": "pretrain",
            "backbone": to_dict(self._config.backbone),
            "proxy": self._config.proxy,
            "distortions": self._config.distortions,
            "cube": list(self._config.cubes.shape),
            "scale": self._sampler.scale,
            "orientation": ORIENTATION,
            "modality": scan.modality,
            "intensity": to_dict(scan.intensity),
            "data": self._run.manifest()["data"],
            "versions": self._run.manifest()["versions"],
        }
        save_weights(path, network, {**provenance, **about})


def _close(task: _Pretraining, run: Run, best_step: int) -> None:
    metrics = run.metrics()
    best = next((entry for entry in metrics if entry["step"] == best_step), {})
    baselines = task.check.baselines
    draw_curves(run.curves, metrics, ("loss", "validation"), {"constant": baselines["constant"]})
    with replacing(run.weights) as temporary:
        temporary.write_bytes(run.best.read_bytes())
    run.finish(best=best)


def summary(run: Run) -> str:
    """What a finished run reached, in plain words."""
    manifest = run.manifest()
    best, base = manifest["best"], manifest["baselines"]
    share = best["validation"] / base["constant"]
    return "\n".join(
        [
            f"restoration error on unseen subjects: {best['validation']:.5f} (step {best['step']})",
            f"  {share:.1%} of the best constant's {base['constant']:.5f}; "
            f"each cube's own mean: {base['own mean']:.5f}; doing nothing: {base['nothing']:.5f}",
            f"  probe (where in the body): R² {best['probe']:.3f}, random network {base['probe']:.3f}",
            f"weights: {run.weights}",
        ]
    )
