"""Write what benchmarks found into a page: `python -m benchmarks.results_page NAME=FOLDER... [--page docs/results.md]`.

The page is written by hand but for the part between `<!-- NAME -->` and `<!-- end of NAME -->`, which becomes the
verdict and the tables of `genesis report` for the benchmark in FOLDER.
"""

import argparse
import re
import tempfile
from pathlib import Path

from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.analysis import analyse
from modelsgenesis.evaluate.reading import load_benchmark
from modelsgenesis.files import write_text
from modelsgenesis.report.build import build_report
from modelsgenesis.report.rows import score_rows
from modelsgenesis.report.tables import Table, as_markdown
from modelsgenesis.report.verdict import verdict

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
TABLES = ("labels", "convergence", "restoration", "splits")


def section(folder: Path) -> str:
    """Verdict and tables of a benchmark as Markdown."""
    comparison = load_benchmark(folder)
    analysis = analyse(comparison)
    with tempfile.TemporaryDirectory() as temporary:
        build_report([folder], Path(temporary, "report.html"))
        tables = [path for name in TABLES if (path := Path(temporary, "report-tables", f"{name}.md")).is_file()]
        written = [path.read_text(encoding="utf-8") for path in tables]
    scores = score_rows(comparison, analysis, {})
    order = list(dict.fromkeys(row.title for row in scores.every))
    ranked = sorted(scores.every, key=lambda row: (order.index(row.title), -row.row.cell.fraction))
    body = tuple((row.title, row.note or "all labels", row.metric, *(c.text for c in row.cells)) for row in ranked)
    notes = "Mean ± standard deviation over seeds; ▲ ▼: better or worse than the reference (p < 0.05, Holm)."
    shown = Table("scores", "Scores on the test subjects", ("target", "", "metric", *scores.arms), body, notes)
    columns = ("target", "labels, %", "arm", "difference", "p (Holm)", "p (papers' t-test)", "seeds", "outcome")
    differences = tuple(
        (
            one.cell.target,
            100 * one.cell.fraction,
            one.arm.arm,
            f"{one.difference.value:+.3f} [{one.difference.low:+.3f}, {one.difference.high:+.3f}]",
            one.adjusted.get("both", float("nan")),
            one.tests["papers"].p,
            len(one.arm.scores),
            one.outcome,
        )
        for one in analysis.comparisons
    )
    table = Table("differences", f"Differences from {comparison.reference}", columns, differences)
    hours = sum(result.seconds for result in comparison.results) / 3600
    counted = f"{len(comparison.results)} runs, {hours:.1f} hours of them alone."
    parts = [
        " ".join(sentence.text for sentence in verdict(comparison, analysis)),
        as_markdown(shown),
        *([as_markdown(table)] if differences else []),
    ]
    return "\n\n".join(part.strip() for part in [*parts, *written, counted]) + "\n"


def placed(page: str, name: str, text: str) -> str:
    """`page` with `text` as the part called `name`; UsageError when it has no such part."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(page):
        raise UsageError(f"the page has no part between <!-- {name} --> and <!-- end of {name} -->; write both lines")
    return pattern.sub(lambda found: f"{found[1]}\n{text.strip()}\n{found[2]}", page)


def main() -> None:
    """Rewrite the named parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    page = given.page.read_text(encoding="utf-8")
    for part in given.parts:
        name, _, folder = part.partition("=")
        page = placed(page, name, section(Path(folder)))
    write_text(given.page, page)


if __name__ == "__main__":
    main()
