"""The brain phantom: repeatable, varied, with each sequence's contrast and tumours that lie and push as they should."""

import numpy as np
import pytest
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.brain import BrainPhantom, brain
from modelsgenesis.phantoms.mr import SEQUENCES, TISSUES

SMALL = (40, 48, 36)
COARSE = (4.0, 4.0, 4.0)
SEEDS = range(5)
MIDDLING = ((54, 64, 48), (3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def healthy() -> BrainPhantom:
    return brain(np.random.default_rng(3), tumour=False)


@pytest.fixture(scope="module")
def patients() -> list[BrainPhantom]:
    return [brain(np.random.default_rng(seed), high_grade=True) for seed in SEEDS]


def median(phantom: BrainPhantom, sequence: str, tissue: str) -> float:
    return float(np.median(phantom.images[sequence][phantom.tissues == TISSUES[tissue]]))


def ventricles(phantom: BrainPhantom) -> np.ndarray:
    """Voxels of fluid deep in the brain, where the lateral and third ventricles are."""
    middle = np.zeros_like(phantom.labels, dtype=bool)
    x, y, z = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(middle.shape, phantom.spacing, strict=True))
    middle[np.ix_(np.abs(x) < 26, (y > -46) & (y < 36), (z > -12) & (z < 28))] = True
    return middle & (phantom.tissues == TISSUES["csf"])


def test_types_shapes_and_ranges(healthy: BrainPhantom) -> None:
    assert tuple(healthy.images) == SEQUENCES
    for image in healthy.images.values():
        assert image.dtype == np.float32
        assert image.shape == healthy.labels.shape == healthy.tissues.shape == (80, 96, 72)
        assert image.min() == 0
        assert np.isfinite(image).all()
    assert healthy.labels.dtype == np.uint8
    assert not healthy.labels.any()


def test_same_seed_same_patient_other_seed_other_patient() -> None:
    one, same, other = (brain(np.random.default_rng(seed), SMALL, COARSE) for seed in (1, 1, 2))
    for name in SEQUENCES:
        assert np.array_equal(one.images[name], same.images[name])
        assert not np.array_equal(one.images[name], other.images[name])
    assert np.array_equal(one.labels, same.labels)
    assert (one.tissues != other.tissues).mean() > 0.1


def test_contrast_of_each_sequence() -> None:
    for seed in SEEDS:
        phantom = brain(np.random.default_rng(seed), tumour=False)
        for t1 in ("t1", "t1ce"):
            fluid, grey, white = (median(phantom, t1, tissue) for tissue in ("csf", "grey", "white"))
            assert fluid < grey < white
        fluid, grey, white = (median(phantom, "t2", tissue) for tissue in ("csf", "grey", "white"))
        assert fluid > grey > white
        assert median(phantom, "flair", "csf") < 0.7 * median(phantom, "flair", "white")
        assert np.median(phantom.images["flair"][ndimage.binary_erosion(ventricles(phantom))]) < 0.5 * median(
            phantom, "flair", "white"
        )


def test_brain_size_is_a_human_one(healthy: BrainPhantom) -> None:
    litres = (healthy.tissues > 0).sum() * np.prod(healthy.spacing) / 1e6
    grey, white = ((healthy.tissues == TISSUES[name]).sum() for name in ("grey", "white"))
    assert 1.0 < litres < 1.8
    assert 0.8 < grey / white < 3


def test_spacing_changes_the_grid_not_the_patient() -> None:
    fine, coarse = (brain(np.random.default_rng(3), *grid) for grid in (((80, 96, 72), (2, 2, 2)), (SMALL, COARSE)))
    volumes = [(p.tissues > 0).sum() * np.prod(p.spacing) for p in (fine, coarse)]
    assert abs(volumes[0] / volumes[1] - 1) < 0.05


def test_tumour_parts_are_nested_inside_the_brain(patients: list[BrainPhantom]) -> None:
    for phantom in patients:
        labels = phantom.labels
        assert set(np.unique(labels)) == {0, 1, 2, 4}
        assert (phantom.tissues[labels > 0] > 0).all()
        size = (labels > 0).sum() * np.prod(phantom.spacing) / 1000
        assert 2 < size < 260  # ml
        centre = np.argwhere(labels > 0).mean(axis=0)
        spread = [np.linalg.norm(np.argwhere(labels == part) - centre, axis=1).mean() for part in (1, 4, 2)]
        assert spread[0] < spread[2]
        assert spread[1] < spread[2]


def test_each_part_of_the_tumour_looks_like_itself(patients: list[BrainPhantom]) -> None:
    for phantom in patients:
        inside = {part: phantom.labels == part for part in (1, 2, 4)}
        flair, enhanced = phantom.images["flair"], phantom.images["t1ce"]
        assert np.median(flair[inside[2]]) > 1.1 * median(phantom, "flair", "white")
        assert np.median(enhanced[inside[4]]) > np.median(enhanced[inside[1]])
        assert np.median(enhanced[inside[4]]) > np.median(enhanced[inside[2]])


def test_low_grade_hardly_enhances() -> None:
    shares = []
    for seed in SEEDS:
        labels = brain(np.random.default_rng(seed), SMALL, COARSE, high_grade=False).labels
        shares.append((labels == 4).sum() / max((labels > 0).sum(), 1))
    assert np.mean(shares) < 0.1
    assert np.median(shares) == 0


def test_tumours_take_either_side() -> None:
    tiny = (brain(np.random.default_rng(seed), (20, 24, 18), (8, 8, 8)).labels for seed in range(24))
    left = [bool(np.argwhere(labels > 0)[:, 0].mean() > 9.5) for labels in tiny]
    assert 5 <= sum(left) <= 19


def test_mass_effect_moves_the_ventricles_away() -> None:
    moved = []
    for seed in SEEDS:
        with_tumour, without = (
            brain(np.random.default_rng(seed), *MIDDLING, tumour=t, high_grade=True) for t in (True, False)
        )
        tumour = np.argwhere(with_tumour.labels > 0).mean(axis=0)
        here, there = (np.argwhere(ventricles(phantom)).mean(axis=0) for phantom in (with_tumour, without))
        away = (there - tumour) / np.linalg.norm(there - tumour)
        moved.append(float((here - there) @ away) * 3)  # mm
    assert np.mean(moved) > 0.5
    assert np.mean(np.array(moved) > -0.2) >= 0.75


def test_bright_in_flair_is_not_always_tumour(healthy: BrainPhantom) -> None:
    lesions = healthy.tissues == TISSUES["lesion"]
    assert lesions.sum() > 20
    assert median(healthy, "flair", "lesion") > 1.1 * median(healthy, "flair", "white")


def test_sequences_of_one_patient_share_the_anatomy_but_not_the_scale() -> None:
    scales = {name: set() for name in SEQUENCES}
    for seed in SEEDS:
        phantom = brain(np.random.default_rng(seed), SMALL, COARSE, tumour=False)
        supports = [phantom.images[name] > 0 for name in SEQUENCES]
        assert all(np.array_equal(supports[0], other) for other in supports)
        for name in SEQUENCES:
            scales[name].add(round(median(phantom, name, "white"), -1))
    assert all(max(found) > 2 * min(found) for found in scales.values())


def test_with_the_skull_there_is_scalp_bone_and_noisy_air() -> None:
    phantom = brain(np.random.default_rng(4), (50, 60, 46), COARSE, stripped=False)
    found = {name for name, value in TISSUES.items() if (phantom.tissues == value).any()}
    assert {"bone", "marrow", "fat", "muscle", "air", "white", "grey", "csf"} <= found
    assert median(phantom, "t1", "fat") > median(phantom, "t1", "white") > median(phantom, "t1", "bone")
    corner = phantom.images["t2"][:4, :4, -4:]
    assert 0 < corner.mean() < 0.2 * median(phantom, "t2", "white")
    # The magnitude of pure complex noise follows Rayleigh's law: mean over standard deviation is 1.913.
    air = phantom.images["t2"][phantom.tissues == 0]
    far = air[air < np.percentile(air, 90)]
    assert 1.6 < far.mean() / far.std() < 2.4


def test_wrong_grids_are_refused() -> None:
    for shape, spacing in (((40, 40), COARSE), ((40, 40, 2), COARSE), (SMALL, (1, 1, 0))):
        with pytest.raises(UsageError, match="brain phantom"):
            brain(np.random.default_rng(0), shape, spacing)
