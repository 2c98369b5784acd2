"""Local pixel shuffling: many small windows, the voxels of each permuted (PAPER 1.1, step 2).

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

from modelsgenesis.transforms.base import Distortion, grid, spatial
from modelsgenesis.transforms.compiled import compiled
from modelsgenesis.transforms.counter import below, draw_seed, word
from modelsgenesis.types import FloatArray, Shape

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

    The side of a window along an axis of n voxels is a uniform integer in [1, max(1, n // 10)], its corner is uniform in
    [0, n - side]. Below 20 voxels the side is 1, so shuffling has no effect along that axis.
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
def window(key: np.uint64, shape: tuple[int, int, int]) -> tuple[int, int, int, int, int, int]:
    """Corner and sides, (x, y, z, dx, dy, dz), of the window with stream `key` in a grid of `shape`."""
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
    voxels = depth * height * length
    flat, target = source.reshape(channels, voxels), out.reshape(channels, voxels)
    largest = max(1, depth // 10) * max(1, height // 10) * max(1, length // 10)
    inside = np.empty(largest, np.int64)
    owned = np.empty(largest, np.int64)
    taken = np.zeros(voxels, np.uint8)
    for index in range(windows - 1, -1, -1):
        key = word(seed, np.uint64(index))
        x, y, z, dx, dy, dz = window(key, (depth, height, length))
        count, free = 0, 0
        for i in range(x, x + dx):
            for j in range(y, y + dy):
                row = (i * height + j) * length
                for k in range(row + z, row + z + dz):
                    inside[count] = k
                    owned[free] = k
                    count += 1
                    free += 1 - taken[k]
                    taken[k] = 1
        for k in range(free):
            bits = word(key, np.uint64(3 + (k >> 1)))
            bits = (bits >> _32) if k & 1 else (bits & _LOW)
            other = k + np.int64(below(bits, np.uint64(count - k)))
            origin = inside[other]
            inside[other] = inside[k]
            for channel in range(channels):
                target[channel, owned[k]] = flat[channel, origin]
