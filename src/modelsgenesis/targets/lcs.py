"""LCS: liver segmentation in CT, from LiTS or the same scans in the Medical Segmentation Decathlon (PAPER 2 and 4).

| download | files |
|---|---|
| LiTS | `volume-N.nii` and `segmentation-N.nii`, also `.nii.gz`, in any folders |
| Decathlon Task03 | `imagesTr/liver_N.nii.gz` and `labelsTr/liver_N.nii.gz` |

Values of the masks: 0 background, 1 liver, 2 tumour. The papers took 130 scans and divided them by their number.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from modelsgenesis.config import settings
from modelsgenesis.data.walk import walk_files
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.grid import check_grid
from modelsgenesis.targets.shares import divide

DOWNLOAD = (
    "download the LiTS training batches (volume-N.nii, segmentation-N.nii) from competitions.codalab.org/competitions/"
    "17094, or Task03_Liver of medicaldecathlon.com, and unpack them into one folder"
)
SHARES = (100, 15, 15)
"""Scans for training, validation and test in the papers: numbers 0 to 99, 100 to 114, 115 to 129."""
STRUCTURES: dict[str, dict[str, tuple[int, ...]]] = {
    "liver": {"liver": (1, 2)},
    "liver,tumour": {"liver": (1,), "tumour": (2,)},
}
"""Option -> structure -> values."""

_LITS = re.compile(r"(volume|segmentation)-(\d+)\.nii(\.gz)?", re.IGNORECASE)
_DECATHLON = re.compile(r"liver_(\d+)\.nii(\.gz)?", re.IGNORECASE)
_TEST = re.compile(r"test-volume-\d+\.nii(\.gz)?", re.IGNORECASE)


@settings
class LcsOptions:
    """What can be chosen of the liver data."""

    structures: Literal["liver", "liver,tumour"] = "liver"
    """liver (with its tumours, as in the papers), or liver,tumour as two structures."""


def _read(data: Path, options: LcsOptions, cache: Path) -> Target:  # noqa: ARG001 - nothing is derived
    volumes, masks, unlabelled = _find(data)
    if not volumes and not masks:
        raise GenesisError(f"{data}: holds no volume-N.nii and no imagesTr/liver_N.nii.gz; {DOWNLOAD}")
    numbers = sorted(set(volumes) & set(masks))
    if not numbers:
        one = next(iter((volumes or masks).values()))
        raise GenesisError(f"{one}: no volume has a segmentation of its number; {DOWNLOAD}")
    cases = [Case(f"liver-{n:03d}", f"liver-{n:03d}", (volumes[n],), masks[n]) for n in numbers]
    for case in cases:
        check_grid(case)
    structures = STRUCTURES[options.structures]
    sides, note = _sides(numbers)
    return Target(
        task="segmentation",
        labels=dict(enumerate(structures, start=1)),
        cases=cases,
        source=data,
        label_map=dict(enumerate(structures.values(), start=1)),
        known=frozenset({0, 1, 2}),
        sides=sides,
        notes=(*note, *_absent(volumes, masks), *_listed(volumes), *_ignored(unlabelled)),
    )


TASK = TargetTask(
    about="liver segmentation in CT (LiTS, Decathlon Task03)",
    download=DOWNLOAD,
    read=_read,
    options=LcsOptions,
    recipe={
        "images": {"modality": "ct"},
        "patch": {"shape": [64, 64, 32]},
        "loss": "dice",
        "augmentation": "strong",
        "optim": {"lr": 1e-2},
    },
)


def _find(data: Path) -> tuple[dict[int, Path], dict[int, Path], list[Path]]:
    """Number -> volume; number -> segmentation; volumes for a test without labels."""
    volumes: dict[int, Path] = {}
    masks: dict[int, Path] = {}
    unlabelled: list[Path] = []
    for path in map(Path.absolute, walk_files(data)):
        lits, decathlon = _LITS.fullmatch(path.name), _DECATHLON.fullmatch(path.name)
        if _TEST.fullmatch(path.name) or (decathlon and path.parent.name == "imagesTs"):
            unlabelled.append(path)
        elif lits:
            _enter(volumes if lits[1].lower() == "volume" else masks, int(lits[2]), path)
        elif decathlon and path.parent.name in ("imagesTr", "labelsTr"):
            _enter(volumes if path.parent.name == "imagesTr" else masks, int(decathlon[1]), path)
    return volumes, masks, unlabelled


def _enter(found: dict[int, Path], number: int, path: Path) -> None:
    if number in found:
        raise GenesisError(f"{path}: number {number} is there already as {found[number]}; keep one")
    found[number] = path


def _sides(numbers: list[int]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The papers' division when all their scans are there, else one in its proportions; with a note on a deviation."""
    names = {number: f"liver-{number:03d}" for number in numbers}
    if set(range(sum(SHARES))) <= set(numbers):
        sides = divide([names[number] for number in range(sum(SHARES))], SHARES)
        more = sorted(set(numbers) - set(range(sum(SHARES))))
        note = (f"{len(more)} scans beyond the papers' 130 (from number {more[0]}) are for testing",) if more else ()
        return sides | {names[number]: "test" for number in more}, note
    sides = divide(list(names.values()), SHARES)
    return sides, (f"{len(numbers)} of the papers' 130 scans: divided in their order, 100 : 15 : 15",)


def _absent(volumes: Mapping[int, Path], masks: Mapping[int, Path]) -> Iterable[str]:
    for what, found, other in (("segmentation", volumes, masks), ("volume", masks, volumes)):
        lone = sorted(set(found) - set(other))
        if lone:
            yield f"{len(lone)} files without a {what} of their number are left out, such as {found[lone[0]].name}"


def _listed(volumes: Mapping[int, Path]) -> Iterable[str]:
    """What the Decathlon's own description lists and the folders lack."""
    roots = {path.parent.parent for path in volumes.values() if path.parent.name == "imagesTr"}
    for path in sorted(root / "dataset.json" for root in roots):
        if not path.is_file():
            continue
        description = read_json(path)
        entries = description.get("training") if isinstance(description, dict) else None
        if not isinstance(entries, list):
            raise GenesisError(f"{path}: has no list 'training'; copy it again, or remove it")
        names = [Path(str(entry.get("image", "") if isinstance(entry, dict) else entry)).name for entry in entries]
        wanted = {int(match[1]) for name in names if (match := _DECATHLON.fullmatch(name))}
        missing = sorted(wanted - set(volumes))
        if missing:
            yield f"{len(missing)} of {len(wanted)} scans listed in {path.name} are absent, such as liver_{missing[0]}"


def _ignored(unlabelled: list[Path]) -> Iterable[str]:
    if unlabelled:
        yield f"{len(unlabelled)} test volumes without labels are left out, such as {unlabelled[0].name}"
