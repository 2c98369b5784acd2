"""Body wall and abdomen: skin, fat, muscle layers, breasts and shoulders; what lies below the diaphragm; the table."""

import numpy as np

from modelsgenesis.phantoms.anatomy import Drawing
from modelsgenesis.types import FloatArray


def torso(drawing: Drawing) -> None:
    """Table, skin, fat, muscles of wall and shoulders, and the lungs in the cavity, still without their vessels."""
    y, z, rng = drawing.y, drawing.z, drawing.rng
    fat, muscle = rng.uniform(-112, -95), rng.uniform(45, 62)
    _table(drawing)
    depth = _skin(drawing)
    drawing.paint(depth > -2.5, 30)
    drawing.paint(depth > 0, fat)
    _breasts(drawing, fat, depth)
    drawing.image += (depth > 2) * (9 * drawing.frame.texture(rng, 6.0))
    shell = (drawing.cavity < 1.21) & (depth > 4)
    drawing.paint(shell, muscle)
    drawing.paint((drawing.cavity > 1.125) & (drawing.cavity < 1.15) & (depth > 4) & (z < 95), fat)
    for side in (-1, 1):
        wall = depth > 5
        drawing.blob((side * 66, -84, 52), (52, 15, 44), muscle, inside=wall)  # pectoral
        drawing.blob((side * 140, 34, 20), (13, 40, 90), muscle, inside=wall)  # latissimus and serratus
        drawing.blob((side * 92, 92, 50), (46, 12, 70), muscle, inside=wall)  # below the shoulder blade
        drawing.blob((side * 38, 103, -10), (26, 15, 150), muscle, inside=wall)  # along the spine
        drawing.blob((side * 66, 84, 110), (64, 22, 40), muscle, inside=wall)  # trapezius, supraspinatus
        drawing.blob((side * 136, 22, 122), (40, 38, 44), muscle, inside=wall)  # shoulder
        drawing.blob((side * 40, 10, 140), (36, 40, 40), muscle, inside=wall)  # neck
    drawing.image += (depth > 4) * (6 * drawing.frame.texture(rng, 4.0))
    streaks = np.clip(drawing.frame.texture(rng, 5.0) - 0.9, 0, 0.9)  # fat between the muscles
    drawing.image -= ((drawing.image > 0) & (depth > 6)) * streaks * np.float32(rng.uniform(40, 150))
    lungs = (drawing.cavity < 1) & (z > drawing.diaphragm)
    drawing.paint(lungs, 0, "lung")
    airy, gravity = rng.uniform(-895, -845), rng.uniform(0.25, 0.75)
    drawing.image[lungs] = airy + gravity * np.clip(y[lungs] + 20, -80, 100)


def _skin(drawing: Drawing) -> FloatArray:
    """mm below the skin, roughly: positive inside the body."""
    x, y, z, rng = drawing.x, drawing.y, drawing.z, drawing.rng
    wide, deep = rng.uniform((150, 104), (174, 122))
    rise = np.clip((z - 30) / 80, 0, 1)
    wide = wide + 14 * rise
    deep = deep - 22 * np.clip((z - 60) / 80, 0, 1) + 6 * np.clip((-z - 40) / 80, 0, 1)
    radial = (np.abs(x / wide) ** 2.6 + np.abs((y - 10) / deep) ** 2.6) ** np.float32(1 / 2.6)
    hollow = 9 * np.exp(-((x / 14) ** 2)) * (y > 0) + 5 * np.exp(-((x / 18) ** 2)) * (y < 0)
    depth: FloatArray = (1 - radial) * deep - hollow
    return depth


def _breasts(drawing: Drawing, fat: float, depth: FloatArray) -> None:
    """Fat and glandular strands in front of the ribs in half of the patients."""
    rng = drawing.rng
    if rng.random() < 0.5:
        return
    size = float(rng.uniform(0.7, 1.05))
    for side in (-1.0, 1.0):
        middle = (side * 80.0, -74.0, float(rng.uniform(-30, -10)))
        radii = (72 * size, 46 * size, 62 * size)
        drawing.blob(middle, (radii[0] + 2, radii[1] + 2, radii[2] + 2), 30, inside=depth < 0)
        drawing.blob(middle, radii, fat)
        box = drawing.frame.around(
            (middle[0] - 40, middle[1] - 34, middle[2] - 40), (middle[0] + 40, middle[1] + 34, middle[2] + 40)
        )
        near = sum(((c - m) / 34) ** 2 for c, m in zip(drawing.places(box), middle, strict=True))
        strands = drawing.frame.texture(rng, 7.0)[box] > 0.5 + near
        drawing.image[box][strands & (depth[box] < 12)] += float(rng.uniform(40, 120))


def _table(drawing: Drawing) -> None:
    """A curved couch behind the patient: two thin shells with foam between."""
    bow = drawing.y - 140 + (drawing.x / 34) ** 2
    drawing.paint(np.abs(bow) < 16, -965)
    drawing.paint(np.abs(np.abs(bow) - 16) < 1.5, float(drawing.rng.uniform(-700, -200)))


def abdomen(drawing: Drawing) -> None:
    """Below the diaphragm: fat, liver on the right, stomach with its air bubble, spleen and colon on the left."""
    rng, low = drawing.rng, float(drawing.rng.uniform(-135, -122))
    below = (drawing.cavity < 1) & (drawing.z <= drawing.diaphragm)
    inner = (drawing.cavity < 0.97) & (drawing.z < drawing.diaphragm - 3)
    parenchyma = float(rng.uniform(50, 68) + (rng.uniform(20, 55) if drawing.blood.systemic > 90 else 0))
    drawing.paint(below, rng.uniform(-112, -95))
    drawing.image += below * (8 * drawing.frame.texture(rng, 6.0))
    drawing.paint(below & ~inner, 45)
    drawing.blob((58, -18, low + 34), (42, 46, 52), rng.uniform(10, 40), inside=inner)
    level = float(rng.uniform(-38, -20))
    bubble = inner & (drawing.ellipsoid((58, -18, low + 34), (38, 42, 48)) < 1) & (drawing.y < level)
    drawing.paint(bubble, -960)
    drawing.blob((84, 46, low + 26), (30, 32, 52), parenchyma + rng.uniform(-8, 12), inside=inner)
    liver = inner & (drawing.ellipsoid((-50, -2, low + 20), (106, 88, 92)) < 1)
    drawing.paint(liver, parenchyma, "liver")
    drawing.image += (drawing.labels == 3) * (4 * drawing.frame.texture(rng, 5.0))
    veins = [
        [(-20, 24, -68), (-48, 0, -84), (-84, -6, -104)],
        [(-20, 24, -68), (-28, -26, -88)],
        [(-20, 24, -68), (-70, 34, -84)],
    ]
    for line in veins:
        path = drawing.frame.path(np.array(line, dtype=float), np.array([5.0, 3.5, 1.5][: len(line)]))
        drawing.pour(path, max(drawing.blood.venous * 0.8, 40.0), inside=drawing.labels == 3)
