"""Pictures of a training run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.files import replacing
from modelsgenesis.types import JSON, FloatArray, Spacing

COLUMNS = ("input", "restored", "target", "error")
COLOURS = ("tab:red", "tab:cyan", "tab:orange", "tab:green", "tab:pink", "tab:blue", "tab:olive", "tab:purple")
Labels = npt.NDArray[np.uint8]
ERROR_SHOWN = 0.3
"""Absolute error drawn as white."""


def draw_restoration(path: Path, cubes: Sequence[tuple[FloatArray, FloatArray, FloatArray]], spacing: Spacing) -> None:
    """Draw (input, restored, target) cubes (X, Y, Z) in [0, 1] and their error, in three planes, as PNG.

    One row a cube, three groups of columns: axial, coronal and sagittal planes through its centre, head up.
    """
    planes = ("axial", "coronal", "sagittal") if cubes[0][0].ndim == 3 else ("image",)
    figure, axes = _grid(len(cubes), len(planes) * len(COLUMNS))
    for row, (distorted, restored, target) in enumerate(cubes):
        images = (distorted, restored, target, np.abs(restored - target) / ERROR_SHOWN)
        for group, plane in enumerate(planes):
            for column, image in enumerate(images):
                axis = axes[row, group * len(COLUMNS) + column]
                view, aspect = _view(image, plane, spacing)
                axis.imshow(view, cmap="magma" if column == 3 else "gray", vmin=0, vmax=1, aspect=aspect)
                if row == 0:
                    axis.set_title(f"{plane}\n{COLUMNS[column]}", fontsize=9)
    _save(figure, path)


def draw_curves(path: Path, metrics: Sequence[JSON], names: Sequence[str], levels: dict[str, float]) -> None:
    """Draw entries `names` of `metrics` over steps as PNG; `levels` are horizontal lines (baselines)."""
    figure, axes = _grid(1, 1, size=6.0)
    axis = axes[0, 0]
    axis.set_axis_on()
    for name in names:
        points = [(entry["step"], entry[name]) for entry in metrics if name in entry]
        axis.plot(*zip(*points, strict=True), marker=".", label=name)
    for style, (name, value) in zip(("--", ":", "-."), levels.items(), strict=False):
        axis.axhline(value, linestyle=style, color="gray", label=name)
    axis.set_xlabel("step")
    axis.legend()
    _save(figure, path)


def draw_segmentations(path: Path, cases: Sequence[tuple[FloatArray, Labels, Labels, Spacing]], title: str = "") -> None:
    """Draw (image (X, Y, Z) in [0, 1], truth, prediction, spacing) as PNG: one row a case.

    Columns: the axial slice with most of the truth, the truth on it, the prediction as outlines over it; one colour a
    structure; back down, as radiologists look at it.
    """
    figure, axes = _grid(len(cases), 3, size=2.5)
    for row, (image, truth, prediction, spacing) in enumerate(cases):
        z = int(np.argmax((truth > 0).sum((0, 1))))
        for column, name in enumerate(("image", "truth", "prediction")):
            axis = axes[row, column]
            axis.imshow(image[:, :, z].T, cmap="gray", vmin=0, vmax=1, aspect=spacing[1] / spacing[0])
            if row == 0:
                axis.set_title(f"{name}{title if column == 2 else ''}", fontsize=9)
        for structure in range(1, 1 + int(max(truth[:, :, z].max(), prediction[:, :, z].max()))):
            colour = COLOURS[(structure - 1) % len(COLOURS)]
            for column, labels in ((1, truth), (2, prediction)):
                mask = labels[:, :, z].T == structure
                if mask.any() and not mask.all():
                    axes[row, column].contour(mask, levels=[0.5], colors=[colour], linewidths=1)
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


def _grid(rows: int, columns: int, size: float = 1.5) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size * columns, size * rows * 1.05 + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
