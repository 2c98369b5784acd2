"""Atomic writing: a file is there whole or not at all; and text that keeps the bytes of file names.

The name of a file is bytes. Python holds those that are not UTF-8 as lone surrogates; text files get the bytes back
(`surrogateescape`), JSON gets escapes (`\\udcfc`), so that what is written names the same file when it is read again.
"""

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelsgenesis.errors import GenesisError

ENCODING, ODD_BYTES = "utf-8", "surrogateescape"
"""How every text file is opened."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it takes the place of `path` in one step.

    Raises GenesisError naming `path` when the disk refuses (full, read-only).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise GenesisError(
            f"{path}: could not be written (a file is in the place of a folder); choose another"
        ) from error
    except OSError as error:
        raise GenesisError(
            f"{path}: could not be written ({error.strerror or error}); free space or rights?"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8; what stands for other bytes becomes these."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding=ENCODING, errors=ODD_BYTES)


def to_json(value: Any, **options: Any) -> str:
    """`value` as JSON that any reader takes: readable, but bytes that are not UTF-8 are escaped."""
    text = json.dumps(value, ensure_ascii=False, **options)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def readable(text: str) -> str:
    """`text` on one line of a terminal or in a picture: control characters and odd bytes as escapes."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically."""
    write_text(path, to_json(value, indent=2) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` (mappings from column name to value) as CSV with a header to `path` atomically."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding=ENCODING, errors=ODD_BYTES) as handle:
        writer = csv.DictWriter(handle, columns, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)


def read_json(path: Path) -> Any:
    """Read JSON from `path`; GenesisError when it is absent or damaged."""
    try:
        return json.loads(path.read_bytes())  # UTF-8, -16 or -32, with or without a byte-order mark
    except OSError as error:
        raise GenesisError(
            f"{path}: cannot be read as JSON ({error.strerror}); check the path and its rights"
        ) from error
    except (ValueError, RecursionError) as error:
        raise GenesisError(
            f"{path}: cannot be read as JSON ({error}); correct it, or write it anew in UTF-8"
        ) from error


def file_digest(path: Path) -> str:
    """16 hexadecimal digits that identify the contents of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


@contextmanager
def only_writer(folder: Path, command: str, wait: bool = False) -> Iterator[None]:
    """Hold `folder`, made if need be, for this process; a lock of the system, so that it cannot outlive a killed one.

    Raises GenesisError when another `command` holds it and `wait` is false, or when the folder cannot be made.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("w")
    except OSError as error:
        raise GenesisError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise GenesisError(f"{folder}: another {command} is writing to it; wait for it to end") from error
        yield
