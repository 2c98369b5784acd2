"""Tumours and look-alikes: gliomas that push and infiltrate, and the white matter lesions of age that are no tumour."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.brain_anatomy import Drawing
from modelsgenesis.phantoms.cortex import outline
from modelsgenesis.phantoms.head import Box, Head, Point, smooth_noise
from modelsgenesis.phantoms.mr import TISSUES
from modelsgenesis.types import FloatArray, IntegerArray

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4
"""Values of the label map, as in BraTS; 1 includes core that does not enhance."""

_TRIES = 200
_WHITE, _GREY, _CSF = TISSUES["white"], TISSUES["grey"], TISSUES["csf"]


@dataclass(frozen=True)
class Glioma:
    """One tumour; lengths in mm, places in anatomical coordinates.

    Args:
        centre: its middle.
        radii: semi-axes of the core along x, y, z.
        ring: relative width of the enhancing rim; 0 for none.
        spread: how far oedema reaches beyond the core.
        push: relative mass effect, 0 none.
        rough: how irregular its surfaces are.
    """

    centre: Point
    radii: tuple[float, float, float]
    ring: float
    spread: float
    push: float
    rough: float

    @property
    def radius(self) -> float:
        """Mean radius of the core, mm."""
        return float(np.mean(self.radii))


def draw_glioma(rng: np.random.Generator, high_grade: bool) -> Glioma:
    """One tumour in the white matter of either hemisphere.

    High grade: an enhancing ring round necrosis, wide oedema, strong mass effect. Low grade: a core that enhances in
    one case of five, and there thinly; little oedema, little push.
    """
    size = rng.uniform(9, 20) if high_grade else rng.uniform(10, 22)
    radii = size * rng.uniform(0.75, 1.25, 3)
    if high_grade:
        ring, spread, push = rng.uniform(0.22, 0.5), rng.uniform(8, 26), rng.uniform(0.2, 0.5)
    else:
        ring, spread, push = 0.0 if rng.random() < 0.8 else 0.12, rng.uniform(2, 9), rng.uniform(0.05, 0.25)
    return Glioma(
        centre=_place(rng, float(radii.min())),
        radii=(float(radii[0]), float(radii[1]), float(radii[2])),
        ring=float(ring),
        spread=float(spread),
        push=float(push),
        rough=float(rng.uniform(0.16, 0.3)),
    )


def _place(rng: np.random.Generator, radius: float) -> Point:
    """A point in a hemisphere, below the cortex and away from the midline."""
    for _ in range(_TRIES):
        x, y, z = rng.uniform((14, -66, -28), (52, 66, 56))
        depth = float(outline(np.float32(x), np.float32(y), np.float32(z)))  # type: ignore[arg-type]
        if 0.75 * radius + 3 < depth < 34:
            return (float(x if rng.random() < 0.5 else -x), float(y), float(z))
    return (30.0, 0.0, 25.0)  # deep in the left hemisphere there is always room


def displace(head: Head, tumour: Glioma) -> None:
    """Mass effect: move the anatomy in `head` outwards from the tumour, less and less towards the skull.

    A voxel shows what would have lain nearer to the tumour's centre, so the coordinates shrink round it.
    """
    x, y, z = (c - np.float32(m) for c, m in zip((head.x, head.y, head.z), tumour.centre, strict=True))
    reach = 1.3 * tumour.radius + 12
    free = np.clip(outline(head.x, head.y, head.z) / 14, 0, 1)  # the skull does not give way
    pull = np.float32(tumour.push) * free * np.exp(-(x * x + y * y + z * z) / np.float32(reach**2))
    head.x -= pull * x
    head.y -= pull * y
    head.z -= pull * z


def paint_glioma(drawing: Drawing, tumour: Glioma, labels: npt.NDArray[np.uint8], lateral: FloatArray) -> None:
    """Paint oedema along white matter, then core, enhancing rim and necrosis; write the truth to `labels`.

    Args:
        drawing: the brain, finished but for its tumour; the coordinates are displaced already.
        tumour: what to paint.
        labels: (X, Y, Z) of the window, written in place.
        lateral: depth below the surface of the lateral ventricles, mm.
    """
    head, rng = drawing.head, drawing.rng
    extent = 1.6 * max(tumour.radii) + 1.6 * tumour.spread
    low, high = (tuple(c + s * extent for c in tumour.centre) for s in (-1, 1))
    box = head.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    place = (drawing.x[box], drawing.y[box], drawing.z[box])
    scaled = [(c - np.float32(m)) / np.float32(r) for c, m, r in zip(place, tumour.centre, tumour.radii, strict=True)]
    radial = np.sqrt(sum(s * s for s in scaled))
    coarse, fine = smooth_noise(rng, head, 18.0, box), smooth_noise(rng, head, 7.0, box)
    radial += np.float32(tumour.rough) * (coarse + 0.5 * fine) * np.minimum(radial, 1.3)
    core = (1 - radial) * np.float32(tumour.radius)  # mm below its surface
    tissue = drawing.tissues[box].copy()
    brain = (tissue != _CSF) & (tissue != TISSUES["air"]) & (tissue != TISSUES["dura"]) & (tissue != TISSUES["vessel"])
    brain &= drawing.outer[box] > 1.0
    brain |= (core > 2) & (drawing.outer[box] > 3) & (lateral[box] < 0)  # the core fills sulci it has grown over
    along = _oedema(tumour, core, tissue, coarse, fine)
    share = drawing.cover(along) * brain
    connected, _ = ndimage.label((share > 0.2) | (core > 0))
    share *= connected == _most_common(connected[core > 0])
    drawing.paint(share * np.clip(0.82 + 0.1 * coarse, 0.55, 1), "oedema", box)
    labels[box][(share > 0.5)] = OEDEMA
    _core(drawing, tumour, labels, box, core, brain, fine)


def _most_common(values: IntegerArray) -> int:
    return int(np.bincount(values).argmax()) if len(values) else -1


def _oedema(
    tumour: Glioma, core: FloatArray, tissue: npt.NDArray[np.uint8], coarse: FloatArray, fine: FloatArray
) -> FloatArray:
    """Depth (mm) inside the oedema: it follows white matter in fingers and mostly spares grey."""
    resistance = np.where(tissue == _WHITE, 0.0, np.where(tissue == _GREY, 0.75, 0.55)).astype(np.float32)
    reach = np.float32(tumour.spread) * (1 + 0.3 * coarse + 0.1 * fine) - resistance * np.float32(tumour.spread + 6)
    return core + np.maximum(reach, 0)


def _core(
    drawing: Drawing,
    tumour: Glioma,
    labels: npt.NDArray[np.uint8],
    box: Box,
    core: FloatArray,
    brain: npt.NDArray[np.bool_],
    fine: FloatArray,
) -> None:
    share = drawing.cover(core) * brain
    drawing.paint(share, "core", box)
    inside = share > 0.5
    labels[box][inside] = NECROSIS
    if tumour.ring <= 0:
        drawing.paint(drawing.cover(core - 0.55 * tumour.radius + 2 * fine) * brain * np.float32(0.35), "necrosis", box)
        return
    width = np.float32(tumour.ring * tumour.radius) * (1 + 0.45 * fine)
    rim = drawing.cover(core) - drawing.cover(core - np.maximum(width, 0.6))
    drawing.paint(drawing.cover(core - width) * brain, "necrosis", box)
    drawing.paint(rim * brain, "enhancing", box)
    labels[box][inside & (rim > 0.5)] = ENHANCING


def paint_white_lesions(drawing: Drawing, lateral: FloatArray) -> None:
    """Bright in FLAIR and T2 but no tumour: rim and caps of the lateral ventricles, spots in deep white matter."""
    rng, head, age = drawing.rng, drawing.head, drawing.age
    white = drawing.tissues == _WHITE
    box = drawing.box
    rim = lateral[box] + np.float32(0.3 + 1.8 * age) + np.float32(0.6 + 0.9 * age) * smooth_noise(rng, head, 12.0, box)
    drawing.paint(0.7 * drawing.cover(rim) * (white[box] & (lateral[box] > -9)), "lesion", box)
    caps, depth = drawing.tube([(14, -45, 4), (16, -49, 4)], [3.0, 1.5 + 2.5 * age])
    drawing.paint(0.8 * drawing.cover(depth) * white[caps], "lesion", caps)
    for _ in range(rng.poisson(3 + 22 * age**2)):
        x, y, z = rng.uniform((12, -58, 6), (44, 58, 46))
        side = 1 if rng.random() < 0.5 else -1
        radii = rng.uniform(1.0, 2.2 + 2.2 * age) * rng.uniform(0.7, 1.4, 3)
        reach = radii + head.voxel
        centre = (side * x, y, z)
        low, high = (tuple(c + s * r for c, r in zip(centre, reach, strict=True)) for s in (-1, 1))
        box = head.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        place = (drawing.x[box], drawing.y[box], drawing.z[box])
        scaled = sum(((c - np.float32(m)) / np.float32(r)) ** 2 for c, m, r in zip(place, centre, radii, strict=True))
        spot = (1 - np.sqrt(scaled)) * np.float32(radii.min())
        drawing.paint(0.8 * drawing.cover(spot) * white[box], "lesion", box)
