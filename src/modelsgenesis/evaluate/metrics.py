"""Segmentation metrics of one structure in one case, with a written rule for everything that is empty.

| truth | prediction | Dice, IoU, NSD, paper IoU | HD95 |
|---|---|---|---|
| empty | empty | NaN: 0/0, left out of means and counted as absent | NaN |
| present | empty (missed) | 0 | diagonal of the image, mm |
| empty | present (false positive) | 0 | diagonal of the image, mm |

A missed structure is never dropped: otherwise a network that finds nothing would be judged on its easy cases only.
Masks are boolean arrays of one shape, any number of axes; spacing is in mm along the axes of the array.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from modelsgenesis.errors import UsageError
from modelsgenesis.types import Spacing

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]

TOLERANCE = 2.0
"""Surface distance in mm that the normalised surface distance forgives."""

LEVELS = 200
"""Probabilities are stored as integers q = ceil(200 p): p > k / 20 is then exactly q > 10 k."""

THRESHOLDS = tuple(range(100, 200, 10))
"""The papers' thresholds 0.5, 0.55, ..., 0.95 in stored levels."""

_TREE_ADVANTAGE = 20  # a tree beats the distance transform of the box while surfaces are under a 20th of its voxels
_SLACK = 1e-6  # mm: a distance of exactly the tolerance counts as within it whatever the rounding


def dice(truth: Mask, prediction: Mask) -> float:
    """Dice coefficient 2 |T & P| / (|T| + |P|), in [0, 1]; NaN when both are empty."""
    total = _count(truth) + _count(prediction)
    return 2 * _count(truth & prediction) / total if total else math.nan


def iou(truth: Mask, prediction: Mask) -> float:
    """Intersection over union (Jaccard), in [0, 1]; NaN when both are empty."""
    union = _count(truth | prediction)
    return _count(truth & prediction) / union if union else math.nan


def quantised(probability: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Probabilities in [0, 1] to the stored levels q = ceil(200 p); exact for float32."""
    return np.ceil(probability.astype(np.float64) * LEVELS).astype(np.uint8)


def paper_iou(truth: Mask, levels: npt.NDArray[np.uint8]) -> float:
    """The papers' threshold-averaged IoU, foreground only: mean over t = 0.5, 0.55, ..., 0.95 of IoU(truth, p > t).

    Args:
        truth: boolean mask.
        levels: probabilities as stored, q = ceil(200 p), of the same shape.

    Returns a value in [0, 1]; NaN when the truth is empty and no p exceeds 0.5.
    """
    foreground, _ = _threshold_ious(truth, levels)
    return float(np.mean(foreground))


def paper_iou_keras(truth: Mask, levels: npt.NDArray[np.uint8]) -> float:
    """As `paper_iou`, with the mean of foreground and background IoU at each threshold, as in the papers' Keras code.

    It is the higher of the two for small structures, whose background is nearly perfect whatever the network does.
    """
    foreground, background = _threshold_ious(truth, levels)
    return float(np.mean(np.where(np.isnan(background), foreground, (foreground + background) / 2)))


def _threshold_ious(truth: Mask, levels: npt.NDArray[np.uint8]) -> tuple[Distances, Distances]:
    """IoU of foreground and of background at every threshold, from the histograms of the levels."""
    _same_shape(truth, levels)
    inside = _above(np.bincount(levels[truth], minlength=256))
    predicted = _above(np.bincount(levels.ravel(), minlength=256))
    size = _count(truth)
    union = size + predicted - inside
    if not union.any():
        return np.full(len(THRESHOLDS), np.nan), np.full(len(THRESHOLDS), np.nan)
    outside = levels.size - inside
    background = np.where(outside > 0, (levels.size - union) / np.maximum(outside, 1), np.nan)
    # On an empty truth, a threshold nothing exceeds keeps the 0 of the false positive at the lower ones.
    return inside / np.maximum(union, 1), background


def _above(histogram: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many voxels exceed each threshold."""
    return np.array([histogram[threshold + 1 :].sum() for threshold in THRESHOLDS])


def surface(mask: Mask) -> Mask:
    """The voxels of `mask` with a face neighbour outside it; what leaves the array is outside."""
    inner = np.zeros_like(mask)
    core = tuple(slice(1, -1) for _ in mask.shape)
    inner[core] = mask[core]
    for axis in range(mask.ndim):
        for shift in (slice(None, -2), slice(2, None)):
            neighbour = tuple(shift if i == axis else slice(1, -1) for i in range(mask.ndim))
            inner[core] &= mask[neighbour]
    return mask ^ inner


def surface_distances(truth: Mask, prediction: Mask, spacing: Spacing) -> tuple[Distances, Distances]:
    """Distances in mm from each surface voxel of the truth to the prediction's surface, and the other way round.

    Raises UsageError when a mask is empty, the shapes differ, or `spacing` does not fit.
    """
    _same_shape(truth, prediction)
    if len(spacing) != truth.ndim or min(spacing) <= 0:
        raise UsageError(f"spacing {spacing} does not fit masks of {truth.ndim} axes; give positive mm along each axis")
    if not (truth.any() and prediction.any()):
        raise UsageError("surface distances of an empty mask are undefined; see the rules in evaluate/metrics")
    box = _bounding_box(truth | prediction)
    first, second = surface(truth[box]), surface(prediction[box])
    return _nearest(first, second, spacing), _nearest(second, first, spacing)


def _nearest(surface_from: Mask, surface_to: Mask, spacing: Spacing) -> Distances:
    if _count(surface_from) * _TREE_ADVANTAGE > surface_from.size:
        distance_map: Distances = distance_transform_edt(~surface_to, sampling=spacing)
        return distance_map[surface_from]
    distances = np.zeros(_count(surface_from))
    apart = ~surface_to[surface_from]  # shared voxels are at distance 0
    if apart.any():
        tree = cKDTree(np.argwhere(surface_to) * np.asarray(spacing), balanced_tree=False, compact_nodes=False)
        distances[apart] = tree.query(np.argwhere(surface_from & ~surface_to) * np.asarray(spacing))[0]
    return distances


def nsd(truth: Mask, prediction: Mask, spacing: Spacing, tolerance: float = TOLERANCE) -> float:
    """Normalised surface distance: the share of both surfaces' voxels within `tolerance` mm of the other, in [0, 1]."""
    return distance_scores(truth, prediction, spacing, tolerance)["nsd"]


def hd95(truth: Mask, prediction: Mask, spacing: Spacing) -> float:
    """95 % Hausdorff distance in mm: the larger of the two directions' 95th percentiles (linear interpolation)."""
    return distance_scores(truth, prediction, spacing)["hd95"]


def distance_scores(truth: Mask, prediction: Mask, spacing: Spacing, tolerance: float = TOLERANCE) -> dict[str, float]:
    """`nsd` and `hd95` from one computation of the distances."""
    _same_shape(truth, prediction)
    present = bool(truth.any()), bool(prediction.any())
    if not any(present):
        return {"nsd": math.nan, "hd95": math.nan}
    if not all(present):
        return {"nsd": 0.0, "hd95": diagonal(truth.shape, spacing)}
    there, back = surface_distances(truth, prediction, spacing)
    within = np.count_nonzero(there <= tolerance + _SLACK) + np.count_nonzero(back <= tolerance + _SLACK)
    farthest = max(np.percentile(there, 95), np.percentile(back, 95))
    return {"nsd": float(within / (len(there) + len(back))), "hd95": float(farthest)}


def diagonal(shape: tuple[int, ...], spacing: Spacing) -> float:
    """Diagonal of the image in mm: the HD95 of a structure that is missed or made up."""
    return math.hypot(*(n * step for n, step in zip(shape, spacing, strict=True)))


def segmentation_scores(
    truth: Mask,
    prediction: Mask,
    spacing: Spacing,
    levels: npt.NDArray[np.uint8] | None = None,
    tolerance: float = TOLERANCE,
) -> dict[str, float]:
    """All scores of one structure: dice, iou, nsd, hd95 and, with `levels` (q = ceil(200 p)), both paper IoUs."""
    _same_shape(truth, prediction)
    scores = {"dice": dice(truth, prediction), "iou": iou(truth, prediction)}
    scores |= distance_scores(truth, prediction, spacing, tolerance)
    if levels is not None:
        scores |= {"paper_iou": paper_iou(truth, levels), "paper_iou_keras": paper_iou_keras(truth, levels)}
    return scores


def outcome(truth: Mask, prediction: Mask) -> str:
    """Which rule applied: "found", "missed", "false positive" or "absent"."""
    if truth.any():
        return "found" if prediction.any() else "missed"
    return "false positive" if prediction.any() else "absent"


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box around `mask`; nothing of it lies outside, so surfaces stay what they are."""
    box = []
    for axis in range(mask.ndim):
        occupied = np.flatnonzero(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis)))
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(box)


def _same_shape(truth: npt.NDArray[np.generic], prediction: npt.NDArray[np.generic]) -> None:
    if truth.shape != prediction.shape:
        raise UsageError(f"truth has shape {truth.shape}, prediction {prediction.shape}; compare them on one grid")
