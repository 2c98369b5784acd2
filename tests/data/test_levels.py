"""Levels of a scan: numpy's own block means, and what OME-NGFF 0.5 asks of their metadata."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.data.intensity import ct_window, unsigned_image
from modelsgenesis.data.levels import level_factors, level_of
from modelsgenesis.data.store import add_scan, open_store


def blocks(array: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Mean of every block, one block at a time."""
    means = np.empty([n // f for n, f in zip(array.shape, factors, strict=True)])
    for index in np.ndindex(means.shape):
        window = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        means[index] = array[window].mean()
    return np.floor(means + 0.5)


@given(st.lists(st.tuples(st.integers(4, 11), st.sampled_from([1, 2, 4])), min_size=2, max_size=3), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_level_holds_the_mean_of_every_block(sides: list[tuple[int, int]], seed: int) -> None:
    shape, factors = tuple(n for n, _ in sides), tuple(f for _, f in sides)
    array = np.random.default_rng(seed).integers(0, 2**16, shape).astype(np.uint16)
    level = level_of(array, factors)
    assert level.dtype == array.dtype
    np.testing.assert_array_equal(level, blocks(array, factors))


def test_the_finest_axes_are_halved_first() -> None:
    assert level_factors((512, 512, 120), (0.7, 0.7, 2.5), 4) == ((1, 1, 1), (2, 2, 1), (4, 4, 1), (8, 8, 2))
    assert level_factors((64, 64, 64), (1.0, 1.0, 1.2), 3) == ((1, 1, 1), (2, 2, 2), (4, 4, 4))
    assert level_factors((100, 50), (1.0, 1.0), 2) == ((1, 1), (2, 2))
    assert level_factors((3, 3, 40), (1.0, 1.0, 1.0), 3) == ((1, 1, 1), (2, 2, 2))  # nothing is left to halve


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("levels") / "store"
    rng = np.random.default_rng(0)
    volume, image = rng.integers(0, 2001, (37, 40, 21)), rng.integers(0, 256, (90, 70))
    add_scan(folder, "ct", volume.astype(np.uint16), ct_window(), spacing=(0.8, 0.8, 2.0), levels=3)
    known = {"spacing": (1.0, 1.0), "modality": "image", "levels": 2, "measured": False}
    add_scan(folder, "xray", image.astype(np.uint8), unsigned_image(8), **known)
    return folder


def test_each_level_is_read_as_stored(path: Path) -> None:
    store = open_store(path)
    ct = store.scans[0]
    assert ct.levels == ((1, 1, 1), (2, 2, 1), (4, 4, 2))
    whole = store.read(ct)
    for level, factors in enumerate(ct.levels):
        samples = store.read(ct, level=level)
        np.testing.assert_array_equal(samples, blocks(whole, factors))
        np.testing.assert_array_equal(store.read(ct, (1, 2, 3), (4, 3, 5), level), samples[1:5, 2:5, 3:8])
    assert ct.level_spacing(2) == (3.2, 3.2, 4.0)
    assert store.verify() == []


def test_a_level_that_is_not_the_mean_is_found(path: Path, tmp_path: Path) -> None:
    add_scan(tmp_path, "ct", open_store(path).read(open_store(path).scans[0]), ct_window(), levels=2)
    group = zarr.open_group(tmp_path, mode="r+")
    group["scans/ct/1"][2, 2, 2] = 5
    assert any("level 1 is not the mean" in problem for problem in open_store(tmp_path).verify())


def test_metadata_are_those_of_ome_ngff(path: Path) -> None:
    """https://ngff.openmicroscopy.org/0.5, sections on multiscales: each MUST, against what zarr-python reads."""
    scans = zarr.open_group(path, mode="r")["scans"]
    for name, axes in (("ct", "xyz"), ("xray", "xy")):
        ome = scans[name].attrs["ome"]
        assert ome["version"] == "0.5"
        (multiscale,) = ome["multiscales"]
        assert [axis["name"] for axis in multiscale["axes"]] == list(axes)
        assert {axis["type"] for axis in multiscale["axes"]} == {"space"}
        assert {axis.get("unit") for axis in multiscale["axes"]} == ({"millimeter"} if name == "ct" else {None})
        arrays = [scans[name][entry["path"]] for entry in multiscale["datasets"]]
        sizes = [array.size for array in arrays]
        assert sizes == sorted(sizes, reverse=True)  # from the highest resolution to the lowest
        assert len({array.dtype for array in arrays}) == 1
        for entry, array in zip(multiscale["datasets"], arrays, strict=True):
            scale, translation = entry["coordinateTransformations"]  # one scale, then at most one translation
            assert (scale["type"], translation["type"]) == ("scale", "translation")
            assert len(scale["scale"]) == len(translation["translation"]) == array.ndim == len(axes)
            assert tuple(array.metadata.dimension_names) == tuple(axes)


def test_levels_lie_over_the_scan_in_millimetres(path: Path) -> None:
    """A ramp along each axis has its own value at the centre of every voxel of every level."""
    store = open_store(path)
    shape, spacing = (24, 20, 16), (0.5, 0.5, 1.0)
    ramp = np.indices(shape)
    for axis in range(3):
        add_scan(path.parent / "ramps", f"axis{axis}", (100 * ramp[axis]).astype(np.uint16), ct_window(0, 4000),
                 spacing=spacing, levels=3)  # fmt: skip
    del store
    scans = zarr.open_group(path.parent / "ramps", mode="r")["scans"]
    for axis in range(3):
        for entry in scans[f"axis{axis}"].attrs["ome"]["multiscales"][0]["datasets"]:
            scale, start = (one[one["type"]][axis] for one in entry["coordinateTransformations"])
            values = np.moveaxis(scans[f"axis{axis}"][entry["path"]][:], axis, 0)[:, 0, 0]
            millimetres = start + scale * np.arange(len(values))
            np.testing.assert_allclose(values, 100 * millimetres / spacing[axis], atol=0.5)
