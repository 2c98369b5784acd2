"""Counter-based random numbers: a 64-bit seed stands for as many values as a kernel needs, in any order.

The generator is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), written as a function of its position: word number
`index` of the stream `seed` is `mix(seed + (index + 1) * GAMMA)`. A voxel left out costs nothing and changes no other
voxel, and the parameters of a distortion stay a handful of numbers instead of megabytes of noise.
"""

import numpy as np

from modelsgenesis.compiled import compiled
from modelsgenesis.types import FloatArray

# Operands must all be uint64: numba turns uint64 with int64 into float64.
GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32, _8 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32), np.uint64(8)
_1 = np.uint64(1)
_LOW = np.uint64(0xFFFFFFFF)
_UNIT = np.float32(2.0**-24)


@compiled
def word(seed: np.uint64, index: np.uint64) -> np.uint64:
    """Word number `index` (64 random bits) of the stream `seed`."""
    mixed = seed + (index + _1) * GAMMA
    mixed = (mixed ^ (mixed >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    return mixed ^ (mixed >> _31)


@compiled
def below(bits: np.uint64, count: np.uint64) -> np.uint64:
    """An integer in [0, count) from 32 random bits; uneven by count / 2^32 at most."""
    return (bits * count) >> _32


@compiled
def fill_noise(row: FloatArray, start: np.uint64, seed: np.uint64) -> None:
    """Fill `row` (n,) float32 with U[0, 1) noise: the values of positions `start`, `start + 1`, ... of the stream.

    Position i is the top 24 bits of one half of word i // 2: of the low half for an even i, of the high half otherwise.
    """
    length = np.uint64(row.shape[0])
    first = np.uint64(0)
    if length > first and start & _1:
        row[0] = np.float32((word(seed, start >> _1) >> _32) >> _8) * _UNIT
        first = _1
    base = (start + first) >> _1
    pairs = (length - first) >> _1
    for pair in range(pairs):
        bits = word(seed, base + np.uint64(pair))
        place = first + (np.uint64(pair) << _1)
        row[place] = np.float32((bits & _LOW) >> _8) * _UNIT
        row[place + _1] = np.float32((bits >> _32) >> _8) * _UNIT
    if (length - first) & _1:
        row[length - _1] = np.float32((word(seed, base + pairs) & _LOW) >> _8) * _UNIT


def draw_seed(rng: np.random.Generator) -> int:
    """A 64-bit seed for the functions above."""
    return int(rng.integers(0, 2**64, dtype=np.uint64))
