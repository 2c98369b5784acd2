"""The scanner: HU survive, sharper kernels blur less and hiss higher, the noise has the spectrum of a CT."""

import numpy as np
import pytest

from modelsgenesis.phantoms.scanner import Protocol, scanned

SPACING = (0.7, 0.7, 1.25)
SOFT = Protocol(blur=0.75, edge=0, noise=12, slice_blur=0.6)
SHARP = Protocol(blur=0.38, edge=0.4, noise=40, slice_blur=0.6)


def water(protocol: Protocol, seed: int = 0) -> np.ndarray:
    return scanned(np.random.default_rng(seed), np.zeros((96, 96, 24), np.float32), SPACING, protocol)


def mean_frequency(scan: np.ndarray) -> float:
    power = (np.abs(np.fft.fft2(scan, axes=(0, 1))) ** 2).mean(axis=2)
    f = np.fft.fftfreq(96, SPACING[0])
    radial = np.hypot(f[:, None], f[None])
    keep = radial > 0.02
    return float((power * radial)[keep].sum() / power[keep].sum())


def test_intensities_survive() -> None:
    for protocol in (SOFT, SHARP):
        assert water(protocol).mean() == pytest.approx(0, abs=1)


def test_a_sharp_kernel_hisses_higher() -> None:
    assert mean_frequency(water(SHARP)) > 1.3 * mean_frequency(water(SOFT))


def test_noise_has_little_power_at_the_lowest_frequencies() -> None:
    power = (np.abs(np.fft.fft2(water(SOFT), axes=(0, 1))) ** 2).mean(axis=2)
    f = np.fft.fftfreq(96, SPACING[0])
    radial = np.hypot(f[:, None], f[None])
    low, middle = (power[(radial > a) & (radial < b)].mean() for a, b in ((0.01, 0.04), (0.15, 0.25)))
    high = power[(radial > 0.6) & (radial < 0.7)].mean()
    assert low < 0.6 * middle
    assert high < 0.3 * middle


def test_a_soft_kernel_blurs_more() -> None:
    edge = np.full((64, 64, 8), -800, np.float32)
    edge[32:] = 0
    slopes = [
        np.diff(scanned(np.random.default_rng(0), edge, SPACING, Protocol(p.blur, p.edge, 0.01, 0.6))[:, 32, 4]).max()
        for p in (SOFT, SHARP)
    ]
    assert slopes[1] > 1.3 * slopes[0]


def test_protocols_vary_and_nothing_leaves_the_range() -> None:
    drawn = [Protocol.drawn(np.random.default_rng(s), SPACING) for s in range(50)]
    assert min(p.noise for p in drawn) < 15
    assert max(p.noise for p in drawn) > 30
    assert all(0.3 < p.blur < 0.8 for p in drawn)
    assert scanned(np.random.default_rng(0), np.full((16, 16, 4), -1000, np.float32), SPACING, SHARP).min() >= -1024
