"""The target `folder`: the user's own labelled data, in the layouts people have them in.

| layout | recognised by | task |
|---|---|---|
| nnU-Net v2 | `dataset.json` with `channel_names` and `file_ending` | segmentation |
| Medical Segmentation Decathlon | `dataset.json` with `training` | segmentation |
| table | a CSV file, or a folder with `cases.csv` | classification |
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from modelsgenesis.config import settings
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import read_json
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.grid import check_grid
from modelsgenesis.targets.table import TABLE, read_table
from modelsgenesis.types import JSON

DESCRIPTION, SUBJECTS = "dataset.json", "subjects.csv"
Selection = Mapping[str, Sequence[int]]
"""Name of a structure -> the label values that make it up; empty for those of the data set's own description."""


@settings
class FolderOptions:
    """What can be chosen of one's own data."""

    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Structures to learn (see `Selection`)."""


def _read(data: Path, options: FolderOptions, cache: Path) -> Target:  # noqa: ARG001 - nothing is derived
    return read_folder(data, options.labels)


TASK = TargetTask(
    about="your own labelled data: segmentation (nnU-Net v2, Decathlon) or classification (a table)",
    download="a folder with dataset.json (nnU-Net v2, Decathlon), or a CSV with the columns path, subject and label",
    read=_read,
    options=FolderOptions,
)


def read_folder(data: Path, selection: Selection) -> Target:
    """The target in the folder (or CSV file) `data`; see the table above.

    For a segmentation, `subjects.csv` (columns case and subject) in the folder says which cases are of one subject;
    without it each case is one. Labelled cases in `imagesTs` and `labelsTs` of an nnU-Net folder are the test side.

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
            f"{data}: holds neither {DESCRIPTION} (Decathlon, nnU-Net v2) nor {TABLE} (columns path, subject, label)"
        )
    description = read_json(path)
    if not isinstance(description, dict):
        raise GenesisError(f"{path}: must be a JSON object")
    nnunet = "channel_names" in description and "file_ending" in description
    named, cases, test = (_nnunet if nnunet else _msd)(path, description)
    label_map = _chosen(named, selection, path)
    subjects = _subjects(data / SUBJECTS, [case.id for case in cases])
    cases = [Case(case.id, subjects.get(case.id, case.id), case.images, case.label) for case in cases]
    for case in cases:
        check_grid(case)
    names = list(label_map)
    return Target(
        task="segmentation",
        labels=dict(enumerate(names, start=1)),
        cases=cases,
        source=path,
        label_map={number: label_map[name] for number, name in enumerate(names, start=1)},
        known=frozenset({0}.union(*named.values())),
        sides=_sides(cases, test, path),
    )


Named = dict[str, tuple[int, ...]]
"""Structure -> values in the label files."""
Described = tuple[Named, list[Case], set[str]]
"""Structures; cases; identifiers of those that are for testing."""


def _msd(path: Path, description: JSON) -> Described:
    """Entries `training` [{image, label}]; `labels` {"0": "background", "1": "liver"}."""
    entries, labels = description.get("training"), description.get("labels")
    if not isinstance(entries, list) or not isinstance(labels, dict):
        raise GenesisError(f"{path}: needs training (a list of image and label) and labels, or nnU-Net v2's keys")
    cases = []
    for entry in entries:
        if not isinstance(entry, dict) or not {"image", "label"} <= set(entry):
            raise GenesisError(f"{path}: training entry {entry!r} needs image and label")
        if Path(entry["image"]).name.startswith("."):  # macOS junk that found its way into the list
            continue
        image, label = (_there(path.parent / entry[key], path) for key in ("image", "label"))
        cases.append(Case(image.name.split(".nii")[0], "", (image,), label))
    values = {str(name): _value(value, path) for value, name in labels.items()}
    named: Named = {name: (value,) for name, value in values.items() if value != 0}
    return named, cases, set()


def _nnunet(path: Path, description: JSON) -> Described:
    """Every label file of `labelsTr`, its images by the suffix of the channel; `labels` {"liver": 1}."""
    ending, channels, labels = description["file_ending"], len(description["channel_names"]), description.get("labels")
    if not isinstance(labels, dict) or not channels:
        raise GenesisError(f"{path}: needs labels and at least one entry in channel_names")
    if "ignore" in labels:
        raise GenesisError(f"{path}: the label 'ignore' is not supported; remove it, its voxels count as background")
    named = {
        str(name): tuple(_value(v, path) for v in (values if isinstance(values, list) else [values]))
        for name, values in labels.items()
    }
    cases = _pairs(path.parent, "Tr", ending, channels)
    test = _pairs(path.parent, "Ts", ending, channels) if (path.parent / "labelsTs").is_dir() else []
    structures = {name: values for name, values in named.items() if values != (0,)}
    return structures, cases + test, {case.id for case in test}


def _pairs(folder: Path, side: str, ending: str, channels: int) -> list[Case]:
    images = folder / f"images{side}"
    cases = []
    for label in _visible(folder / f"labels{side}", ending):
        name = label.name.removesuffix(ending)
        files = tuple(_there(images / f"{name}_{channel:04d}{ending}", label) for channel in range(channels))
        cases.append(Case(name, "", files, label))
    known = {image for case in cases for image in case.images}
    for image in _visible(images, ending):
        if image not in known:
            raise GenesisError(f"{image}: has no label in labels{side}; add it, or move the image away")
    return cases


def _visible(folder: Path, ending: str) -> list[Path]:
    if not folder.is_dir():
        raise GenesisError(f"{folder}: no such folder; {folder.parent / DESCRIPTION} describes it")
    return sorted(p.absolute() for p in folder.iterdir() if p.name.endswith(ending) and not p.name.startswith("."))


def _there(file: Path, named_by: Path) -> Path:
    if not file.is_file():
        raise GenesisError(f"{file}: no such file, but {named_by} needs it; restore it or remove the case")
    return file.absolute()


def _value(value: Any, path: Path) -> int:
    if not str(value).isdecimal() or int(value) > 255:
        raise GenesisError(f"{path}: label value {value!r} must be a whole number, 0 to 255")
    return int(value)


def _chosen(named: Mapping[str, tuple[int, ...]], selection: Selection, path: Path) -> dict[str, tuple[int, ...]]:
    """Structures in the order of their values; they must not overlap, for a voxel gets one label."""
    known = {0}.union(*named.values())
    for name, values in selection.items():
        unknown = sorted(set(values) - known)
        if unknown or not values or 0 in values:
            raise UsageError(f"labels: {name} = {list(values)}: {path} knows {sorted(known - {0})}; choose from these")
    chosen = {name: tuple(sorted(set(values))) for name, values in (selection or named).items()}
    if not chosen:
        raise GenesisError(f"{path}: names no label but background")
    owners: dict[int, str] = {}
    for name, values in chosen.items():
        for value in values:
            if owners.setdefault(value, name) != name:
                raise UsageError(f"labels: value {value} is of {owners[value]} and of {name}; select disjoint ones")
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
