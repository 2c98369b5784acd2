"""`genesis embed`: features of many scans, or of a table of points, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelsgenesis.data.guarded import read_source
from modelsgenesis.data.index import Source, index, refuse_inside
from modelsgenesis.embedding import embed, feature_names
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import replacing, write_csv
from modelsgenesis.models.load import load
from modelsgenesis.places import located, several, writable
from modelsgenesis.progress import Progress
from modelsgenesis.tables import read_columns
from modelsgenesis.types import JSON

FEATURES, REJECTED = "features.csv", "rejected.csv"
COORDINATES = ("x", "y", "z")


@dataclass(frozen=True)
class EmbedSummary:
    """What `embed_scans` did: the folder, scans done and rejected, rows of the table."""

    out: Path
    done: int
    rejected: int
    rows: int

    def __str__(self) -> str:
        """For the console."""
        lost = f", {self.rejected} rejected, each in {REJECTED}" if self.rejected else ""
        return f"{self.out / FEATURES}: {self.rows} rows of {self.done} scans{lost}"


def embed_scans(
    model: str | Path,
    scans: str | Path | Sequence[str | Path],
    out: Path,
    points: Path | None = None,
    maps: bool = False,
) -> EmbedSummary:
    """Write the features of scans into the folder `out`: `features.csv`, with `maps` also NAME.npy (C, x, y, z).

    Args:
        model: as of `models.load.load`.
        scans: files, folders and globs, or a single one.
        out: the folder; it must lie apart from the scans.
        points: a table with the columns path (of the scan, seen from the table), x, y, z (mm, LPS): one row of
            features for each point, those of a scan in the order of the table; None: one row a scan.
        maps: write the maps.

    A scan that cannot be used is listed in `rejected.csv`, and the rest goes on. Raises UsageError for scans that do
    not exist, GenesisError for a wrong table and when no scan could be used.
    """
    out, given = writable(out), several(scans)
    refuse_inside(given, out)
    backbone = load(model)
    sources = index(given).sources
    wanted = None if points is None else _points(points, sources)
    sources = [source for source in sources if wanted is None or source.identifier in wanted]
    names = feature_names(backbone)
    rows: list[JSON] = []
    rejected: list[JSON] = []
    with Progress(len(sources), "embedding", "scans") as progress:
        for source in sources:
            try:
                volume = read_source(source)
                if maps:
                    with replacing(out / f"{source.identifier}.npy") as temporary, temporary.open("wb") as handle:
                        np.save(handle, embed(backbone, volume, maps=True))
                places = None if wanted is None else wanted[source.identifier]
                found = np.atleast_2d(embed(backbone, volume, places))
            except (GenesisError, UsageError) as error:
                rejected.append({"path": str(source.path), "reason": str(error).removeprefix(f"{source.path}: ")})
            else:
                for place, row in zip(places or [()], found.tolist(), strict=True):
                    about = {"scan": source.identifier, "subject": source.subject}
                    rows.append(
                        about | dict(zip(COORDINATES, place, strict=False)) | dict(zip(names, row, strict=True))
                    )
            progress.advance(note=f"{len(rejected)} rejected")
    write_csv(out / REJECTED, ("path", "reason"), rejected)
    if not rows:
        first = f"{rejected[0]['path']}: {rejected[0]['reason']}" if rejected else f"{points}: names none of them"
        raise GenesisError(f"no scan could be used; the first: {first}")
    columns = ("scan", "subject", *(() if wanted is None else COORDINATES), *names)
    write_csv(out / FEATURES, columns, rows)
    return EmbedSummary(out, len(sources) - len(rejected), len(rejected), len(rows))


def _points(path: Path, sources: Sequence[Source]) -> dict[str, list[tuple[float, ...]]]:
    """Identifier of a scan -> its points; GenesisError for a scan that is not among the sources."""
    table = located(path)
    known = {source.path: source.identifier for source in sources}
    found: dict[str, list[tuple[float, ...]]] = {}
    for line, (scan, *place) in read_columns(table, ("path", *COORDINATES), numbers=COORDINATES):
        place_of_scan = located(table.parent / scan)
        if place_of_scan not in known:
            raise GenesisError(f"{table}, line {line}: {scan} is none of the scans given; name it, or correct the path")
        found.setdefault(known[place_of_scan], []).append(tuple(float(value) for value in place))
    return found
