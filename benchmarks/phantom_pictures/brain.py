"""The brain phantom beside a skull-stripped glioma patient; volumes, intensities and what a threshold reaches."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.panels import Array, Chart, Picture, Scan, histogram, planes, read
from benchmarks.phantom_pictures.ct import seconds
from benchmarks.phantom_pictures.spectra import power
from modelsgenesis.phantoms.brain import BrainPhantom, brain
from modelsgenesis.phantoms.mr import TISSUES

REAL, HEIGHT = "tcga-lgg-du-7294", 100
SHOWN = ("flair", "t1")
SEED = 21  # of the picture, low grade
SIDE = 96  # mm, of the squares whose spectrum is taken
PATIENTS, COARSE = 24, ((54, 64, 48), (3.0, 3.0, 3.0))
TIMED = (((80, 96, 72), 2.0, True), ((240, 240, 155), 1.0, True), ((256, 256, 128), 1.0, True))
TIMED += (((256, 256, 128), 1.0, False),)


def _shown() -> BrainPhantom:
    return brain(np.random.default_rng(SEED), (146, 180, 148), (1.0, 1.0, 1.0), high_grade=False)


def picture(data: Path) -> Picture:
    """FLAIR and T1 of a phantom and of TCGA-DU-7294."""
    phantom, rows = _shown(), ([], [])
    height = int(np.median(np.argwhere(phantom.labels > 0)[:, 2]))
    charts = []
    for name in SHOWN:
        images = {
            "phantom": (phantom.images[name], height),
            "real": (read(data / REAL / f"{name}.nii.gz").array, HEIGHT),
        }
        for row, (title, (image, z)) in zip(rows, images.items(), strict=True):
            places = np.argwhere(image > 0)
            x, y, _ = (places.min(axis=0) + places.max(axis=0)) // 2
            window = (0, float(np.percentile(image[image > 0], 99.5)))
            row += planes(Scan(image, (1, 1, 1)), (x + 6, y, z), window, f"{title}, {name.upper()}")
        scaled = {title: _scaled(image) for title, (image, _) in images.items()}
        values = {title: histogram(image[image > 0], 0, 2.5) for title, image in scaled.items()}
        spectra = {title: power(_squares(image)) for title, image in scaled.items()}
        charts += [
            Chart(f"{name.upper()}, median of the brain = 1", values),
            Chart(f"power of {name.upper()}, 1/mm", spectra, "xy"),
        ]
    return Picture(*rows, charts)


def figures(data: Path) -> Iterator[str]:
    """Intensities of the picture's two; volumes, thresholds and T1 of many patients; time."""
    phantom = _shown().images
    for name in SHOWN:
        for title, image in (("phantom", phantom[name]), ("real", read(data / REAL / f"{name}.nii.gz").array)):
            scaled = _scaled(image)
            shares = np.percentile(scaled[scaled > 0], (5, 25, 75, 95)).round(2).tolist()
            yield f"{name}, {title}: percentiles 5, 25, 75, 95 {shares}, noise {_noise(scaled):.3f}"
    patients = [brain(np.random.default_rng(seed), *COARSE, high_grade=True) for seed in range(PATIENTS)]
    for name, volumes in _volumes(patients).items():
        yield f"ml of {name}, percentiles 5, 50, 95: {np.percentile(volumes, (5, 50, 95)).round().tolist()}"
    best = [_best_threshold(p.images["flair"], p.labels > 0) for p in patients]
    yield f"IoU of the best FLAIR threshold: {np.mean(best):.2f} ({min(best):.2f} to {max(best):.2f})"
    t1 = [_scaled(p.images["t1"]) for p in patients]
    low, high = np.array([np.percentile(image[image > 0], (5, 95)) for image in t1]).T
    yield f"T1, percentile 5: {low.min():.2f} to {low.max():.2f}, 95: {high.min():.2f} to {high.max():.2f}"
    for shape, step, stripped in TIMED:
        taken = seconds(lambda case=(shape, (step,) * 3, True, stripped): brain(np.random.default_rng(0), *case))
        yield f"{'x'.join(map(str, shape))} at {step:g} mm{'' if stripped else ' with the head'}: {taken:.1f} s"


def _scaled(image: Array) -> Array:
    return image / np.median(image[image > 0])


def _squares(image: Array) -> Array:
    """Axial squares in the middle of the brain, 1 mm pixels."""
    x, y, z = np.argwhere(image > 0).mean(axis=0).astype(int)
    half = SIDE // 2
    return image[x - half : x + half, y - half : y + half, z - 10 : z + 30].transpose(2, 0, 1)


def _noise(image: Array) -> float:
    """Median absolute second difference in plane, as a standard deviation, over the brain's interior."""
    inside = ndimage.binary_erosion(image > 0, iterations=6)[1:-1]
    second = (image[2:] - 2 * image[1:-1] + image[:-2])[inside]
    return float(np.median(np.abs(second)) / 0.6745 / np.sqrt(6))


def _volumes(patients: list[BrainPhantom]) -> dict[str, list[float]]:
    voxel = np.prod(COARSE[1]) / 1000
    masks = {
        "brain": lambda p: p.tissues > 0,
        "whole tumour": lambda p: p.labels > 0,
        "necrosis": lambda p: p.labels == 1,
        "oedema": lambda p: p.labels == 2,
        "enhancing": lambda p: p.labels == 4,
        "white matter lesions": lambda p: p.tissues == TISSUES["lesion"],
    }
    return {name: [float(mask(p).sum() * voxel) for p in patients] for name, mask in masks.items()}


def _best_threshold(image: Array, truth: Array) -> float:
    """The best IoU with `truth` that any threshold reaches."""
    order = np.argsort(image, axis=None)[::-1]
    hits = np.cumsum(truth.ravel()[order])
    return float((hits / (np.arange(1, len(order) + 1) + truth.sum() - hits)).max())
