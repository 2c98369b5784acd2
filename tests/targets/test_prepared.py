"""Cases in stores, and the patches cut from them, against arrays in memory."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelsgenesis.data.padding import crop_or_pad
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import write_json
from modelsgenesis.phantoms.images import write_nifti
from modelsgenesis.streams import generator
from modelsgenesis.targets import prepared as module
from modelsgenesis.targets.folder import read_folder
from modelsgenesis.targets.patches import PatchSampler, PatchSettings, fit_scan
from modelsgenesis.targets.prepared import ImageSettings, Places, PreparedTarget, prepare_target

SHAPE = (20, 18, 12)
PATCH = (8, 8, 8)


def arrays(name: str) -> tuple[Any, Any]:
    """HU and label values (0, 1, 2, 4) of a case; case `empty` has no label, `small` is smaller than a patch."""
    rng = np.random.default_rng(sum(name.encode()))
    shape = (6, 18, 12) if name == "small" else SHAPE
    labels = np.zeros(shape, np.uint8)
    if name != "empty":
        labels[2:5, 3:9, 4:8] = 1
        labels[3, 5, 6] = 2
        labels[4:, 15, 2:7] = 4
    return rng.integers(-1200, 1200, shape).astype(np.int16), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    for name in ("empty", "large", "small"):
        image, labels = arrays(name)
        write_nifti(image, (1.0, 1.0, 2.0), path / f"imagesTr/{name}_0000.nii.gz")
        write_nifti(labels, (1.0, 1.0, 2.0), path / f"labelsTr/{name}.nii.gz")
    labels_of = {"background": 0, "organ": 1, "lesion": 2, "vessel": 4}
    write_json(path / "dataset.json", {"channel_names": {"0": "CT"}, "labels": labels_of, "file_ending": ".nii.gz"})
    return path


@pytest.fixture(scope="module")
def data(folder: Path) -> PreparedTarget:
    return prepare_target(read_folder(folder, {"organ": [1, 2], "vessel": [4]}), ImageSettings(), folder / "cache")


def expected(name: str) -> tuple[Any, Any]:
    """Unit image and structures, from the definition."""
    image, labels = arrays(name)
    return (np.clip(image, -1000, 1000) + 1000) / 2000, np.select([np.isin(labels, (1, 2)), labels == 4], [1, 2])


def test_cases_read_back(data: PreparedTarget) -> None:
    for case in data.cases:
        image, structures = expected(case.case.id)
        np.testing.assert_allclose(data.image(case)[0], image, atol=1e-6)
        np.testing.assert_array_equal(data.label(case), structures)
    assert [case.case.id for case in data.of(["small", "empty"])] == ["empty", "small"]


def test_places_are_of_their_structure(data: PreparedTarget) -> None:
    large = next(case for case in data.cases if case.case.id == "large")
    places, structures = data.places(large), expected("large")[1]
    assert places.structures == [1, 2]
    for structure in places.structures:
        assert {int(structures[places.draw(generator(n), structure)]) for n in range(50)} == {structure}
    values = [arrays("large")[1][places.draw(generator(n), 1)] for n in range(200)]
    assert values.count(2) < 10, "inside a structure each voxel is as likely, whatever its value"


def test_patches_are_cut_from_the_scan(data: PreparedTarget) -> None:
    image, structures = expected("large")
    case = [one for one in data.cases if one.case.id == "large"]
    sampler = PatchSampler(data, case, PatchSettings(PATCH, foreground=0.5))
    windows = np.lib.stride_tricks.sliding_window_view(image, PATCH)
    for item in range(12):
        patch, label = sampler.patch(generator(0, item), item)
        assert patch.shape == (1, *PATCH)
        assert patch.dtype == np.float32
        corner = np.argwhere(np.isclose(windows, patch[0], atol=1e-6).all((3, 4, 5)))
        assert len(corner) == 1
        x, y, z = corner[0]
        np.testing.assert_array_equal(label, structures[x : x + 8, y : y + 8, z : z + 8])


def test_foreground_patches_hold_a_structure(data: PreparedTarget) -> None:
    always = PatchSampler(data, data.of(["large", "small"]), PatchSettings(PATCH, foreground=1))
    never = PatchSampler(data, data.of(["large", "small"]), PatchSettings(PATCH, foreground=0))
    assert all(always.patch(generator(item), item)[1].any() for item in range(30))
    assert not all(never.patch(generator(item), item)[1].any() for item in range(30))


@pytest.mark.parametrize(("share", "wanted"), [(None, 1 / 2), (0.75, 0.75), (1 / 3, 1 / 3)])
def test_structures_take_turns(
    share: float | None, wanted: float, data: PreparedTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two structures, one of them in one case of three: each is drawn as often, in any run of items."""
    drawn: dict[int, int] = {}
    item = 0

    def draw(_places: Places, _rng: np.random.Generator, structure: int) -> tuple[int, ...]:
        drawn[item] = structure
        return (0, 0, 0)

    monkeypatch.setattr(Places, "draw", draw)
    sampler = PatchSampler(data, data.cases, PatchSettings(PATCH, foreground=share))
    for item in range(480):
        sampler.patch(generator(item), item)
    for start in range(0, 480, 24):
        counts = Counter(drawn.get(one) for one in range(start, start + 24))
        assert abs(counts[1] - 12 * wanted) <= 1
        assert abs(counts[2] - 12 * wanted) <= 1
    assert set(drawn.values()) == {1, 2}


def test_patches_repeat_and_small_cases_are_padded(data: PreparedTarget) -> None:
    sampler = PatchSampler(data, data.of(["small"]), PatchSettings(PATCH))
    patch, label = sampler.patch(generator(5, 1), 1)
    again, _ = sampler.patch(generator(5, 1), 1)
    np.testing.assert_array_equal(patch, again)
    assert patch.shape[1:] == label.shape == PATCH
    assert patch[:, [0, -1]].max() == 0
    assert label[[0, -1]].max() == 0
    assert patch[:, 1].min() < patch[:, 1].max()


def test_no_structure_at_all(data: PreparedTarget) -> None:
    with pytest.raises(UsageError, match="no case of one side of the split \(empty\) holds a structure"):
        PatchSampler(data, data.of(["empty"]), PatchSettings(PATCH))


def test_other_runs_find_the_cache(folder: Path, data: PreparedTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "prepare", lambda *_: pytest.fail("read again"))
    again = prepare_target(read_folder(folder, {"organ": [1, 2], "vessel": [4]}), ImageSettings(), folder / "cache")
    assert again.digest() == data.digest()
    others = prepare_target(read_folder(folder, {"organ": [1, 2]}), ImageSettings(), folder / "cache")
    assert others.digest() != data.digest(), "other labels are other data, from the same cache"


def test_unknown_label_value(folder: Path, data: PreparedTarget) -> None:
    target = replace(data.target, known=frozenset({0, 1, 4}))
    with pytest.raises(GenesisError, match=r"labelsTr/large.nii.gz: holds the value 2, which .*dataset.json does not"):
        prepare_target(target, ImageSettings(), folder / "cache")


def test_rejected_scans_are_named(folder: Path, tmp_path: Path) -> None:
    target = read_folder(folder, {})
    constant = tmp_path / "constant.nii.gz"
    write_nifti(np.zeros(SHAPE, np.int16), (1.0, 1.0, 2.0), constant)
    cases = [replace(case, images=(constant,)) if case.id == "large" else case for case in target.cases]
    with pytest.raises(GenesisError, match=r"constant.nii.gz: constant, every voxel is 0"):
        prepare_target(replace(target, cases=cases), ImageSettings(), tmp_path / "cache")


def test_crop_or_pad_keeps_the_centre() -> None:
    array = np.arange(1, 8 * 5 + 1).reshape(1, 8, 5)
    fitted = crop_or_pad(array, (4, 9))
    assert fitted.shape == (1, 4, 9)
    np.testing.assert_array_equal(fitted[:, :, 2:7], array[:, 2:6])
    assert not fitted[:, :, :2].any()
    assert not fitted[:, :, 7:].any()


def test_whole_scans_are_resized() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 12, dtype=np.float32)[:, None, None], (1, 12, 6, 6)).copy()
    resized = fit_scan(ramp, (6, 6, 6), "resize")
    assert resized.shape == (1, 6, 6, 6)
    np.testing.assert_allclose(resized[0, :, 0, 0], ramp[0, :, 0, 0].reshape(6, 2).mean(1), atol=1e-6)
    np.testing.assert_array_equal(fit_scan(ramp, (6, 6, 6), "centre"), ramp[:, 3:9])


def naive(array: Any, centre: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The cube around a voxel, one voxel at a time; zero beyond the array."""
    cube = np.zeros(shape, array.dtype)
    for place in np.ndindex(*shape):
        source = [c - n // 2 + i for c, n, i in zip(centre, shape, place, strict=True)]
        if all(0 <= v < whole for v, whole in zip(source, array.shape, strict=True)):
            cube[place] = array[tuple(source)]
    return cube


@pytest.fixture(scope="module")
def places(folder: Path) -> PreparedTarget:
    """Places in the scan `large`, in LPS mm of its header: in the middle, at its border, and its last voxel."""
    target = read_folder(folder, {"organ": [1, 2], "vessel": [4]})
    large = next(case for case in target.cases if case.id == "large")
    corner = [-(n - 1) / 2 * step for n, step in zip(SHAPE, (1.0, 1.0, 2.0), strict=True)]
    centres = {"a": (10, 9, 6), "b": (1, 17, 0), "c": (19, 17, 11)}
    cases = [
        replace(large, id=name, centre=tuple(c + v * s for c, v, s in zip(corner, voxel, (1.0, 1.0, 2.0), strict=True)))
        for name, voxel in centres.items()
    ]
    return prepare_target(replace(target, cases=cases), ImageSettings(), folder / "places")


@pytest.mark.parametrize(("name", "voxel"), [("a", (10, 9, 6)), ("b", (1, 17, 0)), ("c", (19, 17, 11))])
@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 24, 3), (30, 30, 30)])
def test_cubes_around_places(places: PreparedTarget, name: str, voxel: tuple[int, ...], shape: tuple[int, ...]) -> None:
    case = next(case for case in places.cases if case.case.id == name)
    np.testing.assert_allclose(case.centre, voxel, atol=1e-4)
    image, structures = expected("large")
    found = places.judged_image(case, shape)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], naive(image, voxel, shape), atol=1e-6)
    np.testing.assert_array_equal(places.judged_label(case, shape), naive(structures, voxel, shape))
    first = np.array(case.images[0].affine) @ [*(v - n // 2 for v, n in zip(voxel, shape, strict=True)), 1]
    np.testing.assert_allclose(places.affine_around(case, shape)[:3, 3], first[:3])


def test_slices_through_places(places: PreparedTarget) -> None:
    case = places.cases[0]
    image, structures = expected("large")
    np.testing.assert_allclose(places.judged_image(case, (8, 6))[0], image[6:14, 6:12, 6], atol=1e-6)
    np.testing.assert_array_equal(places.judged_label(case, (8, 6)), structures[6:14, 6:12, 6])


def test_places_share_one_scan_and_are_moved_in_training(places: PreparedTarget) -> None:
    assert len({case.images[0].id for case in places.cases}) == 1
    sampler = PatchSampler(places, places.cases[:1], PatchSettings(PATCH, jitter=0.25))
    image, structures = expected("large")
    corners = set()
    for item in range(20):
        patch, label = sampler.patch(generator(0, item), item)
        found = [
            c
            for c in np.ndindex(5, 5, 5)
            if np.allclose(patch[0], naive(image, tuple(np.array((8, 7, 4)) + c), PATCH), atol=1e-6)
        ]
        assert len(found) == 1, "a patch within two voxels of its place"
        np.testing.assert_array_equal(label, naive(structures, tuple(np.array((8, 7, 4)) + found[0]), PATCH))
        corners.add(found[0])
    assert len(corners) > 8


def test_a_place_outside_its_scan_is_named(folder: Path) -> None:
    target = read_folder(folder, {})
    cases = [replace(target.cases[0], centre=(500.0, 0.0, 0.0))]
    with pytest.raises(GenesisError, match=r"centre \(500.0, 0.0, 0.0\) mm lies outside .*_0000.nii.gz"):
        prepare_target(replace(target, cases=cases), ImageSettings(), folder / "outside")


def test_labels_are_derived_once(folder: Path) -> None:
    target = read_folder(folder, {})
    made: list[str] = []

    def derive(case: Any) -> None:
        made.append(case.id)
        write_nifti(arrays(case.id)[1], (1.0, 1.0, 2.0), case.label)

    cases = [replace(case, label=folder / "derived" / f"{case.id}.nii.gz") for case in target.cases]
    derived = replace(target, cases=cases, derive=derive)
    for _ in range(2):
        found = prepare_target(derived, ImageSettings(), folder / "cache")
    assert sorted(made) == ["empty", "large", "small"]
    np.testing.assert_array_equal(
        found.label(found.cases[1]), np.select([arrays("large")[1] == v for v in (1, 2, 4)], [1, 2, 3])
    )
