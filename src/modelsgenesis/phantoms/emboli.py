"""Pulmonary emboli as filling defects in contrast-filled arteries, and what is mistaken for them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from modelsgenesis.phantoms.anatomy import LABELS, Blood, Drawing
from modelsgenesis.phantoms.chest import Phantom, chest_drawing, scan
from modelsgenesis.phantoms.findings import Candidate, Finding, position
from modelsgenesis.phantoms.frame import Points
from modelsgenesis.phantoms.raster import Segments
from modelsgenesis.types import Shape, Spacing

Offers = list[tuple[Points, Callable[[], None] | None]]
"""Places in grid mm, (3,), each with what paints the decoy there if it is a structure of its own."""

# kind: share, radii of the arteries it sits in (mm), share of the lumen's radius it takes, whether it hugs the wall
_KINDS: dict[str, tuple[float, tuple[float, float], tuple[float, float], bool]] = {
    "central": (0.3, (4.0, 14.0), (0.35, 0.7), False),
    "segmental": (0.4, (1.8, 4.0), (0.6, 1.0), False),
    "subsegmental": (0.1, (1.0, 1.8), (0.85, 1.05), False),
    "wall-adherent": (0.2, (2.5, 12.0), (0.35, 0.6), True),
}
_CLOT = (25.0, 75.0)  # HU
_LUMEN = 0.4  # share of the contrast above which a voxel is taken as lumen
_GAP = 6.0  # mm between a clot and a decoy
_DECOYS = {"fork": 8, "node": 4, "mixing": 3, "vein": 5}  # most of each kind in a patient
_PIECES = 5  # of a clot along the vessel, each of another thickness
_FEWEST = 4  # voxels of a clot


def ctpa(rng: np.random.Generator, shape: Shape, spacing: Spacing | None = None, clots: int | None = None) -> Phantom:
    """Draw one patient with contrast in the pulmonary arteries and emboli in them; everything random is from `rng`.

    The findings are the clots, of kind `central`, `segmental`, `subsegmental` or `wall-adherent`; the candidates are
    forks of arteries, lymph nodes, mixing of contrast and poorly filled veins.

    Args:
        shape: voxels along (X, Y, Z).
        spacing: mm; None draws one as of real scans.
        clots: how many to place; None draws 1 to about 8. One that finds no artery is left out.

    Raises:
        UsageError: shape or spacing are not three positive numbers.
    """
    contrast = float(rng.uniform(270, 480))
    blood = Blood(contrast, contrast * float(rng.uniform(0.6, 0.9)), contrast * float(rng.uniform(0.3, 0.75)))
    drawing = chest_drawing(rng, shape, spacing, blood)
    right = (drawing.labels == LABELS["heart"]) & (drawing.image > 0.95 * contrast)
    drawing.image += right * (rng.uniform(10, 70) * drawing.frame.texture(rng, 6.0))  # contrast and blood still mix
    count = 1 + int(rng.poisson(2.5)) if clots is None else clots
    findings = emboli(drawing, count)
    return scan(drawing, findings, _decoys(drawing, findings))


def emboli(drawing: Drawing, count: int) -> list[Finding]:
    """Put clots into the pulmonary arteries of a drawing with contrast; they do not touch each other."""
    rng = drawing.rng
    vessels = np.concatenate([drawing.central, *(t.branches for t in drawing.arteries)])
    lumen = drawing.image > _LUMEN * drawing.blood.pulmonary
    taken = np.zeros(drawing.frame.shape, dtype=bool)
    found: list[Finding] = []
    for _ in range(count):
        kind = str(rng.choice(list(_KINDS), p=[share for share, *_ in _KINDS.values()]))
        for vessel in _chosen(drawing, vessels, _KINDS[kind][1])[:30]:
            finding = _clot(drawing, vessel, kind, lumen & ~taken)
            if finding is not None:
                grown = ndimage.binary_dilation(finding.depth > 0, iterations=2)
                taken[finding.box] |= grown
                found.append(finding)
                break
    return found


def _chosen(drawing: Drawing, vessels: Segments, radii: tuple[float, float]) -> Segments:
    """The vessels within the scan whose radius lies between the two, in random order."""
    radius, middle = vessels[:, 7], (vessels[:, :3] + vessels[:, 3:6]) / 2
    fits = (radius >= radii[0]) & (radius < radii[1]) & drawing.frame.inside(middle, 4)
    chosen: Segments = drawing.rng.permutation(vessels[fits])
    return chosen


def _clot(drawing: Drawing, vessel: Segments, kind: str, lumen: npt.NDArray[np.bool_]) -> Finding | None:
    """Paint a clot into one vessel; None where too little of it is lumen."""
    rng, frame = drawing.rng, drawing.frame
    _, _, filling, hugs = _KINDS[kind]
    start, end, radius = vessel[:3], vessel[3:6], float(vessel[6:].mean())
    full = max(float(np.linalg.norm(end - start)), 1e-6)
    length = min(full, float(rng.uniform(4, 9)) * max(radius, 1.2))
    first = float(rng.uniform(0, 1 - length / full))
    share = np.linspace(first, first + length / full, _PIECES + 1)[:, None]
    thickness = float(rng.uniform(*filling)) * radius
    line = start + share * (end - start)
    if hugs:
        aside = np.cross(end - start, rng.normal(size=3))
        line = line + aside / max(float(np.linalg.norm(aside)), 1e-6) * (radius - 0.8 * thickness)
    radii = thickness * rng.uniform(0.75, 1.1, (_PIECES + 1, 1))
    radii[[0, -1]] *= 0.7
    box, coverage = frame.covered(np.concatenate([line[:-1], line[1:], radii[:-1], radii[1:]], axis=1))
    coverage = coverage * lumen[box]
    inside = coverage > 0.5
    if np.count_nonzero(inside) < _FEWEST:
        return None
    image = drawing.image[box]
    image += coverage * (np.float32(rng.uniform(*_CLOT)) - image)
    depth = ((coverage - 0.5) * float(frame.spacing.mean())).astype(np.float32)
    places = np.argwhere(inside)
    nearest = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
    centre = frame.position(nearest + np.array([part.start for part in box]))
    volume = len(places) * float(frame.spacing.prod())
    return Finding(position(centre), 2 * (volume * 3 / (4 * np.pi)) ** (1 / 3), kind, box, depth)


def _decoys(drawing: Drawing, findings: list[Finding]) -> list[Candidate]:
    """Paint and list decoys, none of them near a clot."""
    voxels = [np.argwhere(f.depth > 0) + [part.start for part in f.box] for f in findings]
    clots = cKDTree(drawing.frame.position(np.concatenate(voxels))) if voxels else None
    makers: dict[str, Callable[[Drawing], Offers]] = {
        "fork": _forks,
        "node": _nodes,
        "mixing": _mixing,
        "vein": _veins,
    }
    made: list[Candidate] = []
    for kind, offer in makers.items():
        listed = 0
        for point, paint in offer(drawing):
            if listed == _DECOYS[kind]:
                break
            if drawing.frame.inside(point[None], 4)[0] and (clots is None or clots.query(point)[0] > _GAP):
                if paint is not None:
                    paint()
                made.append(Candidate(position(point), kind))
                listed += 1
    return made


def _forks(drawing: Drawing) -> Offers:
    """Just behind forks of arteries, where a wedge of tissue lies between the branches."""
    forks = np.concatenate([*(t.forks(1.2, 4.0) for t in drawing.arteries), np.zeros((0, 8))])
    along = forks[:, 3:6] - forks[:, :3]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    return [(point, None) for point in drawing.rng.permutation(forks[:, 3:6] + along * forks[:, 7:])[:40]]


def _nodes(drawing: Drawing) -> Offers:
    """Lymph nodes that touch the arteries of the hila from outside."""
    rng = drawing.rng
    offers: Offers = []
    large = [t.branches[t.branches[:, 7] > 2.5] for t in drawing.arteries]
    for vessel in rng.permutation(np.concatenate([drawing.central[2:], *large]))[:20]:
        size = float(rng.uniform(3, 5.5))
        aside = np.cross(vessel[3:6] - vessel[:3], rng.normal(size=3))
        aside /= max(float(np.linalg.norm(aside)), 1e-6)
        point = vessel[3:6] + aside * (vessel[7] + 0.8 * size)
        if abs(drawing.frame.to_anatomical(point[None])[0, 0]) < 75:
            offers.append((point, _ball(drawing, point, size, float(rng.uniform(30, 75)))))
    return offers


def _ball(drawing: Drawing, point: Points, size: float, value: float) -> Callable[[], None]:
    def paint() -> None:
        outside = drawing.image < _LUMEN * drawing.blood.pulmonary
        drawing.pour(np.array([[*point, *point[:2], point[2] + 0.4 * size, size, size * 0.8]]), value, None, outside)

    return paint


def _mixing(drawing: Drawing) -> Offers:
    """Clouds of less contrast in the large arteries: smooth, never as dark as a clot."""
    rng = drawing.rng
    offers: Offers = []
    for vessel in rng.permutation(drawing.central):
        point = vessel[:3] + rng.uniform(0.2, 0.8) * (vessel[3:6] - vessel[:3]) + rng.normal(0, 0.25, 3) * vessel[7]
        offers.append((point, _cloud(drawing, point, 0.6 * float(vessel[7]), float(rng.uniform(0.2, 0.45)))))
    return offers


def _cloud(drawing: Drawing, point: Points, size: float, loss: float) -> Callable[[], None]:
    def paint() -> None:
        box = drawing.frame.box(point - 3 * size, point + 3 * size)
        axes = [axis[part] for axis, part in zip(drawing.frame.axes(), box, strict=True)]
        grid = np.meshgrid(*axes, indexing="ij", sparse=True)
        near = sum(((a - c) / size) ** 2 for a, c in zip(grid, point, strict=True))
        blood = drawing.image[box] > _LUMEN * drawing.blood.pulmonary
        drawing.image[box] *= 1 - loss * np.exp(-near) * blood

    return paint


def _veins(drawing: Drawing) -> Offers:
    """Pieces of veins that contrast has hardly reached."""
    rng = drawing.rng
    offers: Offers = []
    trees = [t.branches[(t.branches[:, 7] > 1.2) & (t.branches[:, 7] < 4)] for t in drawing.veins]
    for vein in rng.permutation(np.concatenate([*trees, np.zeros((0, 8))]))[:30]:
        offers.append(((vein[:3] + vein[3:6]) / 2, _faint(drawing, vein, float(rng.uniform(70, 130)))))
    return offers


def _faint(drawing: Drawing, vein: Segments, value: float) -> Callable[[], None]:
    def paint() -> None:
        blood = drawing.image > _LUMEN * drawing.blood.venous
        drawing.pour(vein[None], value, None, blood)

    return paint
