"""The chest's organs, drawn one over the other from the skin inwards, in Hounsfield units and millimetres."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.frame import Frame
from modelsgenesis.phantoms.vessels import tree
from modelsgenesis.types import FloatArray

Mask = npt.NDArray[np.bool_]
Line = Sequence[tuple[float, float, float]]
"""Anatomical points in mm along the middle of a tube."""

LABELS = {"lung": 1, "heart": 2, "liver": 3, "nodule": 4, "aorta": 5, "bone": 6}
"""Values of the label map; 0 is everything else. Vessels inside the lungs count as lung."""

_TWIGS = 160  # points a lung's vessel tree has to reach


class Drawing:
    """The image and labels of one patient while they are drawn, organ over organ, from the skin inwards."""

    def __init__(self, rng: np.random.Generator, frame: Frame) -> None:
        self.rng, self.frame = rng, frame
        self.x, self.y, self.z = frame.anatomical()
        self.image = np.full(frame.shape, -1000, dtype=np.float32)
        self.labels = np.zeros(frame.shape, dtype=np.uint8)
        self.blood = rng.choice([45.0, rng.uniform(120, 260)])  # without or with contrast agent
        self.cavity = self._cavity()
        self.diaphragm = self._diaphragm()

    def ellipsoid(
        self, centre: tuple[float | FloatArray, float, float], radii: tuple[float, float, float]
    ) -> FloatArray:
        """Squared distance from `centre`, 1 on the surface of the ellipsoid."""
        parts = ((c - m) / r for c, m, r in zip((self.x, self.y, self.z), centre, radii, strict=True))
        total: FloatArray = sum(part * part for part in parts)  # type: ignore[assignment]
        return total

    def paint(self, where: Mask, value: float, label: str | None = None) -> None:
        """Give the voxels `where` the HU `value` and, if it has one, the organ's label (else background)."""
        self.image[where] = value
        self.labels[where] = LABELS[label] if label else 0

    def tube(self, path: Line, radii: Sequence[float]) -> Mask:
        """The voxels more than half inside the tube along `path` with `radii` in mm."""
        points = self.frame.to_grid(np.array(path, dtype=float))
        return self.frame.tube(points, np.array(radii)) > 0.5

    def _cavity(self) -> FloatArray:
        """Radial coordinate of the rib cage, 1 at its inner wall; it narrows to the apex of the lungs."""
        height = np.clip((self.z + 70) / self.rng.uniform(178, 192), 0, 0.999)
        narrow = np.sqrt(1 - height**2.6)
        radial: FloatArray = np.hypot(self.x / (124 * narrow), self.y / (78 * narrow))
        return radial

    def _diaphragm(self) -> FloatArray:
        """z of the diaphragm above each (x, y): a higher dome on the right (x < 0), over the liver."""
        base, right, left = self.rng.uniform((-98, 42, 30), (-80, 56, 44))
        dome = right * np.exp(-(((self.x + 62) / 52) ** 2) - ((self.y + 5) / 62) ** 2)
        surface: FloatArray = base + dome + left * np.exp(-(((self.x - 62) / 50) ** 2) - ((self.y + 5) / 62) ** 2)
        return surface

    def torso(self) -> None:
        """Skin to pleura: fat, muscle, the lungs in the cavity, and the table below the patient."""
        wide, deep, fat = self.rng.uniform((146, 100, 0.80), (156, 108, 0.92))
        body = (np.abs(self.x) / wide) ** 2.5 + (np.abs(self.y - 6) / deep) ** 2.5
        self.paint(body < 1, self.rng.uniform(-115, -90))
        self.paint((body < fat**2.5) | (self.cavity < 1.2), self.rng.uniform(40, 60))
        self.paint(np.abs(self.y - 130 + (self.x / 30) ** 2) < 5, -350)
        lungs = (self.cavity < 1) & (self.z > self.diaphragm)
        self.paint(lungs, 0, "lung")
        airy = self.rng.uniform(-880, -800)
        self.image[lungs] = airy + 0.6 * np.clip(self.y[lungs], -60, 80)

    def abdomen(self) -> None:
        """Below the diaphragm: fat, liver on the right, stomach with its air bubble and spleen on the left."""
        below = (self.cavity < 1) & (self.z <= self.diaphragm)
        inner = (self.cavity < 0.97) & (self.z < self.diaphragm - 4)
        low = float(self.rng.uniform(-135, -122))
        self.paint(below, self.rng.uniform(-105, -90))
        stomach = inner & (self.ellipsoid((58, -18, low + 30), (38, 46, 46)) < 1)
        self.paint(stomach, self.rng.uniform(10, 40))
        self.paint(stomach & (self.y < self.rng.uniform(-38, -20)), -960)
        self.paint(inner & (self.ellipsoid((80, 42, low + 22), (30, 30, 46)) < 1), self.rng.uniform(45, 110))
        liver = inner & (self.ellipsoid((-48, -4, low + 16), (100, 84, 78)) < 1)
        self.paint(liver, self.rng.uniform(50, 110), "liver")

    def mediastinum(self) -> None:
        """Between the lungs: fat, heart in its fat, aorta with arch, vena cava, oesophagus, trachea and bronchi."""
        width = 12 + 16 / (1 + np.exp(-(self.y + 12) / 10)) + self.rng.uniform(-2, 4)
        self.paint((self.cavity < 1) & (np.abs(self.x) < width) & (self.z > self.diaphragm), -95)
        size = self.rng.uniform(0.9, 1.08)
        axis = 20 + 0.25 * (self.z + 22)  # its apex points down and to the left
        near = self.ellipsoid((axis, -28, -22), (54 * size, 42 * size, 46 * size))
        inside = (self.cavity < 0.98) & (self.z > self.diaphragm - 12)
        self.paint((near < 1.15) & inside, -95)
        self.paint((near < 1) & inside, max(45.0, self.blood * 0.6), "heart")
        self.paint((near < 0.55) & inside, self.blood, "heart")
        self._great_vessels()
        air = self.tube([(0, 12, 140), (0, 16, 48)], [9, 9])
        air |= self.tube([(0, 16, 48), (-38, 14, 18)], [7, 5]) | self.tube([(0, 16, 48), (42, 16, 14)], [7, 5])
        self.paint(air, -980)

    def _great_vessels(self) -> None:
        arch = float(self.rng.uniform(68, 80))
        descending = [(19.0, 44.0, -150.0), (19.0, 42.0, arch - 18), (14.0, 26.0, arch)]
        ascending = [(-2.0, -2.0, arch), (-14.0, -20.0, arch - 24), (-6.0, -22.0, 14.0)]
        wide = float(self.rng.uniform(11, 14))
        self.paint(self.tube([(4, 36, -150), (2, 34, 140)], [6, 6]), 30)  # oesophagus
        self.paint(self.tube([(-24, -8, 140), (-26, -10, 0)], [8, 9]), self.blood)  # vena cava
        for side, out in ((-1, -42), (1, 46)):  # pulmonary arteries to the hila
            self.paint(self.tube([(4, -8, 26), (side * 20, 2, 24), (out, 8, 12)], [12, 10, 7]), self.blood)
        self.paint(self.tube(descending + ascending, [wide] * 4 + [wide + 2] * 2), self.blood, "aorta")

    def skeleton(self) -> None:
        """Vertebrae with discs, canal and processes; ribs that slope to the front; sternum."""
        period, phase = self.rng.uniform(23, 27), self.rng.uniform(0, 25)
        disc = np.abs((self.z + phase) % period - period / 2) > period / 2 - 3
        body = np.hypot(self.x / 20, (self.y - 64) / 16)
        arch = np.hypot(self.x / 15, (self.y - 84) / 12)
        processes = (self.y > 90) & (self.y < 106) & (np.abs(self.x) < 4)
        processes |= (np.abs(self.y - 84) < 5) & (np.abs(self.x) < 34) & ~disc
        self.paint((body < 1.15) | (arch < 1.15), 45)
        self.paint((arch < 1) | processes & ~disc, 420, "bone")
        self.paint((body < 1) & ~disc, 450, "bone")
        self.paint((body < 0.8) & ~disc, self.rng.uniform(160, 260), "bone")
        self.paint((body < 1) & disc, 80)
        self.paint(arch < 0.6, 20)
        self._ribs(period, phase)

    def _ribs(self, period: float, phase: float) -> None:
        slope = self.rng.uniform(0.35, 0.55)  # ribs fall to the front: y < 0
        along = (self.z - slope * (self.y - 70) + phase) % period - period / 2
        across = (self.cavity - 1.09) * 85
        reach = (self.z > -128) & (self.z < 122) & (np.abs(self.x) > 22)
        rib = reach & ((along / 6) ** 2 + (across / 5.5) ** 2 < 1)
        self.paint(rib & (self.y > -58), 480, "bone")
        self.paint(rib & (self.y <= -58), 130)  # cartilage
        front = (np.abs(self.x) < 17) & (np.abs(across + 1) < 6) & (self.y < -20)
        self.paint(front & (self.z > -60) & (self.z < 95), 300, "bone")

    def vessels(self) -> None:
        """Pulmonary vessels: in each lung a tree from the hilum to random points, brighter the larger its branches."""
        voxels = np.argwhere(self.labels == LABELS["lung"])
        side = self.x[tuple(voxels.T)]
        for chosen, root in ((side < 0, (-40, 8, 12)), (side > 0, (44, 8, 12))):
            lung = voxels[chosen]
            if len(lung) < _TWIGS:
                continue
            targets = self.frame.position(self.rng.choice(lung, _TWIGS, replace=False))
            coverage = tree(self.rng, self.frame, self.frame.to_grid(np.array([root], dtype=float))[0], targets)
            coverage *= self.labels == LABELS["lung"]
            self.image += coverage * (self.blood - self.image)

    def nodules(self, count: int) -> None:
        """Round, solid nodules of 8 to 22 mm inside the lungs, away from the pleura."""
        axes = np.meshgrid(*self.frame.axes(), indexing="ij", sparse=True)
        depth = ndimage.distance_transform_edt(self.labels == LABELS["lung"], sampling=self.frame.spacing)
        for radius in self.rng.uniform(4, 11, count):
            places = np.argwhere((depth > radius) & (self.labels == LABELS["lung"]))
            if not len(places):
                continue
            centre = self.frame.position(self.rng.choice(places))
            stretch = self.rng.uniform(0.85, 1.15, 3)
            distance = sum(((a - c) / s) ** 2 for a, c, s in zip(axes, centre, stretch, strict=True)) ** 0.5
            inside = np.clip(0.5 + (radius - distance) / self.frame.spacing.mean(), 0, 1).astype(np.float32)
            self.image += inside * (self.rng.uniform(10, 70) - self.image)
            self.labels[inside > 0.5] = LABELS["nodule"]
