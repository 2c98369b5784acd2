"""Pre-training runs in the report: what they restore, how well for each distortion, and from where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from modelsgenesis.errors import GenesisError
from modelsgenesis.report.facts import Facts, read_facts
from modelsgenesis.report.plots import restoration_bars, restoration_curve
from modelsgenesis.report.png import data_uri
from modelsgenesis.run import Run
from modelsgenesis.types import JSON

COLUMNS = ("input", "restored", "target")
ERROR_SHOWN = 0.3
"""Absolute error drawn in the brightest colour."""
ALONE = {
    "nonlinear": "non-linear intensity",
    "shuffle": "local shuffling",
    "inpaint": "in-painting",
    "outpaint": "out-painting",
}


@dataclass(frozen=True)
class Strip:
    """One plane of a cube: pictures of input, restored, target and error."""

    plane: str
    images: dict[str, str]
    width: int
    height: int
    aspect: float


@dataclass(frozen=True)
class Pretraining:
    """A pre-training run as the report shows it.

    Args:
        arm: name of the initialisation made from it.
        facts: of the run folder.
        best: the entry of its log that the weights are of.
        baselines: errors of trivial answers.
        cubes: of each example its planes.
        plots: drawings.
    """

    arm: str
    facts: Facts
    best: JSON
    baselines: dict[str, float]
    cubes: tuple[tuple[Strip, ...], ...] = ()
    plots: tuple[Markup, ...] = field(default=())

    @property
    def errors(self) -> dict[str, float]:
        """Error of each distortion alone, in words."""
        return {words: float(self.best[name]) for name, words in ALONE.items() if name in self.best}


def read_pretraining(arm: str, path: Path, beside: Path, number: int, colour: int = 1) -> Pretraining:
    """A pre-training run; GenesisError when the folder is none or damaged.

    Args:
        arm: name of the initialisation made from it.
        path: its folder.
        beside: folder of the report.
        number: unique in the page.
        colour: number of the arm's colour.
    """
    facts = read_facts(path, beside)
    if facts.manifest.get("command") != "pretrain":
        raise GenesisError(f"{path}: is no pre-training run")
    metrics = [entry for entry in Run(path).metrics() if "validation" in entry]
    best = facts.manifest.get("best") or min(metrics, key=lambda entry: float(entry["validation"]), default={})
    baselines = {name: float(value) for name, value in dict(facts.manifest.get("baselines") or {}).items()}
    found = Pretraining(arm, facts, dict(best), baselines, _cubes(path / "figures" / "restoration.npz"))
    plots = tuple(_plots(found, metrics, number, colour))
    return Pretraining(arm, facts, found.best, baselines, found.cubes, plots)


def _plots(found: Pretraining, metrics: list[JSON], number: int, colour: int) -> list[Markup]:
    constant, plots = found.baselines.get("constant"), []
    if constant is not None and found.errors:
        title = f"Restoration error of {found.arm} by distortion"
        plots.append(restoration_bars(found.errors, constant, f"distortions-{number}", title, colour))
    steps = [(int(entry["step"]), float(entry["validation"])) for entry in metrics]
    if constant is not None and len(steps) > 1:
        title = f"Restoration error of {found.arm} while training"
        plots.append(restoration_curve(steps, constant, f"restoring-{number}", title, colour))
    return plots


def _cubes(path: Path) -> tuple[tuple[Strip, ...], ...]:
    if not path.is_file():
        return ()
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays: Mapping[str, Any] = {name: held[name] for name in held.files}
        places = dict.fromkeys((int(name.split("/")[0]), name.split("/")[1]) for name in arrays)
        cubes: dict[int, list[Strip]] = {}
        for number, plane in places:
            cubes.setdefault(number, []).append(_strip(arrays, number, plane))
    except Exception as error:
        raise GenesisError(f"{path}: damaged ({error}); delete it, or pre-train again to have it back") from error
    return tuple(tuple(strips) for _, strips in sorted(cubes.items()))


def _strip(arrays: Mapping[str, Any], number: int, plane: str) -> Strip:
    views = {column: np.asarray(arrays[f"{number}/{plane}/{column}"], np.uint8) for column in COLUMNS}
    images = {column: data_uri(view) for column, view in views.items()}
    images["error"] = data_uri(error_colours(views["restored"], views["target"]))
    rows, columns = views["target"].shape
    return Strip(plane, images, columns, rows, float(arrays[f"{number}/{plane}/aspect"]))


def error_colours(restored: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The absolute error as colours, black for none."""
    from matplotlib import colormaps

    error = np.abs(restored.astype(np.float32) - target) / 255 / ERROR_SHOWN
    colours: npt.NDArray[np.uint8] = colormaps["magma"](np.clip(error, 0, 1), bytes=True)[..., :3]
    return colours
