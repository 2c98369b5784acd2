"""MedMNIST: one of its `.npz` files, with the parts train, val and test that it comes with (PAPER 4).

The file names no patients, so every image is a subject of its own. Identical images are in these data, also under two
parts. Those of one part share a subject; a copy of a test image is left out of the other parts, one of a validation
image out of training, for a network must not be tested on what it learnt. Finding them takes reading the images
once, as a stream: 10 to 200 MB at 28 voxels a side.

The images lie in the cache as PNG files (2D) or MetaImage files (3D), written one by one when they are needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import settings
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Case, Target, TargetTask, TaskKind
from modelsgenesis.targets.derived import stamp, write_plain
from modelsgenesis.targets.medmnist_file import COLOURS, PARTS, MedMNISTFile
from modelsgenesis.targets.medmnist_names import NAMES, SHARED

DOWNLOAD = "download a file such as pneumoniamnist.npz from medmnist.com (zenodo.org/records/10519652)"
LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

_FLAG = re.compile(r"([a-z]+mnist(3d)?)(_\d+)?\.npz", re.IGNORECASE)


@settings
class MedMNISTOptions:
    """What can be chosen of MedMNIST."""

    colour: Literal["grey", "rgb"] = "grey"
    """Colour images as one grey channel, or as the channels red, green and blue."""


@dataclass(frozen=True)
class _Kept:
    """One image that is used: its part, its place there, and whose it is."""

    part: str
    number: int
    subject: str

    @property
    def id(self) -> str:
        return f"{self.part}-{self.number:06d}"


def read_medmnist(data: Path, options: MedMNISTOptions, cache: Path, axes: int) -> Target:
    """The target in a MedMNIST file, or in the one such file of a folder, of images (`axes` 2) or volumes (3).

    Raises GenesisError naming the file: none or several, damaged, of the other dimension.
    """
    path = _file(data)
    file = MedMNISTFile(path)
    images = file.images["train"]
    if images.axes != axes:
        raise GenesisError(
            f"{path}: holds {'volumes' if images.axes == 3 else 'images'}; use the target "
            f"{'medmnist3d' if images.axes == 3 else 'medmnist'}"
        )
    flag, labels = _flag(path), file.labels()
    several = labels["train"].shape[1] > 1
    kept, notes = _without_copies(file)
    folder = cache.absolute() / "medmnist" / f"{path.stem}-{stamp(path)}"
    channels = ("-r", "-g", "-b") if images.colour and options.colour == "rgb" else ("",)
    suffix = ".png" if axes == 2 else ".mha"
    cases = [
        Case(
            one.id,
            one.subject,
            tuple(folder / one.part / f"{one.number:06d}{channel}{suffix}" for channel in channels),
            tuple(labels[one.part][one.number].tolist()) if several else int(labels[one.part][one.number, 0]),
        )
        for one in kept
    ]
    task: TaskKind = "multilabel" if several else "classification"
    grey = images.colour and options.colour == "grey"
    return Target(
        task=task,
        labels=dict(enumerate(_names(flag, labels, path))),
        cases=cases,
        source=path,
        sides={one.subject: PARTS[one.part] for one in kept},
        derive=_writer(file, folder),
        measured=False,
        notes=(
            "the file names no patients: images of one patient may lie in several parts",
            *([SHARED[flag]] if flag in SHARED else []),
            *(["its colour images are read as grey; set the option colour to rgb for three channels"] if grey else []),
            *notes,
        ),
    )


def _read(data: Path, options: MedMNISTOptions, cache: Path) -> Target:
    return read_medmnist(data, options, cache, axes=2)


TASK = TargetTask(
    about="classification of small 2D images (MedMNIST)",
    download=DOWNLOAD,
    read=_read,
    options=MedMNISTOptions,
    recipe={
        "images": {"modality": "image"},
        "patch": {"shape": [32, 32], "fitting": "resize"},
        "backbone": {"name": "unet2d", "width": 64},
    },
)


def _file(data: Path) -> Path:
    if data.is_file():
        return data.absolute()
    found = sorted(path.absolute() for path in data.glob("*.npz") if not path.name.startswith("."))
    if not found:
        raise GenesisError(f"{data}: holds no .npz file; {DOWNLOAD}")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise GenesisError(f"{data}: holds {len(found)} files ({names}); give the path of one")
    return found[0]


def _flag(path: Path) -> str:
    match = _FLAG.fullmatch(path.name)
    return match[1].lower() if match else ""


def _names(flag: str, labels: Mapping[str, npt.NDArray[np.int64]], path: Path) -> tuple[str, ...]:
    width = labels["train"].shape[1]
    count = width if width > 1 else 1 + max(int(values.max(initial=0)) for values in labels.values())
    names = NAMES.get(flag, tuple(f"{'label' if width > 1 else 'class'} {number}" for number in range(count)))
    if count > len(names) or (width > 1 and width != len(names)):
        raise GenesisError(f"{path}: has {count} labels, but {flag} has {len(names)}; is the name of the file right?")
    if len(names) < 2:
        raise GenesisError(f"{path}: all images are of one class; a classification needs two")
    return names


def _without_copies(file: MedMNISTFile) -> tuple[list[_Kept], list[str]]:
    """The images to use, in the order of the file, and notes on the others; see the head of this file."""
    owners: dict[bytes, _Kept] = {}
    kept: list[_Kept] = []
    copies: dict[str, list[str]] = {}
    for part in reversed(PARTS):
        for number, content in enumerate(file.digests(part)):
            one = _Kept(part, number, f"{part}-{number:06d}")
            if not content:
                copies.setdefault(f"{part} images of one value alone", []).append(one.id)
                continue
            first = owners.setdefault(content, one)
            if first.part != part:
                copies.setdefault(f"{part} images that are in {first.part} too", []).append(one.id)
            else:
                kept.append(_Kept(part, number, first.subject))
    order = list(PARTS)
    notes = [f"{len(ids)} {what} are left out, such as {ids[0]}" for what, ids in copies.items()]
    return sorted(kept, key=lambda one: (order.index(one.part), one.number)), notes


def _writer(file: MedMNISTFile, folder: Path) -> Callable[[Case], None]:
    """What writes the images of a case; the unpacked parts stay mapped between its calls."""
    parts: dict[str, npt.NDArray[np.uint8]] = {}

    def derive(case: Case) -> None:
        part, _, number = case.id.partition("-")
        if part not in parts:
            parts[part] = file.unpacked(part, folder)
        image = np.asarray(parts[part][int(number)])
        for channel, path in zip(_channels(image, len(case.images)), case.images, strict=True):
            if not path.is_file():
                # from rows, or slices, down to X, Y(, Z)
                write_plain(np.ascontiguousarray(channel.T), (1.0,) * channel.ndim, path)

    return derive


def _channels(image: npt.NDArray[np.uint8], count: int) -> Iterator[npt.NDArray[np.uint8]]:
    if image.ndim == 3 and image.shape[-1] == COLOURS and count == 1:
        yield np.rint(image @ LUMA).astype(np.uint8)
    elif count == COLOURS:
        yield from np.moveaxis(image, -1, 0)
    else:
        yield image
