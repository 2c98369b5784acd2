"""The sheet an abdomen is drawn on: image and labels over a frame, and soft-edged strokes in millimetres and HU."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelsgenesis.phantoms.frame import Box, Frame, Points
from modelsgenesis.phantoms.vessels import tree
from modelsgenesis.types import FloatArray

Mask = npt.NDArray[np.bool_]
Place = tuple[float, float, float]
"""An anatomical point or three radii in mm: x to the left, y to the back, z to the head; (0, 0, 0) lies before L1."""

ABDOMEN_LABELS = {
    "liver": 1,
    "lesion": 2,
    "spleen": 3,
    "kidney": 4,
    "stomach": 5,
    "bowel": 6,
    "aorta": 7,
    "vena_cava": 8,
    "bone": 9,
    "lung": 10,
    "heart": 11,
    "gallbladder": 12,
    "pancreas": 13,
    "muscle": 14,
}
"""Values of the label map; 0 is everything else. Vessels inside the liver count as liver, lesions only as lesion."""

_TWIG = 1.0  # mm, radius of the thinnest vessels of an organ
_SLACK = 14.0  # mm by which the waves of a frame may move a point
_WHOLE = 250.0  # mm; a field narrower than this is centred on the liver, as a radiographer would
_LIVER = (-50.0, -5.0, 25.0)


@dataclass(frozen=True)
class Contrast:
    """HU of one patient's tissues, which follow from the dose of contrast agent and the seconds since."""

    liver: float
    spleen: float
    cortex: float
    medulla: float
    aorta: float
    cava: float
    portal: float
    hepatic: float
    muscle: float
    wall: float
    pancreas: float
    fat: float


def contrast(rng: np.random.Generator) -> Contrast:
    """Draw a patient's HU: a quarter without agent, most in the portal-venous phase, some early, doses differing."""
    dose = 0.0 if rng.random() < 0.2 else rng.uniform(0.55, 1.15)
    late = 1.0 if rng.random() < 0.75 else rng.uniform(0.25, 1.0)  # 1: portal-venous; less: towards the arterial phase
    native = rng.uniform(50, 64) - (rng.uniform(10, 55) if rng.random() < 0.3 else 0)  # fatty livers are darker
    liver = native + dose * rng.uniform(44, 60) * late

    def enhanced(plain: float, portal: float, early: float) -> float:
        return plain + dose * (late * portal + (1 - late) * early) + rng.uniform(-4, 4)

    return Contrast(
        liver=liver,
        spleen=enhanced(48, 66, 55),
        cortex=enhanced(33, 150, 135),
        medulla=enhanced(31, 125, 25),
        aorta=enhanced(42, 110, 260),
        cava=enhanced(40, 90, 20),
        portal=enhanced(40, 120, 25),
        hepatic=enhanced(40, 108, 8),
        muscle=enhanced(52, 10, 4),
        wall=enhanced(38, 45, 35),
        pancreas=enhanced(36, 52, 62),
        fat=rng.uniform(-112, -96),
    )


class Sheet:
    """The image and labels of one patient while they are drawn, organ over organ.

    Attributes: `image` (X, Y, Z) float32 in HU, `labels` (X, Y, Z) uint8 (see ABDOMEN_LABELS), the anatomical
    coordinates `x`, `y`, `z` of every voxel in mm, smooth noise fields of unit deviation `ripple` (grains of 30 mm, it
    bends the organs' borders) and `mottle` (6 mm), the patient's HU `hu`, and `room`, mm inside the abdominal
    cavity, positive within, which the body sets first.
    """

    def __init__(self, rng: np.random.Generator, frame: Frame) -> None:
        self.rng, self.frame = rng, frame
        field = [n * step for n, step in zip(frame.shape, frame.spacing, strict=True)]
        self._shift = np.array([m if size < _WHOLE else 0.0 for m, size in zip(_LIVER, field, strict=True)])
        self.x, self.y, self.z = (c + np.float32(s) for c, s in zip(frame.anatomical(), self._shift, strict=True))
        self.image = np.full(frame.shape, -1000, dtype=np.float32)
        self.labels = np.zeros(frame.shape, dtype=np.uint8)
        self.ripple = frame.texture(rng, 30, rounded=True)
        self.mottle = frame.texture(rng, 6, rounded=True)
        self.hu = contrast(rng)
        self.room = np.zeros((0, 0, 0), dtype=np.float32)
        self.voxel = float(frame.spacing.mean())

    def to_grid(self, points: Sequence[Place]) -> Points:
        """Anatomical points to positions in the grid, mm, (N, 3)."""
        return self.frame.to_grid(np.array(points, dtype=float) - self._shift)

    def within(self, low: Points, high: Points) -> Box:
        """The voxels between two positions in the grid (3,), mm; empty where they lie outside of it."""
        middle = (np.array(self.frame.shape) - 1) / 2
        first = np.clip(np.floor(low / self.frame.spacing + middle).astype(int), 0, self.frame.shape)
        last = np.clip(np.ceil(high / self.frame.spacing + middle).astype(int) + 1, first, self.frame.shape)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        return x, y, z

    def around(self, low: Place, high: Place) -> Box:
        """The voxels that an anatomical cuboid may touch."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        corners = self.to_grid(list(itertools.product((x0, x1), (y0, y1), (z0, z1))))
        return self.within(corners.min(axis=0) - _SLACK, corners.max(axis=0) + _SLACK)

    def about(self, centre: Place, radii: Place) -> Box:
        """The voxels that a ball of `radii`, turned or not by a few degrees, may touch."""
        reach = [1.25 * r for r in radii]
        low = tuple(c - r for c, r in zip(centre, reach, strict=True))
        high = tuple(c + r for c, r in zip(centre, reach, strict=True))
        return self.around((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def ball(self, box: Box, centre: Place, radii: Place, lean: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
        """mm inside an ellipsoid, for each voxel of `box`; it leans by `lean` mm in x and y for each mm up."""
        up = self.z[box] - centre[2]
        away = (self.x[box] - centre[0] - lean[0] * up, self.y[box] - centre[1] - lean[1] * up, up)
        near = np.sqrt(sum((a / r) ** 2 for a, r in zip(away, radii, strict=True)))
        slope = np.sqrt(sum((a / r**2) ** 2 for a, r in zip(away, radii, strict=True)))
        depth = (1 - near) * near / (slope + np.float32(1e-6))
        return depth.astype(np.float32, copy=False)

    def pour(self, box: Box, depth: FloatArray, value: float | FloatArray, label: str | None = None) -> None:
        """Blend `value` (HU) into `box` where `depth` (mm inside) is positive, soft over one voxel, and label."""
        coverage = np.clip(depth / np.float32(self.voxel) + np.float32(0.5), 0, 1)
        image = self.image[box]
        image += coverage * (value - image)
        self.labels[box][coverage > 0.5] = ABDOMEN_LABELS[label] if label else 0

    def blob(
        self, centre: Place, radii: Place, value: float, label: str | None = None, lean: tuple[float, float] = (0, 0)
    ) -> None:
        """Pour an ellipsoid."""
        box = self.about(centre, radii)
        self.pour(box, self.ball(box, centre, radii, lean), value, label)

    def pipe(self, path: Sequence[Place], radii: Sequence[float]) -> tuple[Box, FloatArray]:
        """The voxels around the tapering tube along anatomical points and the share of each inside it, in [0, 1]."""
        points = np.array(path, dtype=float) - self._shift
        return self.frame.covered(self.frame.path(points, np.array(radii, dtype=float)))

    def tube(self, path: Sequence[Place], radii: Sequence[float], value: float, label: str | None = None) -> None:
        """Blend `value` into a tube along anatomical points and label the voxels it covers by more than half."""
        box, coverage = self.pipe(path, radii)
        image = self.image[box]
        image += coverage * (np.float32(value) - image)
        self.labels[box][coverage > 0.5] = ABDOMEN_LABELS[label] if label else 0

    def branches(self, root: Place, organ: Mask, count: int, value: float) -> None:
        """Blend a vessel tree of `value` HU from `root` to `count` random places of the mask `organ` into it."""
        voxels = np.argwhere(organ[::2, ::2, ::2]) * 2
        if not len(voxels):
            return
        chosen = self.rng.choice(voxels, min(count, len(voxels)), replace=False)
        grown = tree(self.rng, self.to_grid([root])[0], self.frame.position(chosen), _TWIG)
        box, coverage = self.frame.covered(grown.branches)
        coverage *= organ[box]
        image = self.image[box]
        image += coverage * (np.float32(value) - image)
