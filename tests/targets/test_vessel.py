"""The vessel-oriented cube does not change when the scan is turned; the grid's does."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from modelsgenesis.targets.vessel import align, block_side, vessel_axes

SIDE, SPACING = 32, 0.625
LUNG, TISSUE, CLOT, BLOOD = 0.1, 0.52, 0.53, 0.68


def scene(rotation: Rotation, clot: bool = True, noise: float = 0.0) -> np.ndarray:
    """A vessel with a branch and an eccentric clot in lung beside a wall of tissue, drawn analytically, turned."""
    n = block_side(SIDE)
    places = (np.stack(np.indices((n, n, n)), -1).reshape(-1, 3) - n // 2) * SPACING
    p = rotation.inv().apply(places)
    values = np.full(len(p), LUNG)
    values[p[:, 1] > 9] = TISSUE
    vessel = np.hypot(p[:, 1], p[:, 2]) < 4 - 0.08 * p[:, 0]
    direction = np.array([0.5, 0.0, 0.87])
    along = p @ direction
    branch = (np.linalg.norm(p - along[:, None] * direction, axis=1) < 2) & (along > 0)
    values[vessel | branch] = BLOOD
    if clot:
        values[((p - [0.5, 0.6, -0.4]) ** 2 / np.array([3.5, 1.8, 1.8]) ** 2).sum(axis=1) < 1] = CLOT
    block = values.reshape(n, n, n)
    block = block + np.random.default_rng(0).normal(0, noise, block.shape) if noise else block
    return np.clip(block, 0, 1).astype(np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_invariant_to_turning_the_scan() -> None:
    rotations = Rotation.random(12, random_state=np.random.default_rng(1))
    reference = align(scene(Rotation.identity()), SIDE, SPACING)
    turned = [correlation(align(scene(rotation), SIDE, SPACING), reference) for rotation in rotations]
    assert min(turned) > 0.95
    corner = (block_side(SIDE) - SIDE) // 2 + 1
    cut = (slice(corner, corner + SIDE),) * 3
    grid = [correlation(scene(rotation)[cut], reference) for rotation in rotations]
    assert np.median(grid) < 0.7


def test_holds_with_noise_and_without_a_clot() -> None:
    rotations = Rotation.random(4, random_state=np.random.default_rng(2))
    for options in ({"noise": 0.02}, {"clot": False}):
        reference = align(scene(Rotation.identity(), **options), SIDE, SPACING)
        assert min(correlation(align(scene(r, **options), SIDE, SPACING), reference) for r in rotations) > 0.9


def test_the_axis_is_that_of_the_vessel_and_nothing_is_mirrored() -> None:
    for rotation in Rotation.random(4, random_state=np.random.default_rng(3)):
        axes = vessel_axes(scene(rotation), 10, SPACING)
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(axes) == pytest.approx(1)
        assert abs(axes[0] @ rotation.apply([1, 0, 0])) > 0.9


def test_vessel_lies_along_x_of_the_cube() -> None:
    cube = align(scene(Rotation.from_euler("xyz", [20, 70, 10], degrees=True)), SIDE, SPACING)
    assert cube.shape == (SIDE,) * 3
    assert cube.dtype == np.float32
    bright = cube > 0.6
    assert bright[:, SIDE // 2 - 5 : SIDE // 2 + 6, SIDE // 2 - 5 : SIDE // 2 + 6].any(axis=(1, 2)).mean() > 0.95
    assert 0 <= cube.min() <= cube.max() <= 1


def test_same_block_gives_the_same_cube_and_is_not_changed() -> None:
    block = scene(Rotation.identity())
    kept = block.copy()
    assert np.array_equal(align(block, SIDE, SPACING), align(block, SIDE, SPACING))
    assert np.array_equal(block, kept)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_without_a_vessel_the_grid_holds(value: float) -> None:
    n = block_side(SIDE)
    block = (np.random.default_rng(0).random((n, n, n)) * 0.02 + value).astype(np.float32)
    start = n // 2 - SIDE // 2
    np.testing.assert_array_equal(align(block, SIDE, SPACING), block[(slice(start, start + SIDE),) * 3])


def test_a_vessel_out_of_reach_does_not_turn_the_cube() -> None:
    n = block_side(SIDE)
    block = np.zeros((n, n, n), np.float32)
    block[:, :6, :6] = 0.7
    assert np.array_equal(vessel_axes(block, 10, SPACING), np.eye(3))
