"""Files, folders and globs to a list of sources, one a volume, with names, subjects and content digests."""

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from modelsgenesis.data.formats.dicom import is_dicom, list_series
from modelsgenesis.data.formats.headers import data_file
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.places import located
from modelsgenesis.tables import read_columns

VOLUME_SUFFIXES = (".nii.gz", ".nii", ".mhd", ".mha", ".nrrd", ".nhdr")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
SUFFIXES = VOLUME_SUFFIXES + IMAGE_SUFFIXES

_LONGEST_IDENTIFIER = 150
_BLOCK = 2**20


@dataclass(frozen=True)
class Source:
    """One volume as it lies on disk.

    Args:
        path: the file, or the folder of a DICOM series; absolute.
        series: SeriesInstanceUID of a DICOM series, else None.
        identifier: unique among the sources, safe as a file name.
        subject: whom it shows.
        files: the files of a DICOM series, else empty.
    """

    path: Path
    series: str | None
    identifier: str
    subject: str
    files: tuple[Path, ...] = ()

    def digest(self) -> str:
        """Hash of the content of its files, with the data file of a detached header; 32 hexadecimal digits.

        Raises:
            GenesisError: when one cannot be read.
        """
        detached = data_file(self.path) if not self.files else None
        files = self.files or (self.path, *([detached] if detached is not None and detached.is_file() else []))
        hasher = hashlib.blake2b(digest_size=16)
        try:
            for file in files:
                hasher.update(f"{file.stat().st_size} ".encode())  # so that bytes cannot move between files unnoticed
                with file.open("rb") as handle:
                    while block := handle.read(_BLOCK):
                        hasher.update(block)
        except OSError as error:
            raise GenesisError(f"{self.path}: cannot be read ({error.strerror}); check the file") from error
        return hasher.hexdigest()


def refuse_inside(inputs: Sequence[str | Path], store: Path) -> None:
    """UsageError when the folder `store` is among the inputs, holds one, or lies in one: data and store would mix."""
    folder = Path(os.path.realpath(store))
    for given in inputs:
        for entry in _expand(str(given)):
            place = Path(os.path.realpath(entry))
            how = "is" if place == folder else "lies in" if place in folder.parents else "holds"
            if how != "holds" or folder in place.parents:
                raise UsageError(f"--out {store}: {how} {entry}, which is to be read; choose a folder apart from it")


def subject_remark(sources: Sequence[Source], rule: str) -> str:
    """What a user must hear when many scans are of one subject, so that no split can part them; empty otherwise."""
    subjects = {source.subject for source in sources}
    if len(sources) < 2 or len(subjects) > 1 or rule not in ("auto", "folder"):
        return ""
    told = "the DICOM PatientID" if rule == "auto" else "the name of their folder"
    other = "--subject folder (each patient in a folder), or " if rule == "auto" else ""
    return (
        f"all {len(sources)} scans are of one subject, {subjects.pop()!r} ({told}), so none can be held out; "
        f"if they are of several, use {other}--subject FILE.csv (columns path and subject)"
    )


def index_sources(inputs: Sequence[str | Path], subject: str = "auto") -> list[Source]:
    """All volumes under `inputs`, sorted by path, each once.

    Hidden files and macOS' `._*` are skipped, and so is whatever is no image; a .raw file belongs to its .mhd.

    Args:
        inputs: files, folders (searched with all below them) and globs.
        subject: "auto" (DICOM PatientID, else the identifier), "folder" (name of the folder that holds the scan), or a
            CSV file with the columns path and subject, whose paths are matched as ends of the scans' paths.

    Raises:
        UsageError: an input that does not exist, or a CSV file that does not name the subject of every scan.
        GenesisError: no scan at all.
    """
    roots: list[Path] = []
    volumes: dict[str, Path] = {}
    slices: dict[str, tuple[Path, set[str]]] = {}
    for given in inputs:
        for entry in _expand(str(given)):
            roots.append(entry if entry.is_dir() else entry.parent)
            for path in walk_files(entry):
                if path.name.lower().endswith(SUFFIXES):
                    volumes.setdefault(os.path.realpath(path), path)
                elif is_dicom(path):
                    slices.setdefault(os.path.realpath(path.parent), (path.parent, set()))[1].add(path.name)
    found = [Source(path, None, "", "") for path in volumes.values()]
    for folder, names in slices.values():
        found += _series_sources(folder, names)
    if not found:
        raise GenesisError(f"{', '.join(map(str, inputs))}: no scans found; known are {' '.join(SUFFIXES)} and DICOM")
    root = Path(os.path.commonpath([str(folder) for folder in roots]))
    found.sort(key=lambda source: (str(source.path), source.series or ""))
    return _with_subjects(_with_identifiers(found, root), subject)


def _expand(given: str) -> list[Path]:
    """A path, or what a glob matches; absolute."""
    path = located(given)
    if path.exists():
        return [path]
    matches = _matches(Path(path.anchor), path.parts[1:]) if glob.has_magic(given) else []
    if not matches:
        raise UsageError(f"{given}: no such file or folder, and no glob that matches any; check the path")
    return sorted(matches)


def _matches(folder: Path, pattern: tuple[str, ...]) -> list[Path]:
    """What a glob, part by part, matches below `folder`. Unlike Python's, it survives links that lead in circles."""
    if not pattern:
        return [folder]
    part, rest = pattern[0], pattern[1:]
    if part == "**":
        return [match for below in _folders(folder) for match in (_matches(below, rest) if rest else [below])]
    if not glob.has_magic(part) or (folder / part).exists():  # brackets may be part of a name
        return _matches(folder / part, rest) if (folder / part).exists() else []
    if not folder.is_dir():
        return []
    visible = (entry for entry in sorted(folder.iterdir()) if part.startswith(".") or not entry.name.startswith("."))
    return [match for entry in visible if fnmatchcase(entry.name, part) for match in _matches(entry, rest)]


def walk_files(entry: Path) -> Iterator[Path]:
    """The files at or below `entry`, sorted in each folder; without hidden ones, and so without macOS' `._*`."""
    if entry.is_file():
        yield entry
        return
    for folder in _folders(entry):
        files = (entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
        yield from (folder / name for name in sorted(files))


def _folders(root: Path) -> Iterator[Path]:
    """`root` and the folders below it without hidden ones; links are followed, each folder is visited once."""
    seen: set[str] = set()
    for place, below, _ in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        below[:] = [] if real in seen else sorted(name for name in below if not name.startswith("."))
        if real not in seen:
            yield Path(place)
        seen.add(real)


def _series_sources(folder: Path, names: set[str]) -> list[Source]:
    """A source for each series of the named files of `folder`; a damaged file is one too, listed when read."""
    series, imageless = list_series(folder)
    sources = [
        Source(folder, uid, "", slices[0].patient, tuple(one.path for one in slices))
        for uid, slices in series.items()
        if any(one.path.name in names for one in slices)
    ]
    return sources + [Source(path, None, "", "", (path,)) for path in imageless if path.name in names]


def _with_identifiers(sources: Iterable[Source], root: Path) -> list[Source]:
    """Names from the path below `root`; where two would agree (also in capitals only), the later one gets a hash."""
    named, taken = [], set()
    for source in sources:
        relative = os.path.relpath(source.path, root)
        full = relative if source.series is None else f"{relative}/{source.series}"
        identifier = _safe(full, strip=source.series is None)
        if identifier.lower() in taken or len(identifier) > _LONGEST_IDENTIFIER:
            mark = hashlib.blake2b(full.encode(errors="surrogateescape"), digest_size=6).hexdigest()
            identifier = f"{identifier[:_LONGEST_IDENTIFIER]}-{mark}"
        taken.add(identifier.lower())
        named.append(replace(source, identifier=identifier))
    return named


def _safe(relative: str, strip: bool) -> str:
    """A path as one name of letters, digits, dot, dash and underscore."""
    if strip:
        suffix = next((known for known in SUFFIXES if relative.lower().endswith(known)), "")
        relative = relative[: len(relative) - len(suffix)]
    parts = [part for part in PurePath(relative).parts if part not in (".", "..", "/")]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", "__".join(parts))
    return f"_{name}" if not name or name.startswith((".", "zarr.json")) else name


def _with_subjects(sources: list[Source], rule: str) -> list[Source]:
    if rule == "auto":
        return [replace(source, subject=source.subject or source.identifier) for source in sources]
    if rule == "folder":
        return [replace(source, subject=source.path.parent.name or source.identifier) for source in sources]
    table = _read_table(located(rule))
    subjects = [_look_up(table, source.path) for source in sources]
    missing = [source.path for source, subject in zip(sources, subjects, strict=True) if subject is None]
    if missing:
        raise UsageError(f"{rule}: names no subject for {len(missing)} scans, such as {missing[0]}; add a row for each")
    return [replace(source, subject=str(subject)) for source, subject in zip(sources, subjects, strict=True)]


def _read_table(path: Path) -> dict[tuple[str, ...], str]:
    """Path parts to subject; a path with backslashes is also one of Windows."""
    table: dict[tuple[str, ...], str] = {}
    try:
        for line, (name, subject) in read_columns(path, ("path", "subject")):
            for key in dict.fromkeys((PurePath(name).parts, PurePath(name.replace("\\", "/")).parts)):
                if table.setdefault(key, subject) != subject:
                    raise GenesisError(f"{path}, line {line}: {name!r} has the subject {table[key]} already; keep one")
    except GenesisError as error:
        raise UsageError(f"subject (auto, folder, or a CSV file): {error}") from error
    return table


def _look_up(table: dict[tuple[str, ...], str], path: Path) -> str | None:
    """The subject of the longest row that `path` ends with."""
    parts = path.parts
    return next((table[parts[start:]] for start in range(len(parts)) if parts[start:] in table), None)
