"""The brain's tissues painted one over the other: membranes, cortex, deep nuclei, ventricles, cerebellum, stem."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelsgenesis.phantoms.cortex import Folding, folding, interior, outline, sulci
from modelsgenesis.phantoms.head import WHOLE, Box, Head, Point, smooth_noise, smooth_union
from modelsgenesis.phantoms.mr import SEQUENCES, TISSUES, Scan
from modelsgenesis.types import FloatArray

Mask = npt.NDArray[np.bool_]
BRAIN: tuple[Point, Point] = ((-72, -94, -80), (72, 94, 80))
"""Anatomical corners (mm) that hold the brain of every patient."""

_NUCLEI: tuple[tuple[list[Point], list[float], Point, str], ...] = (
    # caudate, putamen, pallidum, thalamus, hippocampus with amygdala
    (
        [(14, -36, 2), (15, -28, 9), (18, -12, 17), (21, 6, 19), (26, 20, 10)],
        [6, 5.5, 3.5, 2.2, 1.5],
        (1, 1, 1),
        "deep grey",
    ),
    ([(22, -34, 0), (26, -20, 3), (29, -4, 4)], [5, 5.5, 3], (0.9, 1, 1.8), "deep grey"),
    ([(17, -20, 0), (20, -10, 2)], [3.5, 3.5], (1, 1, 1.5), "stem"),
    ([(9, -10, 6), (11, 2, 8), (15, 10, 8)], [5.5, 8, 6], (1, 1, 1), "deep grey"),
    ([(24, -14, -19), (28, 0, -15), (28, 14, -8)], [6.5, 4.5, 3], (1, 1, 1), "grey"),
)
"""Path (mm, x >= 0), radii (mm), stretch and tissue of the deep nuclei."""


class Drawing:
    """The true signals and tissues of one patient while they are drawn.

    `images` is (S, X, Y, Z) over the head's window, one sequence each in the order of SEQUENCES; `tissues` (X, Y, Z);
    `outer` (X, Y, Z) the depth in mm below the hull of the brain; `fluid` the mm of fluid around it.
    """

    def __init__(self, rng: np.random.Generator, head: Head, scans: dict[str, Scan]) -> None:
        self.rng, self.head = rng, head
        self.x, self.y, self.z = head.x, head.y, head.z
        self._signals = np.stack([scans[name].signal for name in SEQUENCES])
        self.images = np.zeros((len(SEQUENCES), *head.shape), dtype=np.float32)
        self.tissues = np.zeros(head.shape, dtype=np.uint8)
        self.box = head.box(*BRAIN)
        self.outer = self._outer()
        self.age = float(rng.beta(2, 2))  # 0 young, 1 old: wide ventricles and sulci, many white matter lesions
        self.fluid = 1.2 + 1.6 * self.age
        self.fold: Folding = folding(rng, self.age * rng.uniform(0.5, 1))
        self.ventricles = float(0.75 + 0.7 * self.age * rng.uniform(0.6, 1.2))

    def cover(self, depth: FloatArray) -> FloatArray:
        """Share of a voxel inside a body whose surface lies `depth` mm away (positive inside)."""
        share: FloatArray = np.clip(0.5 + depth / np.float32(self.head.voxel), 0, 1)
        return share

    def sheet(self, distance: FloatArray, half: FloatArray) -> FloatArray:
        """Share of a voxel inside a sheet of half thickness `half` (mm), `distance` mm from its middle."""
        return self.cover(half - distance) - self.cover(-half - distance)

    def paint(self, share: FloatArray, tissue: str, box: Box = WHOLE) -> None:
        """Put `tissue` over what is there in `box`, as far as `share` in [0, 1] covers it."""
        self.blend(share, self._signals[:, TISSUES[tissue]], box)
        self.tissues[box][share > 0.5] = TISSUES[tissue]

    def blend(self, share: FloatArray, signal: npt.NDArray[np.float32], box: Box = WHOLE) -> None:
        """Move each sequence's image in `box` towards its entry of `signal` (S,) by `share`."""
        for image, value in zip(self.images, signal, strict=True):
            part = image[box]
            part += share * (value - part)

    def tube(self, path: Sequence[Point], radii: Sequence[float], stretch: Point = (1, 1, 1)) -> tuple[Box, FloatArray]:
        """A box and, in it, the depth (mm) below the surface of the tapering tube along `path`, mirrored at x = 0.

        Args:
            path: anatomical points, mm, with x >= 0.
            radii: mm at each point.
            stretch: of the cross section along the axes.
        """
        reach = max(radii) + 2 * self.head.voxel
        points = np.array(path, dtype=float)
        high = points.max(axis=0) + np.multiply(stretch, reach)
        low = points.min(axis=0) - np.multiply(stretch, reach)
        box = self.head.box((-high[0], low[1], low[2]), (high[0], high[1], high[2]))
        scale = np.array(stretch, dtype=float)
        place = [c / np.float32(s) for c, s in zip((np.abs(self.x[box]), self.y[box], self.z[box]), scale, strict=True)]
        points = points / scale
        depth = np.full(place[0].shape, -99, dtype=np.float32)
        for start, end, r0, r1 in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
            from_start = [c - np.float32(s) for c, s in zip(place, start, strict=True)]
            along = (end - start).astype(np.float32)
            length = max(float(along @ along), 1e-6)
            t = np.clip(sum(d * a for d, a in zip(from_start, along, strict=True)) / np.float32(length), 0, 1)
            squared = sum((d - t * a) ** 2 for d, a in zip(from_start, along, strict=True))
            np.maximum(depth, np.float32(r0) + t * np.float32(r1 - r0) - np.sqrt(squared), out=depth)
        return box, depth

    def ellipsoid(self, centre: Point, radii: Point) -> tuple[Box, FloatArray]:
        """A box and, in it, the depth (roughly mm) below the surface of an ellipsoid, mirrored at x = 0."""
        reach = np.array(radii) + 2 * self.head.voxel
        high = np.array(centre) + reach
        low = np.array(centre) - reach
        box = self.head.box((-high[0], low[1], low[2]), (high[0], high[1], high[2]))
        place = (np.abs(self.x[box]), self.y[box], self.z[box])
        squared = sum(((c - np.float32(m)) / np.float32(r)) ** 2 for c, m, r in zip(place, centre, radii, strict=True))
        depth: FloatArray = (1 - np.sqrt(squared)) * np.float32(min(radii))
        return box, depth

    def cerebrum(self) -> None:
        """White matter, the cortical ribbon round it, and fluid in the sulci."""
        box = self.box
        spacing = tuple(float(step) for step in self.head.spacing)
        warp = [smooth_noise(self.rng, self.head, 22.0, box) for _ in range(3)]
        place = (self.x[box], self.y[box], self.z[box])
        depth, distance = sulci(place, (warp[0], warp[1], warp[2]), spacing, self.fold)
        inside = self.cover(depth)
        self.paint(inside, "white", box)
        gap = self.fold.gap
        ribbon = self.fold.thickness + gap - np.minimum(distance, depth + gap)
        self.paint(inside * self.cover(ribbon), "grey", box)
        # A sulcus opens towards the surface, and some are wider than others.
        width = np.float32(gap) * (1 + np.exp(np.maximum(depth, 0) / -3)) * np.exp(np.float32(0.35) * warp[0])
        self.paint(inside * self.sheet(distance, width), "csf", box)

    def nuclei(self) -> None:
        """Corpus callosum, caudate and lentiform nuclei, thalami, hippocampi and amygdalae."""
        thick = float(self.rng.uniform(2.6, 3.6))
        box = self.head.box((-26, -54, -8), (26, 28, 34))
        x, y, z = np.abs(self.x[box]), self.y[box], self.z[box]
        arch = thick + 1.5 * np.abs(y + 13) / 33 - np.abs(interior(y, z) - 1) * 26 - 0.25 * np.maximum(x - 6, 0)
        self.paint(self.cover(np.minimum(arch, z + 5)), "white", box)
        for path, radii, stretch, tissue in _NUCLEI:
            box, depth = self.tube(path, radii, stretch)
            self.paint(self.cover(depth), tissue, box)

    def fluid_spaces(self) -> FloatArray:
        """Lateral, third and fourth ventricles; returns the depth below the surface of the lateral ones (mm)."""
        size = self.ventricles
        lateral = np.full(self.head.shape, -99, dtype=np.float32)
        within = self.head.box((-50, -60, -32), (50, 74, 40))
        body: list[Point] = [(13, -45, 3), (8, -32, 9), (6, -18, 15), (10, 0, 18), (19, 18, 14), (25, 28, 5)]
        for path, radii, stretch in (
            (body, [2.0, 5.0, 5.0, 5.0, 6.0, 7.0], (1.0, 1.0, 1.2)),
            ([(25, 28, 5), (25, 42, 3), (22, 56, 2)], [6.5, 4.0, 1.0], (1.0, 1.0, 1.3)),
            ([(25, 28, 5), (33, 16, -9), (35, -2, -16), (32, -12, -17)], [5.0, 2.8, 2.2, 1.4], (1.3, 1.0, 0.9)),
        ):
            box, depth = self.tube(path, [r * size for r in radii], stretch)
            np.maximum(lateral[box], depth, out=lateral[box])
        self.paint(self.cover(np.minimum(lateral[within], np.abs(self.x[within]) - 0.8)), "csf", within)
        third = float(self.rng.uniform(1.2, 2.0)) * size
        for path, radii, stretch in (
            ([(0, -20, 0), (0, -6, 6), (0, 8, 2)], [third * 0.8, third, third * 0.8], (1.0, 2.0, 4.0)),
            ([(0, 8, 1), (0, 16, -14), (0, 22, -26)], [1.0, 1.0, 1.2], (1.0, 1.0, 1.0)),
            ([(0, 24, -28), (0, 28, -36)], [2.0 * size, 3.0 * size], (2.2, 1.0, 1.6)),
        ):
            box, depth = self.tube(path, radii, stretch)
            self.paint(self.cover(depth), "csf", box)
        plexus, depth = self.tube([(20, 22, 11), (26, 29, 3)], [1.2, 2.4])
        self.paint(self.cover(depth) * (lateral[plexus] > 0), "vessel", plexus)
        return lateral

    def cerebellum(self) -> None:
        """Two folded hemispheres with the vermis between them, in their own fluid."""
        box = self.head.box((-62, 8, -72), (62, 92, -2))
        x, y, z = np.abs(self.x[box]), self.y[box], self.z[box]
        depth = posterior_fossa(x, y, z)[0]
        self.paint(self.cover(depth + 1.5 + self.age), "csf", box)
        angle = np.arctan2(z + 72, y - 2 + x * x / 70)
        period = 5.6
        leaf = angle * np.float32(46 / period) + np.sin(x / 11 + z / 17) * 0.3
        fissure = np.abs(leaf - np.rint(leaf)) * period
        fissure = np.hypot(fissure, np.maximum(depth - 9 - 3 * np.sin(leaf * 2.1), 0))
        inside = self.cover(depth)
        self.paint(inside, "white", box)
        self.paint(inside * self.cover(2.1 - np.minimum(fissure, np.abs(depth))), "grey", box)
        self.paint(inside * self.sheet(fissure, np.float32(0.25 + 0.35 * self.age) + 0 * depth), "csf", box)

    def stem(self) -> None:
        """Midbrain with its peduncles, pons, medulla, and the arms that join them to the cerebellum."""
        for path, radii, stretch in (
            ([(0, 0, -4), (0, 6, -16)], [11, 11], (1.3, 1, 1)),
            ([(9, -5, -8), (5, -2, -20)], [6, 7], (1, 1, 1)),
            ([(0, 3, -26), (0, 6, -38)], [13, 12.5], (1.3, 1, 1)),
            ([(0, 12, -44), (0, 22, -62), (0, 28, -95)], [8, 6.5, 5.5], (1.2, 1, 1)),
            ([(8, 8, -32), (18, 26, -36)], [6, 5], (1, 1, 1)),
        ):
            box, depth = self.tube(path, radii, stretch)
            self.paint(self.cover(depth), "stem", box)

    def vessels(self) -> None:
        """Sinuses and arteries, which shine after contrast agent, and the falx."""
        box = self.head.box((-4, -92, -10), (4, 92, 80))
        x, y, z = self.x[box], self.y[box], self.z[box]
        falx = np.minimum(0.5 - np.abs(x), (interior(y, z) - 1.25) * 26)
        falx = np.minimum(falx, self.outer[box] + 2)
        self.paint(0.7 * self.cover(falx), "dura", box)
        rim = 3.0 - np.hypot(x, np.minimum(self.outer[box] + 1.0, 20))
        self.paint(self.cover(np.minimum(rim, z + 2)), "vessel", box)
        for path, radii in (
            ([(0, -10, -16), (9, -18, -14), (24, -22, -10), (38, -20, -6), (42, -4, 0)], [1.2, 1.6, 1.5, 1.2, 0.8]),
            ([(0, -24, -12), (1, -44, -6), (1.5, -54, 8)], [1.2, 1.1, 0.9]),
            ([(1.5, 10, 13), (0, 24, 9), (0, 36, 14)], [0.9, 1.6, 1.4]),
            ([(0, -6, -16), (0, -9, -40)], [1.3, 1.8]),
        ):
            box, depth = self.tube(path, radii)
            self.paint(self.cover(depth), "vessel", box)

    def membranes(self) -> None:
        """The fluid around the brain, as far as the inner table of the skull."""
        self.paint(self.cover(self.outer + np.float32(self.fluid)), "csf")

    def _outer(self) -> FloatArray:
        """Depth (roughly mm) below the hull of the whole brain; fluid fills its cisterns."""
        fossa, stalk = posterior_fossa(np.abs(self.x), self.y, self.z)
        return smooth_union(outline(self.x, self.y, self.z), smooth_union(fossa, stalk, 14), 14)

    def texture(self) -> None:
        """Slow differences of relaxation inside tissues: what darkens T1 brightens T2 and FLAIR."""
        fine = 0.03 * smooth_noise(self.rng, self.head, 7.0) + 0.03 * smooth_noise(self.rng, self.head, 30.0)
        for name, image in zip(SEQUENCES, self.images, strict=True):
            image *= 1 - fine if name.startswith("t1") else 1 + fine


def posterior_fossa(across: FloatArray, y: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Depth (roughly mm) below the surface of the cerebellum and of the brain stem; `across` is |x|."""
    lobe = np.sqrt(((across - 18) / 33) ** 2 + ((y - 47) / 31) ** 2 + ((z + 34) / 23) ** 2)
    vermis = np.sqrt((across / 14) ** 2 + ((y - 40) / 26) ** 2 + ((z + 30) / 26) ** 2)
    below = np.clip(-z - 30, 0, 60)
    stalk = 12 - 0.10 * below - np.hypot(across / 1.3, y - 3 - 0.33 * below)
    stalk = np.minimum(stalk, -z)
    return smooth_union((1 - lobe) * 24, (1 - vermis) * 18, 6), stalk
