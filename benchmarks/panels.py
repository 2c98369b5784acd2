"""One form for every picture: two rows of slices, phantoms above real scans, and a row of charts that compare them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image

from modelsgenesis.data.volume import read_volume

mpl.use("Agg")
from matplotlib import pyplot as plt

Array = npt.NDArray[np.float64] | npt.NDArray[np.float32]
Curve = tuple[Array, Array]
SHADES = 160  # of a stored picture: enough to see by, at half the size


@dataclass(frozen=True)
class Scan:
    """A scan (X, Y, Z) in LPS with its spacing in mm."""

    array: Array
    spacing: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """A slice (X, Y) with X shown across and Y down, the height of its pixels over their width, and what is shown.

    The border of `mask` is drawn over it.
    """

    image: Array
    aspect: float
    window: tuple[float, float]
    title: str = ""
    mask: Array | None = None


@dataclass(frozen=True)
class Chart:
    """Curves by name, and the scale of the axes that are not linear: y, or x and y."""

    title: str
    curves: Mapping[str, Curve]
    log: str = ""


@dataclass(frozen=True)
class Picture:
    """What is drawn; both rows have as many panels."""

    upper: Sequence[Panel]
    lower: Sequence[Panel]
    charts: Sequence[Chart] = ()


def read(path: Path) -> Scan:
    """A scan from a file."""
    volume = read_volume(path)
    return Scan(volume.array.astype(np.float32).reshape(volume.array.shape[-3:]), tuple(map(float, volume.spacing)))


def planes(
    scan: Scan, at: Sequence[int], window: tuple[float, float], title: str, mask: Array | None = None
) -> Iterator[Panel]:
    """The axial, coronal and sagittal slice through the voxel `at`, as radiologists look at them."""
    (x, y, z), (sx, sy, sz) = at, scan.spacing
    slices: list[tuple[tuple[slice | int, ...], float]] = [
        ((slice(None), slice(None), z), sy / sx),
        ((slice(None), y, slice(None, None, -1)), sz / sx),
        ((x, slice(None), slice(None, None, -1)), sz / sy),
    ]
    for number, (part, aspect) in enumerate(slices):
        yield Panel(scan.array[part], aspect, window, "" if number else title, None if mask is None else mask[part])


def histogram(values: Array, low: float, high: float, bins: int = 100) -> Curve:
    """Middle of each bin, and density."""
    density, edges = np.histogram(values, bins, (low, high), density=True)
    return (edges[1:] + edges[:-1]) / 2, density


def draw(picture: Picture, out: Path) -> None:
    """Write the picture as a PNG."""
    columns = len(picture.upper)
    height = (2.9 if columns < 6 else 2.25) * (2 + bool(picture.charts) * 0.85)
    figure = plt.figure(figsize=(max(9.5, 2.1 * columns), height), layout="constrained")
    above, *below = figure.subfigures(2, 1, height_ratios=(2.4, 1)) if picture.charts else [figure]
    for axis, panel in zip(above.subplots(2, columns).ravel(), (*picture.upper, *picture.lower), strict=True):
        low, high = panel.window
        axis.imshow(panel.image.T, cmap="gray", vmin=low, vmax=high, aspect=panel.aspect)
        if panel.mask is not None and panel.mask.any():
            axis.contour(panel.mask.T, levels=[0.5], colors=["tab:red"], linewidths=1)
        axis.set_title(panel.title, loc="left", fontsize=8)
        axis.axis("off")
    for part in below:
        _charts(np.ravel(part.subplots(1, len(picture.charts))), picture.charts)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=70)
    plt.close(figure)
    with Image.open(out) as drawn:
        small = drawn.convert("RGB").quantize(SHADES)
    small.save(out, optimize=True)


def _charts(axes: Iterable[plt.Axes], charts: Sequence[Chart]) -> None:
    for axis, chart in zip(axes, charts, strict=True):
        for name, (x, y) in chart.curves.items():
            axis.plot(x, y, lw=1, label=name)
        axis.set(xscale="log" if "x" in chart.log else "linear", yscale="log" if "y" in chart.log else "linear")
        axis.set_title(chart.title, fontsize=8)
        axis.legend(fontsize=7)
        axis.tick_params(labelsize=6, which="both")
