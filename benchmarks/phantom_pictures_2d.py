"""Draw two-dimensional phantoms above real images, with their histograms and spectra, and print the numbers.

python -m benchmarks.phantom_pictures_2d DATA OUT

DATA holds the folders `nih-chestxray14-subset` (X-rays of 224 x 224 pixels) and `carotid-ultrasound`; OUT gets
`radiograph.png` and `carotid.png`.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from modelsgenesis.phantoms.carotid import carotid_video
from modelsgenesis.phantoms.radiograph import radiograph
from modelsgenesis.phantoms.thoracic import FINDINGS

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SHOWN = 6
COMPARED = 40
PERCENT = (1, 10, 25, 50, 75, 90, 99)

Pictures = list[NDArray[np.float64]]


def main() -> None:
    """Draw both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    radiographs(given.data / "nih-chestxray14-subset" / "images", given.out / "radiograph.png")
    carotids(given.data / "carotid-ultrasound", given.out / "carotid.png")


def radiographs(folder: Path, out: Path) -> None:
    """Phantom X-rays with and without findings above real ones."""
    paths = np.random.default_rng(0).choice(sorted(folder.glob("*.jpg")), COMPARED, replace=False)
    real = [read(path) for path in paths]
    phantom = [radiograph(np.random.default_rng(seed)).image.astype(float) for seed in range(COMPARED)]
    chosen = ("Effusion", "Pneumothorax", "Cardiomegaly", "Mass")
    shown = {"No Finding": radiograph(np.random.default_rng(103), findings=())}
    shown |= {name: radiograph(np.random.default_rng(20 + n), findings=(name,)) for n, name in enumerate(chosen)}
    shown["Consolidation"] = radiograph(np.random.default_rng(105), findings=("Consolidation",))
    assert set(shown) <= {*FINDINGS, "No Finding"}
    rows = {
        "phantom": [(image.image.astype(float), name) for name, image in shown.items()],
        "real": [(image, "") for image in real[:SHOWN]],
    }
    draw(rows, {"phantom": phantom, "real": real}, out)


def carotids(folder: Path, out: Path) -> None:
    """Phantom frames above the real ones, those scaled to about the same pixel size."""
    real = [read(folder / "longitudinal_201507211157170577.png")[::2, ::2]]
    for name in ("classification_201501061011050145VAS.png", "classification_201501061011390150VAS.png"):
        real.append(read(folder / name)[182:838:2, 128:520:2])
    videos = [carotid_video(np.random.default_rng(seed), 1) for seed in range(COMPARED)]
    phantom = [video.frames[0].astype(float) for video in videos]
    rows = {
        "phantom": [(phantom[seed], "") for seed in (2, 3, 5, 8, 9, 11)],
        "real": [(image, "") for image in real],
    }
    draw(rows, {"phantom": phantom, "real": real}, out)


def read(path: Path) -> NDArray[np.float64]:
    """Grey levels (X, Y) of an image file; of colours the first channel."""
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(float)
    return (array[..., 0] if array.ndim == 3 else array).T


def spectrum(pictures: Pictures, side: int = 96) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radial mean power of the middle `side` x `side` pixels, against cycles per pixel."""
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.zeros((side, side))
    for picture in pictures:
        x, y = ((n - side) // 2 for n in picture.shape)
        part = picture[x : x + side, y : y + side]
        power += np.abs(np.fft.fft2((part - part.mean()) * window)) ** 2 / len(pictures)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    edges = np.linspace(0.02, 0.5, 25)
    bins = np.digitize(frequency.ravel(), edges)
    means = np.array([power.ravel()[bins == n].mean() for n in range(1, len(edges))])
    return (edges[:-1] + edges[1:]) / 2, means


def draw(rows: dict[str, list[tuple[NDArray[np.float64], str]]], compared: dict[str, Pictures], out: Path) -> None:
    """One row of pictures a kind; at their right the histogram and the spectrum of all of them."""
    figure, axes = plt.subplots(2, SHOWN + 1, figsize=(2.1 * SHOWN + 3.2, 4.4), width_ratios=[1] * SHOWN + [1.3])
    for axis in axes[:, :SHOWN].ravel():
        axis.axis("off")
    for line, (kind, pictures) in zip(axes, rows.items(), strict=True):
        for axis, (picture, name) in zip(line, pictures, strict=False):
            axis.imshow(picture.T, cmap="gray", vmin=0, vmax=255)
            axis.set_title(f"{kind} {name}".strip(), fontsize=8)
    for kind, pictures in compared.items():
        values = np.concatenate([picture.ravel() for picture in pictures])
        axes[0, SHOWN].hist(values, bins=64, range=(0, 256), density=True, histtype="step", label=kind)
        frequency, power = spectrum(pictures)
        axes[1, SHOWN].semilogy(frequency, power, label=kind)
        print(out.name, kind, "percentiles", np.percentile(values, PERCENT).round(), end=" ")
        print("mean", values.mean().round(1), "log10 power", np.log10(power[::4]).round(2))
    axes[0, SHOWN].set_title("grey levels", fontsize=8)
    axes[0, SHOWN].set_yscale("log")
    axes[1, SHOWN].set_title("power, cycles/pixel", fontsize=8)
    for axis in axes[:, SHOWN]:
        axis.tick_params(labelsize=6)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=80, pil_kwargs={"optimize": True})
    plt.close(figure)


if __name__ == "__main__":
    main()
