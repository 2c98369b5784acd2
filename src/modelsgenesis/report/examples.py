"""Kept test cases as pictures with outlines, and as volumes for the viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelsgenesis.evaluate.examples import Example, read_examples
from modelsgenesis.report.nifti import packed, world
from modelsgenesis.report.png import data_uri
from modelsgenesis.types import Spacing

Plane = npt.NDArray[np.uint8]
PLANES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Outline:
    """A structure in a picture as an SVG path, in pixels; `number` is that of its colour."""

    number: int
    path: str


@dataclass(frozen=True)
class Picture:
    """A slice with the structures of both sides.

    Args:
        plane: "axial", "coronal", "sagittal" or "image".
        uri: the picture.
        columns, rows: its pixels.
        aspect: height of a pixel over its width.
        truth, prediction: outlines.
    """

    plane: str
    uri: str
    columns: int
    rows: int
    aspect: float
    truth: tuple[Outline, ...] = ()
    prediction: tuple[Outline, ...] = ()


@dataclass(frozen=True)
class Volumes:
    """What the viewer loads: NIfTI, compressed, in base64; truth and prediction are empty for a classification."""

    image: str
    truth: str
    prediction: str

    @property
    def size(self) -> int:
        """Characters in the page."""
        return len(self.image) + len(self.truth) + len(self.prediction)


@dataclass(frozen=True)
class Shown:
    """An example in the page."""

    identifier: str
    example: Example
    pictures: tuple[Picture, ...]
    volumes: Volumes | None

    @property
    def centre(self) -> tuple[float, ...]:
        """The place that the pictures of a volume are cut through, in the world of the viewer, mm."""
        return world(centre(self.example), self.example.image.shape, self.example.spacing)

    @property
    def label(self) -> str:
        """Place, score and case."""
        return f"{self.example.place} {self.example.score:.2f}: {self.example.case}"


def shown_examples(run: Path, prefix: str, room: int) -> list[Shown]:
    """The kept cases of a run; GenesisError for a damaged file.

    Args:
        run: its folder.
        prefix: of the identifiers, unique in the page.
        room: characters that all their volumes together may take; those beyond have pictures only.
    """
    found = []
    for number, example in enumerate(read_examples(run / "predictions")):
        volumes = _volumes(example) if example.image.ndim == 3 and min(example.image.shape) > 1 else None
        if volumes is not None and volumes.size > room:
            volumes = None
        room -= volumes.size if volumes else 0
        found.append(Shown(f"{prefix}-{number}", example, pictures(example), volumes))
    return found


def _volumes(example: Example) -> Volumes:
    sides = [example.truth, example.prediction]
    truth, prediction = ("" if side is None else packed(side, example.spacing) for side in sides)
    return Volumes(packed(example.image, example.spacing), truth, prediction)


def pictures(example: Example) -> tuple[Picture, ...]:
    """Three planes of a volume through what is to be seen, or the image itself."""
    if example.image.ndim == 2 or min(example.image.shape) == 1:
        flat = {name: None if a is None else a.reshape(a.shape[:2]) for name, a in _arrays(example).items()}
        return (_picture("image", flat, example.spacing[:2]),)
    through = centre(example)
    return tuple(
        _picture(plane, {n: None if a is None else cut(a, plane, through) for n, a in _arrays(example).items()}, sides)
        for plane, sides in zip(PLANES, _sides(example.spacing), strict=True)
    )


def _arrays(example: Example) -> dict[str, Plane | None]:
    return {"image": example.image, "truth": example.truth, "prediction": example.prediction}


def _sides(spacing: Spacing) -> tuple[Spacing, ...]:
    x, y, z = spacing
    return (x, y), (x, z), (y, z)


def cut(array: Plane, plane: str, centre: Sequence[int]) -> Plane:
    """A slice of (X, Y, Z) with columns along the first axis kept; coronal and sagittal ones have the head up."""
    x, y, z = centre
    if plane == "axial":
        return array[:, :, z]
    return array[:, y, ::-1] if plane == "coronal" else array[x, :, ::-1]


def centre(example: Example) -> tuple[int, ...]:
    """The axial slice with most of the truth (or else of the prediction), and the voxel nearest to its middle there."""
    for side in (example.truth, example.prediction):
        if side is not None and side.any():
            z = int(np.argmax((side > 0).sum((0, 1))))
            places = np.argwhere(side[:, :, z])
            x, y = places[np.argmin(((places - np.median(places, axis=0)) ** 2).sum(1))]
            return int(x), int(y), z
    return tuple(length // 2 for length in example.image.shape)


def _picture(plane: str, arrays: Mapping[str, Plane | None], spacing: Spacing) -> Picture:
    image = arrays["image"]
    if image is None:
        raise ValueError("an example without an image")
    columns, rows = image.shape
    sides = [_outlines(arrays[name]) for name in ("truth", "prediction")]
    uri = data_uri(np.ascontiguousarray(image.T))
    return Picture(plane, uri, columns, rows, float(spacing[1] / spacing[0]), *sides)


def _outlines(labels: Plane | None) -> tuple[Outline, ...]:
    if labels is None:
        return ()
    numbers = [int(number) for number in np.unique(labels) if number]
    return tuple(Outline(number, outline(labels == number)) for number in numbers)


def outline(mask: npt.NDArray[np.bool_]) -> str:
    """Border of a (columns, rows) mask as closed SVG paths in pixels."""
    from contourpy import contour_generator

    padded = np.pad(mask.astype(np.float32), 1).T
    lines = contour_generator(z=padded).lines(0.5)
    parts = []
    for line in lines:
        points = np.asarray(line) - 0.5  # the padding, and pixel centres at a half
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(parts)
