"""BMS: whole brain tumour segmentation in MR, from BraTS as downloaded (PAPER 2 and 4).

| download | files |
|---|---|
| BraTS 2017 to 2020 | `{HGG,LGG}/Brats18_<id>/Brats18_<id>_{flair,t1,t1ce,t2,seg}.nii.gz`; 2020 has no grade folders |
| BraTS 2013 | `{HG,LG}/0001/VSD.Brain.XX.O.MR_Flair.<n>/VSD.Brain.XX.O.MR_Flair.<n>.mha`; truth: OT in its name |

Values of the masks: 1 necrotic core, 2 oedema, 3 other non-enhancing core (2013), 4 enhancing tumour.

The journal divides the 285 cases of 2018 into three files of 95 and tests on the third. Which case is in which file was
never published: here a seeded division puts a third of each grade into each, and keeps a fifth of the first two for
validation.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from modelsgenesis.config import settings
from modelsgenesis.data.walk import walk_files
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.grid import check_grid
from modelsgenesis.targets.shares import divide
from modelsgenesis.targets.split import spread

DOWNLOAD = (
    "register for BraTS 2018 (www.med.upenn.edu/sbia/brats2018) or BraTS 2013 (www.smir.ch/BRATS/Start2013) and unpack "
    "the training data with its folders HGG and LGG, or HG and LG"
)
MODALITIES = ("flair", "t1", "t1ce", "t2")
TRUTH = "seg"
STRUCTURES: dict[str, dict[str, tuple[int, ...]]] = {
    "whole": {"whole tumour": (1, 2, 3, 4)},
    "parts": {"non-enhancing core": (1, 3), "oedema": (2,), "enhancing tumour": (4,)},
}
"""Option -> structure -> values."""
SHARES = (8, 2, 5)
"""Two files of three, of which a fifth is for validation; the third file is the test."""
SEED = 2018
"""Decides which case is in which file."""

_GRADES = {"hgg": "HGG", "hg": "HGG", "lgg": "LGG", "lg": "LGG"}
_NIFTI = re.compile(r"(brats[a-z0-9]*[_-].+)_(flair|t1|t1ce|t2|seg)\.nii(\.gz)?", re.IGNORECASE)
_VSD = re.compile(r"vsd\..*\.mha", re.IGNORECASE)
_VSD_KIND = re.compile(r"\.(MR_Flair|MR_T1c|MR_T1|MR_T2|OT)(\.|$)", re.IGNORECASE)
_VSD_KINDS = {"mr_flair": "flair", "mr_t1": "t1", "mr_t1c": "t1ce", "mr_t2": "t2", "ot": TRUTH}


@settings
class BmsOptions:
    """What can be chosen of the brain tumour data."""

    modalities: str = "flair"
    """Channels, separated by commas, in this order: any of flair, t1, t1ce, t2. The papers took flair alone."""
    structures: Literal["whole", "parts"] = "whole"
    """whole (tumour, as in the papers), or parts: non-enhancing core, oedema and enhancing tumour apart."""


def _read(data: Path, options: BmsOptions, cache: Path) -> Target:  # noqa: ARG001 - nothing is derived
    modalities = _modalities(options.modalities)
    found = _find(data)
    if not found:
        raise GenesisError(f"{data}: holds no files named as in BraTS 2018 or 2013; {DOWNLOAD}")
    labelled = {name: files for name, files in sorted(found.items()) if TRUTH in files}
    if not labelled:
        one = next(iter(found.values()))
        raise GenesisError(
            f"{next(iter(one.values()))}: no case has its truth beside it (seg, or OT in 2013); {DOWNLOAD}"
        )
    cases = [_case(name, files, modalities) for name, files in labelled.items()]
    for case in cases:
        check_grid(case)
    structures = STRUCTURES[options.structures]
    unlabelled = sorted(set(found) - set(labelled))
    return Target(
        task="segmentation",
        labels=dict(enumerate(structures, start=1)),
        cases=cases,
        source=data,
        label_map=dict(enumerate(structures.values(), start=1)),
        known=frozenset({0, 1, 2, 3, 4}),
        sides=_sides(labelled),
        notes=(
            *([f"{len(cases)} cases, the papers had 285: divided in their proportions"] if len(cases) != 285 else []),
            *([f"{len(unlabelled)} cases without truth are left out, such as {unlabelled[0]}"] if unlabelled else []),
        ),
    )


TASK = TargetTask(
    about="whole brain tumour segmentation in MR (BraTS 2018, 2013)",
    download=DOWNLOAD,
    read=_read,
    options=BmsOptions,
    recipe={
        "images": {"modality": "mr"},
        "patch": {"shape": [64, 64, 32]},
        "loss": "dice",
        "augmentation": "strong",
    },
)


def _modalities(chosen: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in chosen.split(","))
    if len(set(names)) < len(names) or not set(names) <= set(MODALITIES):
        raise UsageError(f"modalities = {chosen!r}: needs distinct ones of {', '.join(MODALITIES)}, with commas")
    return names


def _find(data: Path) -> dict[str, dict[str, Path]]:
    """Case -> modality or `TRUTH` -> file; GenesisError for two files of one kind."""
    found: dict[str, dict[str, Path]] = {}
    for path in map(Path.absolute, walk_files(data)):
        for name, kind in _named(path):
            other = found.setdefault(name, {}).setdefault(kind, path)
            if other != path:
                raise GenesisError(f"{path}: {kind} of case {name} is there already as {other}; keep one")
    return found


def _named(path: Path) -> Iterator[tuple[str, str]]:
    """The case and kind that a file is, if any."""
    if nifti := _NIFTI.fullmatch(path.name):
        yield nifti[1], nifti[2].lower()
    elif _VSD.fullmatch(path.name):
        kind = _VSD_KIND.search(path.stem) or _VSD_KIND.search(path.parent.name)
        if kind:  # each file lies in a folder of its own name, or straight in the folder of its case
            folder = path.parent.parent if path.parent.name.lower().startswith("vsd.") else path.parent
            yield f"{_grade(path) or 'BraTS'}_{folder.name}", _VSD_KINDS[kind[1].lower()]


def _grade(path: Path) -> str:
    """HGG or LGG by the nearest folder that says so; empty where none does."""
    return next((_GRADES[parent.name.lower()] for parent in path.parents if parent.name.lower() in _GRADES), "")


def _case(name: str, files: Mapping[str, Path], modalities: tuple[str, ...]) -> Case:
    for modality in modalities:
        if modality not in files:
            raise GenesisError(f"{files[TRUTH]}: case {name} has no {modality}; copy it again, or remove the case")
    return Case(name, name, tuple(files[modality] for modality in modalities), files[TRUTH])


def _sides(labelled: Mapping[str, Mapping[str, Path]]) -> dict[str, str]:
    return divide(
        spread(list(labelled), {name: _grade(files[TRUTH]) for name, files in labelled.items()}, SEED), SHARES
    )
