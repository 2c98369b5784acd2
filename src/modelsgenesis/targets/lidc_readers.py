"""Which outlines of the four LIDC readers are of the same nodule."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from modelsgenesis.targets.lidc_xml import Outlined

SHRINK, SMALLEST = 0.9, 0.1
"""The tolerance is multiplied by the one until the clusters are good or it is below the other, in mm (pylidc's)."""


def same_nodule(
    nodules: Sequence[Outlined], pixel: tuple[float, float], tolerance: float
) -> list[tuple[Outlined, ...]]:
    """The outlined nodules in groups, each of one lesion, in the order of the file.

    As pylidc does it: outlines of which some points are no further apart than `tolerance` are of one nodule, and so on
    from one to the next. A group in which a reader occurs twice is parted by smaller tolerances; pylidc parts all
    groups when one has more than four members, for it does not look at the readers. A reader whose outlines stay
    together at the smallest tolerance outlined one lesion in pieces.

    Args:
        nodules: of one scan.
        pixel: mm per column and row.
        tolerance: mm; pylidc takes the slice thickness.
    """
    if not nodules:
        return []
    distances = _distances(nodules, pixel, tolerance)
    groups, done = [list(range(len(nodules)))], []
    while groups:
        parted = [part for group in groups for part in _connected(group, distances, tolerance)]
        tolerance *= SHRINK
        good = [tolerance < SMALLEST or _once_each(group, nodules) for group in parted]
        done += [group for group, fine in zip(parted, good, strict=True) if fine]
        groups = [group for group, fine in zip(parted, good, strict=True) if not fine]
    return [tuple(nodules[member] for member in group) for group in sorted(done)]


def _once_each(group: Sequence[int], nodules: Sequence[Outlined]) -> bool:
    return len({nodules[member].reader for member in group}) == len(group)


def _connected(group: list[int], distances: npt.NDArray[np.float64], tolerance: float) -> list[list[int]]:
    count, owner = connected_components(distances[np.ix_(group, group)] <= tolerance, directed=False)
    return [[member for member, own in zip(group, owner, strict=True) if own == part] for part in range(count)]


def _distances(nodules: Sequence[Outlined], pixel: tuple[float, float], tolerance: float) -> npt.NDArray[np.float64]:
    """Smallest distance in mm between any two points of each pair of outlined nodules; inf for those surely apart."""
    points = [
        np.concatenate(
            [
                np.column_stack([outline.pixels * np.array(pixel), np.full(len(outline.pixels), outline.z)])
                for outline in nodule.outlines
            ]
        )
        for nodule in nodules
    ]
    distances = np.zeros((len(nodules), len(nodules)))
    for one, first in enumerate(points):
        for other in range(one + 1, len(points)):
            second = points[other]
            gap = np.maximum(first.min(axis=0) - second.max(axis=0), second.min(axis=0) - first.max(axis=0))
            far = np.linalg.norm(np.maximum(gap, 0)) > tolerance
            distances[one, other] = distances[other, one] = np.inf if far else cdist(first, second).min()
    return distances
