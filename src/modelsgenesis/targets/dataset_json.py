"""`dataset.json` as the Medical Segmentation Decathlon, nnU-Net v1 and nnU-Net v2 write it.

| layout | recognised by | images of a case |
|---|---|---|
| nnU-Net v2 | `channel_names` and `file_ending` | `imagesTr/CASE_0000.nii.gz`, ..., or those that `dataset` lists |
| nnU-Net v1 | `training`, whose files are there with numbers | `CASE_0000.nii.gz`, ... for `CASE.nii.gz` in the list |
| Decathlon | `training` | the file in the list; one of 4 axes holds several channels |
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import expandvars
from pathlib import Path
from typing import Any

from modelsgenesis.data.index import SUFFIXES
from modelsgenesis.data.walk import is_shadow
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json
from modelsgenesis.places import listed
from modelsgenesis.targets.base import Case

BACKGROUND, IGNORE = "background", "ignore"
_OTHER_NAMES_OF_NOTHING = ("", "unlabeled", "unlabelled", "none", "other", "air", "clear label", "bg")
_JUNK = ("._", ".DS_Store")


@dataclass(frozen=True)
class Labels:
    """What the values in the label files mean.

    Attributes:
        structures: name -> the values that make it up; without background.
        background: values that are background; 0 unless it is a structure.
        ignored: values of voxels that take no part in training and evaluation.
        notes: what a user should know.
    """

    structures: Mapping[str, tuple[int, ...]]
    background: frozenset[int]
    ignored: frozenset[int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """A data set of label maps.

    Attributes:
        labels: what their values mean.
        cases: without subjects.
        test: identifiers of those that are for testing.
        modalities: names of the channels, in the order of a case's images; empty where nothing names them.
    """

    labels: Labels
    cases: list[Case]
    test: set[str] = field(default_factory=set)
    modalities: tuple[str, ...] = ()


def read_description(path: Path) -> Described:
    """What the file `path` describes; GenesisError names the file, the key or entry and its value."""
    description = read_json(path)
    if not isinstance(description, dict):
        raise GenesisError(f"{path}: must be a JSON object")
    names = description.get("channel_names", description.get("modality", {}))
    if not isinstance(names, dict | list):
        raise GenesisError(f"{path}: channel_names or modality must name the channels, not be {names!r}")
    modalities = tuple(map(str, names.values() if isinstance(names, dict) else names))
    given = description.get("labels")
    if not isinstance(given, dict) or not given:
        raise GenesisError(f'{path}: needs labels, such as {{"background": 0, "liver": 1}}; has {given!r}')
    labels = read_labels(given, path)
    if "channel_names" in description and "file_ending" in description:
        if not modalities:
            raise GenesisError(f"{path}: channel_names is empty; name every channel")
        return _nnunet(path, description, labels, modalities)
    if not isinstance(description.get("training"), list):
        raise GenesisError(f"{path}: needs training (a list of image and label), or channel_names and file_ending")
    cases = [
        _listed(entry, path, max(len(modalities), 1))
        for entry in description["training"]
        if not _is_junk(entry, path.parent)
    ]
    return Described(labels, _told_apart(cases, path.parent), modalities=modalities)


def read_labels(given: Mapping[str, Any], path: Path) -> Labels:
    """Meaning of values, from name -> value or values (nnU-Net v2) or value -> name (Decathlon, nnU-Net v1).

    What is called "background" is background, whatever its value; 0 too, unless it has another name beside it.
    """
    named: dict[str, tuple[int, ...]] = {}
    by_value = all(str(key).strip().isdecimal() for key in given)
    for key, entry in given.items():
        name, values = (str(entry).strip(), key) if by_value else (str(key).strip(), entry)
        numbers = tuple(_value(name, v, path) for v in (values if isinstance(values, list) else [values]))
        named[name] = (*named.get(name, ()), *numbers)
    background = {value for name, values in named.items() if name.lower() == BACKGROUND for value in values}
    ignored = {value for name, values in named.items() if name.lower() == IGNORE for value in values}
    apart = {name: values for name, values in named.items() if name.lower() not in (BACKGROUND, IGNORE)}
    zero = next((name for name, values in apart.items() if values == (0,)), None)
    notes: tuple[str, ...] = ()
    if zero is not None and not background:
        del apart[zero]
        if zero.lower() not in _OTHER_NAMES_OF_NOTHING:
            notes = (f"the value 0, {zero!r}, is taken for background: no label is called background",)
    background |= {0} - {value for values in apart.values() for value in values}
    twice = sorted(background & ignored | {v for values in apart.values() for v in values} & (background | ignored))
    if twice:
        raise GenesisError(
            f"{path}: labels: the value {twice[0]} has two meanings, of which one is background or ignore; keep one"
        )
    return Labels(apart, frozenset(background), frozenset(ignored), notes)


def _value(name: str, value: Any, path: Path) -> int:
    text = str(value).strip().removesuffix(".0")
    if not text.isdecimal() or int(text) > 255:
        raise GenesisError(f"{path}: labels: value {value!r} of {name!r} must be a whole number, 0 to 255; renumber it")
    return int(text)


def _is_junk(entry: Any, folder: Path) -> bool:
    """What macOS leaves behind, where it found its way into the list; a scan that is only called so is none."""
    image = entry.get("image") if isinstance(entry, dict) else None
    if not isinstance(image, str) or not image.replace("\\", "/").rpartition("/")[2].startswith(_JUNK):
        return False
    place = listed(folder, image)
    return not place.exists() or place.name == ".DS_Store" or is_shadow(place)


def _listed(entry: Any, path: Path, channels: int) -> Case:
    """An entry of `training`: {image, label}, image being a path, or a list of one path a channel."""
    images = entry.get("image") if isinstance(entry, dict) else None
    images = images if isinstance(images, list) else [images]
    if not isinstance(entry, dict) or not all(isinstance(name, str) for name in (*images, entry.get("label"))):
        raise GenesisError(f"{path}: training entry {entry!r} needs image and label, the paths of files")
    files = [listed(path.parent, name) for name in images]
    stem, ending = _parted(files[0].name)
    if len(files) == 1 and not files[0].is_file():
        numbered = [files[0].with_name(f"{stem}_{channel:04d}{ending}") for channel in range(channels)]
        files = numbered if numbered[0].is_file() else files  # nnU-Net v1 lists a case, not its files
    label = _there(listed(path.parent, entry["label"]), path)
    return Case(stem, "", tuple(_there(file, path) for file in files), label)


def _told_apart(cases: Sequence[Case], root: Path) -> list[Case]:
    """Cases whose files are called alike (`p1/image.nii.gz`, `p2/image.nii.gz`) get the names of their folders too."""
    times = Counter(case.id for case in cases)
    images = Counter(case.images for case in cases)
    return [
        replace(case, id=re.sub(r"[^A-Za-z0-9._-]", "_", _whole_name(case, root)))
        if times[case.id] > images[case.images]
        else case
        for case in cases
    ]


def _whole_name(case: Case, root: Path) -> str:
    folders = Path(os.path.relpath(case.images[0], root)).parts[:-1]
    return "__".join((*(part for part in folders if part != ".."), case.id))


def _parted(name: str) -> tuple[str, str]:
    ending = next((known for known in SUFFIXES if name.lower().endswith(known)), "")
    return name[: len(name) - len(ending)], name[len(name) - len(ending) :]


def _nnunet(path: Path, description: Mapping[str, Any], labels: Labels, modalities: tuple[str, ...]) -> Described:
    """The cases of the key `dataset`, else every label file of `labelsTr` with its images by the channel's number."""
    ending, channels = "." + str(description["file_ending"]).lstrip("."), len(modalities)
    if description.get("dataset"):
        cases = list(_of_key(description["dataset"], path, channels))
    else:
        cases = _pairs(path.parent, "Tr", ending, channels)
    if not cases:
        found = f"{path.parent / 'labelsTr'}: holds no label map whose name ends in {ending!r}"
        raise GenesisError(f"{found}, the file_ending of {path}; correct that, or add the maps")
    test = _pairs(path.parent, "Ts", ending, channels) if (path.parent / "labelsTs").is_dir() else []
    return Described(labels, cases + test, {case.id for case in test}, modalities)


def _of_key(dataset: Any, path: Path, channels: int) -> Iterable[Case]:
    """Cases of nnU-Net v2's `dataset`: {CASE: {images: [...], label: ...}}, paths relative to the file's folder."""
    if not isinstance(dataset, dict):
        raise GenesisError(f"{path}: dataset must map each case to its images and label, not be a list")
    for name, entry in dataset.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not isinstance(entry.get("label"), str):
            raise GenesisError(f"{path}: dataset.{name}: needs images (a list of paths) and label (a path)")
        if len(images) != channels:
            raise GenesisError(f"{path}: dataset.{name}: {len(images)} images for {channels} channel_names; list each")
        files = [_there(listed(path.parent, expandvars(str(image))), path) for image in images]
        yield Case(str(name), "", tuple(files), _there(listed(path.parent, expandvars(entry["label"])), path))


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
        raise GenesisError(f"{folder}: no such folder; {folder.parent / 'dataset.json'} describes it")
    return sorted(p.absolute() for p in folder.iterdir() if p.name.endswith(ending) and not p.name.startswith("."))


def _there(file: Path, named_by: Path) -> Path:
    if not file.is_file():
        raise GenesisError(f"{file}: no such file, but {named_by} needs it; restore it or remove the case")
    return file.absolute()
