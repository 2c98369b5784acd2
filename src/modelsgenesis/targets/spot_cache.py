"""Candidates that must be found in the voxels of scans: found once, kept, and trusted while nothing has changed."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelsgenesis.config import digest
from modelsgenesis.files import write_json
from modelsgenesis.progress import Progress
from modelsgenesis.targets.spots import VERSION, Found, Spot


@dataclass(frozen=True)
class SearchedScan:
    """A scan whose candidates are not listed anywhere.

    Args:
        id: unique, safe as a file name.
        subject: whom it shows.
        image: the file, or the folder of its DICOM series; absolute.
        inputs: every file its candidates depend on.
        settings: whatever else they depend on.
        find: finds them; reads voxels. GenesisError names the file.
    """

    id: str
    subject: str
    image: Path
    inputs: tuple[Path, ...]
    settings: str
    find: Callable[[], Found]


def search(scans: Sequence[SearchedScan], cache: Path) -> list[Found]:
    """The candidates of each scan, from `cache` or found now, with progress; a search cut short goes on where it was.

    The file of a scan is named after its inputs (names, sizes, times) and carries a digest of what it holds; a changed
    scan or a damaged file is searched again.
    """
    places = [_place(scan, cache) for scan in scans]
    kept = [_load(place) for place in places]
    missing = [index for index, found in enumerate(kept) if found is None]
    if missing:
        with Progress(len(missing), "finding candidates", "scans") as progress:
            for index in missing:
                found = scans[index].find()
                content = {"spots": [asdict(spot) for spot in found.spots], "findings": list(found.findings)}
                write_json(places[index], {**content, "digest": digest(content)})
                kept[index] = found
                progress.advance()
    return [found for found in kept if found is not None]


def _place(scan: SearchedScan, cache: Path) -> Path:
    states = [(os.path.relpath(path, scan.image.parent), path.stat()) for path in scan.inputs]
    stamps = [[name, state.st_size, state.st_mtime_ns] for name, state in states]
    return cache.absolute() / "ecc" / f"{scan.id}-{digest([VERSION, scan.settings, stamps])}.json"


def _load(path: Path) -> Found | None:
    """What the file holds; None when it is absent or not as it was written."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = content.pop("digest")
        if digest(content) != written:
            return None
        spots = tuple(Spot(tuple(one["centre"]), one["label"], one["finding"]) for one in content["spots"])
        return Found(spots, tuple(content["findings"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
