"""`genesis finetune`: train a target task from labelled data, from scratch or from pre-trained weights."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from modelsgenesis.config import overlaid, settings, to_dict
from modelsgenesis.data.manifest import Scan
from modelsgenesis.data.scale import ORIENTATION, Mismatch, mismatch
from modelsgenesis.data.seen import write_images
from modelsgenesis.errors import UsageError
from modelsgenesis.files import read_json, replacing, write_json
from modelsgenesis.held_out import predict_held_out
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.rescaling import rescale, sizes
from modelsgenesis.models.weights import LoadReport, initialise, provenance_of, save_weights
from modelsgenesis.places import writable
from modelsgenesis.prediction.cleaning import learn, to_entry
from modelsgenesis.prediction.predictor import Predictor
from modelsgenesis.progress import tell
from modelsgenesis.run import Run
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import IGNORED, Target
from modelsgenesis.targets.candidates import first_few, plural
from modelsgenesis.targets.copies import refuse_copies
from modelsgenesis.targets.one_class import refuse_one_class
from modelsgenesis.targets.patches import PatchSettings, seen_scale
from modelsgenesis.targets.prepared import ImageSettings, PreparedTarget, prepare_target
from modelsgenesis.targets.split import Split, SplitChoice, fraction_of, split, strata_of
from modelsgenesis.training.augmentation import Augmentation, Strength
from modelsgenesis.training.checks import CaseCheckSettings, ClassificationCheck, SegmentationCheck
from modelsgenesis.training.continuing import on_devices, take_up
from modelsgenesis.training.device import refuse_absent_device
from modelsgenesis.training.figures import draw_curves
from modelsgenesis.training.head import fit_head
from modelsgenesis.training.inference import InferenceSettings, Recipe
from modelsgenesis.training.initial import BackboneChoice, mismatches, resolve
from modelsgenesis.training.loop import fit, make_fabric
from modelsgenesis.training.losses import build_loss
from modelsgenesis.training.opening import extent, open_with
from modelsgenesis.training.patience import refuse_idle_patience
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.start import begin, hardware, resumable
from modelsgenesis.training.supervised import Check, Items, Sampling, Supervised
from modelsgenesis.training.trackers import refuse_absent_tracker
from modelsgenesis.types import JSON

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@settings
class FinetuneSettings:
    """Everything a fine-tuning run depends on. Optimiser and schedule are the papers' (PAPER 1.4)."""

    init: str = "scratch"
    """A name of the zoo, a path, run:PATH, file:PATH, hf:OWNER/REPO, or scratch, scratch:he, scratch:xavier."""
    scope: Literal["auto", "encoder", "encoder-decoder"] = "auto"
    """What of the backbone is taken from init: encoder, encoder-decoder, or auto (encoder for a classification)."""
    rescale: bool = False
    """Bring convolutions taken from init to the size of fresh ones: the same function, which learns at the rates that
    suit a training from scratch (`models.rescaling`)."""
    seed: int = 0
    """Decides the start of new tensors, the patches, and which subjects `label_fraction` keeps."""
    label_fraction: float = 1.0
    """Share of the training subjects used, at least one; for one seed, smaller shares are subsets of larger ones."""
    fold: int = -1
    """Cross-validation: the part, 0 to split.folds - 1, that is for testing; -1: none, the split's shares decide."""
    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Structures to learn: name -> the label values that make it up; empty: those the data set describes."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the target task; `genesis info TARGET` lists them."""
    loss: Literal["auto", "dice-ce", "dice", "ce", "bce"] = "auto"
    """auto; dice-ce, dice or ce (segmentation), ce (classification), bce (multilabel)."""
    sampling: Sampling = "uniform"
    """Classification: training cases are drawn uniformly, or balanced: each class as often."""
    augmentation: Strength = "light"
    """off, flips, light or strong; flips and strong mirror, so they are not for labels that tell left from right."""
    held_out: bool = True
    """Predict the test cases when training has ended, and learn on validation scans which structures `genesis predict`
    is to clean (`cleaning.json`); off for runs that only choose settings."""
    cache: str = ""
    """Where prepared scans are kept for other runs; empty: the folder `cache` beside the run."""
    split: SplitChoice = SplitChoice()
    images: ImageSettings = ImageSettings()
    patch: PatchSettings = PatchSettings()
    check: CaseCheckSettings = CaseCheckSettings()
    inference: InferenceSettings = InferenceSettings()
    backbone: BackboneChoice = BackboneChoice()
    loop: LoopSettings = LoopSettings(steps=10_000, validate_every=250, patience=20)
    optim: OptimSettings = OptimSettings(
        "adam", lr=1e-3, weight_decay=0.0, schedule="plateau", warmup_steps=0, plateau_patience=6
    )


def papers_settings(target: str) -> FinetuneSettings:
    """The papers' settings for the target task called `target`; UsageError when there is none of that name."""
    return overlaid(FinetuneSettings(), TARGETS.get(target).recipe, f"recipe of {target}")


def recipe_facts(target: str) -> JSON:
    """How `papers_settings` train the target task called `target`, for `genesis info`; raises as they do."""
    chosen = papers_settings(target)
    loop, optim = chosen.loop, chosen.optim
    plateau = {"factor": optim.plateau_factor, "patience": optim.plateau_patience, "floor": optim.floor}
    return {
        "optimiser": optim.optimiser,
        "rate": optim.lr,
        "schedule": optim.schedule,
        **(plateau if optim.schedule == "plateau" else {}),
        "warm-up": optim.warmup_steps,
        "decay": optim.weight_decay,
        "clip": optim.clip,
        "loss": chosen.loss,
        "augmentation": chosen.augmentation,
        "sampling": chosen.sampling,
        "modality": chosen.images.modality,
        **({"spacing": chosen.images.spacing} if chosen.images.spacing else {}),
        "patch": "x".join(map(str, chosen.patch.shape)),
        "steps": loop.steps,
        "batch": loop.batch_size,
        "validated every": loop.validate_every,
        "ends early after": loop.patience,
    }


def finetune(
    target: str, data: Path, out: Path, config: FinetuneSettings, resume: bool = False, longer: bool = True
) -> Run:
    """Train the target task `target` on the labelled data at `data` into the run folder `out`.

    The scans are read once into a cache that other runs share. The weights of the best validation end up in
    `weights.safetensors`, the predictions of the test cases in `predictions/` (docs/architecture.md), the subjects of
    each side in `split.json`. A finished run is recognised and left alone. With `resume` an interrupted one goes on,
    and with `longer` one that had fewer steps too; `training.continuing` says which other settings may have changed.

    Raises UsageError for settings that do not fit, GenesisError naming the file for data that cannot be used,
    InterruptedRunError after Ctrl-C.
    """
    out = writable(out)
    refuse_absent_device(config.loop)
    refuse_absent_tracker(config.loop.tracker)
    refuse_idle_patience(config.loop, config.optim)
    described = read_target(target, data, config, _cache(config, out))
    origin = provenance_of(config.init)
    backbone = resolve(config.backbone, origin, config.init, described.channels * config.patch.channels)
    config = replace(config, backbone=BackboneChoice.of(backbone))
    sides, unused = used_sides(described, config)
    of_classes = refuse_one_class(described, sides)
    prepared = prepare_target(described, config.images, _cache(config, out))
    run, fabric = Run(out), make_fabric(config.loop)
    config = replace(config, loop=on_devices(config.loop, fabric))
    unfinished = begin(fabric, run, "finetune", config, prepared.digest(), resume, Supervised.unit, longer)
    _refuse_other_sides(run, sides)
    if unfinished:
        with resumable(fabric, run):
            _train(target, prepared, sides, unused, backbone, origin, run, fabric, config, of_classes)
        fabric.barrier()  # nobody reads the run before it is finished
    return run


def read_target(target: str, data: Path, config: FinetuneSettings, cache: Path) -> Target:
    """The target task called `target` on `data`, with the options and labels of `config`."""
    chosen: JSON = {**config.options, **({"labels": config.labels} if config.labels else {})}
    return TARGETS.get(target).open(data, chosen, cache)


def _train(
    name: str,
    prepared: PreparedTarget,
    sides: Split,
    unused: Sequence[str],
    backbone: BackboneSettings,
    origin: JSON,
    run: Run,
    fabric: "Fabric",
    config: FinetuneSettings,
    of_classes: Sequence[str],
) -> None:
    described = prepared.target
    copies = refuse_copies(prepared.cases, _by_side(sides), described.source)
    warnings = [*of_classes, *copies, *prepared.doubts()]
    recipe = _recipe(described, config, backbone)
    fabric.seed_everything(config.seed, verbose=False)
    network = recipe.network()
    _refuse_unfit(network, prepared, config)
    report = _initialise(network, config, described)
    augmentation = Augmentation(config.augmentation, len(config.patch.shape))
    items = Items(prepared, prepared.of(sides.training), recipe, augmentation, config.sampling, config.seed)
    intensity = prepared.cases[0].images[0].intensity
    warnings += [*report.warnings, *mismatches(config.images.modality, intensity, origin)]
    scale = seen_scale(prepared, config.patch)
    differing = mismatch(origin.get("scale", {}), scale)
    warnings += [differing.sentence] if differing else []
    check = _check(prepared, sides, recipe, config)
    task = _task(prepared, items, check, recipe, config, run)
    if fabric.is_global_zero:
        open_with(_about_data(prepared, sides, config), network, backbone, fabric, config.loop, task.unit)
        tell(report.summary(), *(f"warning: {warning}" for warning in warnings))
        write_json(run.path / "split.json", {**_by_side(sides), "unused": unused})
        write_images(run.path, _images(prepared, sides))
        take_up(run, config, hardware(fabric))
        run.note(
            init=report.to_dict(),
            warnings=warnings,
            scale=_scales(origin, scale, differing),
            **hardware(fabric),
            parameters=sum(p.numel() for p in network.parameters()),
            target=name,
            task=described.task,
            monitor=task.monitor,
            subjects={side: len(names) for side, names in _by_side(sides).items()},
        )
    if isinstance(network, DenseNetwork) and not run.last.is_file():
        fit_head(network, items, config.loop.batch_size, fabric.device, config.seed)
    state = fit(task, network, fabric, run, config.loop, config.optim, report.taken)
    if fabric.is_global_zero:
        if config.held_out and isinstance(check, SegmentationCheck):
            _learn_cleaning(check, Predictor(run.best, fabric.device), run)
        with replacing(run.weights) as temporary:
            temporary.write_bytes(run.best.read_bytes())
        if config.held_out:
            predict_held_out(Predictor(run.weights, fabric.device), prepared, prepared.of(sides.test), run)
        _finish(run, task.monitor, state.best_step, warnings)


def _initialise(network: Any, config: FinetuneSettings, described: Target) -> LoadReport:
    """Fill the network from the init source, its convolutions at the size of fresh ones where that is asked for."""
    fresh = sizes(network)
    if config.rescale and not fresh:
        raise UsageError(f"rescale: does not know the convolutions of {config.backbone.name}; leave it out")
    report = initialise(network, config.init, _scope(config, described))
    if config.rescale:
        rescale(network, {name: size for name, size in fresh.items() if _taken(name, report)})
    return report


def _finish(run: Run, monitor: str, best_step: int, warnings: Sequence[str]) -> None:
    metrics = run.metrics()
    draw_curves(run.curves, metrics, ("loss", monitor), {})
    best: JSON = next((entry for entry in metrics if entry["step"] == best_step), {})
    run.finish(best=best, warnings=[*warnings, *_of_missed(best)])


def _learn_cleaning(check: SegmentationCheck, predictor: Predictor, run: Run) -> None:
    """Note which structures `genesis predict` is to clean, before there are weights to predict with."""
    structures = [int(structure) for structure in predictor.recipe.labels]
    learnt = learn(check.whole_scans(predictor.network), structures, IGNORED)
    if any(one.cases for one in learnt.values()):
        write_json(run.cleaning, to_entry(learnt))


def _scales(origin: JSON, here: JSON, differing: Mismatch | None) -> JSON:
    """The scale of the weights, that of the patches, and how far they are apart where that is too far."""
    return {"weights": origin.get("scale"), "here": here, "mismatch": asdict(differing) if differing else None}


def _of_missed(best: JSON) -> list[str]:
    """The warning that stays with the weights of the validation `best`."""
    if not best.get("missed"):
        return []
    return [
        f"{', '.join(best['missed'])}: predicted nowhere by the best weights, though the validation cases have it; "
        "train longer (loop.steps), or at another optim.lr"
    ]


def _taken(convolution: str, report: LoadReport) -> bool:
    return f"{convolution.removeprefix('backbone.')}.weight" in report.taken


def _refuse_unfit(network: Any, data: PreparedTarget, config: FinetuneSettings) -> None:
    axes, sides = network.backbone.axes, len(config.patch.shape)
    if sides != axes:
        raise UsageError(f"patch.shape: {config.patch.shape}: backbone {config.backbone.name} needs {axes} sides")
    if config.patch.planes == "orthogonal" and (sides != 2 or len(set(config.patch.shape)) > 1):
        raise UsageError(f"patch.planes orthogonal: needs two equal sides, not patch.shape {config.patch.shape}")
    segments = data.target.task == "segmentation"
    for case in data.cases:
        if config.patch.planes == "orthogonal" and (segments or case.case.centre is None or len(case.shape) < 3):
            raise UsageError("patch.planes orthogonal: is to classify places in volumes, as NCC does; use axial")
        whole = case.case.centre is None and not segments
        if len(case.shape) < axes or (whole and len(case.shape) > axes):
            raise UsageError(
                f"backbone.name: {config.backbone.name} is for inputs of {axes} axes, {case.images[0].source} has "
                f"{len(case.shape)}; choose another (unet2d for images, unet3d for volumes)"
            )


def _cache(config: FinetuneSettings, out: Path) -> Path:
    return writable(config.cache) if config.cache else out.parent / "cache"


def _scope(config: FinetuneSettings, target: Target) -> str:
    automatic = "encoder-decoder" if target.task == "segmentation" else "encoder"
    return automatic if config.scope == "auto" else config.scope


def used_sides(target: Target, config: FinetuneSettings) -> tuple[Split, list[str]]:
    """The split with the training subjects that may be used, and those that may not."""
    whole = split(target, config.split, config.fold)
    kept = fraction_of(whole.training, strata_of(target), config.label_fraction, config.seed)
    return replace(whole, training=kept), sorted(set(whole.training) - set(kept))


def _images(data: PreparedTarget, sides: Split) -> Iterator[tuple[str, str, Scan]]:
    """(side, subject, scan) of every image that the run uses."""
    for side, subjects in _by_side(sides).items():
        for case in data.of(subjects):
            yield from ((side, case.case.subject, scan) for scan in case.images)


def _refuse_other_sides(run: Run, sides: Split) -> None:
    """A run whose subjects were dealt otherwise is another run, and neither images nor settings need tell."""
    if not (run.path / "split.json").is_file():
        return
    there, here = read_json(run.path / "split.json"), _by_side(sides)
    moved = sorted({subject for side in here for subject in set(there[side]) ^ set(here[side])})
    if moved:
        raise UsageError(f"{run.path}: holds another run (the split changed: {first_few(moved)}); choose another --out")


def _by_side(sides: Split) -> dict[str, list[str]]:
    return {"training": list(sides.training), "validation": list(sides.validation), "test": list(sides.test)}


def _recipe(target: Target, config: FinetuneSettings, backbone: BackboneSettings) -> Recipe:
    return Recipe(
        task=target.task,
        labels={str(value): name for value, name in target.labels.items()},
        truth_map={str(structure): values for structure, values in target.label_map.items()},
        backbone=backbone,
        images=config.images,
        patch=config.patch,
        inference=config.inference,
    )


def _about_data(data: PreparedTarget, sides: Split, config: FinetuneSettings) -> list[str]:
    """What the run trains on, and which scans do not fill a patch, in lines."""
    parts = [
        f"{plural(len(subjects), 'subject')} ({plural(len(data.of(subjects)), 'case')}) for {side}"
        for side, subjects in _by_side(sides).items()
    ]
    patch = config.patch
    lines = [f"data: {', '.join(parts)}", f"patches: {extent(patch.shape)} voxels, {data.target.task}"]
    used = data.of([subject for subjects in _by_side(sides).values() for subject in subjects])
    fitted = data.target.task != "segmentation" and patch.fitting == "resize"
    thin = [
        f"{case.case.id} {extent(case.shape)}"
        for case in used
        if not fitted and any(whole < side for whole, side in zip(case.shape, patch.shape, strict=False))
    ]
    if thin:
        lines.append(
            f"  padded with zeros, thinner than a patch: {plural(len(thin), 'case')} ({first_few(thin)}); "
            "a smaller --patch.shape does without"
        )
    return lines


def _check(data: PreparedTarget, sides: Split, recipe: Recipe, config: FinetuneSettings) -> Check:
    kind = SegmentationCheck if recipe.task == "segmentation" else ClassificationCheck
    return kind(data, data.of(sides.validation), recipe, config.check, config.seed)


def _task(
    data: PreparedTarget, items: Items, check: Check, recipe: Recipe, config: FinetuneSettings, run: Run
) -> Supervised:
    provenance = {
        "command": "finetune",
        **to_dict(recipe),
        "init": config.init,
        "augmentation": config.augmentation,
        "modality": config.images.modality,
        "intensity": to_dict(data.cases[0].images[0].intensity),
        "cube": list(config.patch.shape),
        "scale": seen_scale(data, config.patch),
        "orientation": ORIENTATION,
        "data": run.manifest()["data"],
        "versions": run.manifest()["versions"],
    }

    def save(network: nn.Module, path: Path, about: JSON) -> None:
        save_weights(path, network, {**provenance, **about})

    loss = build_loss(recipe.task, config.loss, ignoring=bool(data.target.ignored))
    return Supervised(items, config.loop, loss, check, save, run.best)


def summary(run: Run) -> str:
    """What a finished run reached, in plain words."""
    manifest = run.manifest()
    best, monitor, subjects = manifest["best"], manifest["monitor"], manifest["subjects"]
    others = ", ".join(f"{n} {v:.3f}" for n, v in best.items() if n.startswith(f"{monitor} "))
    return "\n".join(
        [
            f"{manifest['task']}: {', '.join(f'{count} {side}' for side, count in subjects.items())} subjects",
            f"validation {monitor} {best[monitor]:.3f} at step {best['step']}" + (f" ({others})" if others else ""),
            *(f"warning: {warning}" for warning in _of_missed(best)),
            f"weights: {run.weights}",
            *([f"predictions of the test cases: {run.predictions}"] if run.predictions.is_dir() else []),
        ]
    )
