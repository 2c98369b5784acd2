"""Compiled loops over channels-last features on a CPU, in float32 and bfloat16.

A feature map (N, C, ...) in the format channels-last is an array (N, voxels * C). It is walked in rows of several
voxels, so that the inner loop is long and vectorised for few channels too: lane l of a row is channel l % C. bfloat16
comes as its bits (uint16) and is computed with in float32, as PyTorch does.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from modelsgenesis.compiled import compiled

Features = npt.NDArray[Any]
"""(N, voxels * C): float32, or uint16 for bfloat16."""
LANES = 512
"""Lanes of a row at most, where C is smaller."""
BLOCK = 64
"""Rows that are summed in float32 before the sum goes on in float64."""


@intrinsic
def wide(_context: Any, value: Any) -> Any:
    """A float32 of a stored value: itself, or bfloat16's bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if value == types.float32:
            return arguments[0]
        bits = builder.shl(builder.zext(arguments[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(value), generate


@intrinsic
def narrow(_context: Any, value: Any, like: Any) -> Any:  # noqa: ARG001 - typed by `like`
    """The float32 `value` as `like` is stored: itself, or rounded to the nearest bfloat16 (ties to even)."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return arguments[0]
        word = ir.IntType(32)
        bits = builder.bitcast(arguments[0], word)
        odd = builder.and_(builder.lshr(bits, ir.Constant(word, 16)), ir.Constant(word, 1))
        rounded = builder.add(builder.add(bits, odd), ir.Constant(word, 0x7FFF))
        # a NaN must not be carried over into infinity
        nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        chosen = builder.select(nan, ir.Constant(word, 0x7FC00000), rounded)
        return builder.trunc(builder.lshr(chosen, ir.Constant(word, 16)), ir.IntType(16))

    return like(types.float32, like), generate


def lanes(channels: int, voxels: int) -> int:
    """Length of a row: the most channels times a power of two, at most `LANES`, that divides the features."""
    together = 1
    while voxels % (2 * together) == 0 and 2 * together * channels <= LANES:
        together *= 2
    return together * channels


@compiled
def moments(x: Features, channels: int, width: int, pivot: Features, total: Features, square: Features) -> None:
    """Sums and sums of squares of x - pivot, per item and channel, (N, C) float64; `pivot` (N, C) float32.

    A pivot near the mean keeps the squares small; else a small spread about a large mean would lose its digits.
    """
    around = np.empty(width, np.float32)
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    for n in range(x.shape[0]):
        for lane in range(width):
            around[lane] = pivot[n, lane % channels]
        total[n], square[n] = 0, 0
        rows = x.shape[1] // width
        for start in range(0, rows, BLOCK):
            one[:], two[:] = 0, 0
            for row in range(start, min(start + BLOCK, rows)):
                values = x[n, row * width : (row + 1) * width]
                for lane in range(width):
                    value = wide(values[lane]) - around[lane]
                    one[lane] += value
                    two[lane] += value * value
            for lane in range(width):
                total[n, lane % channels] += one[lane]
                square[n, lane % channels] += two[lane]


@compiled
def affine(x: Features, width: int, scale: Features, shift: Features, relu: bool, out: Features) -> None:
    """`out` = scale x + shift, its negative part cut off if `relu`; scale and shift (N, C) float32."""
    channels = scale.shape[1]
    a, b = np.empty(width, np.float32), np.empty(width, np.float32)
    least = np.float32(0 if relu else -np.inf)
    for n in range(x.shape[0]):
        for lane in range(width):
            a[lane], b[lane] = scale[n, lane % channels], shift[n, lane % channels]
        for start in range(0, x.shape[1], width):
            values, written = x[n, start : start + width], out[n, start : start + width]
            for lane in range(width):
                value = a[lane] * wide(values[lane]) + b[lane]
                # NaN stays NaN, as in PyTorch
                written[lane] = narrow(least if value < least else value, values[lane])


@compiled
def gradient_sums(
    gradient: Features,
    x: Features,
    width: int,
    scale: Features,
    shift: Features,
    pivot: Features,
    relu: bool,
    total: Features,
    product: Features,
) -> None:
    """Per item and channel, (N, C) float64: sums of g and of g (x - pivot); g is the gradient that passed the ReLU."""
    channels = scale.shape[1]
    a, b, around = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    for n in range(x.shape[0]):
        for lane in range(width):
            channel = lane % channels
            a[lane], b[lane], around[lane] = scale[n, channel], shift[n, channel], pivot[n, channel]
        if not relu:
            a[:], b[:] = 0, 1
        total[n], product[n] = 0, 0
        rows = x.shape[1] // width
        for start in range(0, rows, BLOCK):
            one[:], two[:] = 0, 0
            for row in range(start, min(start + BLOCK, rows)):
                values, slopes = x[n, row * width : (row + 1) * width], gradient[n, row * width : (row + 1) * width]
                for lane in range(width):
                    value = wide(values[lane])
                    slope = wide(slopes[lane]) if a[lane] * value + b[lane] > 0 else np.float32(0)
                    one[lane] += slope
                    two[lane] += slope * (value - around[lane])
            for lane in range(width):
                total[n, lane % channels] += one[lane]
                product[n, lane % channels] += two[lane]


@compiled
def gradient_of_input(
    gradient: Features,
    x: Features,
    width: int,
    scale: Features,
    shift: Features,
    relu: bool,
    factors: Features,
    out: Features,
) -> None:
    """`out` = p g + q x + r, g as in `gradient_sums`, with p, q, r = `factors` (3, N, C) float32."""
    channels = scale.shape[1]
    a, b = np.empty(width, np.float32), np.empty(width, np.float32)
    p, q, r = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for n in range(x.shape[0]):
        for lane in range(width):
            channel = lane % channels
            a[lane], b[lane] = scale[n, channel], shift[n, channel]
            p[lane], q[lane], r[lane] = factors[0, n, channel], factors[1, n, channel], factors[2, n, channel]
        if not relu:
            a[:], b[:] = 0, 1
        for start in range(0, x.shape[1], width):
            values, slopes = x[n, start : start + width], gradient[n, start : start + width]
            written = out[n, start : start + width]
            for lane in range(width):
                value = wide(values[lane])
                slope = wide(slopes[lane]) if a[lane] * value + b[lane] > 0 else np.float32(0)
                written[lane] = narrow(p[lane] * slope + q[lane] * value + r[lane], values[lane])
