"""Liver with its vessels and lesions, spleen, kidneys, gallbladder and the great vessels of the abdomen; HU and mm."""

import numpy as np

from modelsgenesis.phantoms.abdomen_sheet import ABDOMEN_LABELS, Place, Sheet
from modelsgenesis.types import FloatArray


def _soft(a: FloatArray, b: FloatArray, width: float) -> FloatArray:
    """The larger of two depths, their crease filled over `width` mm; with both negated, the smaller, edge rounded."""
    h = np.clip(0.5 + (a - b) / np.float32(2 * width), 0, 1)
    joined: FloatArray = b + h * (a - b) + np.float32(width) * h * (1 - h)
    return joined


def liver(sheet: Sheet) -> None:
    """Right and left lobe under the diaphragm, cut below by the visceral surface, parted by the falciform fissure."""
    rng, hu = sheet.rng, sheet.hu
    box = sheet.around((-150, -110, -130), (115, 90, 125))
    x, y, z = (c[box] for c in (sheet.x, sheet.y, sheet.z))
    size = rng.uniform(0.82, 1.16)
    right = sheet.ball(box, (-58, -2, 14), (96 * size, 96 * size, 98 * size))
    reach, thick = rng.uniform(36, 112), rng.uniform(24, 46)  # some left lobes reach the spleen
    left = sheet.ball(box, (14, -42, 50), (reach, 46 * size, thick), (0.1, -0.35))
    depth = _soft(right, left, 9)
    low, slope = rng.uniform(-112, -54), rng.uniform(0.55, 1.0)
    under = (z - low - slope * (x + 105) - 0.28 * y) / np.float32(np.hypot(1, slope)) + 4 * sheet.ripple[box]
    medial = 20 + 1.3 * np.clip(-y - 12, -10, 80) + 0.7 * np.clip(z - 40, 0, 80) - x  # the back edge stops at the spine
    depth = -_soft(-depth, -under, 6)
    depth = -_soft(-depth, -(medial * np.float32(0.7)), 5)
    depth = np.minimum(depth + 2 * sheet.ripple[box], sheet.room[box])
    cleft = np.abs(x + 10 + 0.15 * (z - 20) + 4 * sheet.ripple[box]) + rng.uniform(0.1, 0.22) * np.clip(y + 78, 0, None)
    depth = np.minimum(depth, np.maximum(cleft - rng.uniform(1, 4), 0.6 * (z - rng.uniform(30, 50))))
    knobs = rng.uniform(1.0, 2.2) if rng.random() < 0.2 else 0.0  # mm, of cirrhosis
    depth += np.float32(knobs) * sheet.mottle[box]
    patches = rng.uniform(6, 18) if rng.random() < 0.25 else 0.0  # HU: fat and perfusion differ from part to part
    sheet.pour(box, depth, hu.liver + rng.uniform(1, 6) * sheet.mottle[box] + patches * sheet.ripple[box], "liver")


def liver_vessels(sheet: Sheet) -> None:
    """Portal vein from the confluence to the hilum and through the liver; hepatic veins that gather at the cava."""
    hu = sheet.hu
    sheet.tube([(-2, -12, -12), (-16, -10, 6), (-32, -8, 22)], [7, 7, 6.5], hu.portal)
    sheet.tube([(-2, -12, -4), (34, 4, 14), (70, 26, 26)], [5.5, 4.5, 3.5], hu.portal)  # splenic vein
    sheet.tube([(-2, -12, -8), (-4, -14, -60), (-10, -24, -120)], [6, 5, 4], hu.portal)  # mesenteric vein
    organ = sheet.labels == ABDOMEN_LABELS["liver"]
    for side, count in ((sheet.x < -25, 70), (sheet.x >= -25, 24)):
        sheet.branches((-34, -8, 24), organ & side, count, hu.portal)
    cava = (-24.0, 4.0, 66.0)
    for low, high, count in ((-200, -75, 30), (-75, -25, 36), (-25, 200, 16)):
        sheet.branches(cava, organ & (sheet.x > low) & (sheet.x <= high), count, hu.hepatic)


def lesions(sheet: Sheet, count: int) -> None:
    """`count` lesions inside the liver: dark or bright, some with a rim or a dead core, 4 to 60 mm in radius.

    A few unlabelled cysts are drawn before: what is dark in a liver is not always a tumour.
    """
    rng, hu = sheet.rng, sheet.hu
    organ = ABDOMEN_LABELS["liver"]
    metastases = hu.liver - rng.uniform(18, 55)  # lesions of one patient resemble one another
    for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.25 else 0):
        _lesion(sheet, rng.uniform(3, 9), 8, 8, 0.8, "liver")
    voxels = np.argwhere(sheet.labels == organ)
    large = rng.random() < 0.2  # a tumour that takes a large part of the liver
    for number in range(count if len(voxels) else 0):
        radius = float(np.exp(rng.normal(np.log(8.5), 0.55)))
        radius = float(rng.uniform(35, 60)) if large and not number else min(max(radius, 4.0), 35.0)
        value = metastases + rng.uniform(-8, 8)
        if rng.random() < 0.18:
            value = hu.liver + rng.uniform(22, 60)
        core = value - rng.uniform(5, 35) if radius > 10 and rng.random() < 0.5 else value
        _lesion(sheet, radius, value, core, rng.uniform(1, 4.5), "lesion")


def _lesion(sheet: Sheet, radius: float, value: float, core: float, edge: float, label: str) -> None:
    """One lesion somewhere in the liver, cut off at the liver's border; `edge` is the width in mm of its margin."""
    rng = sheet.rng
    inside = (sheet.labels == ABDOMEN_LABELS["liver"]) | (sheet.labels == ABDOMEN_LABELS["lesion"])
    voxels = np.argwhere(inside[::2, ::2, ::2]) * 2
    if not len(voxels):
        return
    at = tuple(rng.choice(voxels))
    centre: Place = (float(sheet.x[at]), float(sheet.y[at]), float(sheet.z[at]))
    a, b, c = (radius * rng.uniform(0.8, 1.2, 3)).tolist()
    box = sheet.about(centre, (a, b, c))
    lean = (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3))
    depth = sheet.ball(box, centre, (a, b, c), lean) + 0.1 * radius * sheet.mottle[box]
    within = inside[box]
    coverage = np.clip(0.5 + depth / np.float32(max(edge, sheet.voxel)), 0, 1) * within
    middle = np.clip((depth - 0.35 * radius) / np.float32(0.35 * radius), 0, 1)
    image = sheet.image[box]
    image += coverage * (value + middle * (core - value) + 3 * sheet.mottle[box] - image)
    sheet.labels[box][(depth > 0) & within] = ABDOMEN_LABELS[label]


def spleen(sheet: Sheet) -> None:
    """Under the left dome at the back, hollowed towards stomach and kidney; near the liver in HU."""
    rng, hu = sheet.rng, sheet.hu
    size = rng.uniform(0.85, 1.2) if rng.random() < 0.8 else rng.uniform(1.2, 1.45)
    box = sheet.around((20, -80, -80), (170, 115, 130))
    depth = sheet.ball(box, (98, 34, 26), (38 * size, 46 * size, 56 * size), (-0.15, 0.15))
    hollow = sheet.ball(box, (54, -2, 10), (30, 40, 60))
    depth = np.minimum(np.minimum(depth, -hollow) + 2 * sheet.ripple[box], sheet.room[box])
    patches = 0.12 * max(hu.aorta - hu.portal, 0)  # the early phase dapples the spleen
    sheet.pour(box, depth, hu.spleen + 3 * sheet.mottle[box] + patches * sheet.ripple[box], "spleen")


def kidneys(sheet: Sheet) -> None:
    """Cortex, pyramids, pelvis and sinus fat, in perirenal fat; the right one lower, both leaning outwards below."""
    rng = sheet.rng
    padding = rng.uniform(4, 13)
    for side, drop in ((-1.0, rng.uniform(-46, -28)), (1.0, rng.uniform(-36, -16))):
        radii = (rng.uniform(25, 30), rng.uniform(21, 26), rng.uniform(47, 58))
        _kidney(sheet, side, (side * rng.uniform(62, 72), rng.uniform(33, 40), drop), radii, padding)


def _kidney(sheet: Sheet, side: float, centre: Place, radii: Place, padding: float) -> None:
    rng, hu = sheet.rng, sheet.hu
    lean = (-0.16 * side, 0.14)
    box = sheet.about(centre, (radii[0] + 16, radii[1] + 16, radii[2] + 16))
    depth = sheet.ball(box, centre, radii, lean) + 1.5 * sheet.ripple[box]
    close = np.isin(sheet.labels[box], [ABDOMEN_LABELS["liver"], ABDOMEN_LABELS["spleen"]])
    around_it = np.where(close, np.float32(1.5), np.float32(padding))  # these two lie almost on the kidney
    sheet.pour(box, np.minimum(depth + around_it, sheet.room[box]), hu.fat + 5 * sheet.mottle[box])
    sheet.pour(box, np.minimum(depth, sheet.room[box] - 1), hu.cortex, "kidney")
    x, z = sheet.x[box] - centre[0], sheet.z[box] - centre[2]
    y = sheet.y[box] - centre[1]
    around = np.arctan2(z / radii[2], -side * x / radii[0] + 1e-3)
    spokes = np.cos(around * 9) + 0.6 * np.cos(y / 3.2 + 2) - 0.1
    pyramids = np.minimum(np.minimum(depth - 5.5, 15 - depth), 4 * spokes)
    sheet.pour(box, pyramids, hu.medulla, "kidney")
    hilum = sheet.ball(box, (centre[0] - side * 8, centre[1] - 3, centre[2]), (15, 8, 24), lean)
    hilum = np.maximum(hilum, sheet.ball(box, (centre[0] - side * 24, centre[1] - 6, centre[2]), (16, 6, 13), lean))
    hilum = hilum + 1.5 * sheet.mottle[box]
    sheet.pour(box, np.minimum(hilum, sheet.room[box]), hu.fat + 10)
    urine = rng.uniform(5, 20)
    pelvis = sheet.ball(box, (centre[0] - side * 12, centre[1] - 3, centre[2] - 2), (9, 5, 15), lean)
    sheet.pour(box, pelvis + sheet.mottle[box], urine)
    for shift, value, wide in ((4, hu.cava, 4.5), (-3, hu.aorta, 2.8)):
        hilus = (centre[0] - side * 10, centre[1] - 4, centre[2] + shift)
        sheet.tube([(side * 10 - 4, 4, centre[2] + 12 + shift), hilus], [wide, wide * 0.7], value)


def gallbladder(sheet: Sheet) -> None:
    """Bile below the liver, in a thin wall; one patient in eight has none."""
    rng = sheet.rng
    if rng.random() < 0.12:
        return
    centre = (rng.uniform(-56, -42), rng.uniform(-52, -36), rng.uniform(-26, -6))
    a, c = rng.uniform(11, 18), rng.uniform(24, 36)
    box = sheet.about(centre, (a, a, c))
    depth = np.minimum(sheet.ball(box, centre, (a, a, c), (0.3, 0.4)) + sheet.ripple[box], sheet.room[box])
    sheet.pour(box, depth, sheet.hu.wall, "gallbladder")
    sheet.pour(box, depth - 1.8, rng.uniform(2, 18), "gallbladder")


def great_vessels(sheet: Sheet) -> None:
    """Aorta with coeliac trunk, mesenteric artery and iliacs, in places calcified; inferior vena cava."""
    rng, hu = sheet.rng, sheet.hu
    wide = rng.uniform(8, 12.5)
    fork = rng.uniform(-125, -100)
    spine_side = rng.uniform(6, 14)
    course: list[Place] = [(14, 22, 200), (12, 12, 70), (spine_side, 5, 10), (4, 4, fork)]
    for value, more in ((hu.fat, 4.0), (hu.aorta, 0.0)):
        label = "aorta" if not more else None
        sheet.tube(course, [wide + 1.5 + more, wide + more, wide - 1 + more, wide - 2 + more], value, label)
    for side in (-1, 1):
        sheet.tube([(4, 4, fork), (side * 40, 16, fork - 75)], [wide * 0.65, wide * 0.5], hu.aorta, "aorta")
    sheet.tube([(spine_side, 0, 14), (8, -14, 16), (-14, -16, 20)], [3.5, 3, 2.4], hu.aorta)
    sheet.tube([(8, -14, 16), (40, 0, 20), (72, 22, 26)], [2.8, 2.4, 2], hu.aorta)
    sheet.tube([(spine_side, 0, 4), (6, -14, -14), (4, -18, -100)], [3.5, 3, 2.5], hu.aorta)
    flat = rng.uniform(7, 11.5)
    sheet.tube([(-20, 6, -200), (-22, 6, -50), (-26, 4, 30), (-24, 2, 66), (-14, -6, 115)],
               [flat, flat, flat + 1, flat + 2, flat + 2], hu.cava, "vena_cava")  # fmt: skip
    if rng.random() < 0.5:
        for height in rng.uniform(fork, 60, int(rng.integers(1, 6))).tolist():
            turn = rng.uniform(0, 2 * np.pi)
            place = (spine_side + wide * 0.9 * float(np.cos(turn)), 5 + wide * 0.9 * float(np.sin(turn)), height)
            sheet.blob(place, (2.5, 2.5, 4.0), rng.uniform(300, 800), "aorta")
