"""Findings of chest X-rays painted in three dimensions, each with a random size, place and severity."""

from collections.abc import Callable

import numpy as np

from modelsgenesis.phantoms.anatomy import LABELS, Mask, Place
from modelsgenesis.phantoms.bumps import bumps
from modelsgenesis.phantoms.mediastinum import HILA
from modelsgenesis.phantoms.thorax import Thorax
from modelsgenesis.types import FloatArray

Paint = Callable[[np.random.Generator, Thorax], None]
"""Changes the image of a thorax, in place."""

_RADIUS = 110.0  # mm, about the radius of the rib cage: what one unit of `Thorax.cavity` measures
_CLEAR = 0.8  # share of nodules and masses that neither heart nor diaphragm hide
_ASIDE = 45.0  # mm from the midline beyond which the heart hides little


def nodule(rng: np.random.Generator, body: Thorax) -> None:
    """One to three round opacities of 16 to 30 mm in the lungs, some of them calcified."""
    for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))):
        value = float(rng.uniform(20, 80) if rng.random() < 0.7 else rng.uniform(200, 450))
        _ball(rng, body, float(rng.uniform(8, 15)), value, 0.05)


def mass(rng: np.random.Generator, body: Thorax) -> None:
    """One lobulated opacity of 45 to 95 mm."""
    _ball(rng, body, float(rng.uniform(22, 48)), float(rng.uniform(20, 60)), 0.13)


def effusion(rng: np.random.Generator, body: Thorax) -> None:
    """Fluid at the bottom of one or both pleural cavities; its surface climbs towards the wall: the meniscus."""
    for side in _sides(rng, both=0.3):
        level, climb = rng.uniform((-84, 10), (-5, 30))
        surface = level + climb * np.minimum(body.cavity, 1) ** 5
        _fill(body, body.side(side) & (body.place[2] < surface), float(rng.uniform(0, 25)))


def cardiomegaly(rng: np.random.Generator, body: Thorax) -> None:
    """The heart grows into the lungs, more to the left, until it is wider than half of the chest."""
    grown = float(rng.uniform(1.25, 1.6))
    x, y, z = body.place
    near = ((x - 16) / (68 * grown)) ** 2 + ((y + 20) / 56) ** 2 + ((z + 30 + 0.25 * x) / (46 * grown**0.7)) ** 2
    _fill(body, body.lung & (near < 1) & (body.cavity < 0.97), 45)


def pneumothorax(rng: np.random.Generator, body: Thorax) -> None:
    """Air between chest wall and lung, most at the apex, and the thin line of the visceral pleura."""
    side = int(rng.choice([-1, 1]))
    apex, base = rng.uniform((18, 3), (65, 30))
    thick = base + (apex - base) * np.clip((body.place[2] + 70) / 190, 0, 1)
    edge = (body.cavity - (1 - thick / _RADIUS)) * _RADIUS  # mm outside of the visceral pleura
    lung = body.side(side)
    step = float(body.frame.spacing.mean())
    body.image[lung] += np.float32(min(120, 1.2 * (apex + base)))  # what is left of the lung holds less air
    body.image[lung & (edge > 0)] = -1000
    line = lung & (np.abs(edge) < step)
    body.image[line] = np.maximum(body.image[line], -1000 + 900 * min(1.0, 2.4 / step))


def consolidation(rng: np.random.Generator, body: Thorax) -> None:
    """A part of a lobe filled with fluid, its bronchi still with air."""
    side = int(rng.choice([-1, 1]))
    region = _patch(rng, body, body.side(side), rng.uniform(28, 62), 11.0, sharp=4.0)
    region = region * (body.labels != LABELS["airway"])
    image = body.image
    image += region * np.maximum(float(rng.uniform(-220, 10)) - image, 0)


def atelectasis(rng: np.random.Generator, body: Thorax) -> None:
    """Plates of airless lung at the base, the diaphragm drawn up on their side."""
    x, y, z = body.place
    for side in _sides(rng, both=0.25):
        lung = body.side(side)
        rise = float(rng.uniform(8, 26))
        _fill(body, lung & (z < body.diaphragm + rise * np.exp(-(((np.abs(x) - 60) / 50) ** 2))), 40)
        for _ in range(int(rng.integers(1, 4))):
            middle, high, slope, thick = rng.uniform((45, -50, -0.3, 1.8), (95, 0, 0.5, 4.0))
            away = z - high - slope * (np.abs(x) - middle)
            plate = (np.abs(away) < thick + 1.2) & (np.abs(np.abs(x) - middle) < rng.uniform(18, 42))
            plate &= np.abs(y - rng.uniform(-20, 40)) < rng.uniform(25, 60)
            _fill(body, lung & plate, float(rng.uniform(-120, 30)))


def infiltration(rng: np.random.Generator, body: Thorax) -> None:
    """Ill-defined patches of haze, mostly low, in one or both lungs."""
    for side in _sides(rng, both=0.5):
        region = _patch(rng, body, body.side(side), rng.uniform(45, 85), 9.0, sharp=1.0)
        image = body.image
        image += region * np.minimum(np.float32(rng.uniform(230, 520)), np.maximum(-50 - image, 0))


def edema(rng: np.random.Generator, body: Thorax) -> None:
    """Haze that spreads from both hila, with thickened septa."""
    strength, reach = rng.uniform((130, 55), (330, 85))
    x, y, z = body.place
    grain = 0.6 + 0.4 * body.frame.texture(rng, 7.0)
    septa = np.clip(1 - np.abs(body.frame.texture(rng, 8.0)) / 0.25, 0, 1)
    haze = np.zeros((), dtype=np.float32)
    for side in (-1, 1):
        a, b, c = HILA[side]
        away = ((x - 1.15 * a) / reach) ** 2 + ((y - b) / (1.2 * reach)) ** 2 + ((z - c + 25) / (1.25 * reach)) ** 2
        haze = np.maximum(haze, np.exp(-away))
    added = np.float32(strength) * haze * np.maximum(grain + 0.5 * septa, 0)
    image = body.image
    image += body.lung * np.minimum(added, np.maximum(-30 - image, 0))


def pleural_thickening(rng: np.random.Generator, body: Thorax) -> None:
    """A rind of scar along the apex or along the lower wall of one or both sides."""
    for side in _sides(rng, both=0.35):
        thick, apical = float(rng.uniform(5, 15)), bool(rng.random() < 0.5)
        z = body.place[2]
        where = (z > rng.uniform(70, 88)) if apical else (z < rng.uniform(-40, 20))
        rind = thick * (0.8 + 0.3 * body.frame.texture(rng, 14.0))
        _fill(body, body.side(side) & where & (body.cavity > 1 - rind / _RADIUS), float(rng.uniform(20, 60)))


def fibrosis(rng: np.random.Generator, body: Thorax) -> None:
    """A net of thickened septa in the periphery and at the bases."""
    z = body.place[2]
    net = np.clip(1 - np.abs(body.frame.texture(rng, 6.5)) / 0.35, 0, 1)
    weight = np.clip((body.cavity - 0.45) / 0.4, 0, 1) * np.clip(1 - (z + 60) / rng.uniform(90, 170), 0, 1)
    added = np.float32(rng.uniform(300, 620)) * net * weight
    image = body.image
    image += body.lung * np.minimum(added, np.maximum(-image, 0))


FINDINGS: dict[str, Paint] = {
    "Atelectasis": atelectasis,
    "Cardiomegaly": cardiomegaly,
    "Consolidation": consolidation,
    "Edema": edema,
    "Effusion": effusion,
    "Fibrosis": fibrosis,
    "Infiltration": infiltration,
    "Mass": mass,
    "Nodule": nodule,
    "Pleural_Thickening": pleural_thickening,
    "Pneumothorax": pneumothorax,
}
"""What can be painted, by its name in ChestX-ray14."""


def _sides(rng: np.random.Generator, both: float) -> tuple[int, ...]:
    """Right (-1), left (1), or with probability `both` the two of them."""
    return (-1, 1) if rng.random() < both else (int(rng.choice([-1, 1])),)


def _fill(body: Thorax, where: Mask, value: float) -> None:
    body.image[where] = np.maximum(body.image[where], value)


def _inner(rng: np.random.Generator, body: Thorax, where: Mask) -> Place:
    """An anatomical point in the mask, not at its very edge."""
    voxels = np.argwhere(where & (body.cavity < 0.9))
    if not len(voxels):
        return 60.0, 0.0, 0.0
    at = tuple(rng.choice(voxels))
    x, y, z = (float(axis[at]) for axis in body.place)
    return x, y, z


def _ball(rng: np.random.Generator, body: Thorax, radius: float, value: float, lobed: float) -> None:
    """Blend a lobulated ball into the lung around a random place, of ten eight beside the heart and above the domes."""
    x, _, z = body.place
    clear = body.lung & (np.abs(x) > _ASIDE) & (z > body.diaphragm.max())
    centre = _inner(rng, body, clear if rng.random() < _CLEAR else body.lung)
    reach = radius * (1 + 3 * lobed) + 6
    box = body.frame.around(
        (centre[0] - reach, centre[1] - reach, centre[2] - reach),
        (centre[0] + reach, centre[1] + reach, centre[2] + reach),
    )
    away = [axis[box] - c for axis, c in zip(body.place, centre, strict=True)]
    distance = np.sqrt(sum(a * a for a in away)) + 1e-3
    surface = sum(wave for _, wave in bumps(rng, away, distance))
    inside = np.clip(0.5 + (radius * (1 + lobed * surface) - distance) / body.frame.spacing.mean(), 0, 1)
    image = body.image[box]
    image += (inside * body.lung[box] * np.maximum(value - image, 0)).astype(np.float32)


def _patch(
    rng: np.random.Generator, body: Thorax, where: Mask, radius: float, grain: float, sharp: float
) -> FloatArray:
    """Weights in [0, 1] of a cloud of about `radius` mm in the mask; `sharp` is how steep its border is."""
    centre = _inner(rng, body, where & (body.place[2] < rng.uniform(-30, 80)))
    away = sum(((axis - np.float32(c)) / np.float32(radius)) ** 2 for axis, c in zip(body.place, centre, strict=True))
    cloud = 1 - away + 0.45 * body.frame.texture(rng, grain)
    weights: FloatArray = (np.clip(sharp * cloud, 0, 1) * where).astype(np.float32)
    return weights
