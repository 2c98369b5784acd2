"""What a store lists beside its scans: `rejected.csv`, scans that cannot be used, and `not_read.csv`, other files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from modelsgenesis.data.index import Source
from modelsgenesis.data.walk import Entry
from modelsgenesis.files import write_csv
from modelsgenesis.tables import read_columns

REJECTED, NOT_READ = "rejected.csv", "not_read.csv"
_COLUMNS, _UNREAD_COLUMNS = ("path", "series", "reason"), ("path", "reason")
_SORTED_BY = ("path", "series")


def write_rejected(store: Path, sources: Iterable[Source], rejected: Iterable[tuple[Source, str]]) -> None:
    """List (source, reason), and what earlier calls with other inputs than `sources` rejected."""
    ours = {(str(source.path), source.series or "") for source in sources}
    rows = [row for row in _rows(store / REJECTED, _COLUMNS) if (row["path"], row["series"]) not in ours]
    for source, reason in rejected:
        rows.append({"path": str(source.path), "series": source.series or "", "reason": reason})
    write_csv(store / REJECTED, _COLUMNS, sorted(rows, key=lambda row: [row[name] for name in _SORTED_BY]))


def write_unread(store: Path, sources: Iterable[Source], unread: Iterable[Entry]) -> None:
    """List the files that nobody reads, and those that earlier calls with other inputs met and that are still there."""
    ours = {str(source.path) for source in sources} | {str(one.path) for one in unread}
    rows = [
        row
        for row in _rows(store / NOT_READ, _UNREAD_COLUMNS)
        if row["path"] not in ours and Path(row["path"]).exists()
    ]
    rows += [{"path": str(one.path), "reason": one.problem} for one in unread]
    write_csv(store / NOT_READ, _UNREAD_COLUMNS, sorted(rows, key=lambda row: row["path"]))


def without_figures(reasons: Iterable[str]) -> dict[str, int]:
    """Reasons without the figures that differ from scan to scan, to how many there are; most first."""
    counts = Counter(reason.split(",")[0].split(" (")[0].split(";")[0] for reason in reasons)
    return dict(counts.most_common())


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    if not path.exists():
        return []
    rows = read_columns(path, columns, blank=("series",), may_be_empty=True)
    return [dict(zip(columns, values, strict=True)) for _, values in rows]
