"""Cubes: the two rules against their definitions, and independence of the order of asking."""

from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.intensity import ct_window, mr_percentiles
from modelsgenesis.data.store import Store, add_scan, open_store
from modelsgenesis.errors import UsageError
from modelsgenesis.streams import generator


def accepted_as_released(cube: np.ndarray, further: np.ndarray) -> bool:
    """PAPER 1.3, voxel by voxel: HU of the cube, and of the slice behind each voxel."""
    total = 0.0
    for index in np.ndindex(cube.shape):
        if cube[index] >= -150:
            total += 1
        elif further[index] >= -150:
            total += 0.5
    return total <= 0.15 * cube.size


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A scan that the released rule can use: lung with vessels, slabs of tissue."""
    rng = np.random.default_rng(0)
    array = np.full((224, 220, 100), -850.0)
    array[::7, :, ::5] = 40.0
    array[:, :, 45:49] = 60.0
    array[rng.random(array.shape) < 0.05] = 0.0
    path = tmp_path_factory.mktemp("large") / "store"
    add_scan(path, "large", ct_window().encode(array), ct_window())
    add_scan(path, "short", ct_window().encode(array[..., :95]), ct_window())
    return open_store(path)


def test_released_rule(large: Store) -> None:
    choice = CubeSettings(shape=(16, 16, 8), rule="released", tries=1)
    sampler = CubeSampler(large, large.scans, choice)
    assert [scan.id for scan in sampler.dropped] == ["short"]
    whole = large.scans[0].intensity.decode(large.read(large.scans[0]))
    verdicts = []
    for item in range(60):
        cube = sampler.cube(generator(0, item))
        x, y, z = cube.corner
        assert 100 <= x <= 224 - 16 - 100
        assert 100 <= y <= 220 - 16 - 100
        assert 30 <= z <= 100 - 8 - 30
        here = whole[x : x + 16, y : y + 16, z : z + 8]
        np.testing.assert_allclose(cube.array[0], (here + 1000) / 2000, atol=1e-6)
        further = whole[x : x + 16, y : y + 16, z + 1 : z + 9]
        samples = large.read(large.scans[0], cube.corner, (16, 16, 9))
        verdicts.append(accepted_as_released(here, further))
        assert sampler._accepted(large.scans[0], samples) == verdicts[-1]
    assert len(set(verdicts)) == 2  # both outcomes were compared


def test_released_cubes_are_accepted_ones(large: Store) -> None:
    sampler = CubeSampler(large, large.scans, CubeSettings(shape=(16, 16, 8), rule="released"))
    whole = large.scans[0].intensity.decode(large.read(large.scans[0]))
    for item in range(10):
        cube = sampler.cube(generator(1, item))
        x, y, z = cube.corner
        further = whole[x : x + 16, y : y + 16, z + 1 : z + 9]
        assert accepted_as_released(cube.array[0] * 2000 - 1000 - 0.01, further)


def tissue_shares(store: Store, tissue: tuple[float, float]) -> list[float]:
    """Share of voxels of at least -150 HU in each of 60 cubes."""
    sampler = CubeSampler(store, store.scans, CubeSettings(shape=(16, 16, 16), tissue=tissue))
    return [float((sampler.cube(generator(2, item)).array >= 0.425).mean()) for item in range(60)]


def test_default_rule_rejects_air_and_tissue(phantom_store: Store) -> None:
    kept, free = tissue_shares(phantom_store, (0.3, 0.6)), tissue_shares(phantom_store, (0.0, 1.0))
    assert min(free) < 0.3 <= min(kept)
    assert max(kept) <= 0.6 < max(free)


def test_a_scan_of_air_alone_still_serves(tmp_path: Path) -> None:
    add_scan(tmp_path / "s", "air", ct_window().encode(np.full((20, 20, 20), -1000.0)), ct_window())
    store = open_store(tmp_path / "s")
    cube = CubeSampler(store, store.scans, CubeSettings(shape=(16, 16, 16), tries=3)).cube(generator(0))
    assert cube.array.max() == 0


def test_locations_are_uniform(tmp_path: Path) -> None:
    add_scan(tmp_path / "s", "a", ct_window().encode(np.zeros((19, 17, 16))), ct_window())
    store = open_store(tmp_path / "s")
    sampler = CubeSampler(store, store.scans, CubeSettings(shape=(16, 16, 16), tissue=(0.0, 1.0)))
    corners = [sampler.cube(generator(3, item)).corner for item in range(800)]
    counts = np.unique(corners, axis=0, return_counts=True)[1]
    assert len(counts) == 4 * 2 * 1
    assert counts.min() > 60  # 100 expected, four standard deviations


def test_the_same_item_is_the_same_cube_in_any_order(phantom_store: Store) -> None:
    choice = CubeSettings(shape=(16, 16, 16))
    one, two = (CubeSampler(open_store(phantom_store.path), phantom_store.scans, choice) for _ in range(2))
    forward = [one.cube(generator(5, 1, item)) for item in range(6)]
    backward = [two.cube(generator(5, 1, item)) for item in reversed(range(6))][::-1]
    for a, b in zip(forward, backward, strict=True):
        assert (a.corner, a.scan.id) == (b.corner, b.scan.id)
        np.testing.assert_array_equal(a.array, b.array)
    assert len({(c.corner, c.scan.id) for c in forward}) > 1


def test_positions_are_fractions_of_the_scan(phantom_store: Store) -> None:
    cube = CubeSampler(phantom_store, phantom_store.scans, CubeSettings(shape=(16, 16, 16))).cube(generator(0))
    assert cube.position == tuple((c + 8) / n for c, n in zip(cube.corner, (48, 48, 40), strict=True))


def test_2d_cubes_of_a_2d_store(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((40, 30))
    intensity = mr_percentiles(image)
    add_scan(tmp_path / "s", "xray", intensity.encode(image), intensity, spacing=(1.0, 1.0), modality="mr")
    store = open_store(tmp_path / "s")
    assert CubeSampler(store, store.scans, CubeSettings(shape=(16, 16))).cube(generator(0)).array.shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("whole", "cube"), [((20, 11, 8), (16, 16, 16)), ((20, 11), (16, 16)), ((20, 11, 8), (16, 16))]
)
def test_thin_scans_lie_in_zeros(whole: tuple[int, ...], cube: tuple[int, ...], tmp_path: Path) -> None:
    """Against the definition: the cube of the scan inside a larger array of zeros."""
    array = np.random.default_rng(0).uniform(100, 900, whole)  # tissue all over
    add_scan(tmp_path / "s", "thin", ct_window().encode(array), ct_window(), modality="ct")
    store = open_store(tmp_path / "s")
    sampler = CubeSampler(store, store.scans, CubeSettings(shape=cube, tissue=(0.5, 1.0)))
    assert sampler.padded == list(store.scans)
    unit = store.scans[0].intensity.unit(store.read(store.scans[0]))
    corners = set()
    for item in range(12):
        one = sampler.cube(generator(4, item))
        sides = (*cube, *(1,) * (len(whole) - len(cube)))
        before = [max(0, (side - size) // 2) for side, size in zip(sides, whole, strict=True)]
        expected = np.zeros(sides, np.float32)
        part = unit[tuple(slice(c, c + side) for c, side in zip(one.corner, sides, strict=True))]
        expected[tuple(slice(b, b + size) for b, size in zip(before, part.shape, strict=True))] = part
        np.testing.assert_array_equal(one.array[0], expected.reshape(cube))
        assert one.position[1] == 0.5
        assert all(0 < place < 1 for place in one.position)
        corners.add(one.corner)
    assert len(corners) > 1


def test_how_thin_a_scan_may_be(tmp_path: Path, large: Store) -> None:
    for sides in ((16, 16, 16), (16, 16, 8), (16, 16, 7), (8, 8, 16)):
        name = "x".join(map(str, sides))
        add_scan(tmp_path / "s", name, ct_window().encode(np.full(sides, 50.0)), ct_window())
    store = open_store(tmp_path / "s")

    def sides_of(thin: float, name: str) -> set[str]:
        sampler = CubeSampler(store, store.scans, CubeSettings(shape=(16, 16, 16), thin=thin))
        return {scan.id for scan in getattr(sampler, name)}

    assert sides_of(0.5, "dropped") == {"16x16x7"}
    assert sides_of(0.5, "padded") == {"16x16x8", "8x8x16"}
    assert sides_of(0.4, "dropped") == set()
    assert sides_of(1.0, "scans") == {"16x16x16"}
    with pytest.raises(UsageError, match="cubes.thin"):
        sides_of(0.0, "scans")
    released = CubeSampler(large, large.scans, CubeSettings(shape=(16, 16, 8), rule="released", thin=0.1))
    assert [scan.id for scan in released.dropped] == ["short"]  # as published: nothing is padded
    assert released.padded == []


def test_what_cannot_work_is_said(phantom_store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\(128, 64, 64\).*fits none of 5 scans"):
        CubeSampler(phantom_store, phantom_store.scans, CubeSettings(shape=(128, 64, 64)))
    with pytest.raises(UsageError, match="valid: default, released"):
        CubeSampler(phantom_store, phantom_store.scans, CubeSettings(rule="random"))
    intensity = ct_window()
    add_scan(tmp_path / "s", "mr", intensity.encode(np.zeros((300, 300, 100))), intensity, modality="mr")
    store = open_store(tmp_path / "s")
    with pytest.raises(UsageError, match="HU"):
        CubeSampler(store, store.scans, CubeSettings(rule="released"))


def test_two_sides_of_a_volume_are_an_axial_slice(phantom_store: Store) -> None:
    sampler = CubeSampler(phantom_store, phantom_store.scans, CubeSettings(shape=(24, 16)))
    heights = set()
    for item in range(5):
        cube = sampler.cube(generator(0, 0, item))
        x, y, z = cube.corner
        whole = cube.scan.intensity.unit(phantom_store.read(cube.scan))
        np.testing.assert_array_equal(cube.array, whole[None, x : x + 24, y : y + 16, z])
        assert cube.position[2] == (z + 0.5) / cube.scan.shape[2]
        heights.add(z)
    assert len(heights) > 1
    with pytest.raises(UsageError, match="fits none"):
        CubeSampler(phantom_store, phantom_store.scans, CubeSettings(shape=(24, 16), rule="released"))


@pytest.mark.parametrize("tries", [0, -1])
@pytest.mark.parametrize("spacing", [None, 8.0])
def test_a_cube_takes_one_try_at_least(phantom_store: Store, tries: int, spacing: float | None) -> None:
    choice = CubeSettings(shape=(8, 8, 8), spacing=spacing, tries=tries)
    with pytest.raises(UsageError, match=f"cubes.tries: {tries} must be 1 or more"):
        CubeSampler(phantom_store, phantom_store.scans, choice)
    once = CubeSettings(shape=(8, 8, 8), spacing=spacing, tries=1)
    assert CubeSampler(phantom_store, phantom_store.scans, once).cube(generator(0, 0)).array.shape == (1, 8, 8, 8)
