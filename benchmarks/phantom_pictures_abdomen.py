"""Abdomen phantoms beside real scans: three planes, histogram of HU, spectrum of the noise, and what was measured.

python -m benchmarks.phantom_pictures_abdomen OUT.png SCAN [SCAN ...] [--liver SCAN LABELS]

`SCAN` are abdominal CT scans. Each gets a phantom drawn on a grid of its voxel size above it. `--liver` also measures
how hard the border of the liver is in a scan whose label map gives the liver the value 1.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from modelsgenesis.data.volume import read_volume
from modelsgenesis.phantoms.abdomen import ABDOMEN_LABELS
from modelsgenesis.phantoms.abdomen import abdomen as draw
from modelsgenesis.types import FloatArray, Spacing

WINDOW = (-160, 240)
PATCH = 24
PATCHES = 40
SEEDS = (5, 4, 12, 15)  # one for each row; chosen once to show both contrast phases
LEVELS = {True: (0.36, 0.44), False: (0.5, 0.42)}  # height of the axial slices of phantoms and of scans, in turns
LIVER_SEEDS = range(12)


@dataclass(frozen=True)
class Scan:
    """A scan (X, Y, Z) in HU, axes LPS, with its spacing in mm and a title."""

    array: FloatArray
    spacing: Spacing
    title: str


def real_scan(path: Path) -> Scan:
    """Read a scan from a file, without what lies more than a little outside the patient."""
    volume = read_volume(path)
    array = volume.array.astype(np.float32).reshape(volume.array.shape[-3:])
    return Scan(_cropped(array), volume.spacing, f"real: {path.parent.name}")


def _cropped(array: FloatArray) -> FloatArray:
    inside = np.argwhere(ndimage.binary_opening(array[:, :, array.shape[2] // 2] > -300, iterations=3))
    (x0, y0), (x1, y1) = np.maximum(inside.min(axis=0) - 6, 0), inside.max(axis=0) + 6
    return array[x0:x1, y0:y1]


def phantom_scan(seed: int, like: Scan) -> Scan:
    """A phantom on a grid of 380 x 290 x 230 mm with the voxels of a real scan."""
    shape = tuple(int(size / step) for size, step in zip((380, 290, 230), like.spacing, strict=True))
    made = draw(np.random.default_rng(seed), shape, like.spacing)
    return Scan(_cropped(made.array), made.spacing, f"phantom, seed {seed}")


def spectrum(scan: Scan) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Noise power in HU^2 mm^2 over cycles per mm, and the deviation in HU, of the evenest soft-tissue patches.

    Patches lie in one slice; each has its quadratic trend removed and is windowed.
    """
    step, found = PATCH // 3, []
    for z in range(scan.array.shape[2]):
        for x in range(0, scan.array.shape[0] - PATCH, step):
            for y in range(0, scan.array.shape[1] - PATCH, step):
                patch = scan.array[x : x + PATCH, y : y + PATCH, z]
                if 30 < patch.mean() < 160 and patch.min() > -80:
                    found.append((float(patch.std()), patch))
    patches = [patch for _, patch in sorted(found, key=lambda item: item[0])[len(found) // 10 :][:PATCHES]]
    grid = np.mgrid[-1 : 1 : PATCH * 1j, -1 : 1 : PATCH * 1j]
    terms = np.stack([np.ones_like(grid[0]), *grid, grid[0] ** 2, grid[1] ** 2, grid[0] * grid[1]], -1)
    terms = terms.reshape(-1, 6)
    hann = np.outer(np.hanning(PATCH), np.hanning(PATCH))
    power, deviations = np.zeros((PATCH, PATCH)), []
    for patch in patches:
        rest = patch.ravel() - terms @ np.linalg.lstsq(terms, patch.ravel(), rcond=None)[0]
        deviations.append(rest.std())
        power += np.abs(np.fft.fft2(rest.reshape(PATCH, PATCH) * hann)) ** 2 / (hann**2).sum() / len(patches)
    pixel = scan.spacing[0] * scan.spacing[1]
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(PATCH, s) for s in scan.spacing[:2]), indexing="ij"))
    bins = np.linspace(0, 0.5 / max(scan.spacing[:2]), 11)
    which = np.digitize(frequency, bins)
    radial = np.array([power[which == n].mean() for n in range(1, len(bins))]) * pixel
    return (bins[1:] + bins[:-1]) / 2, radial, float(np.median(deviations))


def border(array: FloatArray, liver: npt.NDArray[np.bool_], spacing: Spacing) -> tuple[float, float]:
    """Shares of the liver's outer shell (2 to 6 mm) that lie within 25 HU of it, and that are soft tissue at all."""
    away = ndimage.distance_transform_edt(~liver, sampling=spacing)
    smooth = ndimage.gaussian_filter(array, 1.0)
    shell = smooth[(away > 2) & (away <= 6)]
    level = float(np.median(array[liver]))
    return float((np.abs(shell - level) < 25).mean()), float(((shell > -20) & (shell < 200)).mean())


def planes(scan: Scan, level: float) -> list[tuple[FloatArray, float]]:
    """Axial, coronal and sagittal slice, as radiologists look at them, each with its aspect ratio."""
    x, y, z = scan.array.shape
    sx, sy, sz = scan.spacing
    return [
        (scan.array[:, :, int(z * level)].T, sy / sx),
        (scan.array[:, int(y * 0.6), ::-1].T, sz / sx),
        (scan.array[int(x * 0.3), :, ::-1].T, sz / sy),
    ]


def abdomen(out: Path, scans: Sequence[Path]) -> None:
    """Draw the picture to `out` and print what was measured."""
    rows: list[Scan] = []
    for seed, path in zip(SEEDS, scans, strict=False):
        real = real_scan(path)
        rows += [phantom_scan(seed, real), real]
    figure, axes = plt.subplots(len(rows), 5, figsize=(15, 2.6 * len(rows)), squeeze=False)
    levels = [LEVELS[n % 2 == 0][n // 2 % 2] for n in range(len(rows))]
    for row, scan, level in zip(axes, rows, levels, strict=True):
        for panel, (image, aspect) in zip(row, planes(scan, level), strict=False):
            panel.imshow(image, cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], aspect=aspect)
            panel.axis("off")
        row[0].set_title(scan.title, fontsize=8)
        inside = scan.array[scan.array > -250]
        row[3].hist(inside, bins=np.arange(-200, 301, 5), density=True, color="0.3")
        row[3].set_title("HU above -250", fontsize=8)
        frequency, power, deviation = spectrum(scan)
        row[4].semilogy(frequency, power, "k.-")
        row[4].set_title(f"noise, HU$^2$mm$^2$ over cycles/mm; {deviation:.1f} HU", fontsize=8)
        row[3].tick_params(labelsize=6)
        row[4].tick_params(labelsize=6, which="both")
        fat, soft = ((inside > -140) & (inside < -40)).mean(), ((inside > 0) & (inside < 100)).mean()
        print(f"{scan.title}: noise {deviation:.1f} HU, fat {fat:.2f}, 0 to 100 HU {soft:.2f} of voxels above -250 HU")
    figure.tight_layout(pad=0.4)
    figure.savefig(out, dpi=64)
    with Image.open(out) as drawn:  # 64 shades are enough to see by and halve the file
        small = drawn.convert("L").quantize(64)
    small.save(out, optimize=True)


def measure_border(scan: Path, labels: Path) -> None:
    """Print how hard the liver's border is in a real scan and in phantoms of its voxel size."""
    volume, truth = read_volume(scan), read_volume(labels)
    array = volume.array.astype(np.float32).reshape(volume.array.shape[-3:])
    near, soft = border(array, truth.array.reshape(array.shape) == 1, volume.spacing)
    print(f"liver border, real: {near:.2f} within 25 HU, {soft:.2f} soft tissue")
    for seed in LIVER_SEEDS:
        shape = tuple(int(size / step) for size, step in zip((380, 290, 256), volume.spacing, strict=True))
        made = draw(np.random.default_rng(seed), shape, volume.spacing, lesions=0)
        liver = made.labels == ABDOMEN_LABELS["liver"]
        near, soft = border(made.array, liver, made.spacing)
        millilitres = liver.sum() * np.prod(made.spacing) / 1000
        level, spread = np.median(made.array[liver]), made.array[liver].std()
        print(
            f"seed {seed}: {near:.2f}, {soft:.2f}; liver {millilitres:.0f} ml, {level:.0f} HU, deviation {spread:.0f}"
        )


def main() -> None:
    """Draw and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--liver", type=Path, nargs=2, metavar=("SCAN", "LABELS"))
    given = parser.parse_args()
    abdomen(given.out, given.scans)
    if given.liver:
        measure_border(*given.liver)


if __name__ == "__main__":
    main()
