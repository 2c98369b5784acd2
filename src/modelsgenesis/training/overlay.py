"""Pictures of segmentations: truth and prediction as outlines over the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.files import readable, replacing
from modelsgenesis.types import FloatArray, Spacing

COLOURS = ("tab:red", "tab:cyan", "tab:orange", "tab:green", "tab:pink", "tab:blue", "tab:olive", "tab:purple")
SIDE = 2.5
"""Inches of a picture."""
LETTERS = 40
"""Letters of a title that have room above a picture."""


@dataclass(frozen=True)
class Overlay:
    """A segmented case: `image` (X, Y, Z) or (X, Y) in [0, 1], `truth` (None: not known) and `prediction` structures,
    `spacing` in mm."""

    name: str
    image: FloatArray
    truth: npt.NDArray[np.uint8] | None
    prediction: npt.NDArray[np.uint8]
    spacing: Spacing


def draw_overlays(path: Path, cases: Sequence[Overlay]) -> None:
    """Draw the axial slice with most of the truth of each case, a row each, as PNG; one colour a structure.

    Without truth it is the slice with most of the prediction, and the middle one where there is neither. Columns:
    image, truth (empty where it is not known), prediction. Seen from the feet, as radiologists do: the patient's right
    is on the left.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * SIDE, SIDE * len(cases) + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(cases), 3, squeeze=False)
    for row, case in zip(axes, cases, strict=True):
        unknown = np.zeros_like(case.prediction) if case.truth is None else case.truth
        arrays: Any = [np.atleast_3d(array) for array in (case.image, unknown, case.prediction)]
        image, truth, prediction = arrays
        z = _slice_with_most(truth, prediction)
        columns = {"image": None, "truth": truth, "prediction": prediction}
        for axis, (title, labels) in zip(row, columns.items(), strict=True):
            axis.set_axis_off()
            if title == "truth" and case.truth is None:
                continue
            named = fill(f"{readable(case.name)}, {title}", LETTERS) if labels is None else title
            axis.set_title(named, fontsize=8, parse_math=False)
            aspect = case.spacing[1] / case.spacing[0]
            axis.imshow(image[:, :, z].T, cmap="gray", vmin=0, vmax=1, aspect=aspect)
            shown = np.zeros((1, 1), np.uint8) if labels is None else labels[:, :, z].T
            for structure in np.unique(shown[shown > 0]).tolist():
                mask = np.equal(shown, structure)
                if not mask.all():
                    axis.contour(mask, levels=[0.5], colors=[COLOURS[(structure - 1) % len(COLOURS)]], linewidths=1)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _slice_with_most(*labels: npt.NDArray[np.uint8]) -> int:
    """Where along Z the first of `labels` (X, Y, Z) that holds a structure has most of it; the middle without any."""
    found = next((one for one in labels if one.any()), None)
    return labels[0].shape[-1] // 2 if found is None else int(np.argmax((found > 0).sum((0, 1))))
