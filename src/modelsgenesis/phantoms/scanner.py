"""What a CT scanner makes of anatomy: blur of the reconstruction kernel, correlated noise, streaks at the shoulders."""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from modelsgenesis.types import FloatArray, Spacing

_WATER = 0.019  # linear attenuation per mm at about 70 keV
_PIXEL = 0.35  # standard deviation, in voxels, of the blur of a voxel's own extent


@dataclass(frozen=True)
class Protocol:
    """How one patient is scanned.

    Args:
        blur: standard deviation in mm of the in-plane point spread; 0.35 is a sharp lung kernel, 0.75 a soft one.
        edge: how much a sharp kernel overshoots at edges, 0 for none.
        noise: standard deviation in HU at the middle of the body.
        slice_blur: standard deviation in mm of the slice profile.
    """

    blur: float
    edge: float
    noise: float
    slice_blur: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, spacing: Spacing) -> "Protocol":
        """A kernel from soft to sharp and a dose; sharp kernels and thin slices are noisier, as on real scanners."""
        sharp = float(rng.beta(1.2, 1.8))
        dose = float(rng.lognormal(0, 0.3))
        thin = float(np.clip(1.5 / spacing[2], 0.4, 1.6)) ** 0.5
        coarse = min(1.0, 0.9 / spacing[0]) ** 0.7  # voxels wider than scanners make them are averages
        return cls(
            blur=0.78 - 0.42 * sharp,
            edge=0.9 * max(0.0, sharp - 0.45),
            noise=(11 + 34 * sharp**1.5) * thin * coarse * dose ** (-0.5),
            slice_blur=0.3 * spacing[2] + 0.25,
        )


def scanned(
    rng: np.random.Generator, image: FloatArray, spacing: Spacing, protocol: Protocol | None = None
) -> FloatArray:
    """The anatomy `image` (X, Y, Z) in HU as a scanner shows it; nothing below -1024 HU."""
    protocol = protocol or Protocol.drawn(rng, spacing)
    made = _blurred(image, spacing, protocol)
    deviation = _deviation(image, spacing)
    noise = _noise(rng, image.shape, spacing, protocol)
    noise += _streaks(rng, image, spacing, deviation)
    noise *= deviation
    noise *= np.float32(protocol.noise)
    made += noise
    return np.clip(made, -1024, 3071, out=made)


def _blurred(image: FloatArray, spacing: Spacing, protocol: Protocol) -> FloatArray:
    sigma = [np.hypot(protocol.blur / s, _PIXEL) for s in spacing[:2]]
    sigma.append(np.hypot(protocol.slice_blur / spacing[2], 0.2))
    soft: FloatArray = ndimage.gaussian_filter(image, sigma, truncate=3)
    if protocol.edge > 0:
        wide = ndimage.gaussian_filter(soft, [1.1 / spacing[0], 1.1 / spacing[1], 0], truncate=2.5)
        soft += np.float32(protocol.edge) * (soft - wide)
    return soft


def _noise(rng: np.random.Generator, shape: tuple[int, ...], spacing: Spacing, protocol: Protocol) -> FloatArray:
    """Noise of unit deviation with the spectrum of filtered back-projection: a ramp, bent down by the kernel."""
    white = rng.standard_normal(shape, dtype=np.float32)
    fx, fy = fft.fftfreq(shape[0], spacing[0]), fft.rfftfreq(shape[1], spacing[1])
    frequency = np.hypot(fx[:, None], fy[None])
    reach = np.hypot(0.55 * protocol.blur, 0.3 * spacing[0])  # the kernel alone: noise has no focal spot
    power = (frequency + 0.02) * np.exp(-((2 * np.pi * frequency * reach) ** 2))
    filtered = fft.rfft2(white, axes=(0, 1))
    filtered *= np.sqrt(power).astype(np.float32)[:, :, None]
    noise: FloatArray = fft.irfft2(filtered, s=(shape[0], shape[1]), axes=(0, 1)).astype(np.float32, copy=False)
    along = protocol.slice_blur / spacing[2]
    if along > 0.2:
        noise = ndimage.gaussian_filter1d(noise, along, axis=2, truncate=3)
    noise /= max(float(noise.std()), 1e-6)
    return noise


def _paths(image: FloatArray, spacing: Spacing) -> tuple[FloatArray, FloatArray]:
    """Water-equivalent mm along x, (1, Y, Z), and along y, (X, 1, Z)."""
    density = np.clip(1 + image[::2, ::2] / 1000, 0, 1.8)
    across = density.sum(axis=0, keepdims=True) * (2 * spacing[0])
    deep = density.sum(axis=1, keepdims=True) * (2 * spacing[1])
    return np.repeat(across, 2, axis=1)[:, : image.shape[1]], np.repeat(deep, 2, axis=0)[: image.shape[0]]


def _deviation(image: FloatArray, spacing: Spacing) -> FloatArray:
    """How noisy each voxel is, about 1 in the middle of the chest: few photons come through long paths."""
    across, deep = (ndimage.gaussian_filter(path, (4, 4, 0)) for path in _paths(image, spacing))
    # Tube current follows the patient, so only part of the difference is left.
    power = np.exp(0.35 * _WATER * (across - 220)) + np.exp(0.35 * _WATER * (deep - 170))
    deviation: FloatArray = np.sqrt(np.clip(power / 2, 0.12, 6)).astype(np.float32)
    return deviation


def _streaks(rng: np.random.Generator, image: FloatArray, spacing: Spacing, deviation: FloatArray) -> FloatArray:
    """Noise drawn out from left to right in the slices where the shoulders take most photons; (X, Y, Z)."""
    level = np.clip(deviation.mean(axis=(0, 1)) - 1.15, 0, 0.8)
    streaks = np.zeros(image.shape, dtype=np.float32)
    chosen = np.flatnonzero(level > 0)
    if len(chosen):
        part = rng.standard_normal((image.shape[0], image.shape[1], len(chosen)), dtype=np.float32)
        part = ndimage.gaussian_filter1d(part, 14 / spacing[0], axis=0, truncate=2)
        part /= max(float(part.std()), 1e-6)
        streaks[:, :, chosen] = part * level[chosen].astype(np.float32)
    return streaks
