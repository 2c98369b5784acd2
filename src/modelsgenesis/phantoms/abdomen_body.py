"""Body wall, diaphragm and lung bases, spine, ribs and muscles of the abdomen; HU and mm."""

import numpy as np

from modelsgenesis.phantoms.abdomen_sheet import ABDOMEN_LABELS, Sheet
from modelsgenesis.types import FloatArray

_ALL = (slice(None), slice(None), slice(None))
_BACK = 66.0  # y of the inner wall at the back, behind the kidneys


class Wall:
    """The body wall of one patient: how far each voxel lies outside the cavity, and where the diaphragm is.

    Attributes: `out` (X, Y, Z) mm outside the abdominal cavity (negative within), `sine` and `side` of the direction
    from the cavity's middle (1 at the back, 1 at the flanks), `diaphragm` (X, Y, Z) mm above it, `saddle` its z below
    the heart.
    """

    def __init__(self, sheet: Sheet) -> None:
        rng, x, y, z = sheet.rng, sheet.x, sheet.y, sheet.z
        wide, deep = rng.uniform(116, 142), rng.uniform(70, 90)
        middle = _BACK - deep
        taper = 1 - 0.05 * np.clip((-z - 40) / 80, 0, 1)  # the waist
        across, along = np.abs(x / (wide * taper)), np.abs((y - middle) / deep)
        radial = (across**2.4 + along**2.4) ** np.float32(1 / 2.4) + np.float32(1e-4)
        length = np.hypot(x, y - middle) + np.float32(1e-4)
        self.out: FloatArray = length * (1 - 1 / radial)
        self.sine: FloatArray = (y - middle) / length
        self.side: FloatArray = np.abs(x) / length
        self.diaphragm: FloatArray = z - self._dome(sheet)
        sheet.room = np.minimum(-0.7 - self.out, -2.8 - 0.8 * self.diaphragm)

    def _dome(self, sheet: Sheet) -> FloatArray:
        """z of the diaphragm: two domes, the right one higher, over the liver; lowest in the recess at the back."""
        rng, x, y = sheet.rng, sheet.x, sheet.y
        right, left = rng.uniform(76, 98), rng.uniform(62, 84)
        steep = rng.uniform(62, 80)
        one = right - steep * (((x + 58) / 66) ** 2 + ((y + 6) / 84) ** 2) ** np.float32(1.35)
        two = left - steep * (((x - 58) / 66) ** 2 + ((y + 6) / 84) ** 2) ** np.float32(1.35)
        self.saddle = min(right, left) - rng.uniform(8, 20)  # where the heart rests, before the spine
        between = self.saddle - steep * ((np.abs(x - 6) / 62) ** 3 + (np.abs(y + 34) / 66) ** 3)
        surface: FloatArray = np.maximum(np.maximum(one, two), np.maximum(between, 6))
        surface += 2 * sheet.ripple - 0.22 * (y + 6)
        return surface


def body(sheet: Sheet) -> Wall:
    """Table, skin, fat, the muscles of the wall, visceral fat, and the lung bases with their vessels."""
    wall, rng, hu = Wall(sheet), sheet.rng, sheet.hu
    _table(sheet)
    back = np.clip(wall.sine, 0, 1) ** 2
    front = np.clip(-wall.sine, 0, 1) ** 2
    recti = 6 * np.exp(-((sheet.x / 9) ** 2)) + 5 * np.exp(-(((np.abs(sheet.x) - 72) / 11) ** 2))
    muscle = rng.uniform(10, 16) + 24 * back - front * recti
    thickness = np.exp(rng.uniform(np.log(5), np.log(34)))  # of the subcutaneous fat; thin to obese
    fat = thickness * (0.75 + 0.5 * front + 0.2 * wall.side) + 1.5 * sheet.ripple
    groove = 10 * np.exp(-((sheet.x / 16) ** 2)) * (wall.sine > 0)
    skin = muscle + fat + 3 - groove - wall.out
    sheet.pour(_ALL, skin, 25)
    sheet.pour(_ALL, skin - 2, hu.fat + 6 * sheet.mottle)
    sheet.pour(_ALL, np.minimum(muscle - wall.out, skin - 4), hu.muscle + 4 * sheet.mottle, "muscle")
    _layers(sheet, wall)
    sheet.pour(_ALL, -wall.out, hu.fat + rng.uniform(0, 8) + 8 * sheet.mottle)
    lungs = np.minimum(wall.diaphragm, -1 - wall.out)
    sheet.pour(_ALL, np.minimum(lungs + 3.5, -wall.out), hu.muscle)
    airy = rng.uniform(-890, -820)
    sheet.pour(_ALL, lungs, airy + 0.7 * np.clip(sheet.y, -60, 80) + 18 * sheet.mottle, "lung")
    lung = sheet.labels == ABDOMEN_LABELS["lung"]
    for side in (-1, 1):
        sheet.branches((side * 36, 14, 125), lung & (sheet.x * side > 0), 70, 40)
    return wall


def _table(sheet: Sheet) -> None:
    """A curved couch behind the patient: a bright shell."""
    bow = sheet.y - 150 + (sheet.x / 30) ** 2
    sheet.pour(_ALL, 2 - np.abs(bow), -300)


def _layers(sheet: Sheet, wall: Wall) -> None:
    """Thin fat between the three muscles of the flank, and in the middle of the front where the recti part."""
    flank = np.minimum(np.minimum((wall.side - 0.72) * 60, (0.35 - wall.sine) * 60), (10 - sheet.z) * 0.5)
    for depth in (4.0, 8.0):
        sheet.pour(_ALL, np.minimum(0.5 - np.abs(wall.out - depth - sheet.ripple), flank), sheet.hu.fat, "muscle")
    parting = np.minimum(2.5 - np.abs(sheet.x), np.minimum(wall.out - 1, (-0.5 - wall.sine) * 60))
    sheet.pour(_ALL, np.minimum(parting, 14 - wall.out), -20)


def muscles(sheet: Sheet) -> None:
    """Psoas and square muscles beside the spine, the crura before it, and the long muscles of the back."""
    rng, hu = sheet.rng, sheet.hu
    strong = rng.uniform(0.8, 1.2)
    for side in (-1.0, 1.0):
        thin, thick = 7 * strong, 19 * strong
        sheet.tube(
            [(side * 26, 36, 18), (side * 34, 34, -40), (side * 42, 28, -95), (side * 52, 12, -170)],
            [thin / 2, 13 * strong, thick, thick],
            hu.muscle,
            "muscle",
        )
        sheet.tube([(side * 60, 58, 0), (side * 68, 56, -120)], [9, 13], hu.muscle, "muscle")
        sheet.tube([(side * 9, 12, 60), (side * 12, 16, 0), (side * 10, 18, -45)], [5, 5, 2], hu.muscle)
        for x, y, radii in ((24, 76, (21, 15, 300)), (46, 72, (21, 17, 300))):
            box = sheet.about((side * x, y, -20), (radii[0], radii[1], 300))
            depth = sheet.ball(box, (side * x, y, -20), (radii[0] * strong, radii[1], 300.0)) + sheet.ripple[box]
            sheet.pour(box, depth + 1.2, hu.muscle - 60)
            sheet.pour(box, depth, hu.muscle + 6 * sheet.mottle[box], "muscle")


def spine(sheet: Sheet) -> None:
    """Vertebrae with cortex, spongy bone, discs, canal, arch and processes; they curve a little, as a back does."""
    rng = sheet.rng
    box = sheet.around((-60, -4, -300), (60, 110, 300))
    x, z = sheet.x[box], sheet.z[box]
    y = sheet.y[box] - 5 * np.sin(z / 70)
    period, phase = rng.uniform(31, 36), rng.uniform(0, 35)
    level = (z + phase) % period - period / 2
    half, size = period / 2 - rng.uniform(3.5, 5), rng.uniform(0.9, 1.12)
    tall = half - np.abs(level)
    waist = 1 - 0.1 * np.clip(tall / half, 0, 1)
    body_depth = (1 - np.hypot(x / (24 * size * waist), (y - 33) / (17 * size * waist))) * 17
    sheet.pour(box, body_depth, 75 + 5 * sheet.mottle[box])  # discs
    arch = (1 - np.hypot(x / 17, (y - 57) / 14)) * 14
    spongy, dense = rng.uniform(120, 240), rng.uniform(260, 430)
    processes = np.minimum(4 - np.abs(y - 55 - 0.15 * np.abs(x)), 38 - np.abs(x))
    processes = np.minimum(processes, 5 - np.abs(level + 3))
    spinous = np.minimum(np.minimum(3.5 - np.abs(x), 12 - np.abs(y - 77)), 9 - np.abs(level - 2))
    sheet.pour(box, np.maximum(np.maximum(arch, processes), spinous), dense * 0.75, "bone")
    sheet.pour(box, np.minimum(arch - 4, tall + 9), dense * 0.6)
    inner = np.minimum(body_depth, tall)
    sheet.pour(box, inner, dense, "bone")
    sheet.pour(box, inner - 1.3, spongy + 30 * sheet.mottle[box], "bone")
    sheet.pour(box, (1 - np.hypot(x / 11, (y - 57) / 9)) * 9, 25)


def ribs(sheet: Sheet, wall: Wall) -> None:
    """Lower ribs in the wall, falling to the front and ending at the costal margin, then cartilage; iliac crests."""
    rng, y, z = sheet.rng, sheet.y, sheet.z
    period, slope = rng.uniform(27, 33), rng.uniform(0.35, 0.55)
    along = (z - slope * (y - 60) + 0.3 * np.abs(sheet.x) + rng.uniform(0, 33)) % period - period / 2
    margin = -48 + 95 * np.clip((-y - 5) / 75, 0, 1) + 35 * np.clip((70 - np.abs(sheet.x)) / 40, 0, 1)
    reach = np.minimum(z - margin, (np.abs(sheet.x) - 26) * 1.0)
    depth = (1 - np.hypot(along / 6.5, (wall.out - 6) / 5)) * 5
    front = y + 40
    bone, gristle = np.minimum(np.minimum(depth, reach), front), np.minimum(np.minimum(depth, reach), -front)
    sheet.pour(_ALL, gristle, rng.uniform(90, 140), "muscle")
    dense = rng.uniform(380, 560)
    sheet.pour(_ALL, bone, dense, "bone")
    sheet.pour(_ALL, bone - 1.7, rng.uniform(100, 220), "bone")
    crest = np.minimum(6 - np.abs(wall.out - 1 - 0.1 * (z + 110)), -112 - z - 0.012 * (y - 20) ** 2)
    crest = np.minimum(crest, np.abs(sheet.x) - 55)
    sheet.pour(_ALL, crest, dense, "bone")
    sheet.pour(_ALL, crest - 2, 160, "bone")


def heart(sheet: Sheet, wall: Wall) -> None:
    """Heart base on the diaphragm, in its fat, with the mediastinum behind: gullet, vena cava, descending aorta."""
    rng, hu = sheet.rng, sheet.hu
    size = rng.uniform(0.85, 1.1)
    box = sheet.around((-50, -100, 20), (100, 60, 200))
    above = np.minimum(wall.diaphragm[box] + 5, -2 - wall.out[box])
    y = sheet.y[box]
    strip = np.minimum(16 + 5 * sheet.ripple[box] + 0.2 * np.clip(10 - y, 0, 60) - np.abs(sheet.x[box] - 2), above - 2)
    near = sheet.ball(box, (20, -34, wall.saddle + 6 + 36 * size), (58 * size, 44 * size, 44 * size), (-0.25, 0.1))
    near += 2 * sheet.ripple[box]
    sheet.pour(box, np.minimum(strip, np.maximum(y + 12, near + 8)), hu.fat + 5)
    sheet.pour(box, np.minimum(near + 5, above), hu.fat + 5)
    sheet.pour(box, np.minimum(near, above), 48 + 0.45 * (hu.cava - 40), "heart")
    sheet.pour(box, np.minimum(near - 9, above), 0.5 * (hu.aorta + hu.cava), "heart")
    sheet.tube([(8, 14, 62), (3, 18, 200)], [8, 9], 45)
