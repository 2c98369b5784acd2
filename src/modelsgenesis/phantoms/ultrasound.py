"""How an ultrasound scanner makes B-mode of echoes: a point spread that widens off the focus, log compression."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from modelsgenesis.types import FloatArray

Echoes = npt.NDArray[np.complex64]
"""(X, Y) complex amplitudes of what scatters back: X across the probe, Y down from it."""


@dataclass(frozen=True)
class Probe:
    """A linear array.

    Args:
        axial: standard deviation in mm of the pulse along the beam.
        lateral: standard deviation in mm of the beam across, at its focus.
        focus: mm below the probe where the beam is narrowest.
        spread: how many times wider the beam is 10 mm away from the focus.
        looks: steering angles whose envelopes are averaged: 1 for a plain image, 3 for spatial compounding.
    """

    axial: float = 0.11
    lateral: float = 0.24
    focus: float = 15.0
    spread: float = 1.4
    looks: int = 1

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Probe":
        """One of the probes and settings that a laboratory has."""
        axial, lateral, focus, spread = rng.uniform((0.09, 0.20, 12, 1.2), (0.14, 0.32, 18, 1.8))
        return cls(float(axial), float(lateral), float(focus), float(spread), int(rng.choice([1, 3, 3, 5])))


def scatterers(rng: np.random.Generator, shape: tuple[int, ...]) -> Echoes:
    """Many weak random echoes in every pixel: complex, Gaussian, of unit mean power."""
    parts = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(np.sqrt(0.5))
    field: Echoes = (parts[0] + 1j * parts[1]).astype(np.complex64)
    return field


def envelope(echoes: Echoes, spacing: float, probe: Probe) -> FloatArray:
    """Amplitude (X, Y) that the probe receives of `echoes` (X, Y), pixels of `spacing` mm, before compression.

    The beam's width changes with depth, so the lateral filter is another one in every row; each keeps the power of
    random scatterers, so that unit scatterers give an envelope with a mean square of 1: Rayleigh-distributed with one
    look, less grainy with more. Edges wrap round: give a margin.
    """
    columns, rows = echoes.shape
    depth = np.arange(rows) * spacing
    wide = probe.lateral * np.sqrt(1 + (probe.spread**2 - 1) * ((depth - probe.focus) / 10) ** 2) / spacing
    along = np.exp(-0.5 * (2 * np.pi * np.fft.fftfreq(rows) * probe.axial / spacing) ** 2)
    along /= np.sqrt(np.mean(along**2))
    spectrum = fft.fft(fft.ifft(fft.fft(echoes, axis=1) * along.astype(np.float32), axis=1), axis=0)
    frequency = 2 * np.pi * np.fft.fftfreq(columns)[:, None] * wide
    total = np.zeros(echoes.shape, dtype=np.float32)
    for look in range(probe.looks):
        across = np.exp(-0.5 * (frequency - 0.9 * (look - (probe.looks - 1) / 2)) ** 2)
        across /= np.sqrt(np.mean(across**2, axis=0))
        total += np.abs(fft.ifft(spectrum * across.astype(np.float32), axis=0))
    total /= np.float32(probe.looks)
    return total


def decibels(ratio: float | FloatArray) -> FloatArray:
    """Amplitude for a level in dB."""
    amplitude: FloatArray = np.float32(10) ** (np.asarray(ratio, dtype=np.float32) / np.float32(20))
    return amplitude


def compressed(envelope: FloatArray, gain: float, dynamic: float, curve: float = 1.0) -> npt.NDArray[np.uint8]:
    """Grey levels of an envelope: `dynamic` dB from black to white, white at -`gain` dB, bent by the grey `curve`."""
    level = (20 * np.log10(np.maximum(envelope, 1e-6)) + gain) / dynamic + 1
    return np.rint(255 * np.clip(level, 0, 1) ** curve).astype(np.uint8)
