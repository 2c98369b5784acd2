"""What skull-stripping takes away: skull with marrow, scalp, muscle of the neck, face with eyes and sinuses."""

import numpy as np

from modelsgenesis.phantoms.brain_anatomy import Drawing
from modelsgenesis.phantoms.head import smooth_noise, smooth_union
from modelsgenesis.types import FloatArray


def paint_head(drawing: Drawing) -> None:
    """Everything outside the skull's inner table; to be called before anything else is painted."""
    rng, x, y, z = drawing.rng, drawing.x, drawing.y, drawing.z
    across = np.abs(x)
    bone, scalp = float(rng.uniform(5, 8)), float(rng.uniform(4, 8))
    table = drawing.outer + np.float32(drawing.fluid + 0.6)
    rise: FloatArray = np.maximum(z + 40, 0)
    neck: FloatArray = 58 - np.hypot(x, (y - 22 + 0.15 * (z + 70)) * 0.9) - rise * 1.5
    face: FloatArray = 66 - np.sqrt((x * 0.95) ** 2 + ((y + 34) * 0.9) ** 2 + ((z + 50) * 0.75) ** 2)
    skin = smooth_union(smooth_union(table + np.float32(bone + scalp), neck, 24), face, 20)
    drawing.paint(drawing.cover(skin), "muscle")
    drawing.paint(drawing.cover(skin - 2), "fat")
    lumps = smooth_noise(rng, drawing.head, 16.0)
    flesh = np.minimum(skin - 5, -table - bone - 1.5)
    drawing.paint(drawing.cover(np.minimum(flesh, 2.5 * lumps + 2 - 0.12 * (z + 40))), "muscle")
    for centre, radii, tissue in (
        ((33, -70, -24), (17, 20, 15), "fat"),
        ((33, -76, -24), (12.5, 12.5, 12.5), "csf"),
        ((24, -62, -48), (13, 15, 14), "air"),
        ((0, -68, -44), (9, 26, 18), "air"),
        ((0, -42, -26), (11, 10, 8), "air"),
        ((58, 24, -34), (8, 12, 12), "bone"),
    ):
        box, depth = drawing.ellipsoid(centre, radii)
        drawing.paint(drawing.cover(np.minimum(depth, skin[box] - 3)), tissue, box)
    skull = np.minimum(table + bone, 8)
    above = z + 34 + 0.1 * across
    drawing.paint(drawing.cover(np.minimum(skull, above)), "bone")
    diploe = bone * 0.28 - np.abs(table + bone * 0.5)
    drawing.paint(0.9 * drawing.cover(np.minimum(diploe, above - 4)), "marrow")
