"""Phantom chest X-rays beside those of ChestX-ray14; what images of any kind share."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from benchmarks.panels import Array, Chart, Panel, Picture, histogram
from benchmarks.phantom_pictures.spectra import power
from modelsgenesis.phantoms.radiograph import radiograph

COMPARED = 40
PERCENT = (10, 25, 50, 75, 90)
SIDE = 96  # pixels, of the squares whose spectrum is taken
AT = (3, 11, 18, 26, 34, 41)  # multiples of 1 / SIDE cycles a pixel: 0.03, 0.11, 0.19, 0.27, 0.35, 0.43
SHOWN = {
    (): 103,
    ("Effusion",): 20,
    ("Pneumothorax",): 21,
    ("Cardiomegaly",): 22,
    ("Mass",): 23,
    ("Consolidation",): 105,
}
"""Findings -> seed."""

Images = Sequence[Array]


def _compared(data: Path) -> dict[str, Images]:
    files = sorted((data / "nih-chestxray14-subset" / "images").glob("*.jpg"))
    chosen = np.random.default_rng(0).choice(np.array(files), COMPARED, replace=False)
    return {
        "phantom": [radiograph(np.random.default_rng(seed)).image.astype(float) for seed in range(COMPARED)],
        "real": [grey(path) for path in chosen],
    }


def picture(data: Path) -> Picture:
    """X-rays with and without findings."""
    compared = _compared(data)
    drawn = [radiograph(np.random.default_rng(seed), findings=names).image for names, seed in SHOWN.items()]
    phantoms = [panel(image, *names) for names, image in zip(SHOWN, drawn, strict=True)]
    return Picture(phantoms, [panel(image, "real") for image in compared["real"][: len(SHOWN)]], charts(compared))


def figures(data: Path) -> Iterator[str]:
    """Grey levels and spectrum."""
    yield from levels(_compared(data))


def grey(path: Path) -> Array:
    """Grey levels (X, Y) of an image file; of colours the first channel."""
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(float)
    return (array[..., 0] if array.ndim == 3 else array).T


def panel(image: Array, title: str = "No Finding") -> Panel:
    """An image as it is."""
    return Panel(image, 1, (0, 255), title)


def charts(compared: Mapping[str, Images]) -> list[Chart]:
    """Grey levels and spectra of all images of each kind."""
    values = {kind: histogram(_flattened(images), 0, 256, 64) for kind, images in compared.items()}
    return [
        Chart("grey levels", values, "y"),
        Chart("power, cycles/pixel", {k: _power(images) for k, images in compared.items()}, "y"),
    ]


def levels(compared: Mapping[str, Images]) -> Iterator[str]:
    """The same as numbers."""
    for kind, images in compared.items():
        values, (frequency, density) = _flattened(images), _power(images)
        shown, shares = np.array(AT) - 1, np.percentile(values, PERCENT).round().tolist()
        yield f"{kind}: percentiles {PERCENT} {shares}, mean {values.mean():.0f}"
        logs = np.log10(density[shown]).round(1).tolist()
        yield f"{kind}: log10 of the power at {frequency[shown].round(2).tolist()} cycles a pixel: {logs}"


def _flattened(images: Images) -> Array:
    return np.concatenate([image.ravel() for image in images])


def _power(images: Images) -> tuple[Array, Array]:
    """Spectrum of the middle of each image."""
    corners = [[(n - SIDE) // 2 for n in image.shape] for image in images]
    return power(np.stack([i[x : x + SIDE, y : y + SIDE] for i, (x, y) in zip(images, corners, strict=True)]))
