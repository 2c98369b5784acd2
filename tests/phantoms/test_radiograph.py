"""X-ray phantoms: projection against a straight sum, anatomy the right way round, findings at their place only."""

import numpy as np
import pytest
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.projection import Beam, attenuation, projected
from modelsgenesis.phantoms.radiograph import Radiograph, drawn_findings, expose, radiograph
from modelsgenesis.phantoms.thoracic import FINDINGS
from modelsgenesis.phantoms.thorax import Thorax, thorax

SIZE = (112, 112)
SEEDS = range(3)


@pytest.fixture(scope="module")
def patient() -> Thorax:
    return thorax(np.random.default_rng(4), (80, 56, 76), (5.0, 5.0, 5.0))


def shot(patient: Thorax, seed: int, *findings: str) -> Radiograph:
    return expose(np.random.default_rng(seed), patient, SIZE, findings)


def straight(view: str) -> Beam:
    """A beam from so far away that its rays are parallel, on a detector of 100 mm."""
    return Beam(view, 1e7, 100.0, 100.0, (0.0, 0.0), 0.0, 0.0, 0.0)


def test_parallel_projection_is_a_sum_along_y() -> None:
    volume = np.random.default_rng(0).random((50, 20, 50), dtype=np.float32)
    spacing = np.array([2.0, 3.0, 2.0])
    for view in ("PA", "AP"):
        got = projected(volume, spacing, straight(view), (50, 50))
        expected = volume.sum(axis=1)[:, ::-1] * 3.0  # Y of the image runs downwards, z of the patient upwards
        np.testing.assert_allclose(got[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=2e-2)


def test_what_is_nearer_to_the_source_is_magnified_more() -> None:
    """A plate at the front is larger in AP than in PA, by the ratio of the distances."""
    volume = np.zeros((100, 40, 100), dtype=np.float32)
    volume[40:60, 2, 40:60] = 1  # y = -87.5 mm: in front
    widths = {}
    for view in ("PA", "AP"):
        beam = Beam(view, 1000.0, 120.0, 400.0, (0.0, 0.0), 0.0, 0.0, 0.0)
        got = projected(volume, np.array([5.0, 5.0, 5.0]), beam, (200, 200))
        widths[view] = float((got[:, 100] > 2.5).sum())
    assert widths["AP"] / widths["PA"] == pytest.approx((1000 - 120 + 87.5) / (1000 - 120 - 87.5), rel=0.06)


def test_attenuation_of_air_water_and_bone() -> None:
    air, water, bone = attenuation(np.array([-1000.0, 0.0, 1000.0], dtype=np.float32))
    assert air == 0
    assert 0.015 < water < 0.025
    assert bone > 2 * water


def test_deterministic_and_varied() -> None:
    first, again, other = (radiograph(np.random.default_rng(seed), (64, 64)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    assert first.findings == again.findings
    assert first.image.dtype == np.uint8
    assert first.image.shape == (64, 64)
    assert np.abs(first.image.astype(int) - other.image).mean() > 5


def test_shown_as_usual(patient: Thorax) -> None:
    """Lungs dark, the middle and the abdomen bright, the heart to the image's right, which is the patient's left."""
    image = np.mean([shot(patient, seed).image for seed in range(4)], axis=0)
    lungs = (image[24:38, 35:60].mean() + image[74:88, 35:60].mean()) / 2
    assert image[52:60, 60:75].mean() > lungs + 30
    assert image[40:72, 100:].mean() > lungs + 50
    assert image[64:76, 58:68].mean() > image[36:48, 58:68].mean() + 8


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding_changes_its_own_place_only(patient: Thorax, name: str) -> None:
    for seed in SEEDS:
        without, withit = shot(patient, seed), shot(patient, seed, name)
        change = np.abs(withit.image.astype(int) - without.image)
        (extent,) = withit.extents
        assert 0.0005 < extent.mean() < 0.6
        assert change[extent].mean() > 1.5
        away = ndimage.distance_transform_edt(~extent) > 14
        assert change[away].mean() < 0.35 * change[extent].mean()
        assert change[away].mean() < 2.5
        assert withit.view == without.view


def test_findings_do_not_depend_on_their_neighbours(patient: Thorax) -> None:
    alone, both = shot(patient, 1, "Nodule"), shot(patient, 1, "Cardiomegaly", "Nodule")
    assert both.findings == ("Cardiomegaly", "Nodule")
    overlap = (alone.extents[0] & both.extents[1]).sum() / max(1, alone.extents[0].sum())
    assert overlap > 0.5 or (alone.extents[0] & both.extents[0]).any()


def test_effusion_whitens_the_costophrenic_angle(patient: Thorax) -> None:
    lower = patient.place[2] < -70
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sick = patient.copy()
        FINDINGS["Effusion"](rng, sick)
        angle = patient.lung & lower & (sick.image != patient.image)
        assert angle.sum() > 10
        assert sick.image[angle].min() > -10
        without, withit = shot(patient, seed), shot(patient, seed, "Effusion")
        extent = withit.extents[0]
        assert (withit.image.astype(int) - without.image)[extent].mean() > 4
        rows = np.nonzero(extent)[1]
        assert np.median(rows) > 56  # the lower half


def test_pneumothorax_darkens_the_rim_and_shows_the_pleura(patient: Thorax) -> None:
    sick = patient.copy()
    FINDINGS["Pneumothorax"](np.random.default_rng(0), sick)
    rim = patient.lung & (sick.image == -1000) & (patient.image > -1000)
    assert rim.sum() > 50
    side = patient.side(1 if patient.place[0][rim].mean() > 0 else -1)
    assert not (rim & ~side).any()
    assert patient.cavity[rim].mean() > patient.cavity[side & ~rim].mean() + 0.1
    line = patient.lung & (sick.image > patient.image + 250)
    assert line.sum() > 20
    for seed in SEEDS:
        without, withit = shot(patient, seed), shot(patient, seed, "Pneumothorax")
        change = withit.image.astype(int) - without.image
        assert (change[withit.extents[0]] < -2).sum() > 20


def test_cardiomegaly_widens_the_heart_beyond_half_of_the_chest(patient: Thorax) -> None:
    sick = patient.copy()
    FINDINGS["Cardiomegaly"](np.random.default_rng(0), sick)
    x, z = patient.place[0], patient.place[2]
    level = np.abs(z + 25) < 15
    chest = np.ptp(x[patient.lung & level])
    heart = (sick.image != patient.image) & level
    assert np.ptp(x[heart]) > 0.5 * chest


def test_half_are_without_findings_and_all_occur() -> None:
    drawn = [drawn_findings(np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([not names for names in drawn]) == pytest.approx(0.5, abs=0.08)
    assert {name for names in drawn for name in names} == set(FINDINGS)
    assert max(len(names) for names in drawn) == 3
    assert all(len(set(names)) == len(names) for names in drawn)


def test_the_patient_is_not_edited(patient: Thorax) -> None:
    before = patient.image.copy()
    shot(patient, 0, "Effusion", "Mass")
    np.testing.assert_array_equal(before, patient.image)


def test_wrong_use_is_refused(patient: Thorax) -> None:
    with pytest.raises(UsageError, match="no finding 'Broken'; valid: Atelectasis"):
        shot(patient, 0, "Broken")
    with pytest.raises(UsageError, match="at least 16"):
        expose(np.random.default_rng(0), patient, (8, 8), ())
