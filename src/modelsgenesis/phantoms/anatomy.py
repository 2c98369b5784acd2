"""The sheet one patient is drawn on: image and labels over a frame, and the strokes organs are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.phantoms.frame import Box, Frame, Points
from modelsgenesis.phantoms.raster import Segments
from modelsgenesis.phantoms.vessels import Tree
from modelsgenesis.types import FloatArray

Mask = npt.NDArray[np.bool_]
Place = tuple[float, float, float]
"""An anatomical point in mm: x to the left, y to the back, z to the head; (0, 0, 0) is the middle of the chest."""

Line = Sequence[Place]
"""Points along the middle of a tube."""

LABELS = {"lung": 1, "heart": 2, "liver": 3, "nodule": 4, "aorta": 5, "bone": 6, "airway": 7}
"""Values of the label map; 0 is everything else. Vessels inside the lungs count as lung."""

ORGANS = ("lung", "heart", "liver")
"""Those that are learnt from few labels."""


@dataclass(frozen=True)
class Blood:
    """HU of the blood in the pulmonary arteries, the pulmonary veins and the aorta."""

    pulmonary: float
    venous: float
    systemic: float


class Drawing:
    """The image and labels of one patient while they are drawn, organ over organ, from the skin inwards.

    Attributes: `image` (X, Y, Z) float32 in HU, `labels` (X, Y, Z) uint8 (see LABELS), `frame`, the anatomical
    coordinates `x`, `y`, `z` of every voxel, `cavity` (radial coordinate of the rib cage, 1 at its inner wall) and
    `diaphragm` (z of the diaphragm above each voxel's x and y), each (X, Y, Z).
    """

    def __init__(self, rng: np.random.Generator, frame: Frame, blood: Blood | None = None) -> None:
        self.rng, self.frame = rng, frame
        self.x, self.y, self.z = frame.anatomical()
        self.image = np.full(frame.shape, -1000, dtype=np.float32)
        self.labels = np.zeros(frame.shape, dtype=np.uint8)
        plain, enhanced = rng.uniform(38, 55), rng.uniform(110, 230)  # without or with contrast agent
        level = rng.choice([plain, enhanced])
        self.blood = blood or Blood(level, level * 0.97, level)
        self.cavity = self._cavity()
        self.diaphragm = self._diaphragm()
        self.fissures = rng.uniform((-6, -6, 6), (10, 10, 22))  # mm: oblique right and left, horizontal right
        self.arteries: list[Tree] = []
        self.veins: list[Tree] = []
        self.central: Segments = np.zeros((0, 8))  # pulmonary arteries outside the lungs

    def ellipsoid(self, centre: Place, radii: Place) -> FloatArray:
        """Squared distance (X, Y, Z) from `centre`, 1 on the surface of the ellipsoid."""
        parts = ((c - np.float32(m)) / np.float32(r) for c, m, r in zip(self.places(), centre, radii, strict=True))
        total: FloatArray = sum(part * part for part in parts)  # type: ignore[assignment]
        return total

    def places(self, box: Box | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Anatomical x, y, z of the voxels in `box`."""
        return (self.x, self.y, self.z) if box is None else (self.x[box], self.y[box], self.z[box])

    def paint(self, where: Mask, value: float, label: str | None = None) -> None:
        """Give the voxels `where` the HU `value` and, if it has one, the organ's label (else background)."""
        self.image[where] = value
        self.labels[where] = LABELS[label] if label else 0

    def blob(
        self,
        centre: Place,
        radii: Place,
        value: float,
        label: str | None = None,
        inside: Mask | None = None,
        turn: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Paint an ellipsoid, only where `inside` (X, Y, Z) allows; `turn` (3, 3) has its axes as rows."""
        reach = max(radii) if turn is not None else 0.0
        low = tuple(c - max(r, reach) for c, r in zip(centre, radii, strict=True))
        high = tuple(c + max(r, reach) for c, r in zip(centre, radii, strict=True))
        box = self.frame.around(low, high)  # type: ignore[arg-type]
        away = [c - np.float32(m) for c, m in zip(self.places(box), centre, strict=True)]
        if turn is not None:
            away = [sum(np.float32(w) * a for w, a in zip(row, away, strict=True)) for row in turn]  # type: ignore[misc]
        near = sum((a / np.float32(r)) ** 2 for a, r in zip(away, radii, strict=True)) < 1
        if inside is not None:
            near &= inside[box]
        self.image[box][near] = value
        self.labels[box][near] = LABELS[label] if label else 0

    def pour(self, segments: Segments, value: float, label: str | None = None, inside: Mask | None = None) -> None:
        """Blend `value` into the voxels that the tubes cover; more than half covered ones take the label, if any."""
        box, coverage = self.frame.covered(segments)
        if inside is not None:
            coverage *= inside[box]
        image = self.image[box]
        image += coverage * (np.float32(value) - image)
        if label:
            self.labels[box][coverage > 0.5] = LABELS[label]

    def tube(self, path: Line, radii: Sequence[float], value: float, label: str | None = None) -> Segments:
        """Pour a tube along anatomical points; its segments, in grid mm. Without a label it turns into background."""
        segments = self.frame.path(np.array(path, dtype=float), np.array(radii))
        box, coverage = self.frame.covered(segments)
        self.image[box] += coverage * (np.float32(value) - self.image[box])
        self.labels[box][coverage > 0.5] = LABELS[label] if label else 0
        return segments

    def scatter(self, count: int, where: Mask) -> Points:
        """About `count` random positions in grid mm, (N, 3), inside the mask; none where it is empty."""
        share = float(where[::2, ::2, ::2].mean())
        if share == 0:
            return np.zeros((0, 3))
        voxels = self.rng.integers(0, self.frame.shape, (int(count / share) + 1, 3))
        kept = voxels[where[tuple(voxels.T)]]
        points: Points = self.frame.position(kept) + self.rng.uniform(-0.5, 0.5, kept.shape) * self.frame.spacing
        return points

    def fissure(self, place: tuple[FloatArray, FloatArray, FloatArray], which: str) -> FloatArray:
        """mm from the fissure: `right` and `left` (oblique, above is positive) or `minor` (above is positive)."""
        x, y, z = place
        right, left, minor = (np.float32(shift) for shift in self.fissures)
        wave: FloatArray = 5 * np.sin(x / 31 + y / 47) + 3 * np.cos(z / 29 + x / 23)
        if which == "minor":
            level: FloatArray = z - minor - np.float32(0.08) * y + 0.7 * wave
            return level
        shift = right if which == "right" else left
        slope: FloatArray = np.float32(0.72) * (z + 8 - shift) - np.float32(0.69) * (y - 8) + wave
        return slope

    def _cavity(self) -> FloatArray:
        apex = self.rng.uniform(182, 196)
        height = np.clip((self.z + 72) / np.float32(apex), 0, 0.999)
        narrow = np.sqrt(1 - height**3)
        wide = np.abs(self.x) / (128 * narrow)
        deep = (self.y - (3 + 9 * height)) / (91 * (0.25 + 0.75 * narrow))
        radial: FloatArray = (wide**2.3 + np.abs(deep) ** 2.3) ** np.float32(1 / 2.3)
        return radial

    def _diaphragm(self) -> FloatArray:
        base, right, left = self.rng.uniform((-104, 48, 36), (-88, 62, 50))
        dome = right * np.exp(-(((self.x + 60) / 56) ** 2) - ((self.y + 14) / 64) ** 2)
        dome += left * np.exp(-(((self.x - 60) / 54) ** 2) - ((self.y + 14) / 64) ** 2)
        surface: FloatArray = base + dome - 0.12 * (self.y + 20)
        return surface
