"""The abdomen phantom: same seed same patient, other seed other patient, organs whole, in place and at their HU."""

import numpy as np
import pytest
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.abdomen import ABDOMEN_LABELS, AbdomenPhantom, abdomen, field_spacing
from modelsgenesis.phantoms.abdomen_sheet import contrast

SHAPE, SPACING = (96, 96, 64), (3.5, 3.5, 4.0)
SMALL, COARSE = (32, 32, 24), (10.5, 10.5, 10.6)
ALWAYS = set(ABDOMEN_LABELS) - {"gallbladder", "lesion"}  # some patients have none


@pytest.fixture(scope="module")
def patients() -> list[AbdomenPhantom]:
    """Five patients with four lesions each; what one lacks by chance another has."""
    return [abdomen(np.random.default_rng(seed), SHAPE, SPACING, lesions=4) for seed in range(5)]


def of(phantom: AbdomenPhantom, label: str) -> np.ndarray:
    return phantom.labels == ABDOMEN_LABELS[label]


def centre(phantom: AbdomenPhantom, label: str) -> np.ndarray:
    """Centre of mass of a label in mm from the middle of the scan, LPS."""
    voxels = np.argwhere(of(phantom, label))
    return (voxels.mean(axis=0) - (np.array(phantom.labels.shape) - 1) / 2) * phantom.spacing


def millilitres(phantom: AbdomenPhantom, label: str) -> float:
    return float(of(phantom, label).sum() * np.prod(phantom.spacing) / 1000)


def test_types_and_every_structure(patients: list[AbdomenPhantom]) -> None:
    for phantom in patients:
        assert phantom.array.dtype == np.float32
        assert phantom.labels.dtype == np.uint8
        assert phantom.array.shape == phantom.labels.shape == SHAPE
        assert phantom.spacing == SPACING
        assert {name for name, value in ABDOMEN_LABELS.items() if (phantom.labels == value).any()} >= ALWAYS
    assert any(of(phantom, "gallbladder").any() for phantom in patients)
    assert any(of(phantom, "lesion").any() for phantom in patients)


def test_organs_lie_where_lps_says(patients: list[AbdomenPhantom]) -> None:
    for phantom in patients:
        liver = centre(phantom, "liver")
        assert liver[0] < -25  # liver on the right: x < 0
        assert centre(phantom, "spleen")[0] > 60
        assert centre(phantom, "spleen")[1] > centre(phantom, "stomach")[1]  # spleen behind the stomach
        assert centre(phantom, "stomach")[0] > 20
        assert centre(phantom, "vena_cava")[0] < centre(phantom, "aorta")[0] - 10
        assert centre(phantom, "heart")[2] > liver[2] + 20  # to the head
        assert centre(phantom, "bowel")[2] < liver[2] - 20
        assert centre(phantom, "bone")[1] > liver[1] + 15  # spine and ribs to the back
        assert centre(phantom, "lung")[2] > centre(phantom, "kidney")[2] + 60
        kidneys = np.argwhere(of(phantom, "kidney"))[:, 0]
        assert 0.3 < (kidneys < SHAPE[0] / 2).mean() < 0.7  # one on each side


def test_sizes_are_those_of_adults(patients: list[AbdomenPhantom]) -> None:
    for phantom in patients:
        assert 700 < millilitres(phantom, "liver") < 2700
        assert 20 < millilitres(phantom, "spleen") < 450
        assert 120 < millilitres(phantom, "kidney") < 450
        assert 20 < millilitres(phantom, "aorta") < 150


def test_hounsfield_units_of_the_organs(patients: list[AbdomenPhantom]) -> None:
    for phantom in patients:
        median = {name: float(np.median(phantom.array[of(phantom, name)])) for name in ALWAYS}
        assert 15 < median["liver"] < 150
        assert 35 < median["spleen"] < 150
        assert 15 < median["kidney"] < 240
        assert 20 < median["aorta"] < 380  # voxels at its rim are part fat
        assert 40 < median["muscle"] < 80
        assert median["bone"] > 100
        assert -920 < median["lung"] < -650
        assert np.median(phantom.array[:2]) < -950  # air beside the patient
        stomach = phantom.array[of(phantom, "stomach")]
        assert stomach.min() < -500  # air above
        assert (stomach > -100).mean() > 0.3  # contents below it
        fat = (phantom.labels == 0) & (phantom.array > -160) & (phantom.array < -50)
        assert fat.mean() > 0.03


def test_air_in_the_stomach_rises_to_the_front(patients: list[AbdomenPhantom]) -> None:
    for phantom in patients:
        stomach = of(phantom, "stomach")
        air = np.argwhere(stomach & (phantom.array < -500))[:, 1]
        fluid = np.argwhere(stomach & (phantom.array > -100))[:, 1]
        assert air.mean() < fluid.mean()


def test_lesions_are_inside_the_liver_and_differ_from_it(patients: list[AbdomenPhantom]) -> None:
    for phantom in patients:
        lesion = of(phantom, "lesion")
        whole = of(phantom, "liver") | lesion
        ring = ndimage.binary_dilation(lesion) & ~lesion
        assert whole[ring].mean() > 0.6
        inner = ndimage.binary_erosion(lesion)
        if inner.sum() > 10:
            contrast = abs(np.median(phantom.array[inner]) - np.median(phantom.array[of(phantom, "liver")]))
            assert contrast > 6


def test_number_of_lesions_is_kept() -> None:
    none = abdomen(np.random.default_rng(1), SHAPE, SPACING, lesions=0)
    many = abdomen(np.random.default_rng(1), SHAPE, SPACING, lesions=12)
    assert not of(none, "lesion").any()
    assert ndimage.label(of(many, "lesion"))[1] >= 4
    assert of(none, "spleen").sum() == of(many, "spleen").sum()  # the patient around them is the same


def test_contrast_agent_differs_between_patients() -> None:
    draws = [contrast(np.random.default_rng(seed)) for seed in range(200)]
    plain = np.array([hu.aorta < 60 for hu in draws])
    assert 0.1 < plain.mean() < 0.35
    assert max(hu.aorta for hu in draws) > 170
    beside = np.array([(hu.liver - hu.spleen, hu.liver - hu.muscle) for hu in draws])
    assert (np.abs(beside[:, 0]) < 20).mean() > 0.3  # often hardly another than its neighbour
    assert beside[:, 1].std() > 15
    assert all(hu.fat < -90 < 0 < hu.liver < 140 for hu in draws)


def test_deterministic_and_varied() -> None:
    first, again, other = (abdomen(np.random.default_rng(s), SMALL, COARSE) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.array, again.array)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).mean() > 0.02


def test_a_narrow_field_shows_the_liver() -> None:
    for seed in range(3):
        phantom = abdomen(np.random.default_rng(seed), (32, 32, 32), (3.0, 3.0, 3.0))
        assert np.isin(phantom.labels, (ABDOMEN_LABELS["liver"], ABDOMEN_LABELS["lesion"])).mean() > 0.2


def test_drawn_spacing_is_that_of_clinical_scans() -> None:
    for seed in range(20):
        x, y, z = field_spacing(np.random.default_rng(seed), (512, 512, 100))
        assert 0.6 <= x == y <= 0.9
        assert 0.7 <= z <= 5
        assert 310 < field_spacing(np.random.default_rng(seed), (96, 96, 64))[0] * 96 < 470
    first, second = (abdomen(np.random.default_rng(seed), SMALL).spacing for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize(
    ("shape", "spacing"), [((8, 8), (1, 1, 1)), ((8, 8, 0), (1, 1, 1)), ((8, 8, 8), (1, 1, -1)), ((8, 8), None)]
)
def test_bad_grid_is_refused(shape: tuple[int, ...], spacing: tuple[float, ...] | None) -> None:
    with pytest.raises(UsageError, match="three positive"):
        abdomen(np.random.default_rng(0), shape, spacing)


def test_negative_lesions_are_refused() -> None:
    with pytest.raises(UsageError, match="0 or more"):
        abdomen(np.random.default_rng(0), SMALL, COARSE, lesions=-1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 2), (16, 16, 4)])
def test_tiny_grids_are_drawn(shape: tuple[int, int, int]) -> None:
    phantom = abdomen(np.random.default_rng(0), shape, (2.0, 2.0, 2.0))
    assert phantom.array.shape == shape
    assert np.isfinite(phantom.array).all()
