"""The abdomen phantom beside two scans: noise, fat and soft tissue, and how hard the border of the liver is."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.panels import Array, Picture, Scan, read
from benchmarks.phantom_pictures import ct
from benchmarks.phantom_pictures.spectra import flat, noise
from modelsgenesis.phantoms.abdomen import ABDOMEN_LABELS, AbdomenPhantom, abdomen

LABELLED = "cc-tumor-heterogeneity-ccth-a01"
PAIRS = ((5, f"{LABELLED}/abdomen_ct.nii.gz"), (4, "colorectal-liver-metastases-1004/ct.nii.gz"))
LOOK = ct.Look((-160, 240), (0, 180), at=(0.3, 0.6, 0.42))
FIELD = (380, 290, 256)  # mm
PATIENTS = 12


def like(seed: int, real: Scan, lesions: int | None = None) -> AbdomenPhantom:
    """A patient in voxels of the real one."""
    shape = tuple(int(size / step) for size, step in zip(FIELD, real.spacing, strict=True))
    return abdomen(np.random.default_rng(seed), shape, real.spacing, lesions=lesions)


def _pairs(data: Path) -> Iterator[tuple[str, Scan, Scan]]:
    for seed, path in PAIRS:
        real = read(data / path)
        yield Path(path).parent.name, *(_cropped(Scan(a, real.spacing)) for a in (like(seed, real).array, real.array))


def _cropped(scan: Scan) -> Scan:
    """Without what lies more than a little outside the patient."""
    inside = np.argwhere(ndimage.binary_opening(scan.array[:, :, scan.array.shape[2] // 2] > -300, iterations=3))
    (x0, y0), (x1, y1) = np.maximum(inside.min(axis=0) - 6, 0), inside.max(axis=0) + 6
    return Scan(scan.array[x0:x1, y0:y1], scan.spacing)


def picture(data: Path) -> Picture:
    """Two phantoms beside the scans whose voxel sizes they have."""
    return ct.picture(list(_pairs(data)), LOOK)


def figures(data: Path) -> Iterator[str]:
    """Noise and tissues of the scans in the picture; livers of twelve patients and of the labelled one."""
    for name, *scans in _pairs(data):
        for kind, scan in zip(("phantom", "real"), scans, strict=True):
            deviation = noise(flat(scan, *LOOK.tissue, LOOK.side), scan.spacing[0])[0]
            inside = scan.array[scan.array > -250]
            fat, soft = ((inside > -140) & (inside < -40)).mean(), ((inside > 0) & (inside < 100)).mean()
            yield f"{name}, {kind}: noise {deviation:.1f} HU; above -250 HU fat {fat:.2f}, 0 to 100 HU {soft:.2f}"
    real = read(data / LABELLED / "abdomen_ct.nii.gz")
    yield "liver, real: {:.2f} l; shell {:.2f} soft tissue, {:.2f} within 25 HU".format(
        *_liver(real, read(data / LABELLED / "abdomen_labels.nii.gz").array == 1)
    )
    patients = [like(seed, real, lesions=0) for seed in range(PATIENTS)]
    found = [_liver(Scan(p.array, p.spacing), p.labels == ABDOMEN_LABELS["liver"]) for p in patients]
    for name, values in zip(
        ("litres", "of the shell soft tissue", "within 25 HU"), zip(*found, strict=True), strict=True
    ):
        yield f"liver, {PATIENTS} phantoms: {min(values):.2f} to {max(values):.2f} {name}"


def _liver(scan: Scan, liver: Array) -> tuple[float, float, float]:
    """Litres; shares of the shell 2 to 6 mm outside that are soft tissue, and within 25 HU of the liver."""
    away = ndimage.distance_transform_edt(~liver, sampling=scan.spacing)
    shell = ndimage.gaussian_filter(scan.array, 1.0)[(away > 2) & (away <= 6)]
    near = np.abs(shell - np.median(scan.array[liver])) < 25
    soft = (shell > -20) & (shell < 200)
    return float(liver.sum() * np.prod(scan.spacing)) / 1e6, float(soft.mean()), float(near.mean())
