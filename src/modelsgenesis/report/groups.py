"""Which runs the examples are shown of, and how much room their volumes take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.examples import FILE
from modelsgenesis.evaluate.results import Comparison, Result
from modelsgenesis.files import read_json
from modelsgenesis.report.examples import Shown, shown_examples
from modelsgenesis.report.facts import relative
from modelsgenesis.report.rows import ScoreRow, Scores
from modelsgenesis.report.words import metric_name, score

ROOM = 8_000_000
"""Characters that all volumes of a report may take."""
ROOM_OF_A_RUN = 2_000_000


@dataclass(frozen=True)
class Group:
    """Examples of one run.

    Args:
        title: target and arm.
        note: which run it is.
        folder: the run as seen from the report.
        legend: number of a structure -> its name; empty for classes.
        shown: best, median and worst.
    """

    title: str
    note: str
    folder: str
    legend: dict[str, str]
    shown: tuple[Shown, ...]

    @property
    def is_flat(self) -> bool:
        """Whether every example is one picture."""
        return all(len(shown.pictures) == 1 for shown in self.shown)


def example_groups(
    comparison: Comparison, scores: Scores, beside: Path, missing: list[tuple[Path, str]]
) -> Iterator[Group]:
    """Of each row: the best arm's and the reference's run of the median score. What is damaged joins `missing`."""
    room = ROOM
    for row in scores.rows:
        arms = dict.fromkeys((row.row.best, comparison.reference))
        for arm in arms:
            run = _median_run(row, arm)
            if run is None:
                continue
            try:
                prefix = f"volume-{run_identifier(row, arm)}"
                shown = shown_examples(run.run, prefix, min(room, ROOM_OF_A_RUN))
                legend = _legend(run.run)
            except GenesisError as error:
                missing.append((run.run, str(error)))
                continue
            room -= sum(one.volumes.size for one in shown if one.volumes)
            if shown:
                yield _group(row, run, shown, legend, beside)


def run_identifier(row: ScoreRow, arm: str) -> str:
    """A name for identifiers in the page; letters, digits and hyphens."""
    cell = next(cell for cell in row.cells if cell.arm == arm)
    return cell.anchor.removeprefix("runs-")


def _median_run(row: ScoreRow, arm: str) -> Result | None:
    runs = next((cell.runs for cell in row.cells if cell.arm == arm), ())
    known = [run for run in runs if (run.run / "predictions" / FILE).is_file() and not np.isnan(run.score)]
    middle = float(np.nanmedian([run.score for run in runs])) if known else 0.0
    return min(known, key=lambda run: abs(run.score - middle), default=None)


def _legend(run: Path) -> dict[str, str]:
    """Names of the structures of a segmentation."""
    found: Any = read_json(run / "predictions" / "cases.json")
    is_segmentation = isinstance(found, dict) and found.get("task") == "segmentation"
    return {str(value): str(name) for value, name in found["labels"].items()} if is_segmentation else {}


def _group(row: ScoreRow, run: Result, shown: Sequence[Shown], legend: dict[str, str], beside: Path) -> Group:
    known = len([one for cell in row.cells for one in cell.runs if one.arm == run.arm])
    which = f"seed {run.seed}, nearest to the median of {known} runs" if known > 1 else f"seed {run.seed}"
    note = f"{metric_name(run.metric)} {score(run.score)} over all test cases ({which})."
    return Group(f"{row.title}, {run.arm}", note, relative(run.run, beside), legend, tuple(shown))


def volumes_of(groups: Sequence[Group]) -> dict[str, str]:
    """Identifier -> compressed volume, of everything the viewer can open."""
    found: dict[str, str] = {}
    for group in groups:
        for shown in group.shown:
            if shown.volumes is not None:
                parts = {
                    "image": shown.volumes.image,
                    "truth": shown.volumes.truth,
                    "prediction": shown.volumes.prediction,
                }
                found |= {f"{shown.identifier}-{name}": text for name, text in parts.items() if text}
    return found
