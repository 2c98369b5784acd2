"""What a target task is: labelled cases, each of a subject, and the meaning of their labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modelsgenesis.errors import GenesisError

TaskKind = Literal["segmentation", "classification", "multilabel"]
SIDES = ("training", "validation", "test")


@dataclass(frozen=True)
class Case:
    """One labelled scan.

    Args:
        id: unique in the target, safe as a file name.
        subject: whom it shows; splits never part a subject.
        images: one file (or DICOM folder) a channel, on one grid.
        label: the label map of a segmentation, the class index of a classification, 0 or 1 for each label of a
            multilabel task.
    """

    id: str
    subject: str
    images: tuple[Path, ...]
    label: Path | int | tuple[int, ...]


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
        sides: subject -> "training", "validation" or "test", where the data say so.
    """

    task: TaskKind
    labels: Mapping[int, str]
    cases: Sequence[Case]
    source: Path
    label_map: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    known: frozenset[int] = frozenset()
    sides: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises GenesisError naming the file: no cases, one listed twice, cases with unequal numbers of channels."""
        if not self.cases:
            raise GenesisError(f"{self.source}: describes no labelled case")
        _refuse_twice("case", [case.id for case in self.cases], self.source)
        _refuse_twice("image", [str(image) for case in self.cases for image in case.images], self.source)
        channels = {len(case.images) for case in self.cases}
        if len(channels) > 1:
            raise GenesisError(f"{self.source}: cases have {sorted(channels)} images; each needs every channel")

    @property
    def channels(self) -> int:
        """Images a case."""
        return len(self.cases[0].images)


def _refuse_twice(what: str, names: list[str], source: Path) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise GenesisError(f"{source}: {what} {name} is there {times} times; keep one")
