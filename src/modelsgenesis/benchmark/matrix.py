"""From a plan to its jobs: phantoms, stores, pre-training, tuning and runs, each with its resolved settings."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelsgenesis.benchmark.jobs import Cell, Job, training_cost
from modelsgenesis.benchmark.plan import DataSpec, InitSpec, PhantomSpec, Plan
from modelsgenesis.benchmark.tuning import combinations
from modelsgenesis.config import build, merge, overlaid, to_dict
from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.errors import UsageError
from modelsgenesis.finetune import FinetuneSettings, papers_settings
from modelsgenesis.phantoms import LAYOUTS
from modelsgenesis.pretrain import PretrainSettings, preset
from modelsgenesis.types import JSON

_PICTURE = 224 * 224


@dataclass(frozen=True)
class Arm:
    """One arm on one data set and one backbone: its settings before tuning, and what it starts from."""

    data: str
    name: str
    backbone: str
    settings: FinetuneSettings
    pretraining: str
    tune: dict[str, JSON]


def matrix(plan: Plan) -> list[Job]:
    """All jobs of `plan`, each after those it needs; runs seed by seed, so that an early end leaves whole rounds.

    Raises UsageError listing settings that no run could be made with.
    """
    arms = list(_arms(plan))
    wanted = list(dict.fromkeys(arm.pretraining for arm in arms if arm.pretraining))
    stores = list(dict.fromkeys(plan.pretraining[name].store for name in wanted))
    needed = {plan.stores[name].of for name in stores} - {""}
    jobs = [_phantoms(f"data/{name}", name, one.phantoms) for name, one in plan.data.items() if one.phantoms]
    jobs += [_data(plan, name) for name in plan.data]
    jobs += [_store(plan, name) for name in stores]
    jobs += [_pretraining(plan, name) for name in wanted]
    for arm in arms:
        jobs += _trials(plan, arm)
    jobs += _runs(plan, arms)
    names = [job.name for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise UsageError(f"plan: two cells would share the folder {twice[0]}; rename an arm or a backbone")
    if not needed <= set(plan.data):
        raise UsageError(f"stores: made of data that are not in the plan: {', '.join(sorted(needed - set(plan.data)))}")
    return jobs


def resolved(plan: Plan, data: str, backbone: JSON, arm: InitSpec) -> FinetuneSettings:
    """Settings of a run before tuning, seed and fraction: recipe, plan, data, backbone, arm."""
    one = plan.data[data]
    settings = papers_settings(one.target or data)
    for overlay, source in (
        (plan.settings, "settings"),
        (one.settings, f"data.{data}.settings"),
        (backbone, f"backbones, for {data}"),
        (arm.settings, f"inits, for {data}"),
    ):
        settings = overlaid(settings, overlay, source)
    return replace(settings, options=dict(one.options), cache="cache")


def source_of(init: str | dict[str, str], data: str, backbone: str) -> str | None:
    """The init source of an arm for these data and this backbone; None when a mapping leaves them out."""
    return init if isinstance(init, str) else init.get(place_of(init, data, backbone))


def place_of(init: Mapping[str, str], data: str, backbone: str) -> str:
    """Which entry of an init is for these data and this backbone; "" when none is."""
    places = (f"{data}/{backbone}", data, backbone, "default")
    return next((place for place in places if place and place in init), "")


def pretrain_settings(plan: Plan, name: str) -> PretrainSettings:
    """Resolved settings of a pre-training of the plan."""
    spec = plan.pretraining[name]
    return overlaid(preset(spec.preset), spec.settings, f"pretraining.{name}.settings")


def _arms(plan: Plan) -> Iterator[Arm]:
    for data in plan.data:
        for backbone, overlay in (plan.backbones or {"": {}}).items():
            for name, spec in plan.inits.items():
                source = source_of(spec.init, data, backbone)
                if source is None:
                    continue
                kind, _, rest = source.partition(":")
                pretraining = rest if kind == "pretraining" else ""
                settings = resolved(plan, data, overlay, spec)
                settings = replace(settings, init=f"run:pretraining/{rest}" if pretraining else source)
                yield Arm(
                    data,
                    name,
                    backbone,
                    _with_backbone(plan, settings, pretraining),
                    pretraining,
                    combinations(plan.tune if spec.tune is None else spec.tune),
                )


def _with_backbone(plan: Plan, settings: FinetuneSettings, pretraining: str) -> FinetuneSettings:
    """The network spelt out, so that costs can be told; `training.initial` says the same once the weights are there."""
    given = pretrain_settings(plan, pretraining).backbone if pretraining else None
    choice = settings.backbone
    name = choice.name or (given.name if given else "unet3d")
    return replace(settings, backbone=replace(choice, name=name, width=choice.width or (given.width if given else 32)))


def _phantoms(name: str, group: str, spec: PhantomSpec) -> Job:
    return Job(name, "phantoms", group, cost=_phantom_cost(spec), spec={"phantoms": to_dict(spec)})


def _phantom_cost(spec: PhantomSpec) -> float:
    layout = LAYOUTS.get(spec.name)
    shape = spec.shape or (layout.shape if layout else None)
    return float(spec.cases * (math.prod(shape) if shape else 15 * _PICTURE))


def _data(plan: Plan, name: str) -> Job:
    one = plan.data[name]
    settings = to_dict(resolved(plan, name, {}, InitSpec("scratch")))
    others = {f"data/{other}" for other in plan.data if f"data/{other}" in one.options.values()}
    return Job(
        f"prepared/{name}",
        "data",
        name,
        needs=tuple(sorted(others | ({f"data/{name}"} if one.phantoms else set()))),
        cost=_phantom_cost(one.phantoms) if one.phantoms else 1.0,
        spec={"target": one.target or name, "settings": {k: settings[k] for k in ("images", "labels")}}
        | {"options": _placeless(one)},
        place=one.path or f"data/{name}",
        options=one.options,
    )


def _placeless(one: DataSpec) -> dict[str, str]:
    """Options without what depends on where downloads lie."""
    return {key: value.rsplit("/", 1)[-1] if value.startswith("/") else value for key, value in one.options.items()}


def _store(plan: Plan, name: str) -> Job:
    spec = plan.stores[name]
    source = plan.data.get(spec.of)
    needs = (f"data/{spec.of}",) if source is not None and source.phantoms else ()
    config = build(PrepareSettings, spec.prepare, f"stores.{name}.prepare")
    of = {}
    if source is not None:
        settings = to_dict(resolved(plan, spec.of, {}, InitSpec("scratch")))
        of = {"target": source.target or spec.of, "sides": list(spec.sides), "settings": settings}
    return Job(
        f"stores/{name}",
        "store",
        name,
        needs=needs,
        cost=_phantom_cost(spec.phantoms) if spec.phantoms else 1.0,
        spec={
            "phantoms": to_dict(spec.phantoms) if spec.phantoms else None,
            "made": not spec.path,
            "prepare": to_dict(config),
            "of": of,
        },
        place=(source.path or f"data/{spec.of}") if source is not None else spec.path or "\0".join(spec.scans),
        options=source.options if source is not None else {},
    )


def _pretraining(plan: Plan, name: str) -> Job:
    settings = pretrain_settings(plan, name)
    plain, store = to_dict(settings), plan.pretraining[name].store
    return Job(
        f"pretraining/{name}",
        "pretraining",
        name,
        needs=(f"stores/{store}",),
        cost=training_cost(plain, settings.cubes.shape),
        spec={"settings": plain},
        place=plan.stores[store].path or f"stores/{store}",
    )


def _trials(plan: Plan, arm: Arm) -> list[Job]:
    fractions = plan.fractions_of(arm.data)
    fractions = fractions if plan.tune_each_fraction else (max(fractions),)
    return [
        _training(plan, arm, "tuning", fraction, seed, overlay, f"-{label}")
        for fraction in fractions
        for seed in plan.tune_seeds
        for label, overlay in arm.tune.items()
    ]


def _runs(plan: Plan, arms: list[Arm]) -> list[Job]:
    """Seed by seed, then fraction by fraction; data with more than others have the last rounds for themselves."""
    cells = [
        (later, place, _run(plan, arm, fraction, seed))
        for arm in arms
        for later, seed in enumerate(plan.seeds_of(arm.data))
        for place, fraction in enumerate(plan.fractions_of(arm.data))
    ]
    return [job for *_, job in sorted(cells, key=lambda cell: cell[:2])]


def _run(plan: Plan, arm: Arm, fraction: float, seed: int) -> Job:
    at = fraction if plan.tune_each_fraction else max(plan.fractions_of(arm.data))
    trials = {
        f"tuning/{_folder(arm, at, one)}-{label}": overlay
        for one in plan.tune_seeds
        for label, overlay in arm.tune.items()
    }
    job = _training(plan, arm, "run", fraction, seed, {}, "")
    return replace(job, tuning=tuple(trials), choices=trials)


def _training(plan: Plan, arm: Arm, kind: Any, fraction: float, seed: int, overlay: JSON, suffix: str) -> Job:
    settings = replace(arm.settings, seed=seed, label_fraction=fraction, held_out=kind == "run")
    settings = overlaid(settings, overlay, f"tune, for {arm.data} {arm.name}")
    plain, data = to_dict(settings), plan.data[arm.data]
    target = data.target or arm.data
    metric = data.metric
    return Job(
        f"{'tuning' if kind == 'tuning' else 'runs'}/{_folder(arm, fraction, seed)}{suffix}",
        kind,
        arm.data,
        needs=(f"prepared/{arm.data}", *((f"pretraining/{arm.pretraining}",) if arm.pretraining else ())),
        cost=training_cost(plain, settings.patch.shape),
        spec={"target": target, "settings": plain | {"options": _placeless(data)}},
        place=data.path or f"data/{arm.data}",
        options=data.options,
        cell=Cell(arm.data, arm.name, arm.backbone, fraction, seed, metric, arm.pretraining),
    )


def _folder(arm: Arm, fraction: float, seed: int) -> str:
    parts = (arm.name, arm.backbone, f"{fraction:g}", str(seed))
    return f"{arm.data}/{'-'.join(part for part in parts if part)}"


def with_choice(settings: JSON, choice: JSON) -> FinetuneSettings:
    """The settings of a run with what tuning chose."""
    return build(FinetuneSettings, merge(settings, choice), "tuned settings")
