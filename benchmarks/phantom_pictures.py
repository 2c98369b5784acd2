"""Phantoms beside real scans: `python -m benchmarks.phantom_pictures chest REAL.nii.gz OUT.png [--seed 1]`.

Rows: phantom, real; columns: axial, coronal, sagittal plane. Below: histograms of intensity, and noise spectra of flat
regions. Another kind is a function that draws a phantom and the window and flat range to show it with, in KINDS.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from modelsgenesis.data.volume import read_volume

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """A scan (X, Y, Z) in LPS with its spacing in mm."""

    array: Array
    spacing: tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """How to draw a phantom like a scan, the window to show it in, and where its noise is measured.

    Args:
        draw: a phantom on a grid like that of the real scan.
        window: darkest and brightest intensity shown.
        flat: range of a homogeneous tissue.
        block: voxels along the side of the squares of such tissue.
    """

    draw: Callable[[np.random.Generator, View], View]
    window: tuple[float, float]
    flat: tuple[float, float]
    block: int = 24


def chest(rng: np.random.Generator, real: View) -> View:
    """A chest CT on the grid of the real one."""
    from modelsgenesis.phantoms.chest import chest as draw

    phantom = draw(rng, real.array.shape, real.spacing, nodules=3)
    return View(phantom.array, phantom.spacing)


def ctpa(rng: np.random.Generator, real: View) -> View:
    """A CT pulmonary angiography on a grid as fine as that of the real one, of 200 mm at least."""
    from modelsgenesis.phantoms.emboli import ctpa as draw

    shape = tuple(
        max(n, round(least / step))
        for n, step, least in zip(real.array.shape, real.spacing, (250, 200, 160), strict=True)
    )
    phantom = draw(rng, shape, real.spacing)
    return View(phantom.array, phantom.spacing)


KINDS = {"chest": Kind(chest, (-1100, 350), (0, 160)), "ctpa": Kind(ctpa, (-900, 650), (-20, 500), 12)}


def spectrum(view: View, flat: tuple[float, float], n: int) -> tuple[float, Array, Array]:
    """Median deviation, frequencies in 1/mm and radial noise power (its area 1) of flat axial squares (n x n).

    Flat is what lies, smoothed, within the range everywhere; the slow part of each square is taken out.
    """
    step = view.spacing[0]
    window = np.outer(np.hanning(n), np.hanning(n))
    powers, deviations = [], []
    for z in range(0, view.array.shape[2], 2):
        plane = view.array[:, :, z]
        smooth = ndimage.gaussian_filter(plane, 3)
        high, low = ndimage.maximum_filter(smooth, n), ndimage.minimum_filter(smooth, n)
        good = (low > flat[0]) & (high < flat[1]) & (high - low < 70)
        good[: n // 2], good[-n // 2 :], good[:, : n // 2], good[:, -n // 2 :] = False, False, False, False
        for x, y in np.argwhere(good)[:: n * n // 4]:
            square = plane[x - n // 2 : x + n // 2, y - n // 2 : y + n // 2]
            square = square - ndimage.gaussian_filter(square, 5)
            powers.append(np.abs(np.fft.fft2((square - square.mean()) * window)) ** 2)
            deviations.append(square.std())
    edges = np.linspace(0, 0.5 / step, n // 2 + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    if not powers:
        return float("nan"), middle, np.full(n // 2, np.nan)
    fx = np.fft.fftfreq(n, step)
    ring = np.floor(np.hypot(fx[:, None], fx[None]) * n * step - 1e-6).astype(int)
    radial = np.array([np.median(powers, axis=0)[ring == k].mean() for k in range(n // 2)])
    return float(np.median(deviations)), middle, radial / (radial.sum() * (edges[1] - edges[0]))


def picture(kind: Kind, real: View, out: Path, seed: int) -> str:
    """Draw the comparison to `out`; the figures as text."""
    phantom = kind.draw(np.random.default_rng(seed), real)
    figure, axes = plt.subplots(3, 3, figsize=(9, 8.2), height_ratios=(1, 1, 0.75))
    lines = []
    for row, (name, view) in enumerate((("phantom", phantom), ("real", real))):
        n, (sx, sy, sz) = view.array.shape, view.spacing
        planes = (
            (view.array[:, :, n[2] // 2].T, sy / sx),
            (view.array[:, n[1] // 2].T[::-1], sz / sx),
            (view.array[n[0] // 3].T[::-1], sz / sy),
        )
        for axis, (plane, aspect) in zip(axes[row], planes, strict=True):
            axis.imshow(plane, cmap="gray", vmin=kind.window[0], vmax=kind.window[1], aspect=aspect)
            axis.axis("off")
        axes[row][0].set_title(name, loc="left", fontsize=9)
        values = np.clip(view.array, kind.window[0] + 1, kind.window[1] + 200)
        power_x = np.abs(np.fft.rfft(view.array - ndimage.gaussian_filter1d(view.array, 3, axis=0), axis=0)) ** 2
        whole = power_x.mean(axis=(1, 2))
        axes[2][2].plot(np.fft.rfftfreq(n[0], sx), whole / whole.sum(), label=name)
        axes[2][0].hist(values.ravel(), 120, density=True, histtype="step", label=name)
        deviation, frequency, power = spectrum(view, kind.flat, kind.block)
        axes[2][1].plot(frequency, power, label=f"{name}, {deviation:.0f}")
        mean = float((frequency * power).sum() / power.sum())
        lines.append(f"{name}: noise {deviation:.1f}, mean frequency {mean:.2f}/mm, spacing {view.spacing}")
    axes[2][0].set(xlabel="intensity", yscale="log", ylim=(1e-6, None))
    axes[2][1].set(xlabel="1/mm", title="noise power, flat tissue (deviation)")
    axes[2][2].set(xlabel="1/mm", yscale="log", ylim=(1e-4, None), title="power of everything along x (shares)")
    for axis in axes[2]:
        axis.title.set_fontsize(8)
        axis.legend(fontsize=7)
        axis.tick_params(labelsize=6)
    figure.tight_layout(pad=0.4)
    figure.savefig(out, dpi=75)
    plt.close(figure)
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    matplotlib.use("Agg")
    volume = read_volume(arguments.real)
    array = np.asarray(volume.array, dtype=np.float32)
    real = View(array if array.ndim == 3 else array[0], tuple(float(s) for s in volume.spacing))
    print(picture(KINDS[arguments.kind], real, arguments.out, arguments.seed))


if __name__ == "__main__":
    main()
