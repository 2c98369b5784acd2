"""What four readers wrote down about a scan, as LIDC-IDRI's XML: outlines, ratings, small nodules, non-nodules."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.chest import Phantom
from modelsgenesis.phantoms.findings import Candidate, Finding
from modelsgenesis.phantoms.outline import outline

READERS = 4
_MISSED = 0.08  # share of nodules that a reader does not outline
_WIDER = 0.35  # mm, deviation between readers of how far out they draw
_UNSURE = 0.25  # mm, deviation of one reader's outline along it
_SEEN = 0.6  # share of the small nodules and non-nodules that a reader marks
RATINGS = (
    "subtlety",
    "internalStructure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "malignancy",
)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Slices:
    """The series that the readers saw: its identifiers and, slice by slice, SOPInstanceUID and z in mm."""

    study: str
    series: str
    instances: list[str]
    heights: list[float]


def readings(rng: np.random.Generator, phantom: Phantom, slices: Slices) -> str:
    """The XML of one scan.

    As in LIDC-IDRI the points of an outline are pixels just outside of the nodule, x the column and y the row; nodules
    below 3 mm and non-nodules have one point.
    """
    root = begin(slices)
    views = [_rated(rng, f) for f in phantom.findings]
    for reader in range(READERS):
        session = sit(root, reader)
        for number, finding in enumerate(phantom.findings):
            if rng.random() >= _MISSED:
                _nodule(rng, session, finding, views[number], f"Nodule {number + 1:03d}", slices)
        for number, candidate in enumerate(phantom.candidates):
            if candidate.kind in ("micronodule", "scar", "pleural", "fissure") and rng.random() < _SEEN:
                _point(session, candidate, number, phantom, slices)
    return finish(root)


def begin(slices: Slices) -> Element:
    """The document about a series, without readings."""
    root = Element("LidcReadMessage", {"xmlns": "http://www.nih.gov", "uid": f"{slices.series}.9"})
    header = SubElement(root, "ResponseHeader")
    for name, text in (
        ("Version", "1.8.1"),
        ("MessageId", "1"),
        ("DateRequest", "2000-01-01"),
        ("TimeRequest", "00:00:00"),
        ("TaskDescription", "Second unblinded read"),
        ("CtImageFile", "removed"),
        ("SeriesInstanceUid", slices.series),
        ("DateService", "2000-01-01"),
        ("TimeService", "00:00:00"),
        ("ResponseDescription", "1 - Reading complete"),
        ("StudyInstanceUID", slices.study),
    ):
        _text(header, name, text)
    return root


def sit(root: Element, reader: int) -> Element:
    """A reader's session in the document."""
    session = SubElement(root, "readingSession")
    _text(session, "annotationVersion", "3.12")
    _text(session, "servicingRadiologistID", f"anon{reader}")
    return session


def finish(root: Element) -> str:
    """The document as text."""
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _rated(rng: np.random.Generator, finding: Finding) -> dict[str, int]:
    """What the readers would rate on average."""
    texture = {"ground-glass": 1, "part-solid": 3}.get(finding.kind, 5)
    large = float(np.clip((finding.diameter - 3) / 20, 0, 1))
    return {
        "subtlety": int(np.clip(round(3 + 2 * large + rng.normal(0, 0.7)), 1, 5)),
        "internalStructure": 1,
        "calcification": 6,
        "sphericity": int(rng.integers(3, 6)),
        "margin": int(np.clip(texture - rng.integers(0, 2), 1, 5)),
        "lobulation": int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])),
        "spiculation": int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])),
        "texture": texture,
        "malignancy": int(np.clip(round(2 + 3 * large + rng.normal(0, 0.6)), 1, 5)),
    }


def drawn(rng: np.random.Generator, finding: Finding) -> Mask:
    """One reader's version of the finding, in its box: a little wider or narrower, with an unsteady hand."""
    unsteady = ndimage.gaussian_filter(rng.standard_normal(finding.depth.shape), 1.5)
    unsteady *= _UNSURE / max(float(unsteady.std()), 1e-6)
    level = min(float(rng.normal(0, _WIDER)), 0.3 * float(finding.depth.max()))
    return np.asarray(finding.depth + unsteady > level)


def _nodule(
    rng: np.random.Generator, session: Element, finding: Finding, view: dict[str, int], name: str, slices: Slices
) -> None:
    rois = outlines(drawn(rng, finding), (finding.box[0].start, finding.box[1].start, finding.box[2].start))
    if not rois:
        return
    given = {}
    for rating in RATINGS:
        most = 6 if rating == "calcification" else 5
        unsure = (
            0 if rating in ("internalStructure", "calcification") else int(rng.choice([-1, 0, 1], p=[0.2, 0.6, 0.2]))
        )
        given[rating] = int(np.clip(view[rating] + unsure, 1, most))
    outlined(session, rois, given, name, slices)


def outlines(mask: Mask, corner: tuple[int, int, int] = (0, 0, 0)) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """Slice and pixels (N, 2) of the outline of each connected piece of `mask` (X, Y, Z), slice by slice.

    Holes are filled, and pieces below three pixels left out. `corner` is the voxel of the scan that mask[0, 0, 0] is.
    """
    x, y, z = corner
    rois = []
    for k in range(mask.shape[2]):
        parts, count = ndimage.label(mask[:, :, k])
        for part in range(1, count + 1):
            piece = ndimage.binary_fill_holes(parts == part)
            if np.count_nonzero(piece) >= 3:
                rois.append((z + k, np.add(outline(piece), (x, y))))
    return rois


def outlined(
    session: Element,
    rois: Sequence[tuple[int, npt.NDArray[np.int64]]],
    ratings: Mapping[str, int],
    name: str,
    slices: Slices,
) -> None:
    """Put a nodule called `name` into a session: its outlines, and what the reader rated, by the names in RATINGS."""
    nodule = SubElement(session, "unblindedReadNodule")
    _text(nodule, "noduleID", name)
    characteristics = SubElement(nodule, "characteristics")
    for rating in RATINGS:
        _text(characteristics, rating, str(ratings[rating]))
    for k, points in rois:
        _roi(nodule, slices, k, points)


def _point(session: Element, candidate: Candidate, number: int, phantom: Phantom, slices: Slices) -> None:
    """A nodule below 3 mm or something that is none: its middle."""
    voxel = np.array(candidate.centre) / phantom.spacing + (np.array(phantom.array.shape) - 1) / 2
    x, y, z = np.clip(np.rint(voxel).astype(int), 0, np.array(phantom.array.shape) - 1)
    if candidate.kind == "micronodule":
        nodule = SubElement(session, "unblindedReadNodule")
        _text(nodule, "noduleID", f"Small {number + 1:03d}")
        _roi(nodule, slices, int(z), np.array([[x, y]]))
        return
    other = SubElement(session, "nonNodule")
    _text(other, "nonNoduleID", str(number + 1))
    _text(other, "imageZposition", f"{slices.heights[z]:g}")
    _text(other, "imageSOP_UID", slices.instances[z])
    locus = SubElement(other, "locus")
    _text(locus, "xCoord", str(x))
    _text(locus, "yCoord", str(y))


def _roi(nodule: Element, slices: Slices, k: int, points: npt.NDArray[np.int64]) -> None:
    roi = SubElement(nodule, "roi")
    _text(roi, "imageZposition", f"{slices.heights[k]:g}")
    _text(roi, "imageSOP_UID", slices.instances[k])
    _text(roi, "inclusion", "TRUE")
    for x, y in points:
        edge = SubElement(roi, "edgeMap")
        _text(edge, "xCoord", str(x))
        _text(edge, "yCoord", str(y))
