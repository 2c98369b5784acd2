"""What the sections show besides tables: drawings, key numbers, intervals, runs by cell."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from modelsgenesis.evaluate.analysis import Analysis
from modelsgenesis.evaluate.comparison import ArmComparison
from modelsgenesis.evaluate.results import Comparison, Result
from modelsgenesis.report.facts import Cost, Facts
from modelsgenesis.report.plots import efficiency, learning, score_bars
from modelsgenesis.report.rows import ScoreRow, Scores
from modelsgenesis.report.tables import Table
from modelsgenesis.report.words import signed, target_title

Drawing = tuple[str, str, Markup]
"""Title, what sets it apart, and the picture."""

Compared = tuple[ArmComparison, ScoreRow, Markup, str]
"""An arm against the reference, its row, a picture of the interval, and the anchor of its runs."""


def drawings(analysis: Analysis, scores: Scores) -> dict[str, list[Drawing]]:
    """Bars and learning curves of each row, label efficiency of each target with several shares."""
    numbers = {arm: number for number, arm in enumerate(scores.arms)}
    bars, learned, efficient = [], [], []
    for number, row in enumerate(scores.rows):
        if any(arm.scores for arm in row.row.arms):
            plot = score_bars(row.row, numbers, f"bars-{number}", f"Scores on {row.title}")
            bars.append((row.title, row.note, plot))
        runs = {cell.arm: cell.runs for cell in row.cells if any(len(run.curve) > 1 for run in cell.runs)}
        if runs:
            plot = learning(runs, numbers, f"learning-{number}", f"Validation while training on {row.title}")
            learned.append((row.title, row.note, plot))
    keys = dict.fromkeys((curve.target, curve.backbone, curve.metric) for curve in analysis.curves)
    several = len({backbone for _, backbone, _ in keys}) > 1
    for number, key in enumerate(keys):
        curves = [one for one in analysis.curves if (one.target, one.backbone, one.metric) == key]
        if max(len(curve.points) for curve in curves) > 1:
            plot = efficiency(curves, numbers, f"efficiency-{number}", f"Label efficiency on {key[0]}")
            efficient.append((_titled(key[0], scores), key[1] if several else "", plot))
    return {"bars": bars, "learning": learned, "efficiency": efficient}


def _titled(target: str, scores: Scores) -> str:
    return next((row.title for row in scores.rows if row.row.cell.target == target), target)


def key_facts(comparison: Comparison, analysis: Analysis, spent: Cost, pretrainings: int) -> list[tuple[str, str]]:
    """The numbers below the verdict."""
    found: list[tuple[str, str]] = []
    if comparison.results:
        seeds = [len(arm.scores) for row in analysis.rows for arm in row.arms]
        subjects = {case.subject for result in comparison.results for case in result.cases.values()}
        found += [
            ("targets", str(len({result.target for result in comparison.results}))),
            ("initialisations", str(len({result.arm for result in comparison.results}))),
            ("seeds an arm", _between(seeds)),
            ("test subjects", f"{len(subjects):,}"),
            ("fine-tuning runs", f"{len(comparison.results):,}"),
        ]
    if pretrainings:
        found.append(("pre-trainings", str(pretrainings)))
    if spent.gpu_hours:
        found.append(("GPU hours", _hours(spent.gpu_hours)))
    if spent.other_hours:
        found.append(("CPU hours", _hours(spent.other_hours)))
    return found


def _between(numbers: Sequence[int]) -> str:
    if not numbers:
        return "–"
    return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def comparisons(analysis: Analysis, scores: Scores) -> tuple[list[Compared], list[Compared]]:
    """Each arm against the reference: with the most labels of each target, and with fewer."""
    full = {row.row.cell for row in scores.rows}
    places = {(row.row.cell, cell.arm): (row, cell.anchor) for row in scores.every for cell in row.cells}
    reach = _reach(analysis.comparisons)
    found: tuple[list[Compared], list[Compared]] = ([], [])
    for one in analysis.comparisons:
        row, anchor = places[one.cell, one.arm.arm]
        found[one.cell not in full].append((one, row, interval_picture(one, reach), anchor))
    return found


def _reach(found: Sequence[ArmComparison]) -> float:
    """The largest distance from 0 that any interval reaches, so that all pictures have one scale."""
    ends = [abs(end) for one in found for end in (one.difference.value, one.difference.low, one.difference.high)]
    return max((end for end in ends if math.isfinite(end)), default=1.0) or 1.0


def interval_picture(one: ArmComparison, reach: float) -> Markup:
    """The difference as a point on its interval; the upright line is no difference."""
    value, low, high = one.difference.value, one.difference.low, one.difference.high
    if math.isnan(value):
        return Markup("–")
    x, a, b = (72 + 66 * end / reach for end in (value, low, high))
    colour = {"better": "--better", "worse": "--worse"}.get(one.outcome, "--muted")
    line = (
        ""
        if math.isnan(low)
        else f'<line x1="{a:.1f}" x2="{b:.1f}" y1="9" y2="9" stroke="var({colour})" stroke-width="2"/>'
    )
    told = signed(value) if math.isnan(low) else f"{signed(low)} to {signed(high)}"
    return Markup(
        f'<svg class="forest" viewBox="0 0 144 18" role="img" aria-label="{escape(told)}"><title>{escape(told)}</title>'
        f'<line x1="72" x2="72" y1="0" y2="18" stroke="var(--muted)" stroke-opacity="0.5"/>{line}'
        f'<circle cx="{x:.1f}" cy="9" r="3.5" fill="var({colour})"/></svg>'
    )


def run_groups(scores: Scores, facts: Mapping[str, Facts]) -> list[tuple[str, list[tuple[Result, Facts | None]]]]:
    """Anchor -> the runs of a cell with their facts."""
    cells = [cell for row in scores.every for cell in row.cells if cell.runs]
    return [(cell.anchor, [(run, facts.get(str(run.run))) for run in cell.runs]) for cell in cells]


def splits_table(comparison: Comparison, facts: Mapping[str, Facts], scores: Scores) -> Table:
    """Subjects a side of each target, and a digest that tells whether the data are the same."""
    rows: dict[tuple[Any, ...], str] = {}
    for result in comparison.results:
        known = facts.get(str(result.run))
        if known is not None:
            sides = [int(known.sides.get(side, 0)) for side in ("training", "validation", "test", "unused")]
            digest = str(known.manifest.get("data", ""))
            row = (target_title(result.target), 100 * result.fraction, *sides, len(result.cases), digest)
            rows.setdefault(row, scores.place(result.target, fraction=result.fraction, backbone=result.backbone))
    columns = ("target", "labels, %", "training", "validation", "test", "unused", "test cases", "digest of the data")
    notes = "Subjects a side of the split, from split.json of the runs; unused: training subjects without labels."
    return Table("splits", "Subjects of the targets", columns, tuple(rows), notes, places=tuple(rows.values()))
