"""LUNA16 as downloaded: which scans are there, in which of the ten subsets, and where its tables lie."""

import re
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.data.formats.text_headers import read_text_header
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.tables import read_columns

SUBSETS = 10
DOWNLOAD = (
    "download LUNA16 (luna16.grand-challenge.org) and unpack it to subset0/ to subset9/ beside candidates_V2.csv and "
    "annotations.csv"
)

_SUBSET = re.compile(r"subset[ _-]?(\d)")


@dataclass(frozen=True)
class LunaScan:
    """A scan: its SeriesInstanceUID, its .mhd file (absolute) and its subset, 0 to 9."""

    uid: str
    path: Path
    subset: int


def side_of(subset: int) -> str:
    """The papers' side of a subset (PAPER 2): 0 to 4 training, 5 and 6 validation, 7 to 9 test."""
    return "training" if subset <= 4 else "validation" if subset <= 6 else "test"


def find_scans(data: Path) -> list[LunaScan]:
    """The scans below `data/subset*`, by UID; macOS' `._*` are ignored.

    Raises GenesisError: no scan at all, a UID in two places, an .mhd whose .raw is missing or cut short.
    """
    found: dict[str, LunaScan] = {}
    for folder in sorted(data.iterdir()) if data.is_dir() else []:
        named = _SUBSET.fullmatch(folder.name.lower())
        if named is None or not folder.is_dir():
            continue
        for path in sorted(folder.rglob("*.mhd")):
            if path.name.startswith("."):
                continue
            scan = LunaScan(path.name.removesuffix(".mhd"), path.absolute(), int(named[1]))
            first = found.setdefault(scan.uid, scan)
            if first is not scan:
                raise GenesisError(f"{scan.path}: the same series as {first.path}; remove one of them")
            _require_voxels(scan.path)
    if not found:
        raise GenesisError(f"{data}: holds no subset*/<series UID>.mhd; {DOWNLOAD}")
    return [found[uid] for uid in sorted(found)]


def _require_voxels(path: Path) -> None:
    """The file with the voxels is there and long enough; GenesisError otherwise."""
    try:
        payload = read_text_header(path).payload
        if payload is None:
            return
        if not payload.file.is_file():
            raise GenesisError(f"{path}: its voxels, {payload.file.name}, are missing; copy that file again")
        there = payload.file.stat().st_size - payload.skip
    except OSError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror or error}); copy it again") from error
    if not payload.compressed and there < payload.needed:
        raise GenesisError(f"{payload.file}: cut short, {there} of {payload.needed} bytes; copy it again")


def find_table(data: Path, names: tuple[str, ...]) -> Path | None:
    """The first of `names` in `data` or a folder directly below it (CSVFILES/); None when there is none.

    Raises GenesisError when several folders hold it and `data` itself does not.
    """
    for name in names:
        if (data / name).is_file():
            return (data / name).absolute()
        below = sorted(path.absolute() for path in data.glob(f"*/{name}") if path.is_file())
        if len(below) > 1:
            raise GenesisError(f"{data}: {name} lies in {below[0].parent.name} and in {below[1].parent.name}; keep one")
        if below:
            return below[0]
    return None


def series_subsets(luna16: Path) -> dict[str, int]:
    """Series UID -> subset, of a LUNA16 download (headers are not opened) or a CSV with seriesuid and subset.

    Raises UsageError naming the path: absent, no scans, a subset that is not 0 to 9; GenesisError for a CSV file that
    cannot be read or lacks a column.
    """
    if luna16.is_dir():
        named = {folder: _SUBSET.fullmatch(folder.name.lower()) for folder in sorted(luna16.iterdir())}
        subsets = {
            path.name.removesuffix(".mhd"): int(match[1])
            for folder, match in named.items()
            if match is not None
            for path in folder.rglob("*.mhd")
            if not path.name.startswith(".")
        }
        if not subsets:
            raise UsageError(f"luna16: {luna16} holds no subset*/<series UID>.mhd; {DOWNLOAD}")
        return subsets
    if not luna16.is_file():
        raise UsageError(f"luna16: {luna16} is neither a LUNA16 folder nor a CSV file; correct the path")
    subsets = {}
    for line, (series, subset) in read_columns(luna16, ("seriesuid", "subset")):
        digit = re.fullmatch(r"(?:subset)?(\d)", subset)
        if digit is None:
            raise UsageError(f"luna16: {luna16}, line {line}: subset {subset!r} must be 0 to 9")
        subsets[series] = int(digit[1])
    return subsets
