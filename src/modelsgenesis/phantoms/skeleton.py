"""Spine, ribs with cartilage, sternum, shoulder blades, clavicles and humeral heads: cortex over marrow."""

import numpy as np

from modelsgenesis.phantoms.anatomy import LABELS, Drawing, Mask

_CORTEX = 620.0


def skeleton(drawing: Drawing) -> None:
    """All bones; the ribs keep the spine's rhythm."""
    rng = drawing.rng
    period, phase = float(rng.uniform(24, 28)), float(rng.uniform(0, 25))
    marrow = float(rng.uniform(150, 270))
    _ribs(drawing, period, phase, marrow)
    _spine(drawing, period, phase, marrow)
    _sternum(drawing, marrow)
    for side in (-1, 1):
        _shoulder(drawing, side, marrow)


def _spine(drawing: Drawing, period: float, phase: float, marrow: float) -> None:
    """Vertebral bodies with discs, canal with cord, arches and processes."""
    box = drawing.frame.around((-40, 40, -200), (40, 124, 200))
    x, y, z = drawing.places(box)
    image, labels = drawing.image[box], drawing.labels[box]
    beat = np.abs((z + phase) % period - period / 2)
    disc = beat > period / 2 - 3
    waist = 1 - 0.1 * np.clip(1 - beat / (period / 2 - 3), 0, 1)
    body = np.hypot(x / (18 * waist), (y - 62) / (15 * waist))
    arch = np.hypot(x / 13, (y - 86) / 11)
    spinous = (np.abs(x) < 3.5) & (y > 94) & (y < 118) & (np.abs(z + phase - 0.55 * (y - 94)) % period < period * 0.55)
    transverse = (np.abs(y - 86 - 0.12 * np.abs(x)) < 5) & (np.abs(x) < 32) & (beat < period * 0.28)

    def lay(where: Mask, value: float, label: int = 0) -> None:
        image[where], labels[where] = value, label

    bone = LABELS["bone"]
    lay(((body < 1.12) | (arch < 1.1)) & (y > 44), 40)
    lay(spinous | transverse, marrow + 120, bone)
    lay((arch < 1) & (arch > 0.72), _CORTEX * 0.8, bone)
    lay((body < 1) & disc, 85)
    lay((body < 1) & ~disc, _CORTEX, bone)
    trabecular = (body < 0.88) & (beat < period / 2 - 4.5)
    lay(trabecular, marrow, bone)
    image += trabecular * (22 * drawing.frame.texture(drawing.rng, 2.5)[box])
    lay((arch < 0.78) & (y < 92), 12)
    lay(np.hypot(x / 6, (y - 85) / 5) < 1, 38)


def _ribs(drawing: Drawing, period: float, phase: float, marrow: float) -> None:
    """Rings in the wall of the cavity that fall to the front; cartilage to the sternum."""
    slope = float(drawing.rng.uniform(0.4, 0.6))
    shell = np.flatnonzero((drawing.cavity > 1.0) & (drawing.cavity < 1.14) & (np.abs(drawing.z) < 150))
    x, y, z, cavity = (a.reshape(-1)[shell] for a in (drawing.x, drawing.y, drawing.z, drawing.cavity))
    along = (z - slope * (y - 78) + phase) % period - period / 2
    across = (cavity - 1.065) * 95
    reach = (z > -135) & (z < 116) & (np.abs(x) > 20)
    size = (along / 7) ** 2 + (across / 4.6) ** 2
    flat_image, flat_labels = drawing.image.reshape(-1), drawing.labels.reshape(-1)
    for where, value, label in (
        (reach & (size < 1) & (y > -62), _CORTEX, "bone"),
        (reach & (size < 0.45) & (y > -62), marrow, "bone"),
        (reach & (size < 1) & (y <= -62) & (z < 70), 120.0, None),
    ):
        flat_image[shell[where]] = value
        flat_labels[shell[where]] = LABELS[label] if label else 0


def _sternum(drawing: Drawing, marrow: float) -> None:
    box = drawing.frame.around((-30, -110, -60), (30, -30, 100))
    x, y, z = drawing.places(box)
    across = (drawing.cavity[box] - 1.09) * 88
    wide = 15 + 9 * np.clip((z - 45) / 30, 0, 1)
    size = (np.abs(x) / wide) ** 4 + (across / 6) ** 2
    front = (y < -15) & (z > -52) & (z < 92) & (np.abs(z - 46) > 1.5)
    for limit, value in ((1.0, _CORTEX * 0.75), (0.55, marrow * 0.8)):
        where = front & (size < limit)
        drawing.image[box][where], drawing.labels[box][where] = value, LABELS["bone"]


def _shoulder(drawing: Drawing, side: int, marrow: float) -> None:
    """Blade, its spine and socket; clavicle; head of the humerus."""
    frame = drawing.frame
    blade = [((58, 98, 96), (86, 104, 20)), ((80, 97, 100), (90, 105, 10)), ((104, 86, 96), (94, 103, -14))]
    blade += [((116, 72, 92), (98, 102, -2)), ((70, 99, 92), (120, 66, 92)), ((62, 101, 60), (108, 88, 60))]
    blade += [((72, 103, 30), (102, 94, 30)), ((84, 103, 0), (98, 98, 0)), ((60, 100, 78), (112, 78, 78))]
    blade += [((66, 102, 44), (106, 92, 44)), ((78, 103, 14), (100, 97, 14))]
    ridge = [((60, 100, 84), (106, 92, 110)), ((106, 92, 110), (134, 54, 126))]
    sides = np.array([side, 1.0, 1.0])
    for lines, radius in ((blade, 2.6), (ridge, 4.5)):
        pieces = [frame.path(np.array(line, dtype=float) * sides, np.array([radius, radius])) for line in lines]
        drawing.pour(np.concatenate(pieces), 420, "bone")
    clavicle = [(20, -62, 88), (60, -52, 102), (100, -18, 114), (134, 10, 128)]
    line = np.array(clavicle, dtype=float) * sides
    for radius, value in ((6.5, _CORTEX), (4.2, marrow + 60)):
        drawing.pour(frame.path(line, np.full(4, radius)), value, "bone")
    for radius, value in ((24.0, _CORTEX), (21.5, marrow)):
        drawing.blob((side * 140, 22, 128), (radius, radius, radius), value, "bone")
