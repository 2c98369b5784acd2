"""Stomach, small bowel, colon, pancreas and the mesentery of the abdomen; HU and mm."""

import numpy as np

from modelsgenesis.phantoms.abdomen_sheet import ABDOMEN_LABELS, Place, Sheet
from modelsgenesis.phantoms.frame import Box
from modelsgenesis.types import FloatArray


def fill(sheet: Sheet, box: Box, depth: FloatArray, contents: FloatArray, label: str) -> None:
    """A hollow organ: wall of two to three millimetres and contents, kept inside the abdominal cavity."""
    depth = np.minimum(depth, sheet.room[box] + 1)
    sheet.pour(box, depth, sheet.hu.wall, label)
    sheet.pour(box, depth - sheet.rng.uniform(1.8, 3.2), contents, label)


def stomach(sheet: Sheet) -> None:
    """Fundus, body and antrum; food or fluid below a level of air in front; now and then oral contrast agent."""
    rng = sheet.rng
    size = rng.uniform(0.75, 1.12)
    shift = rng.uniform(-8, 8)
    box = sheet.around((-30, -95, -50), (115, 60, 110))
    fundus = sheet.ball(box, (56 + shift, 12, 44), (38 * size, 36 * size, 34))
    corpus = sheet.ball(box, (60 + shift, -28, 18), (30 * size, 32 * size, 44), (0.25, 0.0))
    antrum = sheet.ball(box, (22, -46, -8), (42, 20 * size, 17 * size), (0.3, 0.0))
    depth = np.maximum(np.maximum(fundus, corpus), antrum) + 2.5 * sheet.ripple[box]
    fluid = rng.uniform(150, 320) if rng.random() < 0.15 else rng.uniform(5, 40)
    lumps = rng.uniform(3, 35)
    contents = fluid + lumps * sheet.mottle[box]
    level = rng.uniform(-52, -15)
    contents = np.where(sheet.y[box] < level, np.float32(-985), contents)
    depth = np.minimum(depth, sheet.room[box])
    sheet.pour(box, depth, sheet.hu.wall + 10, "stomach")
    sheet.pour(box, depth - rng.uniform(2.5, 5), contents, "stomach")


def _walk(sheet: Sheet, start: Place, steps: int) -> list[Place]:
    """A winding path of `steps` points that stays in the lower middle of the cavity."""
    rng = sheet.rng
    low, high = np.array([-88.0, -76.0, -190.0]), np.array([92.0, 24.0, -16.0])
    at, way = np.array(start), rng.normal(0, 1, 3)
    path = [start]
    for _ in range(steps):
        way = 0.55 * way + rng.normal(0, 0.8, 3) * (1, 0.7, 0.8)
        way /= np.linalg.norm(way)
        at = at + 19 * way
        way = np.where((at < low) | (at > high), -way, way)
        at = np.clip(at, low, high)
        path.append((float(at[0]), float(at[1]), float(at[2])))
    return path


def small_bowel(sheet: Sheet) -> None:
    """Loops with folds, fluid, some gas and now and then contrast agent, hung on mesentery with its vessels."""
    rng, hu = sheet.rng, sheet.hu
    mesentery = (sheet.room > 12) & (sheet.z < -12) & (sheet.y < 30) & (np.abs(sheet.x) < 95)
    for root, value in (((0.0, -6.0, -14.0), hu.portal), ((8.0, -4.0, -10.0), hu.aorta)):
        sheet.branches(root, mesentery, 80, 0.8 * value + 0.2 * hu.fat)
    opaque = rng.random() < 0.2
    for _ in range(int(rng.integers(14, 44))):
        start = (rng.uniform(-85, 90), rng.uniform(-75, 24), rng.uniform(-150, -16))
        path = _walk(sheet, start, int(rng.integers(5, 14)))
        wide = rng.uniform(8.5, 13.5)
        box, outer = sheet.pipe(path, [wide] * len(path))
        if not outer.size:
            continue
        outer *= sheet.room[box] > 3
        inner = sheet.pipe(path, [wide - 2.6] * len(path))[1]
        fluid = rng.uniform(120, 260) if opaque and rng.random() < 0.5 else rng.uniform(12, 45)
        contents = fluid + 9 * sheet.mottle[box]
        if rng.random() < 0.25:
            contents = np.where(sheet.ripple[box] + 0.4 * sheet.mottle[box] > 0.7, np.float32(-960), contents)
        _hollow(sheet, box, outer, _reboxed(sheet, box, outer, inner, path, wide), contents)


def _reboxed(
    sheet: Sheet, box: Box, outer: FloatArray, inner: FloatArray, path: list[Place], wide: float
) -> FloatArray:
    """`inner`, whose box is a little smaller, laid into the box of `outer`."""
    if inner.shape == outer.shape:
        return inner
    small = sheet.pipe(path, [wide - 2.6] * len(path))[0]
    laid = np.zeros_like(outer)
    laid[tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(small, box, strict=True))] = inner
    return laid


def _hollow(sheet: Sheet, box: Box, outer: FloatArray, inner: FloatArray, contents: FloatArray) -> None:
    image = sheet.image[box]
    image += outer * (np.float32(sheet.hu.wall) - image)
    image += inner * (outer > 0.5) * (contents - image)
    sheet.labels[box][outer > 0.5] = ABDOMEN_LABELS["bowel"]


def colon(sheet: Sheet) -> None:
    """Ascending, transverse and descending colon, pouched; mottled stool with gas in front of it."""
    rng = sheet.rng
    sag = rng.uniform(-62, -18)
    right, left = rng.uniform(82, 98), rng.uniform(88, 104)
    courses: tuple[list[Place], ...] = (
        [(-right, 8, -200), (-right, 12, -110), (-right + 4, 8, -52)],
        [(-right + 4, 0, -50), (-60, -46, sag + 8), (0, -66, sag), (52, -58, sag + 14), (left - 14, -20, 2)],
        [(left - 12, -16, 4), (left, 22, -20), (left, 30, -100), (left - 4, 24, -200)],
    )
    for path, wide in zip(courses, (rng.uniform(19, 27), rng.uniform(15, 24), rng.uniform(11, 19)), strict=True):
        box, depth = _sleeve(sheet, path, wide)
        if not depth.size:
            continue
        stool = rng.uniform(0, 35) + rng.uniform(15, 70) * sheet.mottle[box]
        stool = np.where(sheet.mottle[box] > rng.uniform(0.6, 1.6), np.float32(-550), stool)
        gas = depth - wide * rng.uniform(-0.3, 0.5) > 0
        gas &= sheet.ripple[box] > rng.uniform(-0.8, 0.9)
        fill(sheet, box, depth, np.where(gas, np.float32(-970), stool).astype(np.float32), "bowel")


def _sleeve(sheet: Sheet, path: list[Place], wide: float) -> tuple[Box, FloatArray]:
    """mm inside a tube of radius `wide` with pouches, from the distance to the nearest of its straight pieces."""
    points = np.array(path)
    reach = wide + 6
    low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
    box = sheet.around((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    x, y, z = (c[box] for c in (sheet.x, sheet.y, sheet.z))
    depth = np.full(x.shape, -1e3, dtype=np.float32)
    travelled = 0.0
    for start, end in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        ax, ay, az = (b - a for a, b in zip(start, end, strict=True))
        length = float(np.sqrt(ax**2 + ay**2 + az**2))
        t = np.clip(((x - start[0]) * ax + (y - start[1]) * ay + (z - start[2]) * az) / length**2, 0, 1)
        distance = np.sqrt((x - start[0] - t * ax) ** 2 + (y - start[1] - t * ay) ** 2 + (z - start[2] - t * az) ** 2)
        pouch = 1 - 0.17 * np.abs(np.sin((travelled + t * length) * (np.pi / 27))) ** 6 * 2
        np.maximum(depth, wide * pouch - distance, out=depth)
        travelled += length
    depth += 1.2 * sheet.ripple[box]
    return box, depth


def pancreas(sheet: Sheet) -> None:
    """Lobulated gland from the duodenum to the hilum of the spleen, with the duodenum round its head."""
    rng, hu = sheet.rng, sheet.hu
    tail = rng.uniform(12, 30)
    box, depth = _sleeve(sheet, [(-26, -14, -30), (-18, -20, -8), (14, -22, 2), (42, 2, 14), (72, 24, tail)], 11)
    if depth.size:
        taken = np.isin(sheet.labels[box], [ABDOMEN_LABELS[name] for name in ("liver", "kidney", "stomach", "spleen")])
        depth = np.where(taken, np.float32(-9), depth + 2.2 * sheet.mottle[box])
        sheet.pour(box, depth, hu.pancreas + 10 * sheet.mottle[box], "pancreas")
    box, depth = _sleeve(sheet, [(-24, -44, -4), (-44, -14, -6), (-42, -4, -46), (6, -8, -50)], rng.uniform(10, 14))
    if depth.size:
        fluid = rng.uniform(10, 45) + 12 * sheet.mottle[box]
        depth = np.where(np.isin(sheet.labels[box], [0, ABDOMEN_LABELS["pancreas"]]), depth, np.float32(-9))
        fill(sheet, box, depth, np.where(sheet.mottle[box] > 1.6, np.float32(-700), fluid), "bowel")
