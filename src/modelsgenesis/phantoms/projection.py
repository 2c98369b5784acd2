"""X-ray projection: line integrals of attenuation along the rays from a source through the patient to a detector."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.compiled import compiled
from modelsgenesis.types import FloatArray

_WATER = 0.0195  # attenuation of water per mm at the mean energy of a chest X-ray behind the patient
_CALCIUM = 1.25  # bone attenuates more at these energies than at those of CT, where HU are measured


@dataclass(frozen=True)
class Beam:
    """Geometry of one exposure.

    Args:
        view: `PA` (source behind, upright) or `AP` (source in front, close, often lying).
        distance: mm from source to detector.
        gap: mm from the middle of the patient to the detector.
        field: mm that the detector shows along each of its axes.
        middle: mm: the point of the patient, (x, z) from the middle of the volume, that the image is centred on.
        yaw: mm that a point moves to the side for each mm it lies behind the middle: the patient stands turned.
        pitch: the same, upwards: the beam is tilted.
        roll: rad, turn of the image in its plane.
    """

    view: str
    distance: float
    gap: float
    field: float
    middle: tuple[float, float]
    yaw: float
    pitch: float
    roll: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Beam":
        """A view as a department takes them: more PA than AP; AP views are closer and less well placed."""
        portable = rng.random() < 0.4
        distance, gap = rng.uniform((1750, 130), (1850, 160)) if not portable else rng.uniform((950, 150), (1200, 190))
        loose = 1.8 if portable else 1.0
        x, z, yaw, pitch, roll = rng.normal(0, (5, 7, 0.03, 0.03, 0.015)) * loose
        field = float(rng.uniform(325, 380))
        middle = (float(x), float(z) + 2.0)
        pitch += 0.08 * portable
        return cls(
            "AP" if portable else "PA",
            float(distance),
            float(gap),
            field,
            middle,
            float(yaw),
            float(pitch),
            float(roll),
        )


def attenuation(hounsfield: FloatArray) -> FloatArray:
    """Linear attenuation per mm of HU."""
    dense = np.where(hounsfield > 100, 100 + _CALCIUM * (hounsfield - 100), hounsfield)
    per_mm: FloatArray = np.maximum(np.float32(_WATER) * (1 + dense / np.float32(1000)), 0).astype(np.float32)
    return per_mm


def projected(volume: FloatArray, spacing: npt.NDArray[np.float64], beam: Beam, shape: tuple[int, int]) -> FloatArray:
    """Line integrals (X, Y) through `volume` (X, Y, Z), axes LPS, as radiographs are shown.

    X of the result runs to the patient's left, Y down to the feet: as seen from the front, the right side on the left.
    The volume goes on beyond its left, right, upper and lower faces as it is there.
    """
    out = np.empty(shape, dtype=np.float32)
    towards = -1.0 if beam.view == "PA" else 1.0  # the detector's side along y
    numbers = np.array([beam.distance, beam.gap, beam.field, *beam.middle, beam.yaw, beam.pitch, beam.roll, towards])
    _cast(volume, np.asarray(spacing, dtype=np.float64), numbers, out)
    return out


@compiled
def _cast(
    volume: FloatArray, spacing: npt.NDArray[np.float64], numbers: npt.NDArray[np.float64], out: FloatArray
) -> None:
    """Walk every ray through the planes of constant y; see `projected` and `Beam` for the numbers."""
    distance, gap, field, centre_x, centre_z, yaw, pitch, roll, towards = numbers
    nx, ny, nz = volume.shape
    wide, high = out.shape
    pixel = field / max(wide, high)
    cosine, sine = np.cos(roll), np.sin(roll)
    for i in range(wide):
        for j in range(high):
            across, up = (i - (wide - 1) / 2) * pixel, ((high - 1) / 2 - j) * pixel
            u, v = cosine * across - sine * up, sine * across + cosine * up
            total = 0.0
            for k in range(ny):
                y = (k - (ny - 1) / 2) * spacing[1]
                shrink = (distance - gap + towards * y) / distance  # 1 at the detector, 0 at the source
                x = (u * shrink + centre_x + yaw * y) / spacing[0] + (nx - 1) / 2
                z = (v * shrink + centre_z + pitch * y) / spacing[2] + (nz - 1) / 2
                x, z = min(max(x, 0.0), nx - 1.001), min(max(z, 0.0), nz - 1.001)
                a, c = int(x), int(z)
                p, q = x - a, z - c
                low = volume[a, k, c] * (1 - q) + volume[a, k, c + 1] * q
                total += low * (1 - p) + (volume[a + 1, k, c] * (1 - q) + volume[a + 1, k, c + 1] * q) * p
            slope = (u * u + v * v) / (distance * distance)
            out[i, j] = total * spacing[1] * np.sqrt(1 + slope)
