"""The files at and below a folder, each once; what is passed over is named, so that nothing vanishes."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from modelsgenesis.errors import UsageError
from modelsgenesis.places import located

APPLE_DOUBLE = bytes.fromhex("00051607")
"""How a file begins that macOS puts beside another one on foreign disks, called `._` and that one's name."""
MACOS_FOLDER = "__MACOSX"
"""Where archives made by macOS keep such files."""

_KNOWN = """
    .nii .gz .bz2 .xz .mhd .mha .nrrd .nhdr .raw .zraw .mgz .mgh .png .jpg .jpeg .tif .tiff .bmp .webp .gif .svg
    .npy .npz .pkl .pt .pth .h5 .hdf5 .mat .zarr .safetensors .onnx .csv .tsv .xls .xlsx .txt .md .rst .log .json
    .jsonl .xml .yaml .yml .toml .ini .html .css .js .pdf .doc .docx .zip .tar .tgz .7z .py .pyc .ipynb .sh .c
    .h .cpp .stl .vtk .vtp .ply .obj .bval .bvec .sum .md5 .sha256 .mp4 .avi .part .partial .db .sqlite
"""
OTHER_SUFFIXES = frozenset(_KNOWN.split())
"""Suffixes that say what a file is: it is not looked into for DICOM's mark, so folders of tables stay unopened."""


@dataclass(frozen=True)
class Entry:
    """A file that was met.

    Args:
        path: where.
        problem: why it cannot be read or is passed over; "" for files that can be looked into.
    """

    path: Path
    problem: str = ""


def walk_files(entry: Path) -> Iterator[Path]:
    """The readable files at or below `entry`, sorted in each folder; without hidden ones and macOS' shadows."""
    yield from (found.path for found in walk(entry) if not found.problem)


def walk(entry: Path) -> Iterator[Entry]:
    """All files at or below `entry`, sorted in each folder, except what is in hidden folders and macOS' shadows.

    Links are followed, each folder is visited once.
    """
    if not entry.is_dir():
        yield Entry(entry)
        return
    for _, entries in _visited(entry):
        yield from entries


def folders(root: Path) -> Iterator[Path]:
    """`root` and the folders below it without hidden ones; links are followed, each folder is visited once."""
    yield from (folder for folder, _ in _visited(root))


def expand(given: str) -> list[Path]:
    """A path, or what a glob matches; absolute. UsageError when there is nothing."""
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
        return [match for below in folders(folder) for match in (_matches(below, rest) if rest else [below])]
    if not glob.has_magic(part) or (folder / part).exists():  # brackets may be part of a name
        return _matches(folder / part, rest) if (folder / part).exists() else []
    if not folder.is_dir():
        return []
    visible = (entry for entry in sorted(folder.iterdir()) if part.startswith(".") or not entry.name.startswith("."))
    return [match for entry in visible if fnmatchcase(entry.name, part) for match in _matches(entry, rest)]


def is_hidden(name: str) -> bool:
    r"""Whether the name of a file or folder is that of a hidden one; `.\a.nii` is one of Windows that has a folder."""
    return name.startswith(".") and not name.startswith(".\\")


def is_shadow(path: Path) -> bool:
    """Whether macOS put the file beside another one: `._NAME` that begins as such files do, or in `__MACOSX`."""
    if path.parent.name == MACOS_FOLDER or MACOS_FOLDER in path.parts:
        return True
    if not path.name.startswith("._"):
        return False
    try:
        with path.open("rb") as handle:
            return handle.read(len(APPLE_DOUBLE)) == APPLE_DOUBLE
    except OSError:
        return False


def _visited(root: Path) -> Iterator[tuple[Path, list[Entry]]]:
    """Each folder with its files."""
    pending, seen = [root], set()
    while pending:
        folder = pending.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            yield folder, [Entry(folder, f"cannot be opened ({error.strerror})")]
            continue
        files, below = [], []
        for entry in entries:
            kind = _kind(entry)
            path = folder / entry.name
            if kind == "folder":
                below += [] if is_hidden(entry.name) or entry.name == MACOS_FOLDER else [path]
            elif not (is_hidden(entry.name) and is_shadow(path)):
                files.append(Entry(path, "hidden" if is_hidden(entry.name) else kind))
        yield folder, files
        pending += reversed(below)


def _kind(entry: os.DirEntry[str]) -> str:
    """ "folder", "" for a file, or what else it is."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return ""
    except OSError:  # a link to itself
        return "a link that leads nowhere"
    return "a link that leads nowhere" if entry.is_symlink() else "no file"
