"""What an MR scanner makes of tissue: signal equations, coil bias, blur, noise and an arbitrary scale."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.head import Head, smooth_noise
from modelsgenesis.types import FloatArray

SEQUENCES = ("flair", "t1", "t1ce", "t2")

# name: T1 and T2 in ms, proton density, T1 in ms after contrast agent; near 3 tesla
_RELAXATION = {
    "air": (1000.0, 50.0, 0.0, 1000.0),
    "csf": (4200.0, 1500.0, 1.0, 4200.0),
    "grey": (1480.0, 102.0, 0.85, 1410.0),
    "white": (850.0, 75.0, 0.71, 830.0),
    "deep grey": (1240.0, 80.0, 0.80, 1190.0),
    "stem": (940.0, 80.0, 0.74, 915.0),
    "bone": (600.0, 5.0, 0.10, 600.0),
    "marrow": (480.0, 70.0, 0.5, 460.0),
    "fat": (400.0, 80.0, 0.62, 390.0),
    "muscle": (1300.0, 38.0, 0.80, 900.0),
    "vessel": (1700.0, 30.0, 0.55, 330.0),
    "dura": (1300.0, 50.0, 0.60, 480.0),
    "lesion": (1280.0, 140.0, 0.82, 1260.0),
    "oedema": (1500.0, 150.0, 0.86, 1480.0),
    "enhancing": (1450.0, 125.0, 0.86, 430.0),
    "necrosis": (2600.0, 260.0, 0.95, 2300.0),
    "core": (1800.0, 190.0, 0.90, 1700.0),
}
TISSUES = {name: value for value, name in enumerate(_RELAXATION)}
"""Values of the tissue map."""

_VARIATION = 0.04  # relative, of each relaxation time from patient to patient

Parameters = npt.NDArray[np.float64]
"""(T,) one value a tissue."""


@dataclass(frozen=True)
class Scan:
    """One acquisition.

    Args:
        signal: (T,) signal of each tissue, in the order of TISSUES, with white matter near 1.
        blur: standard deviation of the point spread along (X, Y, Z), mm.
        bias: strength of the coil's shading, the standard deviation of its logarithm.
        noise: standard deviation of the noise of each of the two receiver channels, white matter being 1.
        scale: stored value of signal 1.
    """

    signal: FloatArray
    blur: tuple[float, float, float]
    bias: float
    noise: float
    scale: float


def scanner(rng: np.random.Generator) -> dict[str, Scan]:
    """One examination: a `Scan` for each name in SEQUENCES, with the settings of one scanner."""
    columns = np.array(list(_RELAXATION.values())).T
    t1, t2, density, after = columns * (1 + rng.normal(0, _VARIATION, columns.shape) * ((1,), (1,), (0.3,), (1,)))
    weighting = _t1_weighting(rng)
    enhanced = weighting if rng.random() < 0.6 else _t1_weighting(rng)
    signals = {
        "flair": _flair(rng)(t1, t2, density),
        "t1": weighting(t1, t2, density),
        "t1ce": enhanced(after, t2, density),
        "t2": _spin_echo(rng)(t1, t2, density),
    }
    thick = {"flair": 0.6, "t1": 0.4, "t1ce": 0.2, "t2": 0.6}  # how often slices are thick
    return {name: _scan(rng, signal, thick[name]) for name, signal in signals.items()}


def _scan(rng: np.random.Generator, signal: Parameters, thick: float) -> Scan:
    across = rng.uniform(0.4, 0.7)
    along = rng.uniform(1.0, 2.0) if rng.random() < thick else across
    return Scan(
        signal=(signal / signal[TISSUES["white"]]).astype(np.float32),
        blur=(across, across, along),
        bias=rng.uniform(0.05, 0.22),
        noise=rng.uniform(0.015, 0.05),
        scale=float(np.exp(rng.uniform(np.log(150), np.log(2500)))),
    )


Equation = Callable[[Parameters, Parameters, Parameters], Parameters]
"""Signal of tissues from their T1 (ms), T2 (ms) and proton density."""


def _t1_weighting(rng: np.random.Generator) -> Equation:
    return _spoiled(rng) if rng.random() < 0.4 else _prepared(rng)


def _spoiled(rng: np.random.Generator) -> Equation:
    """Spoiled gradient echo, the fast T1 weighting."""
    tr, te, flip = rng.uniform(14, 24), rng.uniform(3, 6), np.deg2rad(rng.uniform(26, 34))

    def signal(t1: Parameters, t2: Parameters, density: Parameters) -> Parameters:
        rest = np.exp(-tr / t1)
        value: Parameters = density * np.sin(flip) * (1 - rest) / (1 - np.cos(flip) * rest) * np.exp(-te / t2)
        return value

    return signal


def _prepared(rng: np.random.Generator) -> Equation:
    """Gradient echo after an inversion pulse (MPRAGE), with darker cerebrospinal fluid."""
    ti, tr, te = rng.uniform(1080, 1360), rng.uniform(2000, 2400), rng.uniform(2.5, 4)

    def signal(t1: Parameters, t2: Parameters, density: Parameters) -> Parameters:
        value: Parameters = density * np.abs(1 - 2 * np.exp(-ti / t1) / (1 + np.exp(-tr / t1))) * np.exp(-te / t2)
        return value

    return signal


def _spin_echo(rng: np.random.Generator) -> Equation:
    """Spin echo with long times, the T2 weighting."""
    tr, te = rng.uniform(3500, 6500), rng.uniform(80, 110)

    def signal(t1: Parameters, t2: Parameters, density: Parameters) -> Parameters:
        value: Parameters = density * (1 - np.exp(-tr / t1)) * np.exp(-te / t2)
        return value

    return signal


def _flair(rng: np.random.Generator) -> Equation:
    """Spin echo after an inversion pulse timed to null cerebrospinal fluid, roughly."""
    tr, te = rng.uniform(8000, 11000), rng.uniform(95, 130)
    fluid = _RELAXATION["csf"][0]
    ti = fluid * np.log(2 / (1 + np.exp(-tr / fluid))) * rng.uniform(0.94, 1.03)

    def signal(t1: Parameters, t2: Parameters, density: Parameters) -> Parameters:
        value: Parameters = density * np.abs(1 - 2 * np.exp(-ti / t1) + np.exp(-tr / t1)) * np.exp(-te / t2)
        return value

    return signal


def acquire(rng: np.random.Generator, image: FloatArray, head: Head, scan: Scan) -> FloatArray:
    """The scan (X, Y, Z), never negative, of the true signal `image`, which is used up."""
    sigma = [width / step for width, step in zip(scan.blur, head.spacing, strict=True)]
    image = ndimage.gaussian_filter(image, sigma, output=image, truncate=3.0)
    image *= np.exp(scan.bias * smooth_noise(rng, head, 160.0))
    image += scan.noise * rng.standard_normal(image.shape, dtype=np.float32)
    other = rng.standard_normal(image.shape, dtype=np.float32)
    other *= scan.noise
    image = np.hypot(image, other, out=image)  # the magnitude of a complex signal: Rician
    image *= scan.scale
    return image
