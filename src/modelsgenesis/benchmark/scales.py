"""What a plan tells of scale before any work: arms whose weights will have seen another scale than their target's."""

from collections.abc import Iterator

from modelsgenesis.benchmark.matrix import pretrain_settings, resolved, source_of
from modelsgenesis.benchmark.plan import DataSpec, PhantomSpec, Plan, StoreSpec
from modelsgenesis.config import build
from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.scale import drawn_scale, limits_of, mismatch
from modelsgenesis.errors import GenesisError
from modelsgenesis.finetune import FinetuneSettings
from modelsgenesis.models.weights import provenance_of
from modelsgenesis.phantoms import LAYOUTS
from modelsgenesis.types import JSON


def scale_mismatches(plan: Plan) -> Iterator[str]:
    """A line an arm and data set; what only the data can tell is named by the run instead."""
    for data, one in plan.data.items():
        for backbone, overlay in (plan.backbones or {"": {}}).items():
            for name, arm in plan.inits.items():
                source = source_of(arm.init, data, backbone)
                if source is None:
                    continue
                here = _seen(one, resolved(plan, data, overlay, arm))
                differing = mismatch(_of_weights(plan, source), here)
                if differing is not None:
                    place = f"{name}, {backbone}" if backbone else name
                    yield f"{place} on {data}: {differing.sentence}"


def _seen(one: DataSpec, settings: FinetuneSettings) -> JSON:
    """The scale of the patches of these data, as far as the plan tells."""
    shape = settings.patch.shape
    if settings.images.modality == "image":
        if settings.patch.fitting == "resize":
            return {"across": list(shape)}
        return _of_spacing(_square(settings.images.pixel_size), len(shape))
    return _of_spacing(settings.images.spacing or _of_phantoms(one.phantoms), len(shape))


def _of_weights(plan: Plan, source: str) -> JSON:
    kind, _, name = source.partition(":")
    if kind != "pretraining":
        try:
            found: JSON = {} if "{" in source else provenance_of(source).get("scale", {})
        except GenesisError:  # `checks` says what is wrong with it
            return {}
        return found
    settings, store = pretrain_settings(plan, name), plan.stores[plan.pretraining[name].store]
    axes = len(settings.cubes.shape)
    limits = limits_of(settings.cubes.spacing)
    if limits is not None:
        return drawn_scale(*limits, axes)
    prepared = build(PrepareSettings, store.prepare, "prepare")
    if prepared.resize is not None:
        return {"across": list(prepared.resize)}
    stated = prepared.spacing or _square(prepared.pixel_size)
    return _of_spacing(stated or _of_phantoms(_phantoms_of(plan, store)), axes)


def _square(pixel_size: float | None) -> tuple[float, float] | None:
    return None if pixel_size is None else (pixel_size, pixel_size)


def _phantoms_of(plan: Plan, store: StoreSpec) -> PhantomSpec | None:
    return plan.data[store.of].phantoms if store.of in plan.data else store.phantoms


def _of_phantoms(spec: PhantomSpec | None) -> tuple[float, ...] | None:
    """Their mm per voxel; None of real data, of images, and where every scan has its own."""
    if spec is None:
        return None
    layout = LAYOUTS.get(spec.name)
    return spec.spacing or (layout.spacing if layout else None)


def _of_spacing(spacing: tuple[float, ...] | None, axes: int) -> JSON:
    if spacing is None:
        return {}
    steps = list(spacing[:axes])
    return {"spacing": {"median": steps, "low": steps, "high": steps}}
