"""The neck around one common carotid artery, lengthwise: layers of tissue, wall, bulb, plaque; mm and decibels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.phantoms.ultrasound import Echoes, decibels, scatterers
from modelsgenesis.types import FloatArray

Curve = npt.NDArray[np.floating[Any]]
"""(X,) a depth, radius or thickness in mm at each column."""

_LUMEN, _INTIMA, _MEDIA, _ADVENTITIA, _AROUND = -44.0, -3.0, -31.0, 2.0, -14.0  # dB
_INTIMA_THICK = 0.2  # mm


@dataclass(frozen=True)
class Plaque:
    """A lens between lumen and media: middle and half width along the vessel and height, mm; its echo level, dB."""

    middle: float
    wide: float
    high: float
    level: float
    far: bool
    calcified: bool


@dataclass(frozen=True)
class Artery:
    """The vessel's true outlines, mm below the probe at each column of the sheet it is drawn on.

    Args:
        spacing: mm per pixel of the sheet.
        axis: middle of the lumen.
        near: lumen-intima boundary of the near wall.
        li: lumen-intima boundary of the far wall; plaque is below it.
        outer_near: media-adventitia boundary of the near wall.
        ma: media-adventitia boundary of the far wall.
        clear: 0 to 1, how clearly the intima and media of the far wall can be told apart.
        bulb: 0 in the straight part, 1 where the bulb is fully wide.
        plaques: on either wall.
        divider: column in mm where the flow divider begins and its direction; None where the sheet ends before it.
    """

    spacing: float
    axis: Curve
    near: Curve
    li: Curve
    outer_near: Curve
    ma: Curve
    clear: Curve
    bulb: Curve
    plaques: tuple[Plaque, ...]
    divider: tuple[float, int] | None

    @classmethod
    def drawn(cls, rng: np.random.Generator, columns: int, spacing: float) -> "Artery":
        """One patient's vessel on a sheet of `columns` pixels."""
        x = np.arange(columns) * spacing
        width = columns * spacing
        middle, tilt, bend, radius, imt = rng.uniform((12.4, -0.07, 0, 2.6, 0.45), (15.2, 0.07, 0.35, 3.5, 1.05))
        axis = middle + tilt * (x - width / 2) + bend * np.sin(2 * np.pi * (x / width * 0.8 + rng.random()))
        side, start, factor, length = int(rng.choice([-1, 1])), *rng.uniform((0.5, 1.22, 9), (0.72, 1.6, 14))
        if rng.random() < 0.12:
            start = 2.0  # the probe shows the common carotid alone
        run = (x if side > 0 else width - x) - start * width  # mm past the beginning of the bulb
        bulb = 1 / (1 + np.exp(-run / 1.3))
        swell = bulb * np.where(run > 0, 0.45 + 0.55 * np.exp(-((np.maximum(run - 6, 0) / length) ** 2)), 1.0)
        radii = radius * (1 + (factor - 1) * swell) + _smooth(rng, columns, 4 / spacing) * 0.08
        axis = axis + rng.uniform(-0.15, 0.5) * radius * (factor - 1) * swell
        thick = imt * (1 + 0.35 * bulb + 0.06 * _smooth(rng, columns, 2.5 / spacing))
        plaques = _plaques(rng, x, bulb)
        high_far, high_near = (
            sum((_height(x, p) for p in plaques if p.far is far), np.zeros(columns)) for far in (1, 0)
        )
        clear = np.clip(0.75 + 0.45 * _smooth(rng, columns, 3.5 / spacing), 0.05, 1) * (1 - 0.6 * bulb)
        divider = None
        if rng.random() < 0.6 and start < 1:
            divider = (start * width + length - 1 if side > 0 else width - start * width - length + 1, side)
        li, near = axis + radii - high_far, axis - radii + high_near
        outer_near, ma = axis - radii - thick, axis + radii + thick
        return cls(spacing, axis, near, li, outer_near, ma, clear, bulb, plaques, divider)

    @property
    def radius(self) -> Curve:
        """Half the distance of the two walls' lumen-intima boundaries."""
        return (self.li - self.near) / 2


def _smooth(rng: np.random.Generator, count: int, grain: float) -> Curve:
    """Smooth noise of unit deviation, `grain` samples wide."""
    noise = ndimage.gaussian_filter1d(rng.standard_normal(count + 2 * int(4 * grain) + 8), grain)
    noise = noise[int(4 * grain) + 4 :][:count] * np.sqrt(2 * grain * np.sqrt(np.pi))
    return np.asarray(noise, dtype=float)


def _plaques(rng: np.random.Generator, x: Curve, bulb: Curve) -> tuple[Plaque, ...]:
    made = []
    for _ in range(int(rng.choice([0, 1, 2], p=[0.55, 0.33, 0.12]))):
        places = x[bulb > 0.5] if (bulb > 0.5).any() and rng.random() < 0.75 else x
        wide, high = rng.uniform((2.0, 0.8), (4.5, 2.0))
        level, calcified = float(rng.uniform(-26, -10)), bool(rng.random() < 0.4)
        made.append(Plaque(float(rng.choice(places)), wide, high, level, bool(rng.random() < 0.75), calcified))
    return tuple(made)


def _height(x: Curve, plaque: Plaque) -> Curve:
    """mm of plaque at each column."""
    height: Curve = plaque.high * np.clip(1 - ((x - plaque.middle) / plaque.wide) ** 2, 0, 1) ** 0.8
    return height


@dataclass(frozen=True)
class Sheet:
    """What the probe scans: `echoes` (X, Y) complex; `loss` (X, Y) in dB per mm beyond what the scanner makes up."""

    echoes: Echoes
    loss: FloatArray


def sheet(rng: np.random.Generator, artery: Artery, rows: int) -> Sheet:
    """The echoes of tissue and artery on a sheet of `rows` pixels in depth."""
    columns, spacing = len(artery.axis), artery.spacing
    depth = np.broadcast_to((np.arange(rows) * spacing).astype(np.float32), (columns, rows))
    level, mirror = _tissue(rng, artery, depth)
    loss = np.zeros((columns, rows), dtype=np.float32)
    for far in (False, True):
        _wall(artery, depth, level, mirror, far)
    inside = (depth > artery.near[:, None]) & (depth < artery.li[:, None])
    level[inside], mirror[inside], loss[inside] = _LUMEN, 0, -0.3
    if artery.divider is not None:
        _divider(rng, artery, depth, inside, level, mirror)
    for plaque in artery.plaques:
        _plaque(rng, artery, plaque, depth, level, loss)
    random = scatterers(rng, (columns, rows))
    echoes = decibels(level) * (mirror + np.sqrt(1 - mirror**2) * random)
    return Sheet(echoes.astype(np.complex64), loss)


def _streaks(rng: np.random.Generator, shape: tuple[int, int], spacing: float, long: float, thin: float) -> FloatArray:
    """Noise of unit deviation in grains `long` mm across and `thin` mm deep, along gently waving layers."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (long / spacing, thin / spacing))
    lift = _smooth(rng, shape[0], 6 / spacing) * 0.35 / spacing
    rows = np.arange(shape[1])
    for column in range(shape[0]):
        noise[column] = np.interp(rows + lift[column], rows, noise[column])
    streaks: FloatArray = noise / noise.std()
    return streaks


def _clouds(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> FloatArray:
    """Noise of unit deviation in round patches of a few mm."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.4 / spacing)
    clouds: FloatArray = noise / noise.std()
    return clouds


def _tissue(rng: np.random.Generator, artery: Artery, depth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Level in dB, and share of mirror-like echo, of skin, fat, muscle with its fasciae, and what lies deeper."""
    shape, spacing = (depth.shape[0], depth.shape[1]), artery.spacing
    patches = _streaks(rng, shape, spacing, 3.0, 0.8)
    level = -18 + 3.5 * patches + 3 * _streaks(rng, shape, spacing, 1.0, 0.16) + 5 * _clouds(rng, shape, spacing)
    mirror = np.zeros(shape, dtype=np.float32)
    wave = _smooth(rng, shape[0], 5 / spacing)[:, None]
    skin, fat = rng.uniform(0.8, 1.6), rng.uniform(2.6, 4.5) + 0.25 * wave
    top = np.minimum(fat + rng.uniform(3.5, 5.5) + 0.3 * wave, artery.outer_near[:, None] - rng.uniform(0.6, 1.6))
    fibres = np.maximum(_streaks(rng, shape, spacing, 2.0, 0.09), 0)
    level = np.where(depth < top, -23 + 3 * patches + rng.uniform(5, 8) * np.maximum(fibres - 0.4, 0), level)
    septa = np.maximum(_streaks(rng, shape, spacing, 2.6, 0.13) - 0.7, 0)
    level = np.where(depth < fat, -20 + 9 * septa, level)
    level = np.where(depth < skin, -7 + 5 * _streaks(rng, shape, spacing, 5.0, 0.12), level)
    for surface, thick, bright in ((fat, 0.22, 0), (top, 0.3, 0), (top + rng.uniform(0.5, 0.9), 0.18, -6)):
        line = np.exp(-(((depth - surface) / thick) ** 2))
        line = line * np.clip(0.75 + 0.35 * _smooth(rng, shape[0], 3 / spacing), 0.15, 1)[:, None]
        level, mirror = level + line * (bright - 2 - level), np.maximum(mirror, 0.8 * line)
    for _ in range(int(rng.integers(10, 28))):  # short bright strands of connective tissue
        x, y, long, thin, slope = rng.uniform((0, 1.5, 0.5, 0.07, -0.12), (shape[0] * spacing, 26, 3.5, 0.2, 0.12))
        across = np.arange(shape[0])[:, None] * spacing - x
        strand = np.exp(-((across / long) ** 2) - ((depth - y - slope * across) / thin) ** 2)
        level, mirror = level + strand * np.maximum(-4 - level, 0), np.maximum(mirror, 0.6 * strand)
    return level.astype(np.float32), mirror.astype(np.float32)


def _wall(artery: Artery, depth: FloatArray, level: FloatArray, mirror: FloatArray, far: bool) -> None:
    """The double line: bright intima, dark media, bright adventitia; it fades where the beam meets it aslant."""
    inner, outer = (artery.li, artery.ma) if far else (artery.near, artery.outer_near)
    below = (depth - inner[:, None]) if far else (inner[:, None] - depth)  # mm outwards from the lumen
    beyond = (depth - outer[:, None]) if far else (outer[:, None] - depth)
    slant = np.gradient(inner, artery.spacing)
    facing = np.exp(-((slant / 0.35) ** 2))[:, None]
    clear = artery.clear[:, None] * facing * (1.0 if far else 0.55)
    rim = (beyond > 0) & (beyond < 4)
    bright = _ADVENTITIA - 4 * (1 - facing) - 5 * (1 - artery.clear[:, None])
    glow = _AROUND + (bright - _AROUND) * np.exp(-((np.maximum(beyond, 0) / 0.75) ** 2))
    level[rim] = np.maximum(glow, level)[rim]
    media = (below > 0) & (beyond <= 0)
    level[media] = (_MEDIA + 14 * (1 - clear) * np.ones_like(level))[media]
    line = np.exp(-(((below - _INTIMA_THICK / 2) / (_INTIMA_THICK * 0.7)) ** 2))
    intima = (below > -0.05) & (below < 0.45)
    bright = _INTIMA - 16 * (1 - clear)
    level[intima] = (level + line * np.maximum(bright - level, 0))[intima]
    shine = np.maximum(line, np.exp(-(((beyond - 0.2) / 0.3) ** 2))) * 0.75 * facing
    near = (below > -0.05) & (beyond < 1)
    mirror[near] = shine[near]


def _divider(
    rng: np.random.Generator,
    artery: Artery,
    depth: FloatArray,
    inside: npt.NDArray[np.bool_],
    level: FloatArray,
    mirror: FloatArray,
) -> None:
    """The wedge of tissue between internal and external carotid."""
    if artery.divider is None:
        return
    start, side = artery.divider
    run = (np.arange(len(artery.axis)) * artery.spacing - start) * side
    half = np.maximum(0.32 * np.maximum(run, 0) ** 0.85, 0)[:, None]
    away = np.abs(depth - artery.axis[:, None] - 0.1 * np.maximum(run, 0)[:, None] * rng.choice([-1, 1]))
    wedge = inside & (away < half)
    level[wedge], mirror[wedge] = -15, 0
    edge = inside & (np.abs(away - half) < 0.25) & (run > 0)[:, None]
    level[edge], mirror[edge] = -3, 0.4


def _plaque(
    rng: np.random.Generator, artery: Artery, plaque: Plaque, depth: FloatArray, level: FloatArray, loss: FloatArray
) -> None:
    """Grainy tissue below the intima; a calcified core is bright and lets little sound pass."""
    x = np.arange(len(artery.axis)) * artery.spacing
    high = _height(x, plaque)[:, None]
    inner = artery.li[:, None] if plaque.far else artery.near[:, None] - high
    body = (depth > inner + 0.15) & (depth < inner + high) & (high > 0.2)
    grains = ndimage.gaussian_filter(rng.standard_normal(depth.shape, dtype=np.float32), 0.3 / artery.spacing)
    level[body] = plaque.level + 3 * (grains / grains.std())[body]
    if plaque.calcified:
        core = body & (high > 0.45 * plaque.high) & (depth < inner + 0.75)
        level[core], loss[core] = 3, float(rng.uniform(20, 40))
