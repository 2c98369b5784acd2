"""The one reader of CSV files: named columns as people and spreadsheets save them, with the line of each row.

- Separators are comma, semicolon and tab; the header decides, or the line `sep=;` that Excel puts above it.
- Headers are matched without regard to capitals and spaces around and between words; an exact match goes first.
- Text is UTF-8 with or without a byte-order mark, or UTF-16 with one. Bytes that are not UTF-8 are kept where file
  names may stand (columns `path` and `reason`) and in columns that are not asked for; elsewhere they are refused.
- Blank lines, rows of separators alone and separators at the end of a row are passed over.
- A decimal comma ("12,5") is read where the separator is another sign, and refused where it is the comma.
"""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from modelsgenesis.errors import GenesisError

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LISTED = 12
_ANY_BYTES = ("path", "reason")
_OF_EXCEL = re.compile(r'"?sep=([,;\t])"?')
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")

Row = tuple[int, tuple[str, ...]]
"""The line a row begins on, counted from 1, and its values."""


def read_columns(
    path: Path,
    wanted: Sequence[str],
    optional: Sequence[str] = (),
    blank: Sequence[str] = (),
    numbers: Sequence[str] = (),
    may_be_empty: bool = False,
) -> Iterator[Row]:
    """(line, values of `wanted` and then of `optional`) of each row that is not blank; values are stripped.

    Args:
        path: the file.
        wanted: columns that must be there. Others are not looked at: their names may hold separators.
        optional: columns that are empty everywhere when they are not there.
        blank: those of `wanted` whose values may be empty.
        numbers: columns whose values must be finite numbers; a decimal comma becomes a point.
        may_be_empty: whether a header without rows will do.

    Raises GenesisError naming file, line, column and value: unreadable, not text, a column of `wanted` missing, there
    twice or empty, more values than columns, what is no number, no rows.
    """
    names, number, filled = (*wanted, *optional), frozenset(numbers), frozenset(wanted) - frozenset(blank)
    with _opened(path) as handle:
        reader, separator, above = _after_header(path, handle, wanted)
        header = _stripped(next(_rows(path, reader, above))[1])
        places = [_place(path, name, header, separator, wanted if name in wanted else ()) for name in names]
        needed = [index for index, name in enumerate(names) if name in filled]
        numeric = [index for index, name in enumerate(names) if name in number]
        empty = True
        for line, row in _rows(path, reader, above):
            if not any(row) or not any(map(str.strip, row)):
                continue
            empty = False
            if len(row) > len(header) and any(map(str.strip, row[len(header) :])):
                raise GenesisError(
                    f"{path}, line {line}: {len(row)} values for {len(header)} columns ({separator.join(row)[:80]!r}); "
                    f"put quotes around values that hold {SEPARATORS[separator]}"
                )
            values = tuple(row[place].strip() if 0 <= place < len(row) else "" for place in places)
            if not _plainly_good(values, needed, numeric):
                values = tuple(
                    _checked(value, name, f"{path}, line {line}", separator, name in filled, name in number)
                    for name, value in zip(names, values, strict=True)
                )
            yield line, values
    if empty and not may_be_empty:
        raise GenesisError(f"{path}: has no rows below its header; add them or copy it again")


def _opened(path: Path) -> TextIO:
    try:
        with path.open("rb") as handle:
            begin = handle.read(2)
        encoding = "utf-16" if begin in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return path.open(newline="", encoding=encoding, errors="surrogateescape")
    except OSError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error


def _after_header(path: Path, handle: TextIO, wanted: Sequence[str]) -> tuple["Reader", str, int]:
    """A reader that begins with the header, the separator, and the number of lines above the header."""
    above, given = 0, ""
    try:
        for line in handle:
            mark = _OF_EXCEL.fullmatch(line.rstrip("\r\n"))  # a tab may be the sign itself
            if mark is None and line.strip(" \t\r\n,;"):
                break
            above, given = above + 1, mark[1] if mark else given
        else:
            raise GenesisError(f"{path}: is empty; needs the columns {', '.join(wanted)}")
    except UnicodeError as error:
        raise GenesisError(f"{path}: cannot be read as CSV ({error}); save it as CSV in UTF-8") from error
    separator = given or max(SEPARATORS, key=lambda sign: _fit(line, sign, wanted))
    return csv.reader(chain([line], handle), delimiter=separator, strict=True), separator, above


def _fit(line: str, separator: str, wanted: Sequence[str]) -> tuple[int, int]:
    """How many wanted columns the header has with this separator, and how many it has in all."""
    cells = next(csv.reader([line], delimiter=separator), [])
    names = set(map(_plain, cells))
    return sum(_plain(name) in names for name in wanted), len(cells)


def _rows(path: Path, reader: "Reader", above: int) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each further row, blank ones too."""
    line = above + reader.line_num + 1
    try:
        for row in reader:
            yield line, row
            line = above + reader.line_num + 1
    except (csv.Error, UnicodeError) as error:
        raise GenesisError(
            f"{path}, line {line}: cannot be read as CSV ({error}); close its quotes, or save it as CSV in UTF-8"
        ) from error


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _place(path: Path, name: str, header: Sequence[str], separator: str, wanted: Sequence[str]) -> int:
    """The number of the column called `name`; -1 for one that is not there and need not be."""
    plain = _plain(name)
    found = [place for place, cell in enumerate(header) if cell == name]
    found = found or [place for place, cell in enumerate(header) if _plain(cell) == plain]
    if len(found) > 1:
        raise GenesisError(
            f"{path}: the column {name} is there twice, as {found[0] + 1}. and {found[1] + 1}.; keep one"
        )
    if not found and wanted:
        known = {_plain(cell) for cell in header}
        missing = ", ".join(name for name in wanted if _plain(name) not in known)
        there = ", ".join(header[:_LISTED]) + (", ..." if len(header) > _LISTED else "")
        parted = f"separated by {SEPARATORS[separator]}" if len(header) > 1 else "one column; separate them by commas"
        raise GenesisError(f"{path}: lacks the column {missing}; needs {', '.join(wanted)}, has {there} ({parted})")
    return found[0] if found else -1


def _plainly_good(values: Sequence[str], needed: Sequence[int], numeric: Sequence[int]) -> bool:
    """Whether a row needs no further look, as most of a million do not: plain text, nothing absent, finite numbers."""
    try:
        for index in numeric:
            if not math.isfinite(float(values[index])):
                return False
    except ValueError:
        return False
    return "".join(values).isascii() and all(values[index] for index in needed)


def _checked(value: str, name: str, place: str, separator: str, filled: bool, number: bool) -> str:
    """The value as it is to be used; GenesisError when it cannot be."""
    if not value and filled:
        raise GenesisError(f"{place}: no {name}; complete or remove the line")
    if _plain(name) not in _ANY_BYTES and any("\udc80" <= sign <= "\udcff" for sign in value):
        shown = value.encode("utf-8", "surrogateescape").decode("latin-1")
        raise GenesisError(f"{place}: {name} {shown!r} is not UTF-8; save the table as CSV in UTF-8")
    if not number or not value:
        return value
    text = value.replace(",", ".") if separator != "," and _DECIMAL_COMMA.fullmatch(value) else value
    try:
        fits = math.isfinite(float(text))
    except ValueError:
        fits = False
    if not fits:
        comma = " (a decimal comma needs semicolons or tabs between the columns)" if "," in value else ""
        raise GenesisError(f"{place}: {name} {value[:60]!r} must be a number{comma}; correct the line")
    return text
