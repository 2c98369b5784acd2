"""The table of tissue against counting voxel by voxel, and what the sampler makes of it."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.data.cubes import CubeSampler, CubeSettings
from modelsgenesis.data.intensity import ct_window, mr_percentiles
from modelsgenesis.data.store import Store, add_scan, open_store
from modelsgenesis.data.tissue import FILE, border, bounds, count_blocks
from modelsgenesis.errors import GenesisError
from modelsgenesis.streams import generator


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """HU with patches of tissue of a few voxels, more of them along X."""
    coarse = np.random.default_rng(seed).random([-(-n // 5) for n in shape])
    fine = coarse.repeat(5, 0).repeat(5, 1).repeat(5, 2)[tuple(slice(n) for n in shape)]
    return np.where(fine < np.linspace(0, 1, shape[0])[:, None, None], 40.0, -800.0)


def test_table_counts_every_voxel_once() -> None:
    samples = ct_window().encode(blobs((13, 9, 11), 0))
    least = border(ct_window(), "ct")
    counts = count_blocks(samples, least)
    assert counts.shape == (2, 4, 3, 3)
    expected = np.zeros_like(counts)
    for x, y, z in itertools.product(*(range(n) for n in samples.shape)):
        block = (x // 4, y // 4, z // 4)
        if samples[x, y, z] >= least:
            expected[(0, *block)] += 1
        elif z + 1 < samples.shape[2] and samples[x, y, z + 1] >= least:
            expected[(1, *block)] += 1
    np.testing.assert_array_equal(counts, expected)


def test_bounds_hold_and_are_exact_on_whole_blocks() -> None:
    hu = blobs((40, 36, 30), 1)
    samples, least = ct_window().encode(hu), border(ct_window(), "ct")
    counts, rng = count_blocks(samples, least), np.random.default_rng(0)
    tissue = hu >= -150
    further = np.zeros_like(tissue)
    further[..., :-1] = ~tissue[..., :-1] & tissue[..., 1:]
    weighed = 2 * tissue.astype(int) + further
    for _ in range(200):
        size = rng.integers(1, (40, 36, 30))
        corner = rng.integers(0, np.array(hu.shape) - size, endpoint=True)
        low, high = bounds(counts, tuple(corner.tolist()), tuple(size.tolist()), (2, 1))
        window = tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))
        assert low <= weighed[window].sum() <= high
    assert bounds(counts, (4, 8, 12), (8, 12, 16), (2, 1)) == (weighed[4:12, 8:20, 12:28].sum(),) * 2


@pytest.mark.parametrize(
    "choice",
    [
        CubeSettings(shape=(16, 16, 16), tissue=(0.2, 0.4)),
        CubeSettings(shape=(16, 16, 8), rule="released"),
        CubeSettings(shape=(16, 16, 16), tissue=(2.0, 3.0), tries=3),  # nothing fits: the last is taken
    ],
)
def test_cubes_are_the_same_with_and_without_the_table(tmp_path: Path, choice: CubeSettings) -> None:
    add_scan(tmp_path / "s", "a", ct_window().encode(blobs((260, 230, 100), 2)), ct_window())
    store = open_store(tmp_path / "s")
    assert store.tissue(store.scans[0]) is not None
    quick = CubeSampler(store, store.scans, choice)
    with_table = [quick.cube(generator(0, item)) for item in range(30)]
    (tmp_path / "s" / "scans" / "a" / "0" / FILE).unlink()
    slow = CubeSampler(Store(store.path, store.scans), store.scans, choice)
    for item, cube in enumerate(with_table):
        other = slow.cube(generator(0, item))
        assert (cube.scan, cube.corner) == (other.scan, other.corner)
        np.testing.assert_array_equal(cube.array, other.array)


def test_most_cubes_of_air_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hu = np.full((64, 64, 64), -1000.0)
    hu[40:] = blobs((24, 64, 64), 3)
    add_scan(tmp_path / "s", "a", ct_window().encode(hu), ct_window())
    store, reads = open_store(tmp_path / "s"), []
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda *given: reads.append(given) or read(*given))
    sampler = CubeSampler(store, store.scans, CubeSettings(shape=(16, 16, 16)))
    for item in range(50):
        sampler.cube(generator(0, item))
    assert len(reads) < 60  # more than a hundred locations were tried


def test_damage_is_an_error_and_images_and_labels_have_no_table(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((40, 30))
    scale = mr_percentiles(image)
    add_scan(tmp_path / "s", "image", scale.encode(image), scale, modality="mr", spacing=(1.0, 1.0))
    add_scan(tmp_path / "s", "label", np.ones((8, 8, 8), np.uint16), ct_window(), modality="label")
    add_scan(tmp_path / "s", "scan", ct_window().encode(blobs((20, 20, 20), 4)), ct_window())
    store = open_store(tmp_path / "s")
    tables = {scan.id: store.tissue(scan) for scan in store.scans}
    assert tables["image"] is tables["label"] is None
    assert tables["scan"] is not None
    path = tmp_path / "s" / "scans" / "scan" / "0" / FILE
    whole = path.read_bytes()
    for damaged, message in ((whole[:40], "damaged"), (whole[:-64], "damaged"), (b"", "damaged")):
        path.write_bytes(damaged)
        with pytest.raises(GenesisError, match=message):
            open_store(tmp_path / "s").tissue(store.scans[2])
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 4]))
    assert store.verify()[0].startswith("scan: its table of tissue is damaged")
    np.save(path, np.zeros((2, 3, 3, 3), np.uint8))
    with pytest.raises(GenesisError, match="not of a scan of shape"):
        open_store(tmp_path / "s").tissue(store.scans[2])
