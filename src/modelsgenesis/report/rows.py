"""The table of targets by initialisations: what each cell shows, and which run folders stand behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from modelsgenesis.evaluate.analysis import Analysis
from modelsgenesis.evaluate.cells import cells
from modelsgenesis.evaluate.comparison import ArmComparison, ArmSummary
from modelsgenesis.evaluate.family import Row
from modelsgenesis.evaluate.results import Comparison, Result
from modelsgenesis.report.facts import Facts
from modelsgenesis.report.published import Published, landmarks, same_metric
from modelsgenesis.report.tables import Table
from modelsgenesis.report.words import TASKS, metric_name, score, share, signed, target_title

MARKS = {"better": "▲", "worse": "▼"}


@dataclass(frozen=True)
class ScoreCell:
    """One arm on one target.

    Args:
        summary: mean, deviation, seeds; None when the arm has no run there.
        is_best: it has the highest mean.
        is_level: it is not significantly below the best (the papers' test and dagger).
        outcome: against the reference: "better", "worse", "undecided", "untested" or "".
        difference: against the reference.
        anchor: of its runs in the page.
        runs: of the arm.
        leaks: its pre-training saw test or validation data of the target.
        spoilt: its pre-training did, or that of the reference.
    """

    arm: str
    summary: ArmSummary | None
    is_best: bool = False
    is_level: bool = False
    outcome: str = ""
    difference: ArmComparison | None = None
    anchor: str = ""
    runs: tuple[Result, ...] = ()
    leaks: bool = False
    spoilt: bool = False

    @property
    def text(self) -> str:
        """Mean ± standard deviation, with the marks."""
        if self.summary is None:
            return ""
        spread = "" if math.isnan(self.summary.deviation) else f" ± {score(self.summary.deviation)}"
        leak = " (leak)" if self.leaks else ""
        return f"{score(self.summary.mean.value)}{spread}{'†' if self.is_level else ''}{self.mark}{leak}"

    @property
    def mark(self) -> str:
        """▲ or ▼ against the reference; empty where undecided, and where a leak takes its worth away."""
        return f" {MARKS[self.outcome]}" if self.outcome in MARKS and not self.spoilt else ""


@dataclass(frozen=True)
class ScoreRow:
    """One target, network and number of labels.

    Args:
        row: from the statistics.
        title: the target's name as shown.
        task: of a known target, in words.
        note: what sets the row apart: network, share of labels.
        cells: in the order of the arms.
        published: the papers' landmarks, with whether their metric is the same.
    """

    row: Row
    title: str
    task: str
    note: str
    cells: tuple[ScoreCell, ...]
    published: tuple[Published, ...] = ()
    is_same_metric: bool = True

    @property
    def spoilt(self) -> tuple[str, ...]:
        """Arms whose comparison with the reference a leak takes the worth of."""
        return tuple(cell.arm for cell in self.cells if cell.spoilt)

    @property
    def metric(self) -> str:
        """Short name."""
        return metric_name(self.row.cell.metric)


@dataclass(frozen=True)
class Scores:
    """The table: its arms in order, the reference first, and its rows."""

    arms: tuple[str, ...]
    rows: tuple[ScoreRow, ...] = ()
    every: tuple[ScoreRow, ...] = field(default=())

    def place(self, target: str, arm: str = "", fraction: float | None = None, backbone: str = "") -> str:
        """Where in the page the runs of a cell are listed; without a fraction those with the most labels."""
        for row in self.rows if fraction is None else self.every:
            cell = row.row.cell
            fits = cell.target == target and backbone in ("", cell.backbone) and fraction in (None, cell.fraction)
            found = [one for one in row.cells if one.runs and arm in ("", one.arm)]
            if fits and found:
                return found[0].anchor
        return "runs"


def score_rows(comparison: Comparison, analysis: Analysis, facts: Mapping[str, Facts]) -> Scores:
    """Rows for the largest number of labels of each target and network in `rows`, all of them in `every`.

    Args:
        comparison: the runs.
        analysis: their statistics.
        facts: of the runs, by folder.
    """
    arms = arm_order(comparison)
    runs = cells(comparison.results)
    networks = {(row.cell.target, row.cell.backbone) for row in analysis.rows}
    targets = [target for target, _ in networks]
    every = []
    for number, row in enumerate(analysis.rows):
        of_arms = runs[row.cell]
        kind = _kind(next(iter(of_arms.values())), facts)
        found = tuple(
            _cell(arm, row, of_arms.get(arm, ()), analysis, f"runs-{number}-{k}") for k, arm in enumerate(arms)
        )
        target = row.cell.target
        found = tuple(
            replace(cell, leaks=comparison.leaked(cell.arm, target), spoilt=comparison.spoilt(cell.arm, target))
            for cell in found
        )
        note = ", ".join(
            ([row.cell.backbone] if targets.count(row.cell.target) > 1 else [])
            + ([f"{share(row.cell.fraction)} of the labels"] if row.cell.fraction < 1 else [])
        )
        known = tuple(landmarks(kind))
        same = bool(known) and same_metric(kind, row.cell.metric)
        every.append(ScoreRow(row, target_title(row.cell.target), TASKS.get(kind, ""), note, found, known, same))
    largest: dict[tuple[str, str, str], ScoreRow] = {}
    for one in every:
        key = (one.row.cell.target, one.row.cell.backbone, one.row.cell.metric)
        if key not in largest or one.row.cell.fraction > largest[key].row.cell.fraction:
            largest[key] = one
    return Scores(tuple(arms), tuple(largest.values()), tuple(every))


def arm_order(comparison: Comparison) -> list[str]:
    """The reference first, then the others as they come."""
    found = list(dict.fromkeys(result.arm for result in comparison.results))
    return sorted(found, key=lambda arm: arm != comparison.reference)


def _kind(runs: Sequence[Result], facts: Mapping[str, Facts]) -> str:
    """The target task of a cell, whatever the plan calls its data."""
    noted = [facts[str(run.run)].manifest.get("target") for run in runs if str(run.run) in facts]
    return str(next((name for name in noted if name), runs[0].target)).lower()


def _cell(arm: str, row: Row, runs: tuple[Result, ...], analysis: Analysis, anchor: str) -> ScoreCell:
    summary = next((one for one in row.arms if one.arm == arm), None)
    against = [one for one in analysis.comparisons if one.cell == row.cell and one.arm.arm == arm]
    return ScoreCell(
        arm,
        summary,
        arm == row.best,
        arm in row.not_below,
        against[0].outcome if against else "",
        against[0] if against else None,
        anchor,
        runs,
    )


def scores_table(scores: Scores, comparison: Comparison) -> Table:
    """The same to be exported; the papers' landmarks are lines of their own."""
    columns = ("target", "metric", *scores.arms, "papers")
    body: list[tuple[str, ...]] = []
    best = set()
    for one in scores.rows:
        name = f"{one.title}, {one.note}" if one.note else one.title
        papers = "; ".join(f"{p.init} {score(p.mean)} ± {score(p.deviation)}" for p in one.published)
        papers += " (another metric)" if papers and not one.is_same_metric else ""
        best |= {(len(body), 2 + number) for number, cell in enumerate(one.cells) if cell.is_best}
        body.append((name, one.metric, *(cell.text for cell in one.cells), papers))
    notes = (
        "Mean ± standard deviation over seeds; bold: best mean; †: not significantly below the best "
        "(two-sample t-test, 0.05). "
        f"▲ ▼: better or worse than {comparison.reference} (p < 0.05 over seeds and test subjects, Holm)."
    )
    return Table("scores", "Scores on the test subjects", columns, tuple(body), notes, frozenset(best))


def differences_table(compared: Sequence[ArmComparison], comparison: Comparison) -> Table:
    """Every arm against the reference, all numbers in full."""
    columns = (
        *("target", "backbone", "labels, %", "metric", "arm", "reference", "difference", "low", "high"),
        *("over", "p", "p (Holm)", "p (papers' t-test)", "Hedges' g"),
        *("seeds", "seeds of the reference", "subjects", "outcome"),
    )
    body = tuple(
        (
            target_title(one.cell.target),
            one.cell.backbone,
            100 * one.cell.fraction,
            metric_name(one.cell.metric),
            one.arm.arm,
            one.reference.arm,
            *(one.difference.value, one.difference.low, one.difference.high),
            " and ".join(one.difference.over),
            one.tests["both"].p,
            one.adjusted.get("both", math.nan),
            one.tests["papers"].p,
            one.effects.hedges_g,
            *(len(one.arm.scores), len(one.reference.scores), one.arm.subjects),
            one.outcome + (" (leak)" if comparison.spoilt(one.arm.arm, one.cell.target) else ""),
        )
        for one in compared
    )
    notes = "low, high: 95 % interval over seeds, test subjects or both; p over both, or none."
    return Table("differences", "Differences from the reference", columns, body, notes)


def difference_words(one: ArmComparison) -> str:
    """Difference and interval in one cell."""
    limits = f" [{signed(one.difference.low)}, {signed(one.difference.high)}]"
    return signed(one.difference.value) + ("" if math.isnan(one.difference.low) else limits)
