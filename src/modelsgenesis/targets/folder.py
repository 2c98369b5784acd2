"""The target `folder`: the user's own labelled data, in the layouts people have them in.

| layout | recognised by | task |
|---|---|---|
| nnU-Net v1 and v2, Medical Segmentation Decathlon | `dataset.json` (see `targets.dataset_json`) | segmentation |
| table | a CSV file, or a folder with `cases.csv` | classification |
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from modelsgenesis.config import settings
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.dataset_json import Labels, read_description
from modelsgenesis.targets.grid import check_grid
from modelsgenesis.targets.split_channels import part_channels
from modelsgenesis.targets.table import TABLE, read_table

DESCRIPTION, SUBJECTS = "dataset.json", "subjects.csv"
Selection = Mapping[str, Sequence[int]]
"""Name of a structure -> the label values that make it up; empty for those of the data set's own description."""


@settings
class FolderOptions:
    """What can be chosen of one's own data."""

    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Structures to learn (see `Selection`)."""


def _read(data: Path, options: FolderOptions, cache: Path) -> Target:
    return read_folder(data, options.labels, cache)


TASK = TargetTask(
    about="your own labelled data: segmentation (nnU-Net, Decathlon) or classification (a table)",
    download="a folder with dataset.json (nnU-Net, Decathlon), or a CSV with the columns path, subject and label",
    read=_read,
    options=FolderOptions,
)


def read_folder(data: Path, selection: Selection, cache: Path = Path("cache")) -> Target:
    """The target in the folder (or CSV file) `data`; see the table above.

    For a segmentation, `subjects.csv` (columns case and subject) in the folder says which cases are of one subject;
    without it each case is one. Labelled cases in `imagesTs` and `labelsTs` of an nnU-Net v2 folder are the test side.
    Of images with several channels in one file each channel becomes a file below `cache` (`Target.derive`).

    Raises GenesisError naming the file: missing image or label, a label on another grid than its image, an
    unusable description; UsageError for a selection that does not fit.
    """
    if data.suffix.lower() == ".csv" or (data / TABLE).is_file():
        if selection:
            raise UsageError("labels: selects values of label maps; the labels of a table are in its column label")
        return read_table(data if data.suffix.lower() == ".csv" else data / TABLE)
    path = data / DESCRIPTION
    if not path.is_file():
        raise GenesisError(
            f"{data}: holds neither {DESCRIPTION} (Decathlon, nnU-Net) nor {TABLE} (columns path, subject, label)"
        )
    described = read_description(path)
    labels = described.labels
    label_map = _chosen(labels, selection, path)
    subjects = _subjects(data / SUBJECTS, [case.id for case in described.cases])
    whole = [replace(case, subject=subjects.get(case.id, case.id)) for case in described.cases]
    for case in whole:
        check_grid(case)
    parted = part_channels(whole, described.modalities, cache, path)
    names = list(label_map)
    return Target(
        task="segmentation",
        labels=dict(enumerate(names, start=1)),
        cases=parted.cases,
        source=path,
        label_map={number: label_map[name] for number, name in enumerate(names, start=1)},
        known=labels.background.union(labels.ignored, *labels.structures.values()),
        ignored=labels.ignored,
        sides=_sides(whole, described.test, path),
        derive=parted.derive,
        notes=labels.notes,
    )


def _chosen(labels: Labels, selection: Selection, path: Path) -> dict[str, tuple[int, ...]]:
    """Structures in the order of their values; they must not overlap, for a voxel gets one label."""
    known = {value for values in labels.structures.values() for value in values}
    for name, values in selection.items():
        if not values or not set(values) <= known:
            raise UsageError(f"labels: {name} = {list(values)}: {path} knows {sorted(known)}; choose from these")
    chosen = {name: tuple(sorted(set(values))) for name, values in (selection or labels.structures).items()}
    if not chosen:
        raise GenesisError(f"{path}: names no label but background")
    owners: dict[int, str] = {}
    for name, values in chosen.items():
        for value in values:
            if owners.setdefault(value, name) != name:
                raise UsageError(
                    f"labels: value {value} is of {owners[value]} and of {name} in {path}, and a voxel gets one label; "
                    f"choose disjoint structures, such as --labels {name} {' '.join(map(str, chosen[name]))}"
                )
    return dict(sorted(chosen.items(), key=lambda item: item[1]))


def _subjects(path: Path, cases: Sequence[str]) -> dict[str, str]:
    if not path.is_file():
        return {}
    subjects: dict[str, str] = {}
    for line, (case, subject) in read_columns(path, ("case", "subject")):
        if subjects.setdefault(case, subject) != subject:
            raise GenesisError(f"{path}, line {line}: case {case} has the subject {subjects[case]} already; keep one")
    missing = [case for case in cases if case not in subjects]
    if missing:
        raise GenesisError(f"{path}: names no subject for {missing[0]}; add a row for every case")
    return subjects


def _sides(cases: Sequence[Case], test: set[str], path: Path) -> dict[str, str]:
    subjects = {case.subject for case in cases if case.id in test}
    for case in cases:
        if case.id not in test and case.subject in subjects:
            raise GenesisError(f"{path}: subject {case.subject} is in imagesTr and in imagesTs; move all to one")
    return dict.fromkeys(subjects, "test")
