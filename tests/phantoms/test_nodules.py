"""Nodules and decoys: distributed as fitted, inside the lungs, bright, apart from each other."""

import numpy as np
import pytest
from scipy import ndimage, stats

from modelsgenesis.phantoms.chest import LUNGS, Phantom, chest
from modelsgenesis.phantoms.nodules import COUNTS, KINDS, diameters

GRID = {"shape": (160, 120, 80), "spacing": (2.1, 2.4, 3.0)}


@pytest.fixture(scope="module")
def patients() -> list[Phantom]:
    return [chest(np.random.default_rng([8, seed]), nodules=4, **GRID) for seed in range(4)]


def voxel(phantom: Phantom, centre: tuple[float, ...]) -> tuple[int, ...]:
    index = np.array(centre) / phantom.spacing + (np.array(phantom.array.shape) - 1) / 2
    return tuple(np.rint(index).astype(int))


def test_sizes_follow_the_readers() -> None:
    drawn = diameters(np.random.default_rng(0), 4000)
    # quantiles of the 1,394 nodules of LIDC-IDRI that at least three readers outlined, mm
    expected = {0.05: 5.6, 0.25: 7.1, 0.5: 9.2, 0.75: 13.9, 0.9: 22.1, 0.95: 28.7}
    for share, value in expected.items():
        assert np.quantile(drawn, share) == pytest.approx(value, rel=0.06)
    assert drawn.min() > 4.4
    assert drawn.max() <= 45.8
    fitted = stats.lognorm(0.602, loc=2.0, scale=8.11)  # maximum likelihood on the same nodules, another shape
    assert stats.kstest(drawn, fitted.cdf).statistic < 0.1


def test_a_coarse_grid_gets_nodules_it_can_show() -> None:
    assert diameters(np.random.default_rng(0), 200, least=9.0).min() >= 9


def test_counts_and_kinds_are_shares() -> None:
    assert COUNTS.sum() == pytest.approx(1)
    assert sum(KINDS.values()) == pytest.approx(1)
    # 1,394 nodules in 1,018 scans
    assert (COUNTS * np.arange(len(COUNTS))).sum() == pytest.approx(1394 / 1018, rel=0.02)


def test_every_finding_lies_in_the_lung_and_is_bright(patients: list[Phantom]) -> None:
    found = [(p, f) for p in patients for f in p.findings]
    assert len(found) >= 12
    for phantom, finding in found:
        mask = finding.mask(phantom.array.shape)
        assert mask.any()
        assert np.isin(phantom.lungs[mask], (LUNGS["left"], LUNGS["right"])).mean() > 0.99
        assert phantom.lungs[voxel(phantom, finding.centre)] in (LUNGS["left"], LUNGS["right"])
        around = ndimage.binary_dilation(mask, iterations=5) & np.isin(phantom.lungs, (3, 4)) & ~mask
        assert phantom.array[mask].mean() > phantom.array[around].mean() + 100, finding.kind
        volume = mask.sum() * np.prod(phantom.spacing)
        assert finding.diameter == pytest.approx(2 * (volume * 3 / 4 / np.pi) ** (1 / 3))


def test_decoys_touch_no_nodule(patients: list[Phantom]) -> None:
    kinds = set()
    for phantom in patients:
        nodules = np.zeros(phantom.array.shape, dtype=bool)
        for finding in phantom.findings:
            nodules |= finding.mask(phantom.array.shape)
        away = ndimage.distance_transform_edt(~nodules, sampling=phantom.spacing)
        for candidate in phantom.candidates:
            assert away[voxel(phantom, candidate.centre)] > 3, candidate
            kinds.add(candidate.kind)
    assert kinds == {"fork", "fissure", "scar", "pleural", "micronodule"}


def test_more_on_the_right_and_in_either_lung() -> None:
    sides = [
        f.centre[0]
        for s in range(12)
        for f in chest(np.random.default_rng([9, s]), (64, 48, 40), (5.4, 6, 6), 4).findings
    ]
    assert 0.3 < np.mean(np.array(sides) < 0) < 0.8


def test_none_when_none_are_asked_for() -> None:
    assert chest(np.random.default_rng(3), (32, 32, 24), (10, 10, 10), nodules=0).findings == []
