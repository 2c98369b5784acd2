"""Tables as data, and their export as CSV, Markdown and LaTeX."""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.files import write_text
from modelsgenesis.report.words import MINUS, p_value

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "\N{MINUS SIGN}": "$-$",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "†": r"$^\dagger$",
    "²": r"$^2$",
    "…": r"\dots{}",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
}


Value = str | float | int
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Table:
    """A table to be exported.

    Args:
        name: of its files; letters, digits and hyphens.
        title: what it shows.
        columns: names; those called `p` or `p (...)` hold p-values, which are never shown as 0.
        rows: a text or a number a cell; a float is written in full to CSV and rounded elsewhere.
        notes: what a reader must know, below the table.
        emphasised: (row, column) of cells that are marked as best.
        decimals: of floats, everywhere but in CSV.
        places: for each row the identifier in the page of what it was made from; empty: none.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: str = ""
    emphasised: frozenset[tuple[int, int]] = frozenset()
    decimals: int = 3
    places: tuple[str, ...] = ()


def as_csv(table: Table) -> str:
    """Comma-separated, full precision; texts that a spreadsheet would run as a formula get an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_inert(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def _inert(cell: Value) -> Value:
    is_formula = isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell[:1] != "" and not _is_number(cell)
    return f"'{cell}" if is_formula else cell


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", text) is not None


def as_markdown(table: Table) -> str:
    """A pipe table under its title; the best in bold."""

    def cell(text: str, best: bool) -> str:
        safe = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
        return f"**{safe}**" if best and safe else safe

    lines = [[cell(name, False) for name in table.columns], ["---"] * len(table.columns), *_cells(table, cell)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{table.title}**\n\n{body}\n" + (f"\n{table.notes}\n" if table.notes else "")


def as_latex(table: Table) -> str:
    """A `table` with booktabs; the best in bold."""

    def cell(text: str, best: bool) -> str:
        safe = _tex(text)
        return rf"\textbf{{{safe}}}" if best and safe else safe

    columns = "l" * len(table.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_tex(' '.join([table.title + '.', table.notes]).strip())}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_tex(name) for name in table.columns) + r" \\",
        r"\midrule",
        *(" & ".join(line) + r" \\" for line in _cells(table, cell)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(["% needs \\usepackage{booktabs,amssymb}", *lines]) + "\n"


def _tex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text).replace("\n", " ")


def _cells(table: Table, cell: Callable[[str, bool], str]) -> list[list[str]]:
    return [
        [cell(text, (number, column) in table.emphasised) for column, text in enumerate(row)]
        for number, row in enumerate(shown(table))
    ]


def shown(table: Table) -> list[list[str]]:
    """The cells as a reader sees them: floats of a column all with the same decimals, none where all are whole."""
    columns = []
    for index, name in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        is_p = name.split(" ")[0] == "p"
        columns.append([p_value(float(cell)) for cell in cells] if is_p else _column(cells, table.decimals))
    return [list(row) for row in zip(*columns, strict=True)]


def _column(cells: Sequence[Value], decimals: int) -> list[str]:
    numbers = [cell for cell in cells if isinstance(cell, float) and math.isfinite(cell)]
    digits = 0 if all(number.is_integer() for number in numbers) else decimals
    if numbers and max(map(abs, numbers)) >= 10:
        digits = min(digits, 1)
    return [_text(cell, digits) for cell in cells]


def _text(cell: Value, digits: int) -> str:
    if not isinstance(cell, float):
        return str(cell)
    if math.isnan(cell):
        return "–"
    return (
        f"{'-' if cell < 0 else ''}∞".replace("-", MINUS)
        if math.isinf(cell)
        else f"{cell:.{digits}f}".replace("-", MINUS)
    )


FORMATS: dict[str, Callable[[Table], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}


def write_tables(folder: Path, tables: Sequence[Table]) -> list[Path]:
    """Write every table in every format into `folder`; the paths."""
    paths = []
    for table in tables:
        for ending, form in FORMATS.items():
            paths.append(folder / f"{table.name}.{ending}")
            write_text(paths[-1], form(table))
    return paths
