"""`genesis report`: run folders to one self-contained HTML file, and its tables beside it."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.evaluate.analysis import Analysis, analyse
from modelsgenesis.evaluate.cells import Cell
from modelsgenesis.evaluate.results import Comparison, Result
from modelsgenesis.files import write_text
from modelsgenesis.places import located
from modelsgenesis.report import detail
from modelsgenesis.report.facts import Facts, common_settings, cost, read_facts, relative, spent, versions
from modelsgenesis.report.gather import gather
from modelsgenesis.report.groups import Group, example_groups, volumes_of
from modelsgenesis.report.page import exported, render
from modelsgenesis.report.published import JOURNAL, TARGETS_2D, TARGETS_3D
from modelsgenesis.report.restoration import ERROR_SHOWN, Pretraining, read_pretraining
from modelsgenesis.report.rows import Scores, arm_order, differences_table, score_rows, scores_table
from modelsgenesis.report.sections import comparisons, drawings, key_facts, run_groups, splits_table
from modelsgenesis.report.tables import Table, write_tables
from modelsgenesis.report.verdict import headline, verdict
from modelsgenesis.report.words import LONG, metric_name, target_title

TABLES = "report-tables"


@dataclass(frozen=True)
class Written:
    """What one `report` made.

    Attributes:
        page: the file.
        bytes: its size.
        tables: files of the tables.
        runs: fine-tuning runs and pre-trainings in it.
        left_out: folders that are not in it, with the reason.
    """

    page: Path
    bytes: int
    tables: tuple[Path, ...]
    runs: int
    left_out: tuple[tuple[Path, str], ...]

    def __str__(self) -> str:
        lines = [f"{self.page}: {self.runs} runs, {self.bytes / 1e6:.1f} MB; tables in {self.tables[0].parent}"]
        return "\n".join([*lines, *(f"  left out {path}: {reason}" for path, reason in self.left_out)])


def build_report(folders: Sequence[Path], out: Path, reference: str = "") -> Written:
    """Write the report of all runs at or below `folders` to `out`, and its tables into `report-tables` beside it.

    Args:
        folders: run folders, folders of runs, and folders of benchmarks.
        out: the HTML file.
        reference: the arm that others are compared with; empty: the plan's, or a start from scratch.

    Raises GenesisError when nothing in `folders` can be used, UsageError when no run is of the arm `reference`; what
    else cannot be used is listed in the report.
    """
    if not folders:
        raise UsageError("report: name at least one folder (genesis report --help)")
    found = gather(folders, reference)
    comparison = found.comparison
    if not comparison.results and not comparison.pretraining:
        first = found.left_out[0]
        raise GenesisError(f"{first[0]}: {_without(*first)}; none of the folders holds a finished run to report on")
    return write_report(comparison, out, found.left_out)


def write_report(comparison: Comparison, out: Path, left_out: Sequence[tuple[Path, str]] = ()) -> Written:
    """The same for a comparison that is loaded already."""
    out = located(out)
    beside = out.parent
    missing = list(left_out)
    facts = dict(_facts(comparison, beside, missing))
    pretrainings = list(_pretrainings(comparison, beside, missing))
    analysis = analyse(comparison)
    scores = score_rows(comparison, analysis, facts)
    groups = list(example_groups(comparison, scores, beside, missing))
    missing += [(failure.run, failure.message) for failure in comparison.failures]
    tables = _tables(comparison, analysis, scores, facts, pretrainings)
    context = _context(comparison, analysis, scores, facts, pretrainings, groups, tables, beside, missing)
    text = render(context, volumes_of(groups))
    write_text(out, text)
    written = write_tables(beside / TABLES, [table for table in tables.values() if table.rows])
    runs = len(comparison.results) + len(pretrainings)
    return Written(out, len(text.encode()), tuple(written), runs, tuple(missing))


def tables_of(comparison: Comparison, analysis: Analysis, beside: Path) -> dict[str, Table]:
    """The tables alone, by name; folders are shown relative to `beside`."""
    facts = dict(_facts(comparison, beside, []))
    pretrainings = list(_pretrainings(comparison, beside, []))
    return _tables(comparison, analysis, score_rows(comparison, analysis, facts), facts, pretrainings)


def _facts(comparison: Comparison, beside: Path, missing: list[tuple[Path, str]]) -> Iterable[tuple[str, Facts]]:
    for result in comparison.results:
        try:
            yield str(result.run), read_facts(result.run, beside)
        except GenesisError as error:
            missing.append((result.run, f"facts of the run: {_without(result.run, str(error))}"))


def _pretrainings(comparison: Comparison, beside: Path, missing: list[tuple[Path, str]]) -> Iterable[Pretraining]:
    """Each pre-training once, named after all arms that start from it."""
    order = arm_order(comparison)
    users: dict[Path, list[str]] = {}
    for arm, path in comparison.pretraining.items():
        users.setdefault(path, []).append(arm)
    for number, (path, arms) in enumerate(users.items()):
        colour = order.index(arms[0]) if arms[0] in order else number + 1
        try:
            yield read_pretraining(", ".join(arms), path, beside, number, colour)
        except GenesisError as error:
            missing.append((path, _without(path, str(error))))


def _tables(
    comparison: Comparison,
    analysis: Analysis,
    scores: Scores,
    facts: dict[str, Facts],
    pretrainings: Sequence[Pretraining],
) -> dict[str, Table]:
    found = [
        scores_table(scores, comparison),
        differences_table(analysis.comparisons, comparison),
        detail.labels_table(analysis, scores),
        detail.convergence_table(analysis.speeds, scores),
        detail.outcomes_table(comparison.results, scores),
        detail.published_table(_kinds(comparison, facts)),
        detail.restoration_table(pretrainings),
        splits_table(comparison, facts, scores),
        detail.trials_table(comparison.trials, scores),
        detail.runs_table(comparison, facts),
    ]
    return {table.name: table for table in found}


def _kinds(comparison: Comparison, facts: dict[str, Facts]) -> list[str]:
    """Target tasks of the papers that are among the results."""
    names = {result.target.lower() for result in comparison.results}
    names |= {str(one.manifest.get("target", "")).lower() for one in facts.values()}
    return [name for name in (*TARGETS_3D, *TARGETS_2D) if name in names]


def _context(
    comparison: Comparison,
    analysis: Analysis,
    scores: Scores,
    facts: dict[str, Facts],
    pretrainings: Sequence[Pretraining],
    groups: Sequence[Group],
    tables: dict[str, Table],
    beside: Path,
    missing: Sequence[tuple[Path, str]],
) -> dict[str, Any]:
    """Everything the templates name."""
    every = [*facts.values(), *(one.facts for one in pretrainings)]
    cells = {row.row.cell for row in scores.rows}
    outcomes = detail.outcomes_table([one for one in comparison.results if cell_of(one) in cells], scores)
    compared, fewer = comparisons(analysis, scores)
    full = [speed for speed in analysis.speeds if speed.cell in cells]
    drawn = drawings(analysis, scores)
    metrics = dict.fromkeys(result.metric for result in comparison.results)
    return {
        "title": _title(comparison),
        "headline": headline(comparison, analysis),
        "sentences": verdict(comparison, analysis),
        "spent": spent(cost(every)),
        "keys": key_facts(comparison, analysis, cost(every), len(pretrainings)),
        "sections": _sections(drawn, pretrainings, groups),
        "reference": comparison.reference,
        "scores": scores,
        "scores_table": tables["scores"],
        "kinds": _kinds(comparison, facts),
        "journal": JOURNAL,
        "metrics": [(metric_name(metric), LONG[metric]) for metric in metrics if metric in LONG],
        **drawn,
        "comparisons": compared,
        "fewer_labels": fewer,
        "differences": tables["differences"],
        "score_details": [outcomes] if outcomes.rows else [],
        "labels": tables["labels"] if tables["labels"].rows else None,
        "convergence": detail.convergence_table(full, scores) if full else None,
        "pretrainings": pretrainings,
        "restoration": tables["restoration"],
        "error_shown": ERROR_SHOWN,
        "groups": groups,
        "leaks": [(leak, relative(leak.pretraining, beside)) for leak in comparison.leaks],
        "scales": list(comparison.mismatches().items()),
        "splits": tables["splits"],
        "settings": _settings(comparison, facts, pretrainings),
        "tuning": tables["tuning"],
        "versions": versions(every) | {"machines": list(dict.fromkeys(str(o.manifest.get("machine")) for o in every))},
        "runs": tables["runs"],
        "run_groups": run_groups(scores, facts),
        "papers": tables["papers"],
        "left_out": [(relative(path, beside), _without(path, reason)) for path, reason in missing],
        "shown_path": lambda path: relative(path, beside),
        "exported": exported([table for table in tables.values() if table.rows]),
        "version": version("modelsgenesis"),
        "made": time.strftime("%Y-%m-%d %H:%M"),
    }


def cell_of(result: Result) -> Cell:
    """Where a run stands."""
    return Cell(result.target, result.backbone, result.fraction, result.metric)


def _title(comparison: Comparison) -> str:
    name = comparison.plan.get("name")
    return f"Report: {name}" if name else "Report of pre-training and fine-tuning"


def _sections(
    drawn: dict[str, Any], pretrainings: Sequence[Pretraining], groups: Sequence[Group]
) -> list[tuple[str, str]]:
    there = {
        ("scores", "Scores"): True,
        ("curves", "Curves"): drawn["efficiency"] or drawn["learning"],
        ("restoration", "Pre-training"): pretrainings,
        ("examples", "Examples"): groups,
        ("data", "Data and settings"): True,
    }
    return [section for section, is_there in there.items() if is_there]


def _settings(
    comparison: Comparison, facts: dict[str, Facts], pretrainings: Sequence[Pretraining]
) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """Of each target's runs, and of the pre-trainings: (title, the same in all, differing)."""
    groups: dict[str, dict[str, list[Facts]]] = {}
    for result in comparison.results:
        if str(result.run) in facts:
            of_target = groups.setdefault(f"Fine-tuning, {target_title(result.target)}", {})
            of_target.setdefault(result.arm, []).append(facts[str(result.run)])
    if pretrainings:
        groups["Pre-training"] = {one.arm: [one.facts] for one in pretrainings}
    return [(title, *common_settings(members)) for title, members in groups.items()]


def _without(path: Path, reason: str) -> str:
    """A message without the path it starts with."""
    return reason.removeprefix(f"{path}: ")
