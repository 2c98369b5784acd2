"""How a case is turned is found once: the same cubes from the cache, whatever becomes of its files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from modelsgenesis.phantoms.images import hounsfield, write_nifti
from modelsgenesis.targets import vessel_cache
from modelsgenesis.targets.base import Case, Target
from modelsgenesis.targets.patches import PatchSettings, classified_input
from modelsgenesis.targets.prepared import ImageSettings, PreparedTarget, prepare_target
from modelsgenesis.targets.vessel import align, block_side
from tests.targets.test_vessel import SIDE, SPACING, scene

CHOICE = PatchSettings(shape=(SIDE, SIDE, SIDE))


@pytest.fixture
def data(tmp_path: Path) -> PreparedTarget:
    """One scan with a slanting vessel, and two candidates in it."""
    values = scene(Rotation.from_euler("zyx", (40, 20, 10), degrees=True))
    path = tmp_path / "scan.nii.gz"
    write_nifti(hounsfield(values * 2000 - 1000), (SPACING,) * 3, path)
    n = block_side(SIDE)
    middle = ((n // 2 - (n - 1) / 2) * SPACING,) * 3
    cases = [Case(f"c{k}", "s", (path,), k, (middle[0] + 2.5 * k, *middle[1:])) for k in range(2)]
    target = Target("classification", {0: "no", 1: "yes"}, cases, path, orientation="vessel")
    return prepare_target(target, ImageSettings(), tmp_path / "cache")


def test_cubes_are_those_of_the_voxels_and_found_once(data: PreparedTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in data.cases:
        block = data.image_around(case, case.centre, (block_side(SIDE),) * 3)[0]
        expected = align(block, SIDE, SPACING)
        np.testing.assert_array_equal(classified_input(data, case, CHOICE)[0], expected)
        assert np.abs(expected - data.image_around(case, case.centre, CHOICE.shape)[0]).mean() > 0.01
    monkeypatch.setattr(vessel_cache, "vessel_axes", None)  # called now, it would fail
    again = [classified_input(data, case, CHOICE) for case in data.cases]
    assert np.abs(again[0] - again[1]).max() > 0.1
    moved = classified_input(data, data.cases[0], CHOICE, np.random.default_rng(0))
    assert np.abs(moved - again[0]).max() > 0.1


@pytest.mark.parametrize("orientation", ["grid", "vessel"])
def test_orthogonal_planes_are_the_middle_slices_of_the_cube(data: PreparedTarget, orientation: str) -> None:
    data.target = replace(data.target, orientation=orientation)  # type: ignore[arg-type]
    cube = classified_input(data, data.cases[1], CHOICE)[0]
    choice, middle = PatchSettings(shape=(SIDE, SIDE), planes="orthogonal"), SIDE // 2
    planes = classified_input(data, data.cases[1], choice)
    assert choice.channels == len(planes) == 3
    for plane, expected in zip(planes, (cube[:, :, middle], cube[:, middle], cube[middle]), strict=True):
        np.testing.assert_array_equal(plane, expected)
    axial = classified_input(data, data.cases[1], replace(choice, planes="axial"))
    np.testing.assert_array_equal(axial, planes[:1])


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY junk", None], ids=["empty", "torn", "no rotation"])
def test_damaged_files_are_written_again(data: PreparedTarget, content: bytes | None) -> None:
    expected = vessel_cache.axes_of(data, data.cases[0], SIDE)
    (path,) = data.folder.glob("vessels/*/c0-*.npy")
    if content is None:
        np.save(path, 2 * expected)
    else:
        path.write_bytes(content)
    np.testing.assert_array_equal(vessel_cache.axes_of(data, data.cases[0], SIDE), expected)
    np.testing.assert_array_equal(np.load(path), expected)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_moved_candidate_is_another(data: PreparedTarget) -> None:
    first, second = data.cases
    vessel_cache.axes_of(data, first, SIDE)
    renamed = replace(second, case=replace(second.case, id="c0"))
    own = vessel_cache.axes_of(data, second, SIDE)
    np.testing.assert_array_equal(vessel_cache.axes_of(data, renamed, SIDE), own)
    assert len(list(data.folder.glob("vessels/*/c0-*.npy"))) == 2
