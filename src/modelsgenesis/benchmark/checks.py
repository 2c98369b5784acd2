"""What does not fit in a plan: all of it at once, before any work."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from modelsgenesis.benchmark.loading import placeholders
from modelsgenesis.benchmark.matrix import pretrain_settings, resolved, source_of
from modelsgenesis.benchmark.plan import DataSpec, InitSpec, Plan, StoreSpec
from modelsgenesis.benchmark.tuning import combinations
from modelsgenesis.config import overlaid, to_dict
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.evaluate.reading import METRICS
from modelsgenesis.finetune import FinetuneSettings
from modelsgenesis.models import BACKBONES
from modelsgenesis.models.sources import parted
from modelsgenesis.models.weights import INIT_SOURCES, provenance_of
from modelsgenesis.phantoms import LAYOUTS
from modelsgenesis.pretrain import PretrainSettings
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import SIDES
from modelsgenesis.training.initial import resolve
from modelsgenesis.training.patience import refuse_idle_patience

OF_ALL = ("init", "seed", "label_fraction", "fold", "labels", "options", "cache", "split", "images", "held_out")
"""Settings that are the same for all arms and backbones on one data set, or that the plan sets itself."""
OF_PLAN = ("init", "seed", "label_fraction", "held_out", "cache", "options")
"""Those that the plan sets itself."""
OF_ARMS = (*OF_ALL, "loop")
"""What an arm cannot set: the same subjects and the same budget for each."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check(plan: Plan, source: str) -> None:
    """Raises UsageError listing everything in `plan` that does not fit; `source` names it."""
    problems = [*_names(plan), *_places(plan), *_seeds(plan), *_data(plan), *_stores(plan), *_arms(plan)]
    if not problems:  # settings can be told only where every name leads somewhere
        problems = list(dict.fromkeys(_settings(plan)))
    if problems:
        raise UsageError(f"{source}: " + "; ".join(problems))


def _names(plan: Plan) -> Iterator[str]:
    sections: dict[str, Mapping[str, Any]] = {
        "data": plan.data,
        "stores": plan.stores,
        "pretraining": plan.pretraining,
        "inits": plan.inits,
        "backbones": plan.backbones,
    }
    for section, entries in sections.items():
        for name in entries:
            if not _NAME.fullmatch(name):
                yield f"{section}.{name}: names are letters, digits, dots, dashes and underscores"
    for section in ("data", "inits"):
        if not sections[section]:
            yield f"{section}: is empty; name at least one"
    for name in sorted(set(plan.data) & set(plan.backbones)):
        yield f"backbones.{name}: is the name of data too; inits could mean either"
    if plan.inits and plan.reference not in plan.inits:
        yield f"reference: {plan.reference} is not among the inits: {', '.join(plan.inits)}"


def _places(plan: Plan) -> Iterator[str]:
    """Places that nothing fills in, and settings that would be laid over without a word."""
    for name in sorted(placeholders(plan) - set(plan.paths)):
        yield f"{{{name}}}: is neither among the paths nor phantoms of the plan: {', '.join(plan.paths) or 'none'}"
    given = {"settings": plan.settings, **{f"data.{name}.settings": one.settings for name, one in plan.data.items()}}
    for place, settings in given.items():
        for name in set(settings) & set(OF_PLAN):
            yield f"{place}: {name} is set by inits, seeds, fractions or data.NAME.options"


def _seeds(plan: Plan) -> Iterator[str]:
    whole = "distinct numbers from 0 on, at least one"
    yield from _of_each_data("seeds", plan.seeds, plan, lambda seed: seed >= 0, whole)
    shares = "distinct, above 0 and at most 1, at least one"
    yield from _of_each_data("fractions", plan.fractions, plan, lambda share: 0 < share <= 1, shares)
    tuning = plan.tune_seeds
    runs = {seed for data in plan.data for seed in plan.seeds_of(data)}
    if not tuning or len(set(tuning)) < len(tuning) or min(tuning) < 0 or set(tuning) & runs:
        yield f"tune_seeds: {list(tuning)} must be {whole}, and none of the seeds"


def _of_each_data(name: str, values: Any, plan: Plan, fits: Callable[[float], bool], wanted: str) -> Iterator[str]:
    """What is wrong with numbers that are those of all data, or a mapping."""
    given = values if isinstance(values, dict) else {"default": values}
    for data, some in given.items():
        place = f"{name}.{data}" if isinstance(values, dict) else name
        if data not in {"default", *plan.data}:
            yield f"{place}: neither data of the plan nor default"
        if not some or len(set(some)) < len(some) or not all(map(fits, some)):
            yield f"{place}: {list(some)} must be {wanted}"
    without = set(plan.data) - set(given)
    if "default" not in given and without:
        yield f"{name}: none for {', '.join(sorted(without))}, and no default"


def _data(plan: Plan) -> Iterator[str]:
    for name, one in plan.data.items():
        if (one.target or name) not in TARGETS.names():
            yield f"data.{name}.target: {one.target or name!r} is unknown; valid: {', '.join(TARGETS.names())}"
        if one.metric and one.metric not in set().union(*METRICS.values()):
            known = ", ".join(dict.fromkeys(metric for metrics in METRICS.values() for metric in metrics))
            yield f"data.{name}.metric: results cannot be judged by {one.metric!r}; valid: {known}"
        if one.phantoms is not None and one.path:
            yield f"data.{name}: has phantoms and a path; leave one out"
        yield from _phantoms(f"data.{name}", one)


def _stores(plan: Plan) -> Iterator[str]:
    for name, one in plan.stores.items():
        given = [one.phantoms is not None, bool(one.scans), bool(one.of), bool(one.path)]
        if sum(given) != 1:
            yield f"stores.{name}: needs one of phantoms, scans, of and path"
        if one.of and one.of not in plan.data:
            yield f"stores.{name}.of: {one.of} is not among the data: {', '.join(plan.data)}"
        wrong = [side for side in one.sides if side not in SIDES]
        if wrong:
            yield f"stores.{name}.sides: {wrong[0]!r} is unknown; valid: {', '.join(SIDES)}"
        yield from _phantoms(f"stores.{name}", one)
    for name, spec in plan.pretraining.items():
        if spec.store not in plan.stores:
            yield f"pretraining.{name}.store: {spec.store} is not among the stores: {', '.join(plan.stores)}"


def _phantoms(place: str, one: DataSpec | StoreSpec) -> Iterator[str]:
    if one.phantoms is not None and one.phantoms.name not in LAYOUTS:
        yield f"{place}.phantoms.name: {one.phantoms.name!r} is unknown; valid: {', '.join(LAYOUTS)}"
    if one.phantoms is not None and (one.phantoms.cases < 1 or one.phantoms.seed < 0):
        yield f"{place}.phantoms: cases must be 1 or more, seed 0 or more"


def _arms(plan: Plan) -> Iterator[str]:
    for name, backbone in plan.backbones.items():
        yield from _forbidden(f"backbones.{name}", backbone, OF_ALL)
    yield from _forbidden("tune", {setting.partition(".")[0]: 0 for setting in plan.tune}, OF_ARMS)
    counts = {}
    for name, arm in plan.inits.items():
        yield from _sources(plan, name, arm)
        yield from _forbidden(f"inits.{name}.settings", arm.settings, OF_ARMS)
        tune = plan.tune if arm.tune is None else arm.tune
        yield from _forbidden(f"inits.{name}.tune", {setting.partition(".")[0]: 0 for setting in tune}, OF_ARMS)
        yield from (f"tune.{setting}: has no values" for setting, values in tune.items() if not values)
        counts[name] = len(combinations(tune))
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield f"inits.*.tune: every arm must try as many combinations as the others ({shown})"


def _forbidden(place: str, settings: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in settings:
        if name in names:
            yield f"{place}: {name} must be the same for all; set it in settings or data.NAME.settings"


def _sources(plan: Plan, name: str, arm: InitSpec) -> Iterator[str]:
    valid = {*plan.data, *plan.backbones, "default", *(f"{d}/{b}" for d in plan.data for b in plan.backbones)}
    for place, init in (arm.init if isinstance(arm.init, dict) else {"default": arm.init}).items():
        if place not in valid:
            yield f"inits.{name}.init.{place}: neither data nor a backbone of the plan nor default"
        kind, _, rest = init.partition(":")
        if "{" not in init:
            try:
                parted(init, ("pretraining", *INIT_SOURCES.names()))
            except UsageError as error:
                yield f"inits.{name}.init: {error}"
        if kind == "pretraining" and rest not in plan.pretraining:
            yield f"inits.{name}.init: no pretraining {rest!r}; there: {', '.join(plan.pretraining) or 'none'}"


def _settings(plan: Plan) -> Iterator[str]:
    """Settings that cannot be, networks that differ between arms, weights that do not fit."""
    pretrained: dict[str, PretrainSettings] = {}
    for name in plan.pretraining:
        try:
            pretrained[name] = pretrain_settings(plan, name)
            yield from _axes(f"pretraining.{name}", pretrained[name].backbone.name, pretrained[name].cubes.shape)
            yield from _idle(f"pretraining.{name}", pretrained[name])
        except UsageError as error:
            yield str(error)
    yield from _same_seed(plan)
    for data in plan.data:
        for backbone, overlay in (plan.backbones or {"": {}}).items():
            networks = {}
            for name, arm in plan.inits.items():
                source = source_of(arm.init, data, backbone)
                if source is None:
                    continue
                try:
                    settings = resolved(plan, data, overlay, arm)
                    found = _network(settings, source, pretrained)
                except GenesisError as error:
                    yield f"{data}, {name}: {error}"
                    continue
                networks[name] = found
                for tried in combinations(plan.tune if arm.tune is None else arm.tune).values() or ({},):
                    yield from _idle(f"{data}, {name}", overlaid(settings, tried, f"tune, for {data} {name}"))
                yield from _axes(f"{data}, {name}", found[0], settings.patch.shape)
            if len(set(networks.values())) > 1:
                shown = ", ".join(f"{name} {network} of width {width}" for name, (network, width) in networks.items())
                yield f"{data}: the arms would train different networks ({shown}); set backbone.name and backbone.width"


def _idle(place: str, settings: FinetuneSettings | PretrainSettings) -> Iterator[str]:
    """Patience that a run is too short for."""
    try:
        refuse_idle_patience(settings.loop, settings.optim)
    except UsageError as error:
        yield f"{place}: {error}"


def _network(settings: FinetuneSettings, source: str, pretrained: Mapping[str, PretrainSettings]) -> tuple[str, int]:
    """Name and width of the network of a run; raises when its weights do not fit."""
    kind, _, rest = source.partition(":")
    if kind == "pretraining":
        about = {"backbone": to_dict(pretrained[rest].backbone)} if rest in pretrained else {}
    else:
        about = {} if "{" in source else provenance_of(source)
    network = resolve(settings.backbone, about, source, 1)
    return network.name, network.width


def _axes(place: str, backbone: str, shape: tuple[int, ...]) -> Iterator[str]:
    axes = BACKBONES.get(backbone).axes  # type: ignore[attr-defined]  # of the class
    if len(shape) != axes:
        yield f"{place}: backbone {backbone} needs {axes} sides, not {list(shape)}"


def _same_seed(plan: Plan) -> Iterator[str]:
    """Phantoms of one seed may be the same patients, whatever their layout."""
    of_data = {one.phantoms.seed: name for name, one in plan.data.items() if one.phantoms}
    for name, one in plan.stores.items():
        if one.phantoms is not None and one.phantoms.seed in of_data:
            yield (
                f"stores.{name}.phantoms.seed: {one.phantoms.seed} is that of data.{of_data[one.phantoms.seed]} too: "
                "they may show the same patients; choose another"
            )
