"""What a benchmark is made of: the settings of a plan file. `loading` reads it, `checks` says what does not fit."""

from dataclasses import field
from typing import Any, TypeVar

from modelsgenesis.config import settings
from modelsgenesis.types import JSON

T = TypeVar("T")


@settings
class PhantomSpec:
    """Phantoms to write, as `genesis phantom` does."""

    name: str
    """One of its layouts."""
    cases: int
    """Scans, images or videos."""
    seed: int
    """Decides the patients: pre-training and targets must not share one."""
    shape: tuple[int, int, int] | None = None
    """Voxels along X, Y, Z; not for images."""
    spacing: tuple[float, float, float] | None = None
    """mm per voxel; not for images."""


@settings
class DataSpec:
    """Labelled data of a target task: phantoms, or a download at `path`."""

    target: str = ""
    """The target task; empty: the name of these data in the plan."""
    phantoms: PhantomSpec | None = None
    path: str = ""
    """Folder or file, relative to the plan."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the target task."""
    settings: JSON = field(default_factory=dict)
    """Laid over the settings of the plan."""
    metric: str = ""
    """What results are judged by; empty: auc, or paper_iou of segmentations."""


@settings
class StoreSpec:
    """Scans for pre-training: phantoms, `scans`, the images of some sides of labelled data, or a prepared store."""

    phantoms: PhantomSpec | None = None
    scans: tuple[str, ...] = ()
    """Files, folders and globs, relative to the plan."""
    of: str = ""
    """Name of labelled data whose images are used without their labels."""
    sides: tuple[str, ...] = ("training",)
    """Of these data: training, validation, test."""
    path: str = ""
    """A store that genesis prepare made, relative to the plan."""
    prepare: JSON = field(default_factory=dict)
    """Settings of genesis prepare."""


@settings
class PretrainingSpec:
    """A pre-training run."""

    store: str
    """Name of a store of the plan."""
    preset: str = "default"
    """As of genesis pretrain."""
    settings: JSON = field(default_factory=dict)
    """Laid over the preset."""


@settings
class InitSpec:
    """An arm: what fine-tuning starts from."""

    init: str | dict[str, str]
    """An init source, or pretraining:NAME. As a mapping: of which data, which backbone, or `default`; data or backbones
    that it leaves out have no cells of this arm."""
    settings: JSON = field(default_factory=dict)
    """Laid over all others: optim, scope, norm of the backbone. What makes the arms comparable cannot be set here."""
    tune: dict[str, list[Any]] | None = None
    """In place of the plan's `tune`; as many combinations, so that no arm has a larger budget."""


@settings
class Plan:
    """A benchmark.

    Settings of a run come from the papers' recipe, then `settings`, then those of data, backbone and arm, then tuning.
    """

    about: str = ""
    """What it shows, in a line or two."""
    base: str = ""
    """Name or file of a plan that this one is laid over; null in place of an entry takes it out."""
    paths: dict[str, str] = field(default_factory=dict)
    """Downloads: name -> place, relative to the plan; `{name}` stands for it in paths, scans, options and inits.
    Empty: to be given with --data NAME=PLACE."""
    data: dict[str, DataSpec] = field(default_factory=dict)
    stores: dict[str, StoreSpec] = field(default_factory=dict)
    pretraining: dict[str, PretrainingSpec] = field(default_factory=dict)
    inits: dict[str, InitSpec] = field(default_factory=dict)
    """The arms."""
    backbones: dict[str, JSON] = field(default_factory=dict)
    """Name -> settings, such as backbone and patch; empty: one, which the other settings describe."""
    fractions: tuple[float, ...] | dict[str, tuple[float, ...]] = (1.0,)
    """Shares of the training subjects whose labels are used. As a mapping: of which data, or `default`."""
    seeds: tuple[int, ...] | dict[str, tuple[int, ...]] = (0, 1, 2)
    """One run of each cell a seed. As a mapping: of which data, or `default`; more where a run takes seconds."""
    settings: JSON = field(default_factory=dict)
    """Laid over the papers' recipe of every target."""
    tune: dict[str, list[Any]] = field(default_factory=dict)
    """Setting (optim.lr) -> values; every combination is tried for each arm by itself, and the best validation wins."""
    tune_seeds: tuple[int, ...] = (1000,)
    """Seeds of the trials, none of `seeds`: every combination is tried with each, and the mean validation decides."""
    tune_each_fraction: bool = True
    """Tune at each fraction; else at the largest, for all of them."""
    reference: str = "scratch"
    """The arm that others are compared with."""

    def fractions_of(self, data: str) -> tuple[float, ...]:
        """Shares of the labels of these data; none when a mapping names neither them nor a default."""
        return _of(self.fractions, data)

    def seeds_of(self, data: str) -> tuple[int, ...]:
        """Seeds of the runs with these data; none when a mapping names neither them nor a default."""
        return _of(self.seeds, data)


def _of(values: tuple[T, ...] | dict[str, tuple[T, ...]], data: str) -> tuple[T, ...]:
    return values.get(data, values.get("default", ())) if isinstance(values, dict) else values
