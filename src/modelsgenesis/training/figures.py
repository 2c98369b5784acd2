"""Pictures of a training run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modelsgenesis.files import replacing
from modelsgenesis.types import JSON, FloatArray, Spacing

COLUMNS = ("input", "restored", "target", "error")
ERROR_SHOWN = 0.3
"""Absolute error drawn as white."""


class Restored(NamedTuple):
    """A cube as distorted, as restored and as it was, (X, Y, Z) or (X, Y) in [0, 1], and its spacing in mm."""

    distorted: FloatArray
    restored: FloatArray
    target: FloatArray
    spacing: Spacing


def draw_restoration(path: Path, cubes: Sequence[Restored]) -> None:
    """Draw cubes, (X, Y, Z) or (X, Y) in [0, 1], and their error, in three planes, as PNG.

    One row a cube, three groups of columns: axial, coronal and sagittal planes through its centre, head up.
    """
    planes = ("axial", "coronal", "sagittal") if cubes[0].target.ndim == 3 else ("image",)
    figure, axis = _canvas(1.5 * len(planes) * len(COLUMNS), 1.5 * len(cubes) + 0.5)
    for row, cube in enumerate(cubes):
        images = (cube.distorted, cube.restored, cube.target, np.abs(cube.restored - cube.target) / ERROR_SHOWN)
        for group, plane in enumerate(planes):
            for column, image in enumerate(images):
                place = group * (len(COLUMNS) + 0.2) + column
                view, aspect = _view(image, plane, cube.spacing)
                _tile(axis, view, aspect, place, row, "magma" if column == 3 else "gray")
                if row == 0:
                    axis.text(place + 0.5, 0.05, f"{plane}\n{COLUMNS[column]}", ha="center", va="bottom", fontsize=9)
    axis.set_xlim(0, len(planes) * (len(COLUMNS) + 0.2))
    axis.set_ylim(-len(cubes), 0.4)
    _save(figure, path)


def keep_restoration(path: Path, cubes: Sequence[Restored]) -> None:
    """Write the central planes of `cubes` as .npz, so that they can be shown sharp at any size.

    `NUMBER/PLANE/COLUMN` of the columns input, restored and target: rows and columns, uint8, 255 being 1; and
    `NUMBER/PLANE/aspect`: the height of a pixel over its width.
    """
    arrays: dict[str, Any] = {}
    for number, cube in enumerate(cubes):
        for plane in ("axial", "coronal", "sagittal") if cube.target.ndim == 3 else ("image",):
            for column, image in zip(COLUMNS, (cube.distorted, cube.restored, cube.target), strict=False):
                view, aspect = _view(image, plane, cube.spacing)
                arrays[f"{number}/{plane}/{column}"] = np.rint(np.clip(view, 0, 1) * 255).astype(np.uint8)
                arrays[f"{number}/{plane}/aspect"] = np.float64(aspect)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def draw_curves(path: Path, metrics: Sequence[JSON], names: Sequence[str], levels: dict[str, float]) -> None:
    """Draw entries `names` of `metrics` over steps as PNG; `levels` are horizontal lines (baselines)."""
    figure, axis = _canvas(7.0, 5.0)
    axis.set_position((0.12, 0.12, 0.85, 0.85))
    axis.set_axis_on()
    for name in names:
        points = [(entry["step"], entry[name]) for entry in metrics if name in entry]
        axis.plot(*zip(*points, strict=True), marker=".", label=name)
    for style, (name, value) in zip(("--", ":", "-."), levels.items(), strict=False):
        axis.axhline(value, linestyle=style, color="gray", label=name)
    axis.set_xlabel("step")
    axis.legend()
    _save(figure, path)


def draw_comparison(path: Path, groups: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> None:
    """Draw group -> arm -> one value a seed, as points beside their mean, as PNG."""
    figure, axis = _canvas(7.0, 4.5)
    axis.set_position((0.1, 0.1, 0.88, 0.8))
    axis.set_axis_on()
    for index, arm in enumerate(next(iter(groups.values()))):
        colour = f"C{index}"
        for place, arms in enumerate(groups.values()):
            middle = place + 0.24 * (index - 0.5)
            axis.plot([middle] * len(arms[arm]), arms[arm], "o", color=colour, alpha=0.7, label=None if place else arm)
            axis.plot([middle - 0.08, middle + 0.08], [np.mean(arms[arm])] * 2, color=colour, linewidth=3)
    axis.set_xticks(range(len(groups)), list(groups))
    axis.set_title(f"{title} (points: seeds, bars: their mean)", fontsize=10)
    axis.legend()
    _save(figure, path)


def _view(image: FloatArray, plane: str, spacing: Spacing) -> tuple[FloatArray, float]:
    """The central slice as rows and columns, and the height of a pixel over its width."""
    if plane == "image":
        return image.T, spacing[1] / spacing[0]
    x, y, z = (side // 2 for side in image.shape)
    if plane == "axial":
        return image[:, :, z].T, spacing[1] / spacing[0]
    if plane == "coronal":
        return image[:, y, ::-1].T, spacing[2] / spacing[0]
    return image[x, :, ::-1].T, spacing[2] / spacing[1]


def _tile(axis: Any, view: FloatArray, aspect: float, column: float, row: int, colours: str) -> None:
    """Draw `view` into the unit square of its column and row, keeping its proportions."""
    height, width = view.shape[0] * aspect, float(view.shape[1])
    scale = 0.96 / max(height, width)
    left, top = column + (1 - scale * width) / 2, -row - (1 - scale * height) / 2
    extent = (left, left + scale * width, top - scale * height, top)
    axis.imshow(view, cmap=colours, vmin=0, vmax=1, extent=extent, interpolation="nearest")


def _canvas(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    return figure, axis


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
