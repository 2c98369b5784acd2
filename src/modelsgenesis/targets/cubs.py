"""CUBS: segmentation of the carotid's intima-media in ultrasound, the nearest public data to IUC (PAPER 2 and 4).

| file | what |
|---|---|
| `IMAGES/clin_0001_L.tiff` | B-mode image; L and R are the two sides of patient clin_0001 |
| `CF/clin_0001_L_CF.txt` | mm per pixel |
| `SEGMENTATIONS/Manual-A1/clin_0001_L-LI.txt`, `-MA.txt` | lumen-intima and media-adventitia interface |

An interface is a text file with a point a line, column and row in pixels from the centre of the first one. The
structure is every pixel between the two interfaces, over the columns that both cover. The TIFFs know their screen
resolution only, so image and mask are written anew with the spacing that CF tells.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.config import settings
from modelsgenesis.data.walk import walk_files
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.derived import stamp, write_plain
from modelsgenesis.types import Shape

DOWNLOAD = (
    "download CUBS from data.mendeley.com/datasets/fpv535fss7 and unpack it with its folders IMAGES, CF, SEGMENTATIONS"
)
STRUCTURE = "intima-media"
SHORTEST_MM, LONGEST_MM = 0.005, 1.0
"""Calibrations outside are no mm per pixel of an ultrasound image."""

_IMAGE = re.compile(r"(.+)\.tiff?", re.IGNORECASE)
_CONTOUR = re.compile(r"(.+)-(LI|MA)\.txt", re.IGNORECASE)
_CALIBRATION = re.compile(r"(.+)_CF\.txt", re.IGNORECASE)
_SIDE = re.compile(r"_[LR]$", re.IGNORECASE)

Contour = npt.NDArray[np.float64]
"""(N, 2) columns and rows in pixels, sorted by column, each column once."""


@settings
class CubsOptions:
    """What can be chosen of the carotid images."""

    reader: str = "Manual-A1"
    """Whose contours: the name of a folder in SEGMENTATIONS."""


@dataclass(frozen=True)
class _Files:
    image: Path
    calibration: Path
    inner: Path
    outer: Path

    def stem(self) -> str:
        """The name of the derived files, which changes with their sources."""
        return f"{self.image.stem}-{stamp(self.image, self.calibration, self.inner, self.outer)}"


def _read(data: Path, options: CubsOptions, cache: Path) -> Target:
    images, calibrations, contours, readers = _find(data, options.reader)
    if not images:
        raise GenesisError(f"{data}: holds no IMAGES/*.tiff; {DOWNLOAD}")
    if options.reader not in readers:
        raise UsageError(
            f"reader = {options.reader!r}: {data} has contours of {', '.join(sorted(readers)) or 'nobody'}"
        )
    complete = sorted(set(images) & {name for name, _ in contours})
    if not complete:
        raise GenesisError(f"{next(iter(images.values()))}: no image has contours of {options.reader}; {DOWNLOAD}")
    files = {name: _files(name, images[name], calibrations, contours) for name in complete}
    folder = (cache / "cubs").absolute()
    cases = []
    for name, one in files.items():
        _interfaces(one)
        _spacing(one.calibration)
        image, mask = (folder / f"{one.stem()}{kind}.mha" for kind in ("", "-mask"))
        cases.append(Case(name, _SIDE.sub("", name), (image,), mask))
    return Target(
        task="segmentation",
        labels={1: STRUCTURE},
        cases=cases,
        source=data,
        label_map={1: (1,)},
        known=frozenset({0, 1}),
        derive=lambda case: _derive(case, files[case.id]),
        notes=tuple(_absent(set(images), {name for name, _ in contours}, options.reader)),
    )


TASK = TargetTask(
    about="carotid ultrasound: segmentation of the intima-media (CUBS)",
    download=DOWNLOAD,
    read=_read,
    options=CubsOptions,
    recipe={
        "images": {"modality": "image"},
        "patch": {"shape": [128, 128]},
        "loss": "dice",
        "backbone": {"name": "unet2d", "width": 64},
    },
)


def _find(data: Path, reader: str) -> tuple[dict[str, Path], dict[str, Path], dict[tuple[str, str], Path], set[str]]:
    """Images, calibrations and contours (name, LI or MA) of `reader` by name; all readers."""
    images: dict[str, Path] = {}
    calibrations: dict[str, Path] = {}
    contours: dict[tuple[str, str], Path] = {}
    readers: set[str] = set()
    for path in map(Path.absolute, walk_files(data)):
        folder = path.parent.name
        if (match := _IMAGE.fullmatch(path.name)) and folder.upper() == "IMAGES":
            if match[1] in images:
                raise GenesisError(f"{path}: image {match[1]} is there already as {images[match[1]]}; keep one")
            images[match[1]] = path
        elif match := _CALIBRATION.fullmatch(path.name):
            calibrations[match[1]] = path
        elif (match := _CONTOUR.fullmatch(path.name)) and path.parent.parent.name.upper() == "SEGMENTATIONS":
            readers.add(folder)
            if folder == reader:
                contours[match[1], match[2].upper()] = path
    return images, calibrations, contours, readers


def _files(
    name: str, image: Path, calibrations: Mapping[str, Path], contours: Mapping[tuple[str, str], Path]
) -> _Files:
    if name not in calibrations:
        raise GenesisError(f"{image}: has no CF/{name}_CF.txt (mm per pixel); copy it from the download")
    for one, other in (("LI", "MA"), ("MA", "LI")):
        if (name, one) not in contours:
            raise GenesisError(f"{contours[name, other]}: has no {name}-{one}.txt beside it; copy it from the download")
    return _Files(image, calibrations[name], contours[name, "LI"], contours[name, "MA"])


def _numbers(path: Path) -> npt.NDArray[np.float64]:
    """The numbers of a text file, a row a line."""
    try:
        rows = [
            line.replace(",", " ").replace(";", " ").split()
            for line in path.read_text(encoding="utf-8-sig").splitlines()
        ]
        return np.array([[float(word) for word in row] for row in rows if row], np.float64)
    except (OSError, ValueError) as error:
        raise GenesisError(f"{path}: not a table of numbers ({error}); copy it again") from error


def _spacing(path: Path) -> float:
    """mm per pixel."""
    numbers = _numbers(path)
    if numbers.size != 1 or not SHORTEST_MM <= numbers.item() <= LONGEST_MM:
        raise GenesisError(f"{path}: must be one number, mm per pixel, {SHORTEST_MM} to {LONGEST_MM}; copy it again")
    return float(numbers.item())


def _contour(path: Path) -> Contour:
    points = _numbers(path)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise GenesisError(f"{path}: must have two or more lines of a column and a row (pixels); copy it again")
    _, first = np.unique(points[:, 0], return_index=True)
    return points[first]


def _interfaces(files: _Files) -> tuple[Contour, Contour]:
    """Both contours at the whole columns that both cover: (N, 2) each, the same columns."""
    inner, outer = _contour(files.inner), _contour(files.outer)
    start = max(inner[0, 0], outer[0, 0])
    stop = min(inner[-1, 0], outer[-1, 0])
    columns = np.arange(np.ceil(start), np.floor(stop) + 1)
    if not len(columns):
        raise GenesisError(f"{files.outer}: covers no column that {files.inner.name} covers; copy both again")
    rows = [np.interp(columns, one[:, 0], one[:, 1]) for one in (inner, outer)]
    if rows[1].mean() <= rows[0].mean():
        raise GenesisError(f"{files.outer}: lies above {files.inner.name} in the image; are the two exchanged?")
    return np.stack([columns, rows[0]], axis=1), np.stack([columns, rows[1]], axis=1)


def _mask(files: _Files, shape: Shape) -> npt.NDArray[np.uint8]:
    """(X, Y): 1 where the centre of a pixel lies on or between the interfaces."""
    inner, outer = _interfaces(files)
    columns = inner[:, 0].astype(int)
    corners = np.concatenate([inner, outer])
    if corners.min() < 0 or (corners > np.array(shape) - 1).any():
        raise GenesisError(f"{files.inner}: it or {files.outer.name} leaves the image ({shape[0]} x {shape[1]} pixels)")
    mask = np.zeros(shape, np.uint8)
    down = np.arange(shape[1])
    mask[columns] = (down >= inner[:, 1:]) & (down <= outer[:, 1:])
    return mask


def _derive(case: Case, files: _Files) -> None:
    """Write image and mask on one grid, its spacing from CF."""
    from modelsgenesis.data.guarded import read_volume

    volume = read_volume(files.image)
    array = volume.array if volume.array.ndim == 2 else volume.array[..., 0]
    step = _spacing(files.calibration)
    mask = _mask(files, array.shape)
    if not mask.any():
        raise GenesisError(f"{files.inner}: no pixel lies between it and {files.outer.name}; copy both again")
    write_plain(array.astype(volume.pixel_type), (step, step), case.images[0])
    if isinstance(case.label, Path):
        write_plain(mask, (step, step), case.label)


def _absent(images: set[str], outlined: set[str], reader: str) -> Iterable[str]:
    for what, names in ((f"contours of {reader}", images - outlined), ("an image", outlined - images)):
        if names:
            yield f"{len(names)} without {what} are left out, such as {min(names)}"
