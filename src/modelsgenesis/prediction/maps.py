"""From the logits of one or several networks to a label map on the grid of the source, a few rows at a time.

What is held for a source of N voxels with S structures: the label map, N bytes; the stored probabilities, S N bytes
where they are asked for; and slabs of a few rows. No array of floating-point numbers is as large as the scan.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from modelsgenesis.data.volume import SourceRows, Volume
from modelsgenesis.evaluate.metrics import quantised
from modelsgenesis.types import FloatArray

ROWS = 16
"""Rows of the source that are brought to its grid at once."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Maps:
    """What a segmentation says of a scan, on the grid of its source in LPS order.

    Attributes:
        labels: (X, Y(, Z)) uint8, 0 where there is no structure.
        levels: (structures, X, Y(, Z)) uint8, probabilities as `quantised` stores them; None when not asked for.
    """

    labels: Bytes
    levels: Bytes | None


class Member:
    """The probabilities of one network, at the rows of the source.

    Args:
        slabs: logits (1 + structures, X, Y(, n)), one after the other along the last axis of `prepared`.
        prepared: the volume that the network saw; its voxels are not read.
    """

    def __init__(self, slabs: Iterable[Tensor], prepared: Volume) -> None:
        self._slabs, self._source = iter(slabs), SourceRows(prepared)
        self._held: FloatArray | None = None
        self._first = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the source."""
        return self._source.shape

    def rows(self, low: int, high: int) -> FloatArray:
        """Probabilities (1 + structures, X, Y(, high - low)) of the rows [low, high) of the source.

        Later calls ask for later rows: the earlier ones are dropped.
        """
        first, end = self._source.needed(low, high)
        held = self._until(first, end)
        return np.stack([self._source.resample(one, self._first, low, high) for one in held])

    def _until(self, first: int, end: int) -> FloatArray:
        """Rows of the prepared volume from `first` on, at least up to `end`."""
        parts = [] if self._held is None else [self._held[..., first - self._first :].copy()]
        reach = first + (parts[0].shape[-1] if parts else 0)
        while reach < end:
            parts.append(next(self._slabs).softmax(0).cpu().numpy())
            reach += parts[-1].shape[-1]
        self._first, self._held = first, parts[0] if len(parts) == 1 else np.concatenate(parts, -1)
        return self._held


def draw_maps(members: Sequence[Member], structures: int, probabilities: bool) -> Maps:
    """The maps of the mean probability over the `members`, which are of one source."""
    shape = members[0].shape
    labels = np.zeros(shape, np.uint8)
    levels = np.zeros((structures, *shape), np.uint8) if probabilities else None
    for low, mean in mean_rows(members):
        rows = slice(low, low + mean.shape[-1])
        labels[..., rows] = mean.argmax(0)
        if levels is not None:
            levels[..., rows] = quantised(np.clip(mean[1:], 0, 1))
    return Maps(labels, levels)


def mean_rows(members: Sequence[Member]) -> Iterator[tuple[int, FloatArray]]:
    """(first row, mean probabilities (1 + structures, X, Y(, n))) over the whole source, row after row."""
    length = members[0].shape[-1]
    for low in range(0, length, ROWS):
        high = min(low + ROWS, length)
        mean = members[0].rows(low, high)
        for member in members[1:]:
            mean = mean + member.rows(low, high)
        yield low, mean / np.float32(len(members)) if len(members) > 1 else mean
