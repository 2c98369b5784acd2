"""From line integrals to a radiograph: scatter, detector, noise, tone; leads, collimation and the side marker."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.types import FloatArray

_LETTERS = {"L": ("100", "100", "100", "100", "111"), "R": ("110", "101", "110", "101", "101")}


@dataclass(frozen=True)
class Exposure:
    """How one radiograph is exposed and developed.

    Args:
        scatter: scattered over primary radiation.
        veil: mm over which it spreads.
        photons: per pixel without a patient.
        blur: standard deviation of the detector's blur in pixels of 1.6 mm.
        low: percentile of the density inside the body that is shown nearly black.
        high: percentile that is shown nearly white.
        curve: exponent of the tone curve; below 1 is brighter.
        detail: how much the processing sharpens structures under about 20 mm, 1 for not at all.
        leads: cables and tubes that lie on the patient.
        border: pixels in 224 of collimated edge on the four sides.
    """

    scatter: float
    veil: float
    photons: float
    blur: float
    low: float
    high: float
    curve: float
    detail: float
    leads: int
    border: tuple[int, ...]

    @classmethod
    def drawn(cls, rng: np.random.Generator, view: str) -> "Exposure":
        """As departments differ; portable AP views have more scatter, more noise and more leads."""
        portable = view == "AP"
        scatter, veil, photons, blur = rng.uniform((0.2, 25, 4.8, 0.2), (0.5, 45, 5.8, 0.5))
        low, high, curve, detail = rng.uniform((0.5, 86, 0.75, 1.2), (8.0, 98, 1.2, 2.1))
        leads = int(rng.integers(0, 6)) if portable and rng.random() < 0.7 else 0
        border = rng.integers(2, 14, 4) * (rng.random(4) < 0.2)
        return cls(
            scatter + 0.35 * portable,
            veil,
            10 ** (photons - 0.4 * portable),
            blur,
            low,
            high,
            curve,
            detail,
            leads,
            tuple(int(b) for b in border),
        )


def developed(
    rng: np.random.Generator, lines: FloatArray, healthy: FloatArray, exposure: Exposure, field: float
) -> npt.NDArray[np.uint8]:
    """The radiograph (X, Y) of line integrals `lines` (X, Y).

    Args:
        rng: cables, noise and marker.
        lines: what the rays passed through.
        healthy: the same without findings: black and white are set on it, so that a finding changes its own place only.
        exposure: the settings.
        field: mm that the larger side of the image shows.
    """
    pixel = field / max(lines.shape)
    cables = _cables(rng, lines.shape, exposure.leads, pixel)
    black, white = np.percentile(_density(healthy, exposure, pixel)[healthy > 0.5], (exposure.low, exposure.high))
    density = _density(lines + cables, exposure, pixel)
    expected = exposure.photons * np.exp(-density)
    # Poisson noise where quanta are many; normal numbers are as many whatever the findings, so the rest stays the same.
    noise = np.sqrt(expected) * rng.standard_normal(expected.shape, dtype=np.float32)
    quanta = np.maximum(expected + noise, 1)
    seen = ndimage.gaussian_filter(-np.log(quanta / exposure.photons), exposure.blur * 1.6 / pixel)
    base = ndimage.gaussian_filter(seen, 12 / pixel)
    seen = base + exposure.detail * (seen - base)
    tone = np.clip(0.13 + 0.8 * (seen - black) / (white - black), 0, 1.2) ** exposure.curve
    tone = np.where(tone > 0.6, 0.6 + 0.36 * np.tanh((tone - 0.6) / 0.36), tone)  # the shoulder of the curve
    tone = _framed(tone, exposure.border)
    _mark(rng, tone)
    return np.rint(255 * np.clip(tone, 0, 1)).astype(np.uint8)


def _density(lines: FloatArray, exposure: Exposure, pixel: float) -> FloatArray:
    """Minus the logarithm of primary and scattered radiation; scatter is what the neighbourhood lets through."""
    primary = np.exp(-lines)
    inside = np.minimum(primary, 0.35)  # the open beam beside the patient does not scatter in him
    scattered = exposure.scatter * ndimage.gaussian_filter(inside, exposure.veil / pixel, mode="nearest")
    density: FloatArray = (-np.log(primary + scattered)).astype(np.float32)
    return density


def _cables(rng: np.random.Generator, shape: tuple[int, ...], count: int, pixel: float) -> FloatArray:
    """Attenuation (X, Y) of thin curved cables with a sticker at their end."""
    drawn = np.zeros(shape, dtype=np.float32)
    size = np.array(shape)
    t = np.linspace(0, 1, 600)[:, None]
    for _ in range(count):
        knots = np.stack([rng.uniform(0.15, 0.85, 2), rng.uniform(0.1, 0.9, 2), rng.uniform(0.2, 0.9, 2), _rim(rng)])
        weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
        path = sum(w * k for w, k in zip(weights, knots, strict=True)) * size
        cells = np.unique(np.clip(path.astype(int), 0, size - 1), axis=0)
        drawn[tuple(cells.T)] = rng.uniform(0.2, 0.6)
        middle = knots[0] * size
        grid = np.ogrid[: shape[0], : shape[1]]
        near = (grid[0] - middle[0]) ** 2 + (grid[1] - middle[1]) ** 2 < (4.5 / pixel) ** 2
        drawn[near] = rng.uniform(0.2, 0.5)
    cables: FloatArray = ndimage.gaussian_filter(drawn, 0.45)
    return cables


def _rim(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A point on the left, right or lower edge of the unit square."""
    return np.array([(0.0, rng.random()), (1.0, rng.random()), (rng.random(), 1.0)][int(rng.integers(3))])


def _framed(tone: FloatArray, border: tuple[int, ...]) -> FloatArray:
    """Black (or on some systems white) beyond the collimator."""
    left, right, top, bottom = (round(b * max(tone.shape) / 224) for b in border)
    framed = np.zeros_like(tone)
    inner = slice(left, tone.shape[0] - right), slice(top, tone.shape[1] - bottom)
    framed[inner] = tone[inner]
    return framed


def _mark(rng: np.random.Generator, tone: FloatArray) -> None:
    """A lead letter in an upper corner, L on the image's right or R on its left, in place."""
    letter = "L" if rng.random() < 0.7 else "R"
    scale = max(1, round(max(tone.shape) / 224 * float(rng.uniform(1.4, 2.4))))
    bits = np.array([[int(bit) for bit in row] for row in _LETTERS[letter]]).T
    bits = np.kron(bits, np.ones((scale, scale)))
    x = tone.shape[0] - int(rng.uniform(0.06, 0.14) * tone.shape[0]) - bits.shape[0]
    x = x if letter == "L" else tone.shape[0] - x - bits.shape[0]
    y = int(rng.uniform(0.03, 0.15) * tone.shape[1])
    part = tone[x : x + bits.shape[0], y : y + bits.shape[1]]
    part[bits[: part.shape[0], : part.shape[1]] > 0] = rng.uniform(0.8, 1.0)
