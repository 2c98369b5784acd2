"""Export of tables: what a spreadsheet, a Markdown renderer and LaTeX make of awkward contents."""

import csv
import io
import math
from pathlib import Path

from modelsgenesis.report.tables import Table, as_csv, as_latex, as_markdown, shown, write_tables

AWKWARD = Table(
    "awkward",
    "Title_1 & more",
    ("name", "value", "steps"),
    (
        ("a|b", 0.123456789, 100.0),
        ("50 % \\ {x} ~ ^ # $", math.nan, 250.0),
        ('=HYPERLINK("http://x")', -1.5, math.inf),
        ("<script>alert(1)</script>\nnext", 2.0, 3.0),
    ),
    "± 1, p < 0.05",
    frozenset({(0, 1)}),
)


def test_csv_keeps_full_precision_and_runs_nothing() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(AWKWARD))))
    assert rows[0] == ["name", "value", "steps"]
    assert float(rows[1][1]) == 0.123456789
    assert rows[3][0].startswith("'=")
    assert float(rows[3][1]) == -1.5
    assert rows[4][0] == "<script>alert(1)</script>\nnext"


def test_csv_guards_only_texts() -> None:
    table = Table("t", "t", ("a",), (("-",), ("+0.5",), ("@x",), ("-3e-05",), ("",)))
    assert [row[0] if row else "" for row in csv.reader(io.StringIO(as_csv(table)))][1:] == [
        "'-",
        "+0.5",
        "'@x",
        "-3e-05",
        "",
    ]


def test_markdown_rows_have_as_many_cells_as_columns() -> None:
    lines = [line for line in as_markdown(AWKWARD).splitlines() if line.startswith("|")]
    assert len(lines) == 6
    assert all(line.replace("\\|", "").count("|") == 4 for line in lines)
    assert "**0.123**" in lines[2]
    assert "<script>" not in as_markdown(AWKWARD)


def test_latex_escapes_what_latex_reads() -> None:
    text = as_latex(AWKWARD)
    assert r"50 \% \textbackslash{} \{x\} \textasciitilde{} \textasciicircum{} \# \$" in text
    assert r"Title\_1 \& more." in text
    assert r"\textbf{0.123}" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert all(line.count(" & ") == 2 for line in body.splitlines() if line.endswith(r"\\"))


def test_columns_have_the_same_decimals() -> None:
    assert [row[1] for row in shown(AWKWARD)] == ["0.123", "–", "\N{MINUS SIGN}1.500", "2.000"]
    assert [row[2] for row in shown(AWKWARD)] == ["100", "250", "∞", "3"]


def test_no_p_value_is_shown_as_0() -> None:
    table = Table("t", "t", ("p (Holm)", "pixels"), ((1e-9, 1e-9), (0.5, 0.5), (math.nan, 1.0)))
    assert shown(table) == [["< 0.001", "0.000"], ["0.500", "0.500"], ["–", "1.000"]]
    assert "$<$ 0.001" in as_latex(table)
    assert "0.001" not in as_csv(table)


def test_files_are_written_beside(tmp_path: Path) -> None:
    paths = write_tables(tmp_path / "tables", [AWKWARD])
    assert sorted(path.name for path in paths) == ["awkward.csv", "awkward.md", "awkward.tex"]
    assert paths[0].read_text(encoding="utf-8") == as_csv(AWKWARD)
