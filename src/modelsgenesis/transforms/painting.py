"""In-painting and out-painting: boxes are masked, or everything but boxes (docs/method.md 1.1, step 4; 1.2).

Released rules along an axis of n voxels, and what they give at 16 voxels, the smallest side accepted:

- in-painting: side in [n // 6, n // 3] (2 to 5), corner in [3, n - side - 3] (3 to 8 or more);
- out-painting: side n minus an integer in [3n // 7, 4n // 7] (7 to 10), corner in [3, n - side - 3] (3 to 3 or more).

The corner's range is empty for out-painting below 14 voxels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.transforms.base import Distortion, grid, spatial
from modelsgenesis.transforms.counter import draw_seed, fill_noise, word
from modelsgenesis.types import FloatArray, Shape

Range = tuple[int, int]
Box = tuple[Range, ...]
"""First voxel and the one behind the last, along each spatial axis."""


@dataclass(frozen=True)
class PaintingParameters:
    """The boxes, in the order drawn, and the seed of the fill.

    Noise: voxel i (in memory order of the array, channels included) takes position i of `counter.fill_noise`.
    Constants: box b in channel c takes the top 24 bits of word b * C + c; out-painting has one region, b = 0.
    """

    boxes: tuple[Box, ...]
    seed: int


@dataclass(frozen=True)
class Painting(Distortion[PaintingParameters]):
    """Replace boxes, or all but boxes, by random values in [0, 1); the same voxels in all channels.

    Attributes:
        outside: False fills the boxes (in-painting), True keeps the boxes and fills the rest (out-painting).
        side: axis length -> shortest and longest side of a box.
        margin: voxels kept between a box and the border.
        boxes: boxes at most.
        always: boxes drawn in any case; each further one with probability `again`, the first failure ends the row.
        fill: "noise" for a value per voxel and channel, "constant" for one per filled region and channel.
        limit: the masked part of the cube stays below this share. In-painting leaves out a box that would reach it;
            out-painting goes on to keep boxes until it holds, and keeps the whole cube if `boxes` do not suffice.
    """

    outside: bool
    side: Callable[[int], Range]
    margin: int = 3
    boxes: int = 5
    always: int = 0
    again: float = 0.95
    fill: Literal["noise", "constant"] = "noise"
    limit: float = 1.0

    def sample(self, rng: np.random.Generator, shape: Shape) -> PaintingParameters:
        """Draw boxes and seed for an array of `shape`, channel axis included."""
        extent = spatial(shape)
        count = self.always
        while count < self.boxes and rng.random() < self.again:
            count += 1
        drawn = self._draw(rng, extent, self.boxes)
        boxes = tuple(drawn[:count]) if self.limit >= 1.0 else self._limited(drawn, count, extent)
        return PaintingParameters(boxes, draw_seed(rng))

    def write(self, source: FloatArray, parameters: PaintingParameters, out: FloatArray) -> None:
        """Write `source` with the masked voxels replaced into `out`."""
        if out is not source:
            out[...] = source
        if self.fill == "constant":
            _fill_constant(out, parameters, self.outside)
            return
        boxes = np.array(parameters.boxes, np.int64).reshape(len(parameters.boxes), out.ndim - 1, 2)
        if out.ndim == 3:
            boxes = np.concatenate([np.tile(np.array([[[0, 1]]]), (len(boxes), 1, 1)), boxes], axis=1)
        (_fill_outside if self.outside else _fill_inside)(grid(out), boxes, np.uint64(parameters.seed))

    def _draw(self, rng: np.random.Generator, extent: Shape, count: int) -> list[Box]:
        """`count` boxes from one call of the generator, which costs less than many small ones."""
        units = iter(rng.random(2 * len(extent) * count).tolist())
        boxes: list[Box] = []
        for _ in range(count):
            box: list[Range] = []
            for n in extent:
                shortest, longest = self.side(n)
                side = shortest + int(next(units) * (longest - shortest + 1))
                corner = self.margin + int(next(units) * (n - side - 2 * self.margin + 1))
                box.append((corner, corner + side))
            boxes.append(tuple(box))
        return boxes

    def _limited(self, drawn: list[Box], count: int, extent: Shape) -> tuple[Box, ...]:
        """Those of the drawn boxes that keep the masked share below `limit`."""
        covered = np.zeros(extent, bool)
        kept: list[Box] = []
        for box in drawn:
            after = covered.copy()
            after[_slices(box)] = True
            if self.outside and len(kept) >= count and 1.0 - covered.mean() < self.limit:
                break
            if self.outside or (len(kept) < count and after.mean() < self.limit):
                kept.append(box)
                covered = after
        if self.outside and 1.0 - covered.mean() >= self.limit:
            kept[-1] = tuple((0, n) for n in extent)
        return tuple(kept)


def masked(parameters: PaintingParameters, shape: Shape, outside: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which voxels of the spatial `shape`, (X, Y, Z) or (X, Y), are replaced."""
    covered = np.zeros(shape, bool)
    for box in parameters.boxes:
        covered[_slices(box)] = True
    return ~covered if outside else covered


def inpaint() -> Painting:
    """In-painting as released: up to 5 small boxes of noise."""
    return Painting(outside=False, side=_small)


def outpaint() -> Painting:
    """Out-painting as released: noise around 1 to 5 large boxes."""
    return Painting(outside=True, side=_large, always=1)


def inpaint_paper() -> Painting:
    """In-painting as in the papers' text and figures: up to 10 boxes, one constant each, under a quarter in all."""
    return Painting(outside=False, side=_small, boxes=10, always=1, fill="constant", limit=0.25)


def outpaint_paper() -> Painting:
    """Out-painting as in the papers' text: a constant around up to 10 boxes that leave under a quarter masked.

    The text gives no sides. Three quarters of the axis to all of it, touching the border where they happen to, reach
    the stated share with one to three boxes mostly.
    """
    return Painting(outside=True, side=_most, margin=0, boxes=10, always=1, again=0.0, fill="constant", limit=0.25)


def _small(n: int) -> Range:
    return n // 6, n // 3


def _large(n: int) -> Range:
    return n - 4 * n // 7, n - 3 * n // 7


def _most(n: int) -> Range:
    return n - n // 4, n


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(*ends) for ends in box)


def _fill_constant(out: FloatArray, parameters: PaintingParameters, outside: bool) -> None:
    seed, channels = np.uint64(parameters.seed), out.shape[0]
    for channel in range(channels):
        if outside:
            mask = masked(parameters, out.shape[1:], outside)
            out[channel][mask] = _constant(seed, channel)
            continue
        for number, box in enumerate(parameters.boxes):
            out[channel][_slices(box)] = _constant(seed, number * channels + channel)


def _constant(seed: np.uint64, position: int) -> np.float32:
    return np.float32((int(word(seed, np.uint64(position))) >> 40) * 2.0**-24)


@compiled
def _fill_inside(out: np.ndarray[Any, Any], boxes: np.ndarray[Any, Any], seed: np.uint64) -> None:
    """Fill the boxes (B, 3, 2) of `out` (C, X, Y, Z) with noise."""
    for channel in range(out.shape[0]):
        for b in range(boxes.shape[0]):
            low, high = boxes[b, 2, 0], boxes[b, 2, 1]
            for x in range(boxes[b, 0, 0], boxes[b, 0, 1]):
                for y in range(boxes[b, 1, 0], boxes[b, 1, 1]):
                    row = ((channel * out.shape[1] + x) * out.shape[2] + y) * out.shape[3]
                    fill_noise(out[channel, x, y, low:high], np.uint64(row + low), seed)


@compiled
def _fill_outside(out: np.ndarray[Any, Any], boxes: np.ndarray[Any, Any], seed: np.uint64) -> None:
    """Fill `out` (C, X, Y, Z) with noise except in the boxes (B, 3, 2).

    Consecutive planes without a box are filled in one go; for the others the noise of the whole plane is made, which
    is cheaper than many short pieces, and taken outside the boxes.
    """
    channels, depth, height, length = out.shape
    flat, area = out.reshape(-1), height * length
    noise, kept = np.empty(area, np.float32), np.empty(area, np.bool_)
    begin = 0
    for plane in range(channels * depth):
        x, start = plane % depth, plane * area
        crossed = False
        for b in range(boxes.shape[0]):
            if boxes[b, 0, 0] <= x < boxes[b, 0, 1]:
                if not crossed:
                    kept[:] = False
                crossed = True
                for y in range(boxes[b, 1, 0], boxes[b, 1, 1]):
                    for place in range(y * length + boxes[b, 2, 0], y * length + boxes[b, 2, 1]):
                        kept[place] = True
        if crossed:
            fill_noise(flat[begin:start], np.uint64(begin), seed)
            fill_noise(noise, np.uint64(start), seed)
            for place in range(area):
                flat[start + place] = flat[start + place] if kept[place] else noise[place]
            begin = start + area
    fill_noise(flat[begin:], np.uint64(begin), seed)
