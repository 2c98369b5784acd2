"""Local pixel shuffling against windows written one after the other, in plain Python."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.reference import Reference
from modelsgenesis.transforms.counter import word
from modelsgenesis.transforms.shuffle import Shuffle, ShuffleParameters, window

SHAPES = st.one_of(
    st.tuples(st.integers(1, 2), st.integers(16, 41), st.integers(16, 30), st.integers(16, 33)),
    st.tuples(st.integers(1, 2), st.integers(16, 61), st.integers(16, 47)),
)


def stream(seed: int, index: int) -> int:
    return int(word(np.uint64(seed), np.uint64(index)))


def below(bits: int, count: int) -> int:
    return bits * count >> 32


def box_of(key: int, shape: tuple[int, ...]) -> tuple[range, ...]:
    """Sides from the first three halves of the stream's words, corners from the next three."""
    halves = [half for i in range(3) for half in (stream(key, i) & 0xFFFFFFFF, stream(key, i) >> 32)]
    grid = (1, *shape)[-3:]  # an image is one voxel deep
    sides = [1 + below(half, max(1, n // 10)) for half, n in zip(halves[:3], grid, strict=True)]
    corners = [below(half, n - side + 1) for half, n, side in zip(halves[3:], grid, sides, strict=True)]
    return tuple(range(c, c + s) for c, s in zip(corners, sides, strict=True))[-len(shape) :]


def permutation(key: int, count: int) -> list[int]:
    """Fisher and Yates, from the front."""
    order = list(range(count))
    for k in range(count):
        bits = stream(key, 3 + k // 2)
        other = k + below(bits >> 32 if k % 2 else bits & 0xFFFFFFFF, count - k)
        order[k], order[other] = order[other], order[k]
    return order


def plain(x: np.ndarray, seed: int, windows: int) -> np.ndarray:
    """Each window reads the input and overwrites the output, in order; the voxels it ends up owning come first."""
    shape = x.shape[1:]
    boxes = [box_of(stream(seed, i), shape) for i in range(windows)]
    owner = np.full(shape, -1)
    for i, box in enumerate(boxes):
        owner[np.ix_(*box)] = i
    out = x.copy()
    for i, box in enumerate(boxes):
        voxels = list(product(*box))
        to = sorted(voxels, key=lambda voxel: owner[voxel] != i)
        for k, origin in enumerate(permutation(stream(seed, i), len(voxels))):
            out[(slice(None), *to[k])] = x[(slice(None), *voxels[origin])]
    return out


@settings(max_examples=12)
@given(shape=SHAPES, seed=st.integers(0, 2**64 - 1), windows=st.integers(0, 150))
def test_equals_windows_written_one_after_the_other(shape: tuple[int, ...], seed: int, windows: int) -> None:
    x = np.random.default_rng(0).random(shape, np.float32)
    ours = Shuffle(windows).apply(x, ShuffleParameters(seed))
    assert np.array_equal(ours, plain(x, seed, windows))


def test_many_overlapping_windows_equal_the_plain_way() -> None:
    x = np.random.default_rng(0).random((1, 30, 40), np.float32)
    assert np.array_equal(Shuffle(1500).apply(x, ShuffleParameters(9)), plain(x, 9, 1500))


def test_permutations_are_uniform() -> None:
    x = (np.arange(400, dtype=np.float32) / 400).reshape(1, 20, 20)
    counts: dict[bytes, int] = {}
    for seed in range(8000):
        box = box_of(stream(seed, 0), (20, 20))
        if len(box[0]) == len(box[1]) == 2:
            place = np.ix_(range(1), *box)
            order = np.searchsorted(x[place].ravel(), Shuffle(1).apply(x, ShuffleParameters(seed))[place].ravel())
            counts[order.tobytes()] = counts.get(order.tobytes(), 0) + 1
    assert len(counts) == 24
    expected = sum(counts.values()) / 24
    assert sum((count - expected) ** 2 for count in counts.values()) / expected < 56  # 23 degrees of freedom, p = 1e-4


def test_visible_voxels_draw_from_their_whole_window() -> None:
    """Where later windows hide a part of the first one, a visible voxel still takes any of its voxels."""
    x = (np.arange(400, dtype=np.float32) / 400).reshape(1, 20, 20)
    counts = np.zeros(4)
    for seed in range(4000):
        first = box_of(stream(seed, 0), (20, 20))
        if not len(first[0]) == len(first[1]) == 2:
            continue
        hidden = np.zeros((20, 20), bool)
        for i in range(1, 25):
            hidden[np.ix_(*box_of(stream(seed, i), (20, 20)))] = True
        visible = [voxel for voxel in product(*first) if not hidden[voxel]]
        if 0 < len(visible) < 4:
            out = Shuffle(25).apply(x, ShuffleParameters(seed))
            inside = x[np.ix_(range(1), *first)].ravel()
            counts[np.searchsorted(inside, out[(0, *visible[-1])])] += 1
    assert counts.sum() > 150
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 21  # 3 degrees of freedom, p = 1e-4


def test_touches_82_percent_as_the_reference_does() -> None:
    shape = (64, 64, 32)
    covered = np.zeros(shape, bool)
    for i in range(10_000):
        x, y, z, dx, dy, dz = window(np.uint64(stream(5, i)), shape)
        covered[x : x + dx, y : y + dy, z : z + dz] = True
    assert 0.815 < covered.mean() < 0.828
    cube = np.random.default_rng(0).random((1, *shape), np.float32)
    ours = Shuffle().apply(cube, ShuffleParameters(5)) != cube
    assert abs(ours.mean() - (Reference(0).shuffle(cube) != cube).mean()) < 0.005


def test_sides_and_corners_are_uniform() -> None:
    drawn = np.array([window(np.uint64(stream(1, i)), (64, 40, 16)) for i in range(20_000)])
    for axis, n in enumerate((64, 40, 16)):
        longest = max(1, n // 10)
        sides, corners = drawn[:, 3 + axis], drawn[:, axis]
        counts = np.bincount(sides, minlength=longest + 1)[1:]
        assert len(counts) == longest
        assert np.abs(counts * longest / len(drawn) - 1).max() < 0.06
        assert corners.min() == 0
        assert (corners + sides).max() == n
        assert abs(np.mean(corners / (n - sides)) - 0.5) < 0.01


def test_below_twenty_voxels_shuffling_has_no_effect() -> None:
    x = np.random.default_rng(0).random((1, 16, 19, 17), np.float32)
    assert np.array_equal(Shuffle().apply(x, Shuffle().sample(np.random.default_rng(1), x.shape)), x)


def test_channels_move_together() -> None:
    x = np.random.default_rng(0).random((1, 32, 40, 21), np.float32)
    out = Shuffle(2000).apply(np.concatenate([x, 1 - x]), ShuffleParameters(3))
    assert np.array_equal(out[0], Shuffle(2000).apply(x, ShuffleParameters(3))[0])
    assert np.array_equal(out[1], Shuffle(2000).apply(1 - x, ShuffleParameters(3))[0])
