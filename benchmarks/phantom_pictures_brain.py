"""Draw the brain phantom beside a real scan, with histograms and spectra, and print what was measured.

    python -m benchmarks.phantom_pictures_brain DATA docs/phantoms/brain.png [--seed 21]

DATA is a folder with `flair.nii.gz` and `t1.nii.gz` of one skull-stripped brain at 1 mm, such as TCGA-DU-7294
(TCGA-LGG, CC BY 3.0).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from scipy import ndimage

from modelsgenesis.data.volume import read_volume
from modelsgenesis.phantoms.brain import brain
from modelsgenesis.types import FloatArray

SHOWN = ("flair", "t1")
SIDE = 96  # mm, of the square whose spectrum is taken


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=21)
    given = parser.parse_args()
    phantom = brain(np.random.default_rng(given.seed), (146, 180, 148), (1.0, 1.0, 1.0), high_grade=False)
    places = np.argwhere(phantom.labels > 0)
    rows = {
        "phantom": ({name: phantom.images[name] for name in SHOWN}, int(np.median(places[:, 2]))),
        "real": ({name: read_volume(given.data / f"{name}.nii.gz").array for name in SHOWN}, 100),
    }
    mpl.use("Agg")
    figure, axes = plt.subplots(3, 6, figsize=(15, 8.2), gridspec_kw={"height_ratios": [1, 1, 0.8]})
    for line, (title, (images, height)) in zip(axes, rows.items(), strict=False):
        panels = ((name, view) for name in SHOWN for view in planes(images[name], height))
        for axis, (name, view) in zip(line, panels, strict=True):
            axis.imshow(view, cmap="gray", vmin=0, vmax=np.percentile(images[name][images[name] > 0], 99.5))
            axis.set_title(f"{title}, {name.upper()}", fontsize=9)
            axis.axis("off")
    charts(figure, axes[2], {title: images for title, (images, _) in rows.items()})
    figure.tight_layout()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out, dpi=62)


def planes(image: FloatArray, height: int) -> Iterator[FloatArray]:
    """Axial, coronal and sagittal slices, head up, as a radiologist sees them; the sagittal one beside the midline."""
    inside = np.argwhere(image > 0)
    x, y, _ = ((inside.min(axis=0) + inside.max(axis=0)) // 2).tolist()
    yield image[:, :, height].T
    yield image[:, y, ::-1].T
    yield image[x + 6, :, ::-1].T


def charts(figure: plt.Figure, axes: np.ndarray, rows: dict[str, dict[str, FloatArray]]) -> None:
    """Histogram and radial spectrum of each sequence; prints the figures behind them."""
    for axis in axes:
        axis.remove()
    grid = axes[0].get_gridspec()
    for column, name in enumerate(SHOWN):
        left = figure.add_subplot(grid[2, 3 * column : 3 * column + 2])
        right = figure.add_subplot(grid[2, 3 * column + 2])
        for title, images in rows.items():
            image = images[name] / np.median(images[name][images[name] > 0])
            inside = image[image > 0]
            left.hist(inside, 100, range=(0, 2.5), density=True, histtype="step", label=title)
            right.loglog(*spectrum(image), label=title)
            shares = np.percentile(inside, (5, 25, 75, 95)).round(2)
            print(f"{title:8} {name:6} percentiles 5/25/75/95: {shares}  noise: {noise(image):.3f}")
        left.set_xlabel(f"{name.upper()}, median of the brain = 1", fontsize=8)
        right.set_xlabel("cycles per mm, in plane", fontsize=8)
        right.set_xticks([0.03, 0.1, 0.3], labels=["0.03", "0.1", "0.3"])
        right.tick_params(which="minor", labelbottom=False)
        left.legend(fontsize=8)


def spectrum(image: FloatArray) -> tuple[np.ndarray, np.ndarray]:
    """Frequency (1/mm) and mean power of axial squares in the middle of the brain, 1 mm voxels."""
    x, y, z = (np.argwhere(image > 0).mean(axis=0)).astype(int)
    half = SIDE // 2
    block = image[x - half : x + half, y - half : y + half, z - 10 : z + 30]
    window = np.hanning(block.shape[0])[:, None, None] * np.hanning(block.shape[1])[None, :, None]
    power = (np.abs(np.fft.fft2((block - block.mean()) * window, axes=(0, 1))) ** 2).mean(axis=2)
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in power.shape), indexing="ij"))
    bins = np.rint(radius * SIDE).astype(int)
    mean = ndimage.mean(power, bins, np.arange(2, SIDE // 2))
    return np.arange(2, SIDE // 2) / SIDE, mean


def noise(image: FloatArray) -> float:
    """Median absolute second difference in plane, as a standard deviation, over the brain's interior."""
    inside = ndimage.binary_erosion(image > 0, iterations=6)[1:-1]
    second = (image[2:] - 2 * image[1:-1] + image[:-2])[inside]
    return float(np.median(np.abs(second)) / 0.6745 / np.sqrt(6))


if __name__ == "__main__":
    main()
