"""The chest of a person in front of an X-ray detector: the CT phantom without its table, with neck, shoulders, arms."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.anatomy import LABELS, Drawing, Mask
from modelsgenesis.phantoms.chest import chest_drawing
from modelsgenesis.phantoms.frame import Frame
from modelsgenesis.types import FloatArray, Shape, Spacing

SHAPE: Shape = (160, 112, 152)
SPACING: Spacing = (2.5, 2.5, 2.5)


@dataclass(frozen=True)
class Thorax:
    """What is X-rayed, all arrays (X, Y, Z), axes LPS.

    Args:
        image: HU.
        labels: see LABELS.
        frame: the grid.
        place: anatomical x, y, z in mm of every voxel.
        cavity: radial coordinate of the rib cage, 1 at its inner wall.
        diaphragm: z in mm of the diaphragm above each voxel's x and y.
        lung: the air-filled lungs with their vessels and airways.
    """

    image: FloatArray
    labels: npt.NDArray[np.uint8]
    frame: Frame
    place: tuple[FloatArray, FloatArray, FloatArray]
    cavity: FloatArray
    diaphragm: FloatArray
    lung: Mask

    def copy(self) -> "Thorax":
        """One whose image can be painted over."""
        return replace(self, image=self.image.copy())

    def side(self, side: int) -> Mask:
        """One lung: -1 the right, 1 the left."""
        return self.lung & (self.place[0] * side > 0)


def thorax(rng: np.random.Generator, shape: Shape = SHAPE, spacing: Spacing = SPACING) -> Thorax:
    """One patient without findings; everything random comes from `rng`."""
    drawing = chest_drawing(rng, shape, spacing)
    _upright(drawing, rng)
    _mineral(drawing)
    _vessels(drawing)
    lung = (drawing.labels == LABELS["lung"]) | ((drawing.labels == LABELS["airway"]) & (np.abs(drawing.x) > 40))
    place = (drawing.x, drawing.y, drawing.z)
    return Thorax(drawing.image, drawing.labels, drawing.frame, place, drawing.cavity, drawing.diaphragm, lung)


def _upright(drawing: Drawing, rng: np.random.Generator) -> None:
    """Take the couch away, lower the shoulders, slope them from the neck, hang the arms a little off the body."""
    aside, frame = np.abs(drawing.x), drawing.frame
    drawing.paint((drawing.image < -300) & (drawing.y > 95) & (drawing.cavity > 1.2), -1000)
    muscle, neck = float(rng.uniform(20, 50)), float(rng.uniform(50, 60))
    drawing.paint((drawing.labels == LABELS["bone"]) & (aside > 116) & (drawing.z > 90), muscle)
    fall = np.clip((aside - neck) / 90, 0, 1)
    top = 190 - rng.uniform(52, 66) * np.sqrt(fall) - 30 * np.maximum((aside - 145) / 35, 0) ** 2
    drawing.paint((aside > neck) & (drawing.z > top), -1000)
    deep = 60 + 90 * np.exp(-np.clip(drawing.z - 105, 0, None) / 28)  # from the chest's depth to the neck's
    narrower = np.clip((drawing.z - 105) / 45, 0, 1)
    round_off = narrower * (np.minimum(aside, neck) / (neck + 6)) ** 2 + ((drawing.y - 24) / deep) ** 2
    drawing.paint((drawing.z > 105) & (round_off > 1), -1000)
    spread, thick = rng.uniform((40, 34), (85, 44))
    outside = drawing.cavity > 1.15
    for side in (-1, 1):
        shoulder, elbow = (side * 150.0, 22.0, 100.0), (side * (150.0 + spread), 20.0, -110.0)
        line = np.array([shoulder, elbow])
        flesh = frame.path(line, np.array([thick, thick * 0.85]))
        drawing.pour(flesh, muscle - 40, inside=outside & (drawing.image < -500))
        for radius, value in ((11.5, 800.0), (7.5, 150.0)):
            drawing.pour(frame.path(line, np.array([radius, radius])), value, "bone", inside=outside)
        for radius, value in ((21.0, 420.0), (18.5, 230.0)):
            drawing.blob((side * 147, 22, 103), (radius, radius * 0.9, radius * 1.1), value, "bone", inside=outside)


def _mineral(drawing: Drawing) -> None:
    """Compact bone thinner than a voxel loses its density: ribs get theirs back, most where they run near the spine.

    Vertebrae are all compact bone in such voxels and keep less; their border to the lungs is soft.
    """
    bone, aside = drawing.labels == LABELS["bone"], np.abs(drawing.x)
    spine = bone & (aside < 34) & (drawing.y > 38)
    drawing.image[spine] *= np.float32(0.3)
    ribs = bone & ~spine & (aside < 130)
    drawing.image[ribs] *= 1.0 + 1.2 * np.clip((drawing.y[ribs] + 40) / 80, 0, 1)
    box = drawing.frame.around((-60, 20, -250), (60, 124, 250))
    drawing.image[box] = ndimage.gaussian_filter1d(drawing.image[box], 5.0 / drawing.frame.spacing[0], axis=0)


def _vessels(drawing: Drawing) -> None:
    """Twigs spread over large voxels blur to clouds, so they count less; the hila's vessels are a little wider."""
    lung = drawing.labels == LABELS["lung"]
    if not lung.any():
        return
    air = np.float32(np.percentile(drawing.image[lung], 35))
    twigs = lung & (drawing.image < -300)
    drawing.image[twigs] = air + np.float32(0.5) * (drawing.image[twigs] - air)
    for tree in drawing.arteries + drawing.veins:
        large = tree.branches[tree.branches[:, 6] > 1.5].copy()
        if len(large):
            large[:, 6:] *= 1.1
            drawing.pour(large, 60, inside=lung)
