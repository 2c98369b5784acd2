"""Named columns of a CSV file, with the line of each row for messages."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelsgenesis.errors import GenesisError


def read_columns(
    path: Path, wanted: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, values of `wanted` and then of `optional`) of each row that is not blank; values are stripped.

    A column of `optional` that is not there is empty everywhere. Other columns are not looked at: their names may hold
    commas.

    Raises GenesisError naming file and line: unreadable, a column of `wanted` missing or empty, no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            names = [name.strip() for name in next(reader, [])]
            missing = [name for name in wanted if name not in names]
            if missing:
                raise GenesisError(f"{path}: lacks the column {', '.join(missing)}; needs {', '.join(wanted)}")
            places = [names.index(name) if name in names else len(names) for name in (*wanted, *optional)]
            empty = True
            for row in reader:
                if not any(map(str.strip, row)):
                    continue
                empty = False
                values = tuple(row[place].strip() if place < len(row) else "" for place in places)
                for name, value in zip(wanted, values, strict=False):
                    if not value:
                        raise GenesisError(f"{path}, line {reader.line_num}: no {name}; complete or remove the line")
                yield reader.line_num, values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GenesisError(f"{path}: cannot be read as CSV ({error})") from error
    if empty:
        raise GenesisError(f"{path}: has no rows; copy it again")
