"""The XML files of LIDC-IDRI: what up to four readers outlined in a CT scan, as they wrote it.

A nodule of 3 mm or more has closed outlines, slice by slice. Their pixels lie just outside the nodule, so its interior
leaves them out (pylidc's convention too). An outline with inclusion FALSE encloses a part that is no nodule.
Smaller nodules are marked by a single pixel and are no part of the segmentation task.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from modelsgenesis.errors import GenesisError

CT_ROOT, XRAY_ROOT = "LidcReadMessage", "IdriReadMessage"
HEIGHT_DIGITS = 3
"""Slices are told apart by z in mm, rounded to so many digits."""


@dataclass(frozen=True)
class Outline:
    """One closed curve.

    Args:
        z: LPS mm of its slice.
        pixels: (n, 2) column and row of each pixel, from 0, in order.
        inclusion: False around a part that is no nodule.
    """

    z: float
    pixels: npt.NDArray[np.int64]
    inclusion: bool


@dataclass(frozen=True)
class Outlined:
    """A nodule as one reader outlined it; readers are counted from 0 in the order of the file."""

    reader: int
    outlines: tuple[Outline, ...]


@dataclass(frozen=True)
class Reading:
    """An XML file: the CT series it is about (SeriesInstanceUID), and the nodules of 3 mm or more in it."""

    path: Path
    series: str
    nodules: tuple[Outlined, ...]


def read_xml(path: Path) -> Reading | None:
    """The outlines in an LIDC file; None for the reading of a chest radiograph or any other XML file.

    Raises GenesisError naming the file: damaged XML, no series UID, coordinates that are no numbers.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise GenesisError(f"{path}: damaged XML ({error}); copy it again") from None
    except OSError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror or error}); copy it again") from error
    namespace, _, name = root.tag.rpartition("}")
    if name != CT_ROOT:
        return None
    at = f"{namespace}}}" if namespace else ""
    series = (root.findtext(f"{at}ResponseHeader/{at}SeriesInstanceUid") or "").strip()
    if not series:
        raise GenesisError(f"{path}: names no SeriesInstanceUid; copy it again")
    nodules = []
    for reader, session in enumerate(root.iter(f"{at}readingSession")):
        for nodule in session.iter(f"{at}unblindedReadNodule"):
            outlines = tuple(_outline(roi, at, path) for roi in nodule.iter(f"{at}roi"))
            if any(outline.inclusion and len(outline.pixels) > 1 for outline in outlines):
                nodules.append(Outlined(reader, outlines))
    return Reading(path, series, tuple(nodules))


def _outline(roi: ElementTree.Element, at: str, path: Path) -> Outline:
    try:
        inclusion = (roi.findtext(f"{at}inclusion") or "").strip().upper()
        pixels = [
            (int(edge.findtext(f"{at}xCoord", "")), int(edge.findtext(f"{at}yCoord", "")))
            for edge in roi.iter(f"{at}edgeMap")
        ]
        if inclusion not in ("TRUE", "FALSE") or not pixels:
            raise ValueError("no inclusion, or no edgeMap")
        z = float(roi.findtext(f"{at}imageZposition", ""))
    except ValueError as error:
        raise GenesisError(f"{path}: an outline that cannot be read ({error}); copy it again") from None
    return Outline(round(z, HEIGHT_DIGITS), np.array(pixels, np.int64), inclusion == "TRUE")


@dataclass(frozen=True)
class Patch:
    """A piece of one slice: `mask` (columns, rows) booleans, of which [0, 0] is the pixel `corner`."""

    z: float
    corner: tuple[int, int]
    mask: npt.NDArray[np.bool_]


def interior(nodule: Outlined) -> dict[float, Patch]:
    """z in mm -> the nodule's pixels in that slice: inside any curve of inclusion, inside none of exclusion."""
    patches: dict[float, Patch] = {}
    for z in sorted({outline.z for outline in nodule.outlines}):
        here = [outline for outline in nodule.outlines if outline.z == z]
        edges = np.concatenate([outline.pixels for outline in here])
        low, high = edges.min(axis=0), edges.max(axis=0)
        mask = np.zeros(tuple(high - low + 1), np.bool_)
        for outline in sorted(here, key=lambda outline: not outline.inclusion):
            x, y = (outline.pixels - low).T
            inside = _enclosed(x, y, mask.shape)
            if outline.inclusion:
                inside[x, y] = False
                mask |= inside
            else:
                mask &= ~inside
        patches[z] = Patch(z, (int(low[0]), int(low[1])), mask)
    return patches


def _enclosed(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Pixels inside the polygon: a ray to higher x crosses an odd number of its edges."""
    inside = np.zeros(shape, np.bool_)
    if len(x) < 3:
        return inside
    x1, y1, x2, y2 = x, y, np.roll(x, -1), np.roll(y, -1)
    slanted = y1 != y2
    x1, y1, x2, y2 = x1[slanted], y1[slanted], x2[slanted], y2[slanted]
    columns, rows = np.arange(shape[0])[:, None], np.arange(shape[1])
    for row in rows[min(y) : max(y) + 1]:
        crossed = (y1 > row) != (y2 > row)
        at = x1[crossed] + (row - y1[crossed]) * (x2[crossed] - x1[crossed]) / (y2[crossed] - y1[crossed])
        inside[:, row] = (columns < at).sum(axis=1) % 2 == 1
    return inside


def consensus(nodules: tuple[Outlined, ...], share: float = 0.5) -> list[Patch]:
    """The pixels in the outlines of at least `share` of the readers who outlined this nodule, slice by slice.

    Several outlines of one reader count as one, their union. Slices without such a pixel are left out.
    """
    readers = sorted({nodule.reader for nodule in nodules})
    drawn = [(nodule.reader, interior(nodule)) for nodule in nodules]
    patches = []
    for z in sorted({z for _, slices in drawn for z in slices}):
        here = [(reader, slices[z]) for reader, slices in drawn if z in slices]
        low = np.min([patch.corner for _, patch in here], axis=0)
        high = np.max([np.array(patch.corner) + patch.mask.shape for _, patch in here], axis=0)
        votes = np.zeros((len(readers), *(high - low)), np.bool_)
        for reader, patch in here:
            x, y = np.array(patch.corner) - low
            width, height = patch.mask.shape
            votes[readers.index(reader), x : x + width, y : y + height] |= patch.mask
        agreed = votes.mean(axis=0) >= share
        if agreed.any():
            patches.append(Patch(z, (int(low[0]), int(low[1])), agreed))
    return patches


def pixels_of(patches: list[Patch]) -> Iterator[tuple[int, int, float]]:
    """Column, row and z in mm of every pixel of the patches."""
    for patch in patches:
        for x, y in np.argwhere(patch.mask).tolist():
            yield x + patch.corner[0], y + patch.corner[1], patch.z
