"""Videos of the common carotid artery and its bulb in B-mode ultrasound, with the truth of the wall and of regions.

A video is a patient: its frames show the same vessel and the same speckle, moved a little by the pulse and the probe.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.artery import Artery, Curve, Sheet, sheet
from modelsgenesis.phantoms.ultrasound import Echoes, Probe, compressed, decibels, envelope, scatterers
from modelsgenesis.types import FloatArray, Shape

LABELS = ("roi", "bulb", "background")
"""Straight far wall with a clear intima and media, fit for measuring; the bulb; anything else."""

SHAPE: Shape = (224, 160)

_MARGIN = 5.0  # mm of anatomy beside the first frame, which the probe may move into
_REACH = (6.5, 8.0)  # mm above and below the vessel over which its pulsation fades
_RIGID = 2.5  # mm below the lumen that move as one: wall and plaque
_APART = 4.5  # mm at least between the centres of regions of different classes


@dataclass(frozen=True)
class Region:
    """Centre of a region in pixels, `x` across and `y` down, and its class, one of LABELS."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Video:
    """One patient's frames.

    Args:
        frames: (F, X, Y) uint8; X across the probe, Y down from it.
        spacing: mm per pixel, the same along both axes.
        regions: the regions of every frame.
        li: (F, X) pixels: depth of the lumen-intima boundary of the far wall at each column.
        ma: (F, X) pixels: depth of its media-adventitia boundary.
    """

    frames: npt.NDArray[np.uint8]
    spacing: float
    regions: tuple[tuple[Region, ...], ...]
    li: FloatArray
    ma: FloatArray


@dataclass(frozen=True)
class _Settings:
    """How the scanner is set for one video: dB, and dB per mm for `fading`."""

    probe: Probe
    gain: float
    dynamic: float
    curve: float
    fading: float
    reverberation: float
    echo_depth: float  # mm below their origin where echoes between probe and fascia show again
    noise: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_Settings":
        low = (-22, 52, 1.3, 0.4, -34, 3, -66)
        gain, dynamic, curve, fading, echo, depth, noise = rng.uniform(low, (-6, 64, 2.0, 2.0, -22, 7, -54))
        return cls(Probe.drawn(rng), gain, dynamic, curve, fading, echo, depth, noise)


@dataclass(frozen=True)
class _Pose:
    """Where the probe is and how far the pulse has widened the vessel: mm, mm, mm per mm, share of the radius."""

    across: float
    down: float
    tilt: float
    pulse: float


def carotid_video(rng: np.random.Generator, frames: int, shape: Shape = SHAPE, backgrounds: int = 2) -> Video:
    """Scan one patient; everything random comes from `rng`.

    Args:
        rng: the patient: the same generator state gives the same video.
        frames: how many frames, about a fifth of a second apart.
        shape: pixels (X across, Y down); whatever they are, Y shows 22 to 28 mm.
        backgrounds: how many background regions a frame has.

    Raises:
        UsageError: there is no frame, or the image is smaller than 32 pixels.
    """
    if frames < 1 or len(shape) != 2 or min(shape) < 32:
        raise UsageError(f"carotid phantom: {frames} frames of {shape} pixels; needs at least one of 32 x 32")
    spacing = float(rng.uniform(22, 28)) / shape[1]
    margin = round(_MARGIN / spacing)
    artery = Artery.drawn(rng, shape[0] + 2 * margin, spacing)
    drawn = sheet(rng, artery, shape[1] + margin)
    settings, contact = _Settings.drawn(rng), _contact(rng, shape[0] + 2 * margin, spacing)
    images, regions, li, ma = [], [], [], []
    for pose in _poses(rng, frames):
        image = _frame(rng, drawn, artery, pose, settings, contact)
        images.append(image[margin : margin + shape[0], : shape[1]])
        truth = [_moved(artery, boundary, pose)[margin : margin + shape[0]] for boundary in (artery.li, artery.ma)]
        li.append(truth[0])
        ma.append(truth[1])
        regions.append(_regions(rng, artery, pose, (shape[0], shape[1]), margin, backgrounds))
    stacked = (np.asarray(boundary, dtype=np.float32) for boundary in (li, ma))
    return Video(np.stack(images), spacing, tuple(regions), *stacked)


def _contact(rng: np.random.Generator, columns: int, spacing: float) -> FloatArray:
    """dB at each column: the probe couples better at some places than at others."""
    noise = ndimage.gaussian_filter1d(rng.standard_normal(columns), 3.0 / spacing, mode="nearest")
    loss: FloatArray = (-rng.uniform(0, 7) * np.maximum(noise / noise.std(), 0)).astype(np.float32)
    return loss


def _poses(rng: np.random.Generator, frames: int) -> list[_Pose]:
    """A pulse of about 70 beats a minute and a hand that is not quite still."""
    beat, step, strength = rng.random(), rng.uniform(0.17, 0.28), rng.uniform(0.03, 0.09)
    wander = rng.normal(0, (0.35, 0.08, 0.002), (frames, 3))
    wander[0] = 0
    wander = np.clip(np.cumsum(wander, axis=0), (-3, -0.5, -0.01), (3, 0.5, 0.01))
    phases = (beat + step * np.arange(frames)) % 1
    pulses = strength * np.minimum(phases / 0.15, 1) * np.exp(-2.2 * np.maximum(phases - 0.15, 0))
    return [_Pose(float(x), float(y), float(t), float(p)) for (x, y, t), p in zip(wander, pulses, strict=True)]


def _moved(artery: Artery, boundary: Curve, pose: _Pose) -> Curve:
    """A far-wall boundary (X,) in mm on the sheet to pixels (X,) of the frame, margin included."""
    x = np.arange(len(boundary)) * artery.spacing
    lifted = boundary + pose.pulse * artery.radius
    across = np.interp(x + pose.across, x, lifted)
    moved: Curve = (across + pose.down + pose.tilt * (x - x.mean())) / artery.spacing
    return moved


def _sources(artery: Artery, pose: _Pose, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """For each pixel of the frame the place on the sheet (pixels) that it shows: the inverse of the motion."""
    columns, rows = shape
    x = np.arange(columns) * artery.spacing
    wanted = x + pose.across
    near, far, radius = (np.interp(wanted, x, c)[:, None] for c in (artery.near, artery.li, artery.radius))
    depth = np.arange(rows)[None] * artery.spacing - pose.down - pose.tilt * (x - x.mean())[:, None]
    swell = pose.pulse * radius
    source = depth.copy()
    for _ in range(3):  # fixed point; the displacement changes slowly
        up = np.exp(-np.maximum(near - source, 0) / _REACH[0])
        down = np.exp(-np.maximum(source - far - _RIGID, 0) / _REACH[1])
        lumen = np.clip((source - near) / (far - near) * 2 - 1, -1, 1)
        source = depth - swell * np.where(source < near, -up, np.where(source > far, down, lumen))
    place = np.broadcast_to(wanted[:, None] / artery.spacing, shape)
    return place.astype(np.float32), (source / artery.spacing).astype(np.float32)


def _frame(
    rng: np.random.Generator,
    drawn: Sheet,
    artery: Artery,
    pose: _Pose,
    settings: _Settings,
    contact: FloatArray,
) -> npt.NDArray[np.uint8]:
    """One frame (X, Y), margins included."""
    spacing, shape = artery.spacing, (drawn.echoes.shape[0], drawn.echoes.shape[1])
    at = _sources(artery, pose, shape)
    echoes: Echoes = ndimage.map_coordinates(drawn.echoes, at, order=1, mode="nearest").astype(np.complex64)
    loss = ndimage.map_coordinates(drawn.loss, at, order=1, mode="nearest")
    echoes = np.float32(0.97) * echoes + np.float32(0.24) * np.abs(echoes) * scatterers(rng, shape)  # out of plane
    ghost = round(settings.echo_depth / spacing)
    haze = ndimage.gaussian_filter(np.abs(echoes[:, :-ghost]), (1.2 / spacing, 0.25 / spacing))
    echoes[:, ghost:] += decibels(settings.reverberation) * haze * scatterers(rng, haze.shape)
    depth = np.arange(shape[1], dtype=np.float32) * spacing
    shadow = ndimage.gaussian_filter1d(np.cumsum(loss, axis=1) * spacing, 0.25 / spacing, axis=0)
    level = contact[:, None] - np.minimum(shadow, 30) - settings.fading * np.maximum(depth - settings.probe.focus, 0)
    echoes = echoes * decibels(level)
    echoes = echoes + decibels(settings.noise + 0.3 * depth) * scatterers(rng, shape)
    received = envelope(echoes, spacing, settings.probe)
    return compressed(received, settings.gain, settings.dynamic, settings.curve)


def _regions(
    rng: np.random.Generator,
    artery: Artery,
    pose: _Pose,
    shape: tuple[int, int],
    margin: int,
    backgrounds: int,
) -> tuple[Region, ...]:
    """The straight clear far wall nearest to the bulb, the bulb's widest part if it is in view, and other places."""
    x = np.arange(len(artery.axis)) * artery.spacing
    columns = np.arange(margin + 12, margin + shape[0] - 12)
    shown = {name: np.interp(x + pose.across, x, getattr(artery, name)) for name in ("clear", "bulb", "radius")}
    li, ma = (_moved(artery, boundary, pose) for boundary in (artery.li, artery.ma))
    plaque = np.interp(x + pose.across, x, _covered(artery))
    smooth = ndimage.gaussian_filter1d
    fit = smooth(shown["clear"] * (shown["bulb"] < 0.1) * (plaque == 0), 1.0 / artery.spacing)
    found: list[Region] = []
    best = columns[np.argmax(fit[columns])]
    if fit[best] > 0.6:
        found.append(Region(float(best - margin), float((li[best] + ma[best]) / 2), "roi"))
    wide = smooth(shown["radius"] * (shown["bulb"] > 0.7), 1.0 / artery.spacing)
    best = columns[np.argmax(wide[columns])]
    if wide[best] > 0:
        inwards = rng.uniform(0.1, 0.6) * shown["radius"][best] / artery.spacing
        found.append(Region(float(best - margin), float(li[best] - inwards), "bulb"))
    usable = (fit < 0.25) & (shown["bulb"] < 0.3)
    for _ in range(200):
        if sum(r.label == "background" for r in found) == backgrounds:
            break
        column = int(rng.choice(columns))
        place = _elsewhere(rng, li[column], shown["radius"][column] / artery.spacing, bool(usable[column]), shape[1])
        away = [np.hypot(column - margin - r.x, place - r.y) * artery.spacing for r in found if r.label != "background"]
        taken = any(np.hypot(column - margin - r.x, place - r.y) < 1 for r in found)  # a table lists a place once
        if 10 < place < shape[1] - 10 and min(away, default=np.inf) > _APART and not taken:
            found.append(Region(float(column - margin), float(place), "background"))
    return tuple(found)


def _covered(artery: Artery) -> Curve:
    """1 at the columns where plaque covers the far wall."""
    x = np.arange(len(artery.axis)) * artery.spacing
    covered = np.zeros(len(x))
    for plaque in artery.plaques:
        covered[(np.abs(x - plaque.middle) < plaque.wide + 0.5) & plaque.far] = 1
    return covered


def _elsewhere(rng: np.random.Generator, li: float, radius: float, unclear: bool, rows: int) -> float:
    """Row of a background region: near wall, lumen, an unclear part of the far wall, or any tissue."""
    kind = rng.choice(["near", "lumen", "far", "tissue"], p=[0.3, 0.15, 0.2, 0.35])
    if kind == "near":
        return float(li - 2 * radius)
    if kind == "lumen":
        return float(li - radius)
    if kind == "far" and unclear:
        return float(li)
    row = float(rng.uniform(0, rows))
    return row if abs(row - li) > 1.2 * radius else -1.0
