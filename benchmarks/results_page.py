"""Write what benchmarks found into a page: `python -m benchmarks.results_page NAME=FOLDER... [--page docs/results.md]`.

The page is written by hand but for the part between `<!-- NAME -->` and `<!-- end of NAME -->`, which becomes the
verdict and the tables of `genesis report` for the benchmark in FOLDER. A part called NAME:ARM, where there is one,
becomes the verdict and the differences with ARM as the reference.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.analysis import Analysis, analyse
from modelsgenesis.evaluate.reading import load_benchmark
from modelsgenesis.evaluate.results import Comparison
from modelsgenesis.files import write_text
from modelsgenesis.report.build import tables_of
from modelsgenesis.report.rows import differences_table, score_rows
from modelsgenesis.report.tables import Table, as_markdown
from modelsgenesis.report.verdict import verdict

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
DIFFERENCES = ("target", "labels, %", "arm", "difference", "low", "high", "p (Holm)", "seeds", "subjects", "outcome")


def section(folder: Path) -> str:
    """Verdict and tables of a benchmark as Markdown."""
    comparison = load_benchmark(folder)
    analysis = analyse(comparison)
    found = tables_of(comparison, analysis, folder)
    tables = [_scores(comparison, analysis), _columns(found["differences"], DIFFERENCES)]
    tables += [found[name] for name in ("labels", "convergence", "tuning", "splits")]
    hours = sum(result.seconds for result in comparison.results) / 3600
    return _joined(comparison, analysis, tables, f"{len(comparison.results)} runs, {hours:.1f} hours of them alone.")


def against(folder: Path, arm: str) -> str:
    """Verdict and differences of a benchmark with `arm` as the reference."""
    comparison = load_benchmark(folder).against(arm)
    analysis = analyse(comparison)
    return _joined(comparison, analysis, [_columns(differences_table(analysis.comparisons, comparison), DIFFERENCES)])


def _joined(comparison: Comparison, analysis: Analysis, tables: Sequence[Table], *last: str) -> str:
    told = " ".join(sentence.text for sentence in verdict(comparison, analysis))
    parts = [told, *(as_markdown(table) for table in tables if table.rows), *last]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _scores(comparison: Comparison, analysis: Analysis) -> Table:
    """Every share of the labels, those of a target together."""
    scores = score_rows(comparison, analysis, {})
    order = list(dict.fromkeys(row.title for row in scores.every))
    ranked = sorted(scores.every, key=lambda row: (order.index(row.title), -row.row.cell.fraction))
    body = tuple((row.title, row.note or "all labels", row.metric, *(c.text for c in row.cells)) for row in ranked)
    notes = "Mean ± standard deviation over seeds; ▲ ▼: better or worse than the reference (p < 0.05, Holm)."
    return Table("scores", "Scores on the test subjects", ("target", "", "metric", *scores.arms), body, notes)


def _columns(table: Table, names: Sequence[str]) -> Table:
    chosen = [table.columns.index(name) for name in names]
    return replace(table, columns=tuple(names), rows=tuple(tuple(row[c] for c in chosen) for row in table.rows))


def placed(page: str, name: str, text: str) -> str:
    """`page` with `text` as the part called `name`; UsageError when it has no such part."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(page):
        raise UsageError(f"the page has no part between <!-- {name} --> and <!-- end of {name} -->; write both lines")
    return pattern.sub(lambda found: f"{found[1]}\n{text.strip()}\n{found[2]}", page)


def filled(page: str, name: str, folder: Path) -> str:
    """`page` with all parts of the benchmark called `name`."""
    page = placed(page, name, section(folder))
    for arm in re.findall(rf"<!-- {re.escape(name)}:(\S+) -->", page):
        page = placed(page, f"{name}:{arm}", against(folder, arm))
    return page


def main() -> None:
    """Rewrite the named parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    page = given.page.read_text(encoding="utf-8")
    for part in given.parts:
        name, _, folder = part.partition("=")
        page = filled(page, name, Path(folder))
    write_text(given.page, page)


if __name__ == "__main__":
    main()
