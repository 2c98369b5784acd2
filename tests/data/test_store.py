import multiprocessing
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsgenesis.data.arrays import chunk_shape, shard_shape, write_scan
from modelsgenesis.data.intensity import ct_window, label_values, unsigned_image
from modelsgenesis.data.manifest import MANIFEST, append_scan, read_manifest, write_manifest
from modelsgenesis.data.store import Store, add_scan, describe, open_store
from modelsgenesis.errors import GenesisError, UsageError


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "b": rng.integers(0, 2001, (70, 65, 40)).astype(np.uint16),
        "a": np.zeros((33, 20, 17), np.uint16),
        "image": rng.integers(0, 256, (300, 200)).astype(np.uint8),
    }


@pytest.fixture
def path(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    for name, array in arrays.items():
        scale = unsigned_image(8) if name == "image" else ct_window()
        modality = "image" if name == "image" else "ct"
        add_scan(tmp_path / "store", name, array, scale, spacing=(1.0, 2.0, 3.0), modality=modality, subject="s")
    return tmp_path / "store"


def test_scans_come_back_whole_and_sorted(path: Path, arrays: dict[str, np.ndarray]) -> None:
    store = open_store(path)
    assert [scan.id for scan in store.scans] == ["a", "b", "image"]
    for scan in store.scans:
        read = store.read(scan)
        np.testing.assert_array_equal(read, arrays[scan.id])
        assert (read.dtype, read.shape) == (arrays[scan.id].dtype, scan.shape)
    assert store.verify() == []
    assert store.scans[2].spacing == (1.0, 2.0)


@given(st.data())
@settings(max_examples=40)
def test_a_cube_is_the_slice_of_the_array(data: st.DataObject) -> None:
    folder, array = _shared_store()
    store = open_store(folder)
    corner = [data.draw(st.integers(0, n - 1)) for n in array.shape]
    shape = [data.draw(st.integers(1, n - start)) for n, start in zip(array.shape, corner, strict=True)]
    window = tuple(slice(start, start + n) for start, n in zip(corner, shape, strict=True))
    np.testing.assert_array_equal(store.read(store.scans[0], corner, shape), array[window])


_made: list[tuple[Path, np.ndarray]] = []


def _shared_store() -> tuple[Path, np.ndarray]:
    if not _made:
        import tempfile

        folder = Path(tempfile.mkdtemp())
        array = np.random.default_rng(1).integers(0, 2001, (67, 40, 35)).astype(np.uint16)
        add_scan(folder, "scan", array, ct_window())
        _made.append((folder, array))
    return _made[0]


@pytest.mark.parametrize(
    ("corner", "shape"), [((-1, 0, 0), (8, 8, 8)), ((0, 0, 33), (8, 8, 8)), ((0, 0, 0), (0, 8, 8)), ((0, 0), (8, 8))]
)
def test_a_cube_outside_the_scan_is_refused(path: Path, corner: tuple[int, ...], shape: tuple[int, ...]) -> None:
    store = open_store(path)
    with pytest.raises(UsageError):
        store.read(store.scans[1], corner, shape)


def test_zarr_python_opens_it(path: Path, arrays: dict[str, np.ndarray]) -> None:
    group = zarr.open_group(path, mode="r")
    assert sorted(name for name, _ in group["scans"].groups()) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(group[f"scans/{name}/0"][:], array)
    assert group["scans/b/0"].shards == shard_shape((70, 65, 40))
    assert group["scans/b/0"].chunks == (32, 32, 16)


def test_one_file_a_scan_up_to_512_voxels_a_side() -> None:
    assert shard_shape((512, 512, 512)) == (512, 512, 512)
    assert shard_shape((513, 400, 600)) == (512, 416, 512)
    assert (chunk_shape((20, 500, 9)), shard_shape((20, 500, 9))) == ((20, 32, 9), (20, 512, 9))
    assert shard_shape((1024, 1000)) == (1024, 1024)


def test_damage_is_an_error_not_noise(path: Path) -> None:
    (shard,) = (file for file in (path / "scans/b/0/c").rglob("*") if file.is_file())
    content = bytearray(shard.read_bytes())
    content[1000] ^= 4
    shard.write_bytes(content)
    (missing,) = (file for file in (path / "scans/a/0/c").rglob("*") if file.is_file())
    missing.unlink()
    problems = open_store(path).verify()
    assert [problem.split(":")[0] for problem in problems] == ["a", "b"]
    assert "damaged" in problems[1]


def test_rewriting_replaces_the_scan(path: Path) -> None:
    fresh = np.full((16, 16, 16), 7, np.uint16)
    add_scan(path, "b", fresh, ct_window())
    store = open_store(path)
    assert len(store) == 3
    np.testing.assert_array_equal(store.read(store.scans[1]), fresh)
    assert not list((path / "scans").glob(".*"))


def test_the_array_must_suit_its_intensity_map(path: Path) -> None:
    with pytest.raises(UsageError, match="encode"):
        add_scan(path, "c", np.zeros((4, 4, 4), np.uint8), ct_window())


def test_a_torn_last_line_is_ignored_and_then_repaired(path: Path) -> None:
    manifest = path / MANIFEST
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-20])
    scans = read_manifest(path)
    assert sorted(scans) == ["a", "b"]
    append_scan(path, scans["a"])
    assert [line.split(b'"')[3] for line in manifest.read_bytes().splitlines()] == [b"b", b"a", b"a"]
    write_manifest(path, scans.values())
    assert read_manifest(path) == scans
    manifest.write_text("{torn\n" + manifest.read_text())
    with pytest.raises(GenesisError, match="line 1"):
        open_store(path)


def test_a_manifest_of_only_a_torn_line(path: Path) -> None:
    scan = read_manifest(path)["a"]
    (path / MANIFEST).write_text('{"id": "to')
    append_scan(path, scan)
    assert read_manifest(path) == {"a": scan}


def test_no_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match="not a prepared store"):
        open_store(tmp_path)


def read_first(store: Store) -> np.ndarray:
    return store.read(store.scans[1], (1, 2, 3), (4, 5, 6))


def test_a_store_that_was_read_pickles_and_is_read_in_other_processes(
    path: Path, arrays: dict[str, np.ndarray]
) -> None:
    store = open_store(path)
    expected = arrays["b"][1:5, 2:7, 3:9]
    np.testing.assert_array_equal(read_first(store), expected)
    assert pickle.loads(pickle.dumps(store))._handles == {}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(read_first, (store,)), expected)


def test_reading_after_a_fork_is_an_error_not_a_hang(path: Path) -> None:
    program = (
        "import os, sys\n"
        "from modelsgenesis.data.store import open_store\n"
        "store = open_store(sys.argv[1]); store.read(store.scans[0])\n"
        "if os.fork() == 0:\n"
        "    try: store.read(store.scans[0])\n"
        "    except Exception as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60)
    assert "spawn" in done.stdout


def test_reading_never_imports_simpleitk(path: Path) -> None:
    program = (
        "import sys; from modelsgenesis.data.store import open_store\n"
        "store = open_store(sys.argv[1]); store.read(store.scans[0]); print('SimpleITK' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_description(path: Path, arrays: dict[str, np.ndarray]) -> None:
    summary = describe(open_store(path))
    assert (summary["scans"], summary["subjects"], summary["modality"]) == (3, 1, {"ct": 2, "image": 1})
    assert summary["bytes_raw"] == sum(array.nbytes for array in arrays.values())
    files = [Path(place, name) for place, _, names in os.walk(path / "scans") for name in names]
    on_disk = sum(file.stat().st_size for file in files if file.parent != path / "scans")
    assert summary["bytes_stored"] == on_disk


def test_labels_are_small(tmp_path: Path) -> None:
    scan = add_scan(tmp_path, "labels", np.zeros((64, 64, 64), np.uint8), label_values(), modality="label")
    assert scan.bytes < 10_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "another"),
        ("spacing", (2.0, 2.0, 2.0)),
        ("modality", "mr"),
        ("measured", False),
        ("intensity", ct_window(-400, 400)),
    ],
)
def test_the_digest_tells_all_that_a_training_sees(phantom_store: Store, field: str, value: Any) -> None:
    scan = phantom_store.scans[0]
    other = Store(phantom_store.path, [replace(scan, **{field: value}), *phantom_store.scans[1:]])
    assert other.digest() != phantom_store.digest()
    assert Store(phantom_store.path, list(phantom_store.scans)).digest() == phantom_store.digest()


@pytest.mark.usefixtures("no_room")
def test_a_full_disk_is_named_with_its_cause(tmp_path: Path) -> None:
    store = tmp_path / ("long" * 30) / "store"
    noise = np.random.default_rng(0).integers(0, 2**16, (32, 32, 32)).astype(np.uint16)
    with pytest.raises(GenesisError, match=r"noise: could not be written \(File too large\); free space or rights\?$"):
        write_scan(store, "noise", noise, (1.0, 1.0, 1.0), [(1, 1, 1)])
