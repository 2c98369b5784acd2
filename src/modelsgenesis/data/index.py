"""Files, folders and globs to a list of sources, one a volume, with names, subjects and content digests."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from modelsgenesis.data import guarded
from modelsgenesis.data.formats.dicom import Header, is_dicom, list_series
from modelsgenesis.data.formats.suffixes import ITK, MGH, NIFTI, PAIR_HEADER, PAIR_VOXELS, PICTURES
from modelsgenesis.data.formats.text_headers import data_file
from modelsgenesis.data.walk import Entry, expand, walk
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.places import located
from modelsgenesis.tables import read_columns

VOLUME_SUFFIXES = tuple(sorted((*NIFTI, PAIR_HEADER, *MGH, *ITK), key=len, reverse=True))
"""The longest first, so that `.nii.gz` is taken off a name as a whole."""
SUFFIXES = (*VOLUME_SUFFIXES, *PICTURES)

VOXELS_BESIDE = {".mhd": (".raw", ".zraw"), ".nhdr": (".raw", ".gz", ".bz2"), PAIR_HEADER: PAIR_VOXELS}
"""Suffix of a header -> those of the voxel files that belong to the headers of a folder."""
FORMAT = "format not read"
NAMED_SUFFIXES = 8
"""Suffixes of unread files that a summary names."""

_SUFFIX = re.compile(r"\.(?=[^.]*[A-Za-z])[A-Za-z0-9_-]{1,12}")
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
        detached = _voxels_of(self.path) if not self.files else None
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
        for entry in expand(str(given)):
            place = Path(os.path.realpath(entry))
            how = "is" if place == folder else "lies in" if place in folder.parents else "holds"
            if how != "holds" or folder in place.parents:
                raise UsageError(f"--out {store}: {how} {entry}, which is to be read; choose a folder apart from it")


@dataclass
class Index:
    """What lies in some inputs.

    Args:
        sources: all volumes, sorted by path, each once.
        unread: every other file, with why it is not read; without files of folders that are hidden.
        excluded: files that were left out on request.
    """

    sources: list[Source] = field(default_factory=list)
    unread: list[Entry] = field(default_factory=list)
    excluded: int = 0

    def unread_by_kind(self) -> dict[str, int]:
        """Suffix, or what else a file is ("hidden"), to the number of unread files; most first."""
        return dict(Counter(map(_kind_of, self.unread)).most_common())


def index_sources(inputs: Sequence[str | Path], subject: str = "auto") -> list[Source]:
    """The sources of `index`, which it raises as."""
    return index(inputs, subject).sources


def index(inputs: Sequence[str | Path], subject: str = "auto", exclude: Sequence[str] = ()) -> Index:
    """All volumes in `inputs`, and what else lies there.

    A .raw file belongs to its .mhd, an .img to its .hdr; hidden folders and what macOS puts beside files are no data.

    Args:
        inputs: files, folders (searched with all below them) and globs.
        subject: "auto" (DICOM PatientID, else the identifier), "folder" (name of the folder that holds the scan), or a
            CSV file with the columns path and subject, whose paths are matched as ends of the scans' paths.
        exclude: glob patterns; a file whose name or end of path (`masks/*.png`) matches one is left out, and so is all
            in a folder that does.

    Raises:
        UsageError: an input that does not exist, or a CSV file that does not name the subject of every scan.
        GenesisError: no scan at all.
    """
    roots: list[Path] = []
    found = _Found(exclude)
    for given in inputs:
        for entry in expand(str(given)):
            roots.append(entry if entry.is_dir() else entry.parent)
            for met in walk(entry):
                found.add(met, roots[-1])
    sources = [Source(path, None, "", "") for path in found.volumes.values()]
    for folder, names in found.slices.values():
        sources += _series_sources(folder, names)
    unread = found.unread_files()
    if not sources:
        raise GenesisError(_nothing(inputs, Index([], unread, len(found.excluded))))
    root = Path(os.path.commonpath([str(folder) for folder in roots]))
    sources.sort(key=lambda source: (str(source.path), source.series or ""))
    return Index(_with_subjects(_with_identifiers(sources, root), subject), unread, len(found.excluded))


class _Found:
    """The files of all inputs by what they are; those that two inputs name are the same."""

    def __init__(self, exclude: Sequence[str]) -> None:
        self._exclude = exclude
        self.volumes: dict[str, Path] = {}
        self.slices: dict[str, tuple[Path, set[str]]] = {}
        self.excluded: set[str] = set()
        self._others: dict[str, Entry] = {}
        self._headers: dict[Path, set[str]] = {}  # folder -> suffixes of headers in it

    def add(self, met: Entry, root: Path) -> None:
        """Enter the file `met` at or below the input `root`."""
        path = met.path
        if self._exclude and _is_excluded(path, root, self._exclude):
            self.excluded.add(str(path))
        elif met.problem:
            self._others.setdefault(str(path), met)
        elif (header := _header_of(path)) is not None:
            self.volumes.setdefault(os.path.realpath(header), header)
        elif path.name.lower().endswith(SUFFIXES) and path.suffix.lower() != PAIR_HEADER:
            if path.suffix.lower() in VOXELS_BESIDE:
                self._headers.setdefault(path.parent, set()).add(path.suffix.lower())
            self.volumes.setdefault(os.path.realpath(path), path)
        elif is_dicom(path):
            self.slices.setdefault(os.path.realpath(path.parent), (path.parent, set()))[1].add(path.name)
        else:
            problem = "no .img beside it" if path.suffix.lower() == PAIR_HEADER else FORMAT
            self._others.setdefault(str(path), Entry(path, problem))

    def unread_files(self) -> list[Entry]:
        """Whatever is no scan and belongs to none, sorted by path."""
        return sorted((one for one in self._others.values() if not self._belongs(one.path)), key=lambda one: one.path)

    def _belongs(self, path: Path) -> bool:
        suffixes = [suffix for header in self._headers.get(path.parent, ()) for suffix in VOXELS_BESIDE[header]]
        return path.name.lower().endswith(tuple(suffixes))


def _header_of(path: Path) -> Path | None:
    """The .hdr of an Analyze or NIfTI pair, of whose files `path` is one; None for other files."""
    name = path.name.lower()
    stem = next((path.name[: -len(end)] for end in (PAIR_HEADER, *PAIR_VOXELS) if name.endswith(end)), None)
    if stem is None:
        return None
    header = _beside(path, stem, (PAIR_HEADER,))
    return header if header is not None and _beside(path, stem, PAIR_VOXELS) is not None else None


def _beside(path: Path, stem: str, suffixes: Iterable[str]) -> Path | None:
    spellings = (path.with_name(stem + case(suffix)) for suffix in suffixes for case in (str.lower, str.upper))
    return next((there for there in spellings if there.is_file()), None)


def _voxels_of(path: Path) -> Path | None:
    """The file with the voxels behind a header; None where they are in the file itself."""
    if path.suffix.lower() == PAIR_HEADER:
        return _beside(path, path.name[: -len(PAIR_HEADER)], PAIR_VOXELS)
    return data_file(path)


def _is_excluded(path: Path, root: Path, patterns: Sequence[str]) -> bool:
    below = [path, *(parent for parent in path.parents if root in parent.parents)]
    return any(place.match(pattern) for pattern in patterns for place in below)


def _kind_of(unread: Entry) -> str:
    if unread.problem != FORMAT:
        return unread.problem.split(" (")[0]
    suffix = unread.path.suffix
    return suffix.lower() if _SUFFIX.fullmatch(suffix) else "without suffix"


def told(counts: Mapping[str, int]) -> str:
    """Counts by kind in words, as "12 .npy, 3 .xml"; of many kinds the most frequent."""
    shown = [f"{count} {kind}" for kind, count in list(counts.items())[:NAMED_SUFFIXES]]
    rest = sum(list(counts.values())[NAMED_SUFFIXES:])
    return ", ".join([*shown, *([f"{rest} others"] if rest else [])])


def _nothing(inputs: Sequence[str | Path], index: Index) -> str:
    unread = f"; not read: {told(index.unread_by_kind())}" if index.unread else ""
    excluded = f"; {index.excluded} files left out by exclude" if index.excluded else ""
    return f"{', '.join(map(str, inputs))}: no scans found{unread}{excluded}; known are {' '.join(SUFFIXES)} and DICOM"


def _series_sources(folder: Path, names: set[str]) -> list[Source]:
    """A source for each series of the named files of `folder`; a damaged file is one too, listed when read."""
    series, imageless = _listed(folder, names)
    sources = [
        Source(folder, uid, "", slices[0].patient, tuple(one.path for one in slices))
        for uid, slices in series.items()
        if any(one.path.name in names for one in slices)
    ]
    return sources + [Source(path, None, "", "", (path,)) for path in imageless if path.name in names]


def _listed(folder: Path, names: set[str]) -> tuple[dict[str, list[Header]], list[Path]]:
    """`dicom.list_series`; when a file ends its reader, each file by itself, so that the others are found."""
    try:
        return guarded.call(folder, list_series, folder)
    except guarded.ReaderLostError:
        pass
    series: dict[str, list[Header]] = {}
    imageless = []
    for path in (folder / name for name in sorted(names) if name != "DICOMDIR"):
        try:
            (one,) = guarded.read_headers(path, [path])
            series.setdefault(one.series, []).append(one)
        except GenesisError:
            imageless.append(path)
    return series, imageless


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
