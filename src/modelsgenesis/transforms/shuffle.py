"""Local pixel shuffling: many small windows, the voxels of each permuted (docs/method.md 1.1, step 2).

Each window reads the **unshuffled** cube and overwrites what earlier windows wrote, so a voxel ends with the value the
last window covering it gives. Walking the windows from the last to the first and filling only voxels that no later
window owns yields the same cube and does the work once a voxel instead of once a window and voxel.

The k-th voxel (in memory order) that a window owns takes the value of the k-th entry of the window's random
permutation. Which voxels it owns does not depend on the permutation, so each owned voxel is a uniform draw without
replacement from the window, as when the whole window is permuted and partly overwritten later.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.transforms.base import Distortion, grid, spatial
from modelsgenesis.transforms.counter import below, draw_seed, word
from modelsgenesis.types import FloatArray, Shape

Window = tuple[np.int64, np.int64, np.int64, np.int64, np.int64, np.int64]
"""Corner x, y, z and sides dx, dy, dz."""

_32, _LOW, _1 = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(1)


@dataclass(frozen=True)
class ShuffleParameters:
    """`seed` stands for the windows and their permutations: window i is stream `word(seed, i)` of `counter`.

    Its words 0 to 2 give the sides and corners (see `window`), the words from 3 on its permutation.
    """

    seed: int


@dataclass(frozen=True)
class Shuffle(Distortion[ShuffleParameters]):
    """Permute the voxels of `windows` windows, the same voxels in all channels.

    The side of a window along an axis of n voxels is a uniform integer in [1, max(1, n // 10)], its corner is uniform
    in [0, n - side]. Below 20 voxels the side is 1, so shuffling has no effect along that axis.
    """

    windows: int = 10_000

    def sample(self, rng: np.random.Generator, shape: Shape) -> ShuffleParameters:
        """Draw the seed of all windows and permutations."""
        spatial(shape)
        return ShuffleParameters(draw_seed(rng))

    def write(self, source: FloatArray, parameters: ShuffleParameters, out: FloatArray) -> None:
        """Write the shuffled `source` into `out`."""
        origin = source.copy() if out is source else source
        out[...] = origin
        _shuffle(grid(origin), grid(out), np.uint64(parameters.seed), self.windows)


@compiled
def window(key: np.uint64, shape: tuple[int, int, int]) -> Window:
    """Corner and sides of the window with stream `key` in a grid of `shape`."""
    first, second, third = word(key, np.uint64(0)), word(key, np.uint64(1)), word(key, np.uint64(2))
    dx = 1 + np.int64(below(first & _LOW, np.uint64(max(1, shape[0] // 10))))
    dy = 1 + np.int64(below(first >> _32, np.uint64(max(1, shape[1] // 10))))
    dz = 1 + np.int64(below(second & _LOW, np.uint64(max(1, shape[2] // 10))))
    x = np.int64(below(second >> _32, np.uint64(shape[0] - dx + 1)))
    y = np.int64(below(third & _LOW, np.uint64(shape[1] - dy + 1)))
    z = np.int64(below(third >> _32, np.uint64(shape[2] - dz + 1)))
    return x, y, z, dx, dy, dz


@compiled
def _shuffle(source: np.ndarray[Any, Any], out: np.ndarray[Any, Any], seed: np.uint64, windows: int) -> None:
    """Overwrite `out`, a copy of `source`, both (C, X, Y, Z), wherever a window covers it."""
    channels, depth, height, length = source.shape
    voxels = np.uint64(depth * height * length)
    values, target = source.reshape(-1), out.reshape(-1)
    largest = max(1, depth // 10) * max(1, height // 10) * max(1, length // 10)
    inside = np.empty(largest, np.uint32)
    owned = np.empty(largest, np.uint32)
    taken = np.zeros(voxels, np.uint8)
    for index in range(windows - 1, -1, -1):
        key = word(seed, np.uint64(index))
        corner_and_sides = window(key, (depth, height, length))
        count = np.uint64(corner_and_sides[3] * corner_and_sides[4] * corner_and_sides[5])
        free = _claim(corner_and_sides, height, length, taken, inside, owned)
        bits = np.uint64(0)
        for k in range(free):
            bits = (bits >> _32) if k & _1 else word(key, np.uint64(3) + (k >> _1))
            other = k + below(bits & _LOW, count - k)
            origin = np.uint64(inside[other])
            inside[other] = inside[k]
            place = np.uint64(owned[k])
            for channel in range(np.uint64(channels)):
                target[channel * voxels + place] = values[channel * voxels + origin]


@compiled
def _claim(
    corner_and_sides: Window,
    height: int,
    length: int,
    taken: np.ndarray[Any, Any],
    inside: np.ndarray[Any, Any],
    owned: np.ndarray[Any, Any],
) -> np.uint64:
    """List the window's voxels in `inside` and those not taken yet in `owned`, take them, and count the latter.

    One loop without branches: windows are so small that wrongly predicted ends of nested loops would cost more.
    """
    x, y, z, dx, dy, dz = corner_and_sides
    free = np.uint64(0)
    voxel = np.uint32((x * height + y) * length + z)
    to_row, to_plane = np.uint32(length - dz), np.uint32((height - dy) * length)
    column = row = np.uint32(0)
    for k in range(np.uint64(dx * dy * dz)):
        inside[k] = voxel
        owned[free] = voxel
        free += _1 - np.uint64(taken[voxel])
        taken[voxel] = 1
        column += np.uint32(1)
        row_ends = column == np.uint32(dz)
        voxel += np.uint32(1) + (to_row if row_ends else np.uint32(0))
        column = np.uint32(0) if row_ends else column
        row += np.uint32(row_ends)
        plane_ends = row == np.uint32(dy)
        voxel += to_plane if plane_ends else np.uint32(0)
        row = np.uint32(0) if plane_ends else row
    return free
