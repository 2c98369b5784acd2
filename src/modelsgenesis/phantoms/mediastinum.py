"""Between the lungs: fat, heart with chambers, great vessels, oesophagus, nodes, trachea and main bronchi."""

import numpy as np

from modelsgenesis.phantoms.anatomy import LABELS, Drawing, Mask

HILA = {-1: (-46.0, 10.0, 20.0), 1: (48.0, 12.0, 28.0)}
"""Where the pulmonary artery enters each lung; -1 is the right one."""

CARINA = (0.0, 24.0, 50.0)
BRONCHI = {-1: (-40.0, 20.0, 24.0), 1: (45.0, 22.0, 20.0)}
"""Ends of the main bronchi."""

ATRIUM = {-1: (-16.0, 16.0, 4.0), 1: (24.0, 18.0, 6.0)}
"""Where the pulmonary veins of each side enter the left atrium."""


def mediastinum(drawing: Drawing) -> None:
    """Everything from the thoracic inlet to the diaphragm, and between the two lungs."""
    rng = drawing.rng
    fat = float(rng.uniform(-108, -88))
    above = drawing.z > drawing.diaphragm - 12
    wide = 6 + 13 / (1 + np.exp(-(drawing.y + 30) / 8)) - 5 / (1 + np.exp(-(drawing.y - 30) / 8)) + rng.uniform(-2, 3)
    wide += 2.5 * drawing.frame.texture(rng, 22.0)
    wide += 11 * np.exp(-(((drawing.z - 30) / 26) ** 2)) * (np.abs(drawing.y - 5) < 45)
    wide += 16 * np.clip((drawing.z - 60) / 30, 0, 1)
    middle = (drawing.cavity < 1) & (np.abs(drawing.x - 2) < wide) & (drawing.z > drawing.diaphragm)
    spine = np.hypot(drawing.x / 24, (drawing.y - 64) / 21) < 1
    aorta = np.hypot(drawing.x - 21, drawing.y - 43) < 19
    middle |= (drawing.cavity < 1) & (drawing.z > drawing.diaphragm) & (spine | (aorta & (drawing.z < 62)))
    drawing.paint(middle, fat)
    drawing.image += middle * (14 * drawing.frame.texture(rng, 5.0))
    for side in (-1, 1):  # the hila: vessels and bronchi in fat
        x, y, z = HILA[side]
        drawing.blob((x * 0.7, y + 6, z), (20, 20, 24), fat + 40, inside=drawing.cavity < 1)
    _heart(drawing, fat, (drawing.cavity < 0.985) & above)
    _great_vessels(drawing)
    _nodes(drawing)
    _airways(drawing)


def _heart(drawing: Drawing, fat: float, inside: Mask) -> None:
    """Pericardial fat, muscle, and the four chambers, the long axis to the left, front and down."""
    rng, blood = drawing.rng, drawing.blood
    size = float(rng.uniform(0.9, 1.1))
    axis = np.array([0.68, -0.44, -0.58])
    axis /= np.linalg.norm(axis)
    second = np.cross(axis, [0.0, 0.0, 1.0])
    second /= np.linalg.norm(second)
    turn = np.stack([axis, second, np.cross(axis, second)])
    muscle = max(48.0, 0.5 * blood.systemic + 15)
    drawing.blob((12, -20, -18), (66 * size, 46 * size, 48 * size), fat, inside=inside, turn=turn)
    drawing.blob((-46, -44, -62), (30, 22, 22), fat, inside=inside)  # fat pads in the angles
    drawing.blob((72, -46, -62), (24, 18, 18), fat, inside=inside)
    chambers = (  # centre, radii, wall, HU, whether it lies along the axis
        ((14.0, -44.0, -28.0), (46.0, 17.0, 36.0), 3.0, blood.pulmonary, True),
        ((-26.0, -22.0, -16.0), (27.0, 30.0, 36.0), 2.0, blood.pulmonary, False),
        ((4.0, 10.0, 2.0), (34.0, 19.0, 24.0), 2.0, blood.venous, False),
        ((38.0, -14.0, -32.0), (38.0, 22.0, 23.0), 10.0, blood.systemic, True),
    )
    for grown in (True, False):  # all walls before all cavities
        for middle, radii, wall, value, along in chambers:
            a, b, c = (r * size + wall * grown for r in radii)
            drawing.blob(middle, (a, b, c), muscle if grown else value, "heart", inside, turn if along else None)
    drawing.image += (drawing.labels == LABELS["heart"]) * (5 * drawing.frame.texture(rng, 4.0))


def _great_vessels(drawing: Drawing) -> None:
    rng, blood, tube = drawing.rng, drawing.blood, drawing.tube
    arch, wide = float(rng.uniform(68, 80)), float(rng.uniform(11, 14))
    tube([(6, 37, -170), (4, 38, 60), (0, 36, 150)], [7, 6, 6], 35)  # oesophagus
    if rng.random() < 0.5:
        tube([(4, 38, 20), (2, 38, 60)], [1.5, 2], -700)
    tube([(-30, -16, 80), (-28, -10, 40), (-26, -12, 0)], [8, 9, 10], blood.pulmonary)  # superior vena cava
    tube([(34, -22, 100), (4, -28, 86), (-28, -18, 78)], [6, 6.5, 8], blood.pulmonary)  # brachiocephalic veins
    tube([(-50, -14, 112), (-30, -16, 80)], [7, 8], blood.pulmonary)
    tube([(-22, 24, -170), (-22, 12, -64), (-24, -6, -36)], [12, 13, 12], max(40.0, 0.5 * blood.pulmonary))
    tube([(-10, 44, -170), (-9, 44, 46), (-18, 34, 52), (-27, 0, 48)], [3, 4, 4, 4], blood.systemic)  # azygos
    for line, radius in (
        ([(-10, -8, arch), (-22, 0, 106), (-32, 4, 150)], 6.0),
        ([(4, 2, arch), (14, 8, 112), (24, 12, 150)], 4.0),
        ([(14, 14, arch), (28, 22, 108), (52, 14, 118)], 4.5),
    ):
        tube(line, [radius, radius - 0.5, radius - 1], blood.systemic)
    trunk = tube([(20, -44, -2), (20, -34, 26), (14, -16, 36)], [13, 13.5, 13], blood.pulmonary)
    right = tube([(14, -16, 35), (-8, -4, 30), (-30, 3, 26), HILA[-1]], [12, 10.5, 9.5, 8], blood.pulmonary)
    left = tube([(14, -16, 37), (30, 0, 40), (42, 12, 37), HILA[1]], [12, 10.5, 9, 8], blood.pulmonary)
    drawing.central = np.concatenate([trunk, right, left])
    for side, ends in ((-1, ((-44, 4, 12), (-42, 22, -8))), (1, ((44, 2, 18), (46, 22, -6)))):
        for end in ends:
            tube([ATRIUM[side], end], [8, 6], blood.venous)
    ascending = [(2, -18, -2), (-10, -24, 22), (-14, -20, arch - 22), (-6, -6, arch)]
    descending = [(10, 14, arch + 1), (19, 30, arch - 10), (22, 42, arch - 30), (22, 44, -20), (14, 42, -170)]
    radii = [wide + 3, wide + 2, wide + 2, wide + 1, wide, wide, wide - 1, wide - 1, wide - 2]
    if rng.random() < 0.5:  # calcified plaque shows as a bright rim
        tube([descending[0], descending[1]], [wide + 0.8, wide + 0.8], 420, "aorta")
    tube(ascending + descending, radii, blood.systemic, "aorta")


def _nodes(drawing: Drawing) -> None:
    """Lymph nodes beside trachea and bronchi, of normal size."""
    for _ in range(int(drawing.rng.integers(4, 10))):
        at = drawing.rng.uniform((-18, 2, 36), (18, 34, 70))
        radii = drawing.rng.uniform(2.0, 4.5, 3)
        free = np.abs(drawing.image + 90) < 60
        drawing.blob(tuple(at), tuple(radii), 45, inside=free)


def _airways(drawing: Drawing) -> None:
    """Trachea with its wall, carina, main bronchi."""
    wide = float(drawing.rng.uniform(7.5, 9.5))
    pipes = [[(0, 12, 160), (0, 16, 100), CARINA]] + [[CARINA, (s * 18, 22, 36), BRONCHI[s]] for s in (-1, 1)]
    radii = [[wide, wide, wide], [wide - 1.5, 6.5, 6], [wide - 2, 6, 5.5]]
    for line, sizes in zip(pipes, radii, strict=True):
        drawing.pour(drawing.frame.path(np.array(line, dtype=float), np.array(sizes) + 1.6), 30)
    for line, sizes in zip(pipes, radii, strict=True):
        drawing.tube(line, sizes, -990, "airway")
