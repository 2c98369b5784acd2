"""What a target task is: labelled cases, each of a subject, and the meaning of their labels."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelsgenesis.config import build, settings
from modelsgenesis.errors import GenesisError
from modelsgenesis.places import located
from modelsgenesis.types import JSON

TaskKind = Literal["segmentation", "classification", "multilabel"]
SIDES = ("training", "validation", "test")
IGNORED = 255
"""The structure of voxels that take no part in loss and metrics; there are at most 254 others beside it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled scan, or one labelled place in a scan.

    Args:
        id: unique in the target, safe as a file name.
        subject: whom it shows; splits never part a subject.
        images: one file (or DICOM folder) a channel, on one grid.
        label: the label map of a segmentation, the class index of a classification, 0 or 1 for each label of a
            multilabel task.
        centre: the case is the cube (or 2D patch) around this point of its scan, LPS mm; None: the whole scan. Only
            with centres may cases share a scan.
        finding: name of the lesion that a positive candidate hits; several may hit one. Empty: none.
    """

    id: str
    subject: str
    images: tuple[Path, ...]
    label: Path | int | tuple[int, ...]
    centre: tuple[float, ...] | None = None
    finding: str = ""


@dataclass(frozen=True)
class Target:
    """A target task as its files describe it.

    Args:
        task: "segmentation", "classification" or "multilabel".
        labels: names; of the structures 1, 2, ... of a segmentation, of the classes 0, 1, ... otherwise.
        cases: all labelled cases.
        source: what describes them, for messages.
        label_map: of a segmentation: structure -> the values in the label files that make it up.
        known: of a segmentation: every value the label files may hold; those of no structure are background.
        ignored: of a segmentation: values of voxels that take no part in loss and metrics.
        sides: subject -> "training", "validation" or "test", where the data or the papers say so.
        findings: every lesion that candidates should hit, also one that none does -> its subject.
        orientation: "grid", or "vessel": cubes around centres are turned so that the vessel in them lies along X.
        derive: makes the label file of a case where the data hold something else (contours); called once for each
            file that is not there yet, it writes atomically.
        check: where `read` leaves headers unread because they are many: reads them all, and yields one problem a scan
            that would stop a run, None for a scan without.
        measured: whether the spacing in the files is in mm, and not only what their format puts there.
        notes: what a user should know of these data: parts that are absent, files that were left out, and why.
    """

    task: TaskKind
    labels: Mapping[int, str]
    cases: Sequence[Case]
    source: Path
    label_map: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    known: frozenset[int] = frozenset()
    ignored: frozenset[int] = frozenset()
    sides: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[str, str] = field(default_factory=dict)
    orientation: Literal["grid", "vessel"] = "grid"
    derive: Callable[[Case], None] | None = field(default=None, compare=False)
    check: Callable[[], Iterator[str | None]] | None = field(default=None, compare=False)
    measured: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises GenesisError naming the file: no cases, one listed twice, cases with unequal numbers of channels."""
        if not self.cases:
            raise GenesisError(f"{self.source}: describes no labelled case; list one at least")
        _refuse_twice("case", [case.id for case in self.cases], self.source)
        whole = [str(image) for case in self.cases if case.centre is None for image in case.images]
        _refuse_twice("image", whole, self.source)
        channels = {len(case.images) for case in self.cases}
        if len(channels) > 1:
            raise GenesisError(f"{self.source}: cases have {sorted(channels)} images; each needs every channel")

    @property
    def channels(self) -> int:
        """Images a case."""
        return len(self.cases[0].images)


def _refuse_twice(what: str, names: list[str], source: Path) -> None:
    for name, times in Counter(names).most_common(1):
        if times == 1:
            return
        raise GenesisError(f"{source}: {what} {name} is there {times} times; list each once, under a name of its own")


@settings
class NoOptions:
    """A target without options."""


@dataclass(frozen=True)
class TargetTask:
    """A named target task: how its data are read, and how the papers train it.

    Args:
        about: what it is, in a line.
        download: what to fetch and how it must lie, for someone with an empty folder.
        read: (folder or file, options, folder for derived files) -> Target. It reads headers and tables, no voxels, and
            writes nothing: `Target.derive` does. GenesisError names the file, cause and next step. The one exception:
            where no file lists the candidates (ECC from masks), they are found in the voxels once, with progress, and
            kept in the folder for derived files.
        options: settings class of what can be chosen; fields are str, int, float or bool.
        recipe: the papers' settings where they differ from those of `FinetuneSettings`, as in a YAML file.
    """

    about: str
    download: str
    read: Callable[[Path, Any, Path], Target]
    options: type[Any] = NoOptions
    recipe: JSON = field(default_factory=dict)

    def open(self, data: Path, options: Mapping[str, Any], cache: Path) -> Target:
        """The target at `data`; UsageError for unknown options or values, GenesisError for data that cannot be used."""
        data, cache = located(data), located(cache)
        if not data.exists():
            raise GenesisError(f"{data}: no such file or folder; {self.download}")
        return self.read(data, build(self.options, dict(options), "options"), cache)
