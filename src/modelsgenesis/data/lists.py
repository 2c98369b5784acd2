"""What a store lists beside its scans: `rejected.csv`, scans that cannot be used, and `not_read.csv`, other files."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from modelsgenesis.data.index import Source
from modelsgenesis.data.walk import Entry
from modelsgenesis.files import ENCODING, ODD_BYTES, write_csv

REJECTED, NOT_READ = "rejected.csv", "not_read.csv"
_COLUMNS = ("path", "series", "reason")
_SORTED_BY = ("path", "series")


def write_rejected(store: Path, sources: Iterable[Source], rejected: Iterable[tuple[Source, str]]) -> None:
    """List (source, reason), and what earlier calls with other inputs than `sources` rejected."""
    ours = {(str(source.path), source.series or "") for source in sources}
    rows = [row for row in _rows(store / REJECTED) if (row["path"], row["series"]) not in ours]
    for source, reason in rejected:
        rows.append({"path": str(source.path), "series": source.series or "", "reason": reason})
    write_csv(store / REJECTED, _COLUMNS, sorted(rows, key=lambda row: [row[name] for name in _SORTED_BY]))


def write_unread(store: Path, sources: Iterable[Source], unread: Iterable[Entry]) -> None:
    """List the files that nobody reads, and those that earlier calls with other inputs met and that are still there."""
    ours = {str(source.path) for source in sources} | {str(one.path) for one in unread}
    rows = [row for row in _rows(store / NOT_READ) if row["path"] not in ours and Path(row["path"]).exists()]
    rows += [{"path": str(one.path), "reason": one.problem} for one in unread]
    write_csv(store / NOT_READ, ("path", "reason"), sorted(rows, key=lambda row: row["path"]))


def without_figures(reasons: Iterable[str]) -> dict[str, int]:
    """Reasons without the figures that differ from scan to scan, to how many there are; most first."""
    counts = Counter(reason.split(",")[0].split(" (")[0].split(";")[0] for reason in reasons)
    return dict(counts.most_common())


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding=ENCODING, errors=ODD_BYTES) as handle:
        return list(csv.DictReader(handle))
