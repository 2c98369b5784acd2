"""Cubes at a spacing: scipy's interpolation at the same places of the patient, and the rules that go with them."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from modelsgenesis.data.cubes import Cube, CubeSampler, CubeSettings
from modelsgenesis.data.intensity import ct_window, unsigned_image
from modelsgenesis.data.scaled import box_at, coarsest_that_fits, interpolate, level_for, room
from modelsgenesis.data.store import Store, add_scan, open_store
from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.chest import chest
from modelsgenesis.streams import generator

FREE = (0.0, 1.0)
"""Limits of tissue that reject nothing."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Phantoms, anisotropic in two ways, and one too small for coarse cubes."""
    path = tmp_path_factory.mktemp("scaled") / "store"
    for number, (shape, spacing) in enumerate(
        [((72, 70, 50), (3.0, 3.0, 6.5)), ((90, 62, 60), (2.0, 4.5, 4.5)), ((20, 20, 20), (3.0, 3.0, 3.0))]
    ):
        phantom = chest(np.random.default_rng(number), shape, spacing)
        add_scan(path, f"scan{number}", ct_window().encode(phantom.array), ct_window(), spacing=spacing, levels=3)
    return open_store(path)


def reference(store: Store, cube: Cube, level: int) -> np.ndarray:
    """The cube by scipy: the level's voxels at the cube's millimetres, voxel 0 of a level half a block inside."""
    scan = cube.scan
    samples = store.read(scan, level=level) / scan.intensity.levels
    shape = cube.array.shape[1:] + (1,) * (len(scan.shape) - len(cube.array.shape[1:]))
    places = []
    for axis, n in enumerate(shape):
        edge = cube.corner[axis] * scan.spacing[axis]
        millimetres = edge + (np.arange(n) + 0.5) * cube.spacing[axis]
        places.append(millimetres / (scan.spacing[axis] * scan.levels[level][axis]) - 0.5)
    grid = np.meshgrid(*places, indexing="ij")
    return map_coordinates(samples, grid, order=1, mode="nearest").reshape(cube.array.shape)


@given(spacing=st.floats(1.2, 11.0), item=st.integers(0, 1000), side=st.integers(5, 9))
@settings(max_examples=40, deadline=None)
def test_cubes_are_what_scipy_makes_of_the_level(store: Store, spacing: float, item: int, side: int) -> None:
    choice = CubeSettings(shape=(side, 7, 6), tissue=FREE, spacing=spacing)
    cube = CubeSampler(store, store.scans[:2], choice).cube(generator(0, item))
    assert cube.array.dtype == np.float32
    assert cube.spacing == pytest.approx((spacing,) * 3)
    np.testing.assert_allclose(cube.array, reference(store, cube, level_for(cube.scan, spacing)), atol=2e-6)
    assert all(c >= 0 for c in cube.corner)
    sides = zip(cube.corner, (side, 7, 6), cube.spacing, cube.scan.spacing, strict=True)
    ends = [corner + n * new / old for corner, n, new, old in sides]
    assert all(end <= n + 1e-3 for end, n in zip(ends, cube.scan.shape, strict=True))


def test_the_scan_s_own_spacing_gives_its_own_voxels(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2001, (20, 18, 16)).astype(np.uint16)
    scan = add_scan(tmp_path, "s", array, ct_window(), spacing=(2.0, 2.0, 2.0), levels=2)
    box = box_at(scan, 0, 2.0, (3.0, 4.0, 5.0), (8, 8, 8))
    read = open_store(tmp_path).read(scan, box.corner, box.size)
    np.testing.assert_allclose(interpolate(read, box, 2000), array[3:11, 4:12, 5:13] / 2000, atol=1e-6)
    twice = box_at(scan, level_for(scan, 4.0), 4.0, (1.0, 1.0, 1.0), (4, 4, 4))
    assert twice.level == 1
    read = open_store(tmp_path).read(scan, twice.corner, twice.size, 1)
    means = array[2:10, 2:10, 2:10].reshape(4, 2, 4, 2, 4, 2).mean((1, 3, 5)) / 2000
    np.testing.assert_allclose(interpolate(read, twice, 2000), means, atol=3e-4)  # a level is rounded to whole HU


def test_the_level_is_the_nearest_finer_one(store: Store) -> None:
    scan = store.scans[0]  # 3x3x6.5 mm, then 6x6x6.5, then 12x12x13
    assert [level_for(scan, s) for s in (1.0, 5.9, 6.0, 11.0, 12.9, 13.0)] == [0, 0, 1, 1, 1, 2]


def test_a_range_is_drawn_evenly_in_factors(store: Store) -> None:
    sampler = CubeSampler(store, store.scans[:1], CubeSettings(shape=(8, 8, 8), tissue=FREE, spacing=(2.0, 8.0)))
    drawn = np.log([sampler.cube(generator(1, item)).spacing[0] for item in range(400)])
    low, high = math.log(2.0), math.log(8.0)
    assert low <= drawn.min() < low + 0.05
    assert high - 0.05 < drawn.max() <= high
    counts, _ = np.histogram(drawn, 4, (low, high))
    assert counts.min() > 70  # 100 expected


def test_small_scans_serve_as_far_as_they_reach(store: Store) -> None:
    shape = (8, 8, 8)
    sampler = CubeSampler(store, store.scans, CubeSettings(shape=shape, tissue=FREE, spacing=(3.0, 11.0)))
    assert not sampler.dropped
    small = [cube for item in range(120) if (cube := sampler.cube(generator(2, item))).scan.id == "scan2"]
    assert 7.0 < max(cube.spacing[0] for cube in small) <= 60 / 8 + 1e-3
    coarse = CubeSampler(store, store.scans, CubeSettings(shape=shape, spacing=8.0))
    assert [scan.id for scan in coarse.dropped] == ["scan2"]


@given(st.integers(16, 40), st.integers(2, 14), st.floats(0.5, 4), st.floats(0.5, 4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_what_fits_has_room_and_a_little_coarser_has_none(n: int, side: int, x: float, z: float, levels: int) -> None:
    from modelsgenesis.data.levels import level_factors
    from modelsgenesis.data.manifest import Scan

    spacing, whole, cube = (x, x, z), (n, n + 3, n), (side, side, side)
    about = {"id": "a", "subject": "a", "source": "", "digest": "", "affine": (), "modality": "ct", "dtype": "uint16"}
    factors = level_factors(whole, spacing, levels)
    scan = Scan(**about, shape=whole, spacing=spacing, intensity=ct_window(), bytes=0, levels=factors)
    most = coarsest_that_fits(scan, cube)
    for spacing_there, fits in ((most, True), (most * 0.7, True), (most * 1.001, False)):
        level = level_for(scan, spacing_there)
        inside = [
            side * spacing_there <= wide * step * (1 + 1e-5)
            for wide, step in zip(scan.level_shape(level), scan.level_spacing(level), strict=True)
        ]
        assert all(inside) == fits
        assert min(room(scan, level, spacing_there, cube)) >= 0


def test_the_same_item_is_the_same_cube_in_any_order(store: Store) -> None:
    choice = CubeSettings(shape=(8, 8, 8), spacing=(2.0, 8.0))
    one, two = (CubeSampler(open_store(store.path), store.scans, choice) for _ in range(2))
    forward = [one.cube(generator(5, 1, item)) for item in range(8)]
    backward = [two.cube(generator(5, 1, item)) for item in reversed(range(8))][::-1]
    for a, b in zip(forward, backward, strict=True):
        assert (a.corner, a.scan.id, a.spacing) == (b.corner, b.scan.id, b.spacing)
        np.testing.assert_array_equal(a.array, b.array)
    assert len({cube.spacing for cube in forward}) == 8


def test_the_rule_judges_what_is_read_with_and_without_the_table(tmp_path: Path) -> None:
    phantom = chest(np.random.default_rng(0), (64, 60, 48), (5.0, 5.0, 5.0))
    add_scan(tmp_path, "a", ct_window().encode(phantom.array), ct_window(), spacing=(5.0, 5.0, 5.0), levels=3)
    store = open_store(tmp_path)
    choice = CubeSettings(shape=(8, 8, 8), tissue=(0.4, 0.6), spacing=(4.0, 18.0))
    kept = [CubeSampler(store, store.scans, choice).cube(generator(3, item)) for item in range(40)]
    shares = [float((cube.array >= 0.425).mean()) for cube in kept]
    assert np.mean([0.3 < share < 0.7 for share in shares]) > 0.95  # of interpolated voxels, which are not counted
    for table in tmp_path.rglob("tissue.npy"):
        table.unlink()
    bare = open_store(tmp_path)
    assert bare.tissue(bare.scans[0]) is None
    for item, cube in enumerate(kept):
        other = CubeSampler(bare, bare.scans, choice).cube(generator(3, item))
        assert (cube.corner, cube.spacing) == (other.corner, other.spacing)
        np.testing.assert_array_equal(cube.array, other.array)


def test_positions_are_centres_as_fractions_of_the_scan(tmp_path: Path) -> None:
    """A ramp along each axis tells where the middle of a cube lies."""
    ramps = np.indices((40, 40, 40))
    for axis in range(3):
        ramp = (50 * ramps[axis]).astype(np.uint16)
        add_scan(tmp_path, f"a{axis}", ramp, ct_window(0, 2000), spacing=(2.0, 3.0, 4.0), levels=3)
    opened = open_store(tmp_path)
    for axis, scan in enumerate(opened.scans):
        sampler = CubeSampler(opened, [scan], CubeSettings(shape=(6, 6, 6), tissue=FREE, spacing=(1.5, 8.0)))
        for item in range(20):
            cube = sampler.cube(generator(0, item))
            middle = cube.array.mean() * 2000 / 50 + 0.5
            assert cube.position[axis] == pytest.approx(middle / 40, abs=0.01)


def test_two_sides_of_a_volume_are_an_axial_slice(store: Store) -> None:
    choice = CubeSettings(shape=(12, 10), tissue=FREE, spacing=(2.0, 6.0))
    cube = CubeSampler(store, store.scans[:1], choice).cube(generator(0, 1))
    assert cube.array.shape == (1, 12, 10)
    assert len(cube.position) == 3
    np.testing.assert_allclose(cube.array, reference(store, cube, level_for(cube.scan, cube.spacing[0])), atol=2e-6)


def test_what_cannot_work_is_said(store: Store, tmp_path: Path) -> None:
    def refused(words: str, scans: object = store.scans, **choice: object) -> None:
        with pytest.raises(UsageError, match=words):
            CubeSampler(store, scans, CubeSettings(**{"shape": (8, 8, 8), **choice}))

    refused("positive", spacing=0.0)
    refused("smaller and the larger", spacing=(3.0, 2.0))
    refused("scans' own voxels", spacing=2.0, rule="released")
    refused("too coarse for scan0 with 3 levels, good for 24 mm; prepare the store with more --levels", spacing=30.0)
    refused(r"\(40, 40, 40\) at 9 mm", spacing=9.0, shape=(40, 40, 40))
    image = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8)
    add_scan(tmp_path, "x", image, unsigned_image(8), modality="image", measured=False)
    unknown = open_store(tmp_path)
    with pytest.raises(UsageError, match="pixel size of x is unknown"):
        CubeSampler(unknown, unknown.scans, CubeSettings(shape=(8, 8), spacing=2.0))
