"""The smaller tables: labels needed, convergence, structures missed, the papers' rows, restoration, runs."""

import math
from collections.abc import Mapping, Sequence

from modelsgenesis.evaluate.analysis import Analysis
from modelsgenesis.evaluate.convergence import Speed
from modelsgenesis.evaluate.results import Comparison, Result, Trial
from modelsgenesis.report.facts import Facts, flat
from modelsgenesis.report.published import JOURNAL, TARGETS_2D, TARGETS_3D, published
from modelsgenesis.report.restoration import Pretraining
from modelsgenesis.report.rows import Scores
from modelsgenesis.report.tables import Row, Table
from modelsgenesis.report.words import metric_name, target_title


def labels_table(analysis: Analysis, scores: Scores) -> Table:
    """Labels with which each arm reaches what the reference reaches with all."""
    columns = ("target", "backbone", "metric", "arm", "goal", "outcome", "labels, %", "low", "high", "subjects", "note")
    body = tuple(
        (
            target_title(one.target),
            one.backbone,
            metric_name(one.metric),
            one.arm,
            *(one.goal, one.outcome, 100 * one.share, 100 * one.low, 100 * one.high, one.subjects, one.reason),
        )
        for one in analysis.labels
    )
    notes = (
        "goal: mean score of the reference with all labels; labels: the share that reaches it, read off the isotonic "
        "curve, with its 95 % interval (0: fewer than the smallest share tried, ∞: not reached)."
    )
    places = tuple(scores.place(one.target, one.arm, backbone=one.backbone) for one in analysis.labels)
    return Table("labels", "Labels needed to reach the reference", columns, body, notes, places=places)


def convergence_table(speeds: Sequence[Speed], scores: Scores) -> Table:
    """Steps until the validation score that the reference ends with."""
    columns = (
        "target",
        "backbone",
        "labels, %",
        "arm",
        "score to reach",
        "steps",
        "steps of the reference",
        "ratio",
        "low",
        "high",
    )
    body = tuple(
        (
            *(target_title(one.cell.target), one.cell.backbone, 100 * one.cell.fraction, one.arm),
            *(one.goal, one.steps, one.reference_steps, one.ratio, one.low, one.high),
        )
        for one in speeds
    )
    notes = "The validation score is the mean of the reference's last ones; ratio under 1: the arm is faster."
    places = tuple(scores.place(o.cell.target, o.arm, o.cell.fraction, o.cell.backbone) for o in speeds)
    return Table("convergence", "Steps to the reference's validation score", columns, body, notes, places=places)


def outcomes_table(results: Sequence[Result], scores: Scores) -> Table:
    """Structures found, missed and made up, summed over the runs of a cell."""
    counts: dict[tuple[str, str, float, str], dict[str, int]] = {}
    for result in results:
        if result.outcomes:
            of_cell = counts.setdefault((result.target, result.backbone, result.fraction, result.arm), {})
            for name, count in result.outcomes.items():
                of_cell[name] = of_cell.get(name, 0) + count
    names = ("found", "missed", "false positive", "absent")
    body: tuple[Row, ...] = tuple(
        (target_title(target), backbone, 100 * fraction, arm, *(of_cell.get(name, 0) for name in names))
        for (target, backbone, fraction, arm), of_cell in counts.items()
    )
    notes = "Summed over test cases, structures and seeds. A missed structure counts 0 in the scores, never left out."
    columns = ("target", "backbone", "labels, %", "arm", *names)
    places = tuple(scores.place(target, arm, fraction, backbone) for target, backbone, fraction, arm in counts)
    return Table("outcomes", "Structures found and missed", columns, body, notes, places=places)


def published_table(kinds: Sequence[str]) -> Table:
    """All rows of the papers for the targets of the report."""
    wanted = [kind for kind in (*TARGETS_3D, *TARGETS_2D) if kind in kinds]
    rows = [row for kind in wanted for row in published(kind)]
    body = tuple((target_title(row.target), row.init, row.metric, row.mean, row.deviation) for row in rows)
    notes = f"{JOURNAL}. Ten trials each on the papers' data; a landmark, not a target for other data."
    return Table("papers", "What the papers report", ("target", "initialisation", "metric", "mean", "sd"), body, notes)


def restoration_table(found: Sequence[Pretraining]) -> Table:
    """Restoration errors of pre-trainings at the step that the weights are of."""
    names = list(dict.fromkeys(name for one in found for name in one.errors))
    columns = ("pre-training", "step", "all distortions", *names, "best constant", "doing nothing", "probe R²")
    body: tuple[Row, ...] = tuple(
        (
            one.arm,
            int(one.best.get("step", 0)),
            float(one.best.get("validation", math.nan)),
            *(one.errors.get(name, math.nan) for name in names),
            one.baselines.get("constant", math.nan),
            one.baselines.get("nothing", math.nan),
            float(one.best.get("probe", math.nan)),
        )
        for one in found
    )
    places = tuple(f"pretraining-{number}" for number in range(len(found)))
    notes = "Mean squared error on unseen subjects; probe: how well the place in the body is read from the features."
    return Table("restoration", "Restoration error by distortion", columns, body, notes, decimals=4, places=places)


def trials_table(trials: Sequence[Trial], scores: Scores) -> Table:
    """What tuning tried for each arm; the settings taken are marked."""
    columns = ("target", "arm", "backbone", "labels, %", "settings", "validation", "seeds")
    body: tuple[Row, ...] = tuple(
        (
            *(target_title(one.target), one.arm, one.backbone, 100 * one.fraction),
            ", ".join(f"{name} {value}" for name, value in flat(one.settings)),
            math.nan if one.validation is None else one.validation,
            len(one.runs),
        )
        for one in trials
    )
    taken = frozenset((number, column) for number, one in enumerate(trials) if one.chosen for column in (4, 5))
    notes = "Best validation, mean over the seeds of tuning; bold: taken for all runs of the arm."
    places = tuple(scores.place(one.target, one.arm, one.fraction, one.backbone) for one in trials)
    return Table("tuning", "Settings tried", columns, body, notes, taken, places=places)


def runs_table(comparison: Comparison, facts: Mapping[str, Facts]) -> Table:
    """One line a run, with its folder."""
    columns = (
        "target",
        "arm",
        "backbone",
        "labels, %",
        "seed",
        "metric",
        "score",
        "seconds",
        "device",
        "commit",
        "folder",
    )
    body: list[Row] = []
    for one in comparison.results:
        known = facts.get(str(one.run))
        more = (known.device, known.commit, known.shown) if known else ("", "", str(one.run))
        body.append(
            (
                *(target_title(one.target), one.arm, one.backbone, 100 * one.fraction, one.seed, one.metric),
                *(one.score, one.seconds, *more),
            )
        )
    return Table("runs", "Runs", columns, tuple(body))
