"""Organs: lung, heart and liver in CT of the chest, a task that asks for anatomy; few labels, many test scans.

The data are an nnU-Net v2 folder (see `targets.folder`), as `genesis phantom organs` writes it. Patients are divided in
the order of their cases, 16 : 4 : 24, unless the folder has labelled test scans of its own (`imagesTs`, `labelsTs`).
"""

from dataclasses import replace
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Target, TargetTask
from modelsgenesis.targets.folder import FolderOptions, read_folder
from modelsgenesis.targets.shares import divide

DOWNLOAD = "make phantoms (genesis phantom organs), or a folder with dataset.json (nnU-Net v2, Decathlon) of your own"
SHARES = (16, 4, 24)
"""Patients for training, validation and test, of 44."""


def _read(data: Path, options: FolderOptions, cache: Path) -> Target:
    target = read_folder(data, options.labels, cache)
    if target.task != "segmentation":
        raise GenesisError(f"{target.source}: is a {target.task}, but organs needs label maps; {DOWNLOAD}")
    if target.sides:
        return target
    subjects = list(dict.fromkeys(case.subject for case in sorted(target.cases, key=lambda case: case.id)))
    shares = " : ".join(map(str, SHARES))
    note = f"{len(subjects)} patients are divided in the order of their cases, {shares}"
    return replace(target, sides=divide(subjects, SHARES), notes=(*target.notes, note))


TASK = TargetTask(
    about="lung, heart and liver in chest CT (phantoms, or your own nnU-Net v2 folder)",
    download=DOWNLOAD,
    read=_read,
    options=FolderOptions,
    recipe={
        "images": {"modality": "ct"},
        "patch": {"shape": [32, 32, 32]},
        "loss": "dice-ce",
        "augmentation": "light",
    },
)
