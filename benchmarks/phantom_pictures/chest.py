"""The chest phantom against LIDC-IDRI: one scan of it, and the table of its nodules."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.cluster import hierarchy

from benchmarks.panels import Picture, Scan, read
from benchmarks.phantom_pictures import ct
from modelsgenesis.phantoms.chest import chest

SCAN, CROP, TABLE = "ct_whole_1.56mm.nii.gz", "ct_crop_native.nii.gz", "lidc-annotations/annotations.csv.gz"
LOOK = ct.Look((-1100, 350), (0, 160))
BORDERS = (-980, -700, -150, -30, 150, 4000)
TIMED = (((256, 256, 128), (1.4, 1.4, 2.5)), ((96, 96, 64), (3.5, 3.5, 4.5)))


def like(seed: int, real: Scan) -> Scan:
    """A chest on the grid of the real one."""
    return Scan(chest(np.random.default_rng(seed), real.array.shape, real.spacing, nodules=3).array, real.spacing)


def picture(data: Path) -> Picture:
    """A phantom beside LIDC-IDRI-0314."""
    real = read(data / "lidc-idri-0314" / SCAN)
    return ct.picture([("LIDC-IDRI-0314", like(1, real), real)], LOOK)


def figures(data: Path) -> Iterator[str]:
    """Time, noise, shares of the intensities, sizes of nodules."""
    chest(np.random.default_rng(0), (48, 48, 32), (6.0, 6.0, 8.0))  # compiles what is compiled
    for shape, spacing in TIMED:
        taken = ct.seconds(lambda grid=(shape, spacing): chest(np.random.default_rng(1), *grid))
        yield f"{'x'.join(map(str, shape))}: {taken:.2f} s"
    crop = read(data / "lidc-idri-0314" / CROP)
    yield from ct.compared("native crop of LIDC-IDRI-0314", crop, lambda seed: like(seed, crop), range(6), LOOK)
    whole = read(data / "lidc-idri-0314" / SCAN)
    yield f"% of the voxels above -980 HU, between {BORDERS[:-1]} HU: real {_shares(whole).round(1).tolist()}"
    found = np.array([_shares(like(seed, whole)) for seed in range(5)])
    for name, values in (("mean", found.mean(axis=0)), ("least", found.min(axis=0)), ("most", found.max(axis=0))):
        yield f"of five phantoms, {name}: {values.round(1).tolist()}"
    yield from _nodules(data / TABLE)


def _shares(scan: Scan) -> np.ndarray:
    counts = np.histogram(scan.array, BORDERS)[0]
    return 100 * counts / counts.sum()


def _nodules(table: Path) -> Iterator[str]:
    """Diameters of the nodules that three readers outlined; outlines whose centres are near each other are of one."""
    scans: dict[str, list[list[float]]] = defaultdict(list)
    with gzip.open(table, "rt", newline="") as handle:
        for row in csv.DictReader(handle):
            pixel = float(row["pixel_spacing_mm"])
            place = [float(row["x_px"]) * pixel, float(row["y_px"]) * pixel, float(row["z_mm"])]
            scans[row["series_instance_uid"]].append([*place, float(row["diameter_inplane_mm"])])
    sizes = []
    for rows in map(np.array, scans.values()):
        groups = hierarchy.fclusterdata(rows[:, :3], 8.0, "distance") if len(rows) > 1 else np.ones(1, int)
        sizes += [rows[groups == group, 3].mean() for group in set(groups) if (groups == group).sum() >= 3]
    middle, large = np.percentile(sizes, (50, 95))
    yield f"LIDC-IDRI: {len(sizes)} nodules of three readers or more, median {middle:.1f} mm, 95 % below {large:.1f} mm"
