"""Windows over a whole scan, blended and given away row by row: what is held does not grow with the scan's length."""

import math
from collections.abc import Iterator
from itertools import islice, product

import numpy as np
import torch
from torch import Tensor, nn

from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.training.inference import InferenceSettings, mirrored, windows_of
from modelsgenesis.types import FloatArray, Shape

_EDGE = 1e-3  # least weight of a voxel in its window, as MONAI has it
_SIGMA = 0.125  # of the Gaussian, a share of the side


def segment(
    network: nn.Module, image: FloatArray, shape: Shape, choice: InferenceSettings, mirror: Shape = ()
) -> Tensor:
    """Logits (1 + structures, X, Y(, Z)), float32, of a whole scan (C, X, Y(, Z)) in [0, 1]: all of `slabs`."""
    return torch.cat(list(slabs(network, image, shape, choice, mirror)), -1)


def slabs(
    network: nn.Module, image: FloatArray, shape: Shape, choice: InferenceSettings, mirror: Shape = ()
) -> Iterator[Tensor]:
    """The logits of a whole scan in slabs (1 + structures, X, Y(, n)), float32, in turn along its last axis.

    Windows of one or more patches of `shape` are blended with Gaussian weights; a scan smaller than a window is padded
    with zeros. A network of images goes through the axial slices of a volume. With `mirror` the logits of a window are
    the logarithm of the mean of the probabilities of the window and its mirror images.

    Args:
        network: with logits (B, 1 + structures, ...) of the shape of its input.
        image: (C, X, Y(, Z)) in [0, 1]; stays where it is, windows go to the device of the network.
        shape: sides of a patch.
        choice: overlap, size and number of windows.
        mirror: axes of `shape` (0, 1, 2) along which windows are mirrored, in all combinations.
    """
    windows, sizes, device = windows_of(image.shape[1:], shape, choice), image.shape[1:], _device(network)
    padded, before = _padded(image, windows.sides)
    strides = [side - round(part * side) for side, part in zip(windows.sides, windows.overlap, strict=True)]
    starts = [_starts(*axis) for axis in zip(padded.shape[1:], windows.sides, strides, strict=True)]
    places = iter([(*most, last) for last in starts[-1] for most in product(*starts[:-1])])
    within = tuple(slice(low, low + size) for low, size in zip(before, sizes, strict=True))
    blend = _Blend(padded.shape[1:], gaussian(windows.sides, device))
    thin = image.ndim - 1 > len(shape)
    while batch := list(islice(places, windows.at_once)):
        yield from blend.finished(batch[0][-1], within)
        corners = [tuple(slice(a, a + side) for a, side in zip(at, windows.sides, strict=True)) for at in batch]
        given = torch.from_numpy(np.stack([padded[(slice(None), *corner)] for corner in corners])).to(device)
        with evaluating(network):
            outputs = _outputs(network, given[..., 0] if thin else given, mirror).float()
            blend.add(corners, outputs[..., None] if thin else outputs)
    yield from blend.finished(padded.shape[-1], within)


def gaussian(sides: Shape, device: torch.device) -> Tensor:
    """How much each voxel of a window counts: 1 in its middle, falling towards its borders."""
    weight = torch.ones((), device=device)
    for side in sides:
        apart = torch.arange(side, device=device, dtype=torch.float32) - (side - 1) / 2
        weight = weight[..., None] * torch.exp(-0.5 * (apart / (_SIGMA * side)).square())
    return weight.clamp_min(_EDGE)


class _Blend:
    """Weighted sums of the windows, over the rows along the last axis that windows to come may still reach."""

    def __init__(self, sizes: Shape, weight: Tensor) -> None:
        self._sizes, self._weight = sizes[:-1], weight
        self._first = 0
        self._sums: Tensor | None = None

    def add(self, corners: list[tuple[slice, ...]], outputs: Tensor) -> None:
        """Add the logits (B, K, ...) of the windows at `corners`; the last channel of the sums is of the weights."""
        rows = max(corner[-1].stop for corner in corners) - self._first
        if self._sums is None:
            self._sums = outputs.new_zeros((outputs.shape[1] + 1, *self._sizes, 0))
        if rows > self._sums.shape[-1]:
            more = self._sums.new_zeros((*self._sums.shape[:-1], rows - self._sums.shape[-1]))
            self._sums = torch.cat([self._sums, more], -1)
        for corner, output in zip(corners, outputs, strict=True):
            last = corner[-1]
            rows_here = slice(last.start - self._first, last.stop - self._first)
            place = (slice(None), *corner[:-1], rows_here)
            self._sums[:-1][place].addcmul_(output, self._weight)
            self._sums[-1:][place] += self._weight

    def finished(self, row: int, within: tuple[slice, ...]) -> Iterator[Tensor]:
        """The mean over windows of the rows before `row`, where they lie `within` the scan; they are dropped here."""
        if self._sums is None or row <= self._first:
            return
        done, self._sums = self._sums[..., : row - self._first], self._sums[..., row - self._first :].clone()
        *most, last = within
        kept = slice(max(last.start - self._first, 0), max(min(last.stop, row) - self._first, 0))
        self._first = row
        if kept.stop > kept.start:
            rows = done[(slice(None), *most, kept)]
            yield rows[:-1] / rows[-1:]


def _outputs(network: nn.Module, given: Tensor, mirror: Shape) -> Tensor:
    """Logits of windows (B, C, ...), or the logarithm of their mean probability over all mirror images."""
    found: list[Tensor] = []
    for flips in mirrored(mirror):
        dims = tuple(axis + 2 for axis in flips)
        logits: Tensor = network.forward(given.flip(dims) if dims else given)  # not compiled: the last are fewer
        if not mirror:
            return logits
        one = logits.float().log_softmax(1).flip(dims)
        found = [torch.logaddexp(found[0], one) if found else one]
    return found[0] - len(mirror) * math.log(2)


def _padded(image: FloatArray, sides: Shape) -> tuple[FloatArray, Shape]:
    """The image with zeros around it up to the size of a window, and how many lie before it along each axis."""
    missing = [max(0, side - size) for side, size in zip(sides, image.shape[1:], strict=True)]
    before = tuple(n // 2 for n in missing)
    if not any(missing):
        return image, before
    return np.pad(image, [(0, 0), *((low, n - low) for low, n in zip(before, missing, strict=True))]), before


def _starts(size: int, side: int, stride: int) -> list[int]:
    """Where windows begin along an axis: a stride apart, the last one flush with the end."""
    return [*range(0, size - side, stride), size - side]


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
