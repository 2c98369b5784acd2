"""Inside the lungs: texture of the parenchyma, fissures, arteries with bronchi beside them, and veins."""

import numpy as np

from modelsgenesis.phantoms.anatomy import LABELS, Drawing, Mask
from modelsgenesis.phantoms.frame import Points
from modelsgenesis.phantoms.mediastinum import ATRIUM, HILA
from modelsgenesis.phantoms.vessels import Tree, bent, tree

_LUNG_ML = 2600.0  # about one lung at full inspiration
_ROOT = 6.5  # mm, radius of a vessel that serves a whole lung
_FEWEST = 12  # end points below which a lobe gets no tree
_LOBES = {-1: ("upper", "middle", "lower"), 1: ("upper", "lower")}


def lungs(drawing: Drawing) -> None:
    """Fill the lungs that `torso` left empty; needs the mediastinum."""
    lung = drawing.labels == LABELS["lung"]
    _parenchyma(drawing, lung)
    _fissures(drawing, lung)
    _trees(drawing, lung)
    lung &= drawing.labels == LABELS["lung"]
    for tree_ in drawing.veins:
        drawing.pour(bent(drawing.rng, tree_.branches), drawing.blood.venous, inside=lung)
    for tree_ in drawing.arteries:
        drawing.pour(bent(drawing.rng, tree_.branches), drawing.blood.pulmonary, inside=lung)
    for tree_ in drawing.arteries:
        _bronchi(drawing, tree_, lung)


def _parenchyma(drawing: Drawing, lung: Mask) -> None:
    """Lobules and vessels below resolution; in some patients patches of emphysema or of denser, hazy lung."""
    rng = drawing.rng
    change = rng.uniform(10, 18) * drawing.frame.texture(rng, 9.0)
    fine = drawing.frame.texture(rng, 2.6)
    change += np.float32(rng.uniform(12, 20)) * (fine + 0.45 * fine * np.abs(fine))  # skewed: bright specks
    sick = rng.random()
    if sick < 0.25:
        holes = np.clip(drawing.frame.texture(rng, 7.0) - 0.9 + drawing.z / 300, 0, 1)
        change -= np.float32(rng.uniform(40, 110)) * holes
    elif sick < 0.4:
        haze = np.clip(drawing.frame.texture(rng, 40.0) - 0.8, 0, 1) * (drawing.y > -20)
        change += np.float32(rng.uniform(60, 180)) * haze
    drawing.image += lung * change
    np.maximum(drawing.image, -1000, out=drawing.image)


def _fissures(drawing: Drawing, lung: Mask) -> None:
    """Thin sheets between the lobes, brighter the nearer the voxel's middle is to them."""
    voxel = float(drawing.frame.spacing.mean())
    thick = float(drawing.rng.uniform(0.7, 1.3))
    place = drawing.places()
    for side, which in ((-1, "right"), (1, "left"), (-1, "minor")):
        away = drawing.fissure(place, which)
        here = lung & (drawing.x * side > 0) & (np.abs(away) < thick + voxel)
        if which == "minor":
            here &= drawing.fissure(place, "right") > 0
        share = min(1.0, thick / voxel) * np.clip(1 - np.abs(away[here]) / (thick / 2 + voxel / 2), 0, 1)
        drawing.image[here] += 0.5 * share * (20 - drawing.image[here])


def lobe(drawing: Drawing, points: Points) -> list[str]:
    """Names of the lobes that positions in grid mm (N, 3) lie in, taken from the fissures."""
    x, y, z = drawing.frame.to_anatomical(points).T.astype(np.float32)
    above = np.where(x < 0, drawing.fissure((x, y, z), "right"), drawing.fissure((x, y, z), "left")) > 0
    middle = (x < 0) & above & (drawing.fissure((x, y, z), "minor") < 0)
    names: list[str] = np.where(middle, "middle", np.where(above, "upper", "lower")).tolist()
    return names


def _trees(drawing: Drawing, lung: Mask) -> None:
    """Arteries and veins of every lobe; they reach points at another density on another grid, never another size."""
    voxel = float(drawing.frame.spacing.mean())
    density = min(0.75, 1.1 / voxel**2)  # end points per ml
    thinnest = _ROOT / (density * _LUNG_ML) ** 0.4
    volume = float(np.count_nonzero(lung)) * float(drawing.frame.spacing.prod()) / 1000
    for kind, trees, roots in (("artery", drawing.arteries, HILA), ("vein", drawing.veins, ATRIUM)):
        points = drawing.scatter(round(density * volume), lung)
        if not len(points):
            return
        names, left = np.array(lobe(drawing, points)), drawing.frame.to_anatomical(points)[:, 0] > 0
        for side, lobes in _LOBES.items():
            for name in lobes:
                served = points[(names == name) & (left == (side > 0))]
                if len(served) < _FEWEST:
                    continue
                shift = {"upper": 7.0, "middle": -2.0, "lower": -12.0}[name]
                x, y, z = roots[side]
                root = (x + (side * 14 if kind == "vein" else 0), y - (4 if name == "middle" else 0), z + shift)
                start = drawing.frame.to_grid(np.array([root]))[0]
                trees.append(tree(drawing.rng, start, served, thinnest))


def _bronchi(drawing: Drawing, arteries: Tree, lung: Mask) -> None:
    """Airways beside the larger arteries: wall, then lumen."""
    large = arteries.branches[arteries.branches[:, 6] > 1.5].copy()
    if not len(large):
        return
    beside = drawing.rng.normal((0.1, 0.75, -0.65), 0.15)
    beside /= np.linalg.norm(beside)
    for first, radius in ((0, 6), (3, 7)):
        large[:, first : first + 3] += beside * (large[:, radius] * 1.75 + 0.6)[:, None]
    large[:, 6:] = np.maximum(large[:, 6:] * 0.8, 0.5)
    wall = large.copy()
    wall[:, 6:] += 0.5 + 0.12 * wall[:, 6:]
    drawing.pour(wall, 10, inside=lung)
    drawing.pour(large, -985, "airway", lung)
