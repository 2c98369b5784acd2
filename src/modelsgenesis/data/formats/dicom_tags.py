"""The attributes of a DICOM file, read by pydicom so that no header, however wrong, ends the program.

Values of the wrong kind count as absent; what pydicom would warn about on the console is silenced here, and whatever it
raises becomes one line.
"""

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydicom import Dataset, config, dcmread
from pydicom.datadict import dictionary_keyword, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag

from modelsgenesis.data.formats import suffixes
from modelsgenesis.errors import GenesisError

_LONGEST_TEXT = 256


def tags_of(keywords: Iterable[str]) -> list[BaseTag | int]:
    """The tags of attributes by their names."""
    return [Tag(keyword) for keyword in keywords]


_tag = lru_cache(maxsize=None)(Tag)  # pydicom looks a name up anew each time, which is most of reading a header


def named(keyword: str) -> str:
    """An attribute as messages name it: "EchoTime (0018,0081)"."""
    number = tag_for_keyword(keyword) or 0
    return f"{keyword} ({number >> 16:04X},{number & 0xFFFF:04X})"


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Whatever a library raises in the block becomes a GenesisError that names `path`; its warnings are silenced."""
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    except GenesisError:
        raise
    except InvalidDicomError as error:
        raise GenesisError(
            f"{path}: not a DICOM file (it lacks the mark DICM); copy it again or leave it out"
        ) from error
    except MemoryError as error:
        raise GenesisError(f"{path}: too large for the memory of this machine; crop or split it") from error
    except Exception as error:  # damaged files make pydicom and GDCM raise nearly anything
        if isinstance(error, OSError) and error.strerror:
            raise GenesisError(f"{path}: cannot be read ({error.strerror}); check the file") from error
        raise GenesisError(f"{path}: damaged or not a DICOM image ({_line(error)}); copy it again") from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {printable(str(error), 200)}" if str(error) else type(error).__name__


def load(path: Path, tags: list[BaseTag | int] | None = None, pixels: bool = False) -> Dataset:
    """The data set of a file, only `tags` of it, and without its pixels unless they are asked for.

    A file without the mark DICM is tried where its suffix says that it is DICOM. Raises what pydicom raises.
    """
    force = path.suffix.lower() in suffixes.DICOM
    return dcmread(path, force=force, specific_tags=tags, stop_before_pixels=not pixels)


def value(data: Dataset, keyword: str) -> Any:
    """The value of an attribute as pydicom gives it; None when absent, empty or of a wrong kind."""
    tag = _tag(keyword)
    if tag not in data:
        return None
    try:
        found = data[tag].value
    except Exception:  # a value of the wrong kind: pydicom converts when asked
        return None
    return None if found is None or found == "" else found


def text(data: Dataset, keyword: str) -> str:
    """The value as one printable line, in the character set that the file names; "" when absent."""
    found = value(data, keyword)
    if found is None or isinstance(found, bytes):
        return "" if found is None else printable(found.decode("latin-1"))
    several = isinstance(found, Iterable) and not isinstance(found, str)
    return printable("\\".join(map(str, found)) if several else str(found))


def printable(line: str, longest: int = _LONGEST_TEXT) -> str:
    """One line without control characters and half characters, cut at `longest`."""
    clean = "".join(one if one.isprintable() else "?" for one in line.strip(" \0\r\n\t"))
    return clean if len(clean) <= longest else f"{clean[: longest - 3]}..."


def numbers(data: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers; None when they are not that."""
    raw = data.get_item(_tag(keyword)) if _tag(keyword) in data else None
    if isinstance(raw, RawDataElement) and raw.VR in ("DS", "IS") and raw.value:
        several: Any = raw.value.replace(b"\0", b" ").split(b"\\")  # ten times faster than pydicom's numbers
    else:
        found = value(data, keyword)
        several = found if isinstance(found, Iterable) and not isinstance(found, str | bytes) else [found]
    try:
        parts = tuple(float(part) for part in several)
    except (TypeError, ValueError):
        return None
    return parts if len(parts) == count and all(map(math.isfinite, parts)) else None


def number(data: Dataset, keyword: str) -> float | None:
    """One finite number; None when it is not that."""
    found = numbers(data, keyword, 1)
    return found[0] if found else None


def whole(data: Dataset, keyword: str) -> int | None:
    """One whole number; None when it is not that."""
    found = number(data, keyword)
    return int(found) if found is not None and found == int(found) else None


def items(data: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; [] when absent."""
    found = value(data, keyword)
    try:
        return [one for one in found if isinstance(one, Dataset)] if found is not None else []
    except TypeError:
        return []


def shown(data: Dataset, keyword: str) -> str:
    """The attribute with its value: "PixelSpacing (0028,0030) is '0\\0'", or that it is missing."""
    try:
        there = data[keyword].value
    except KeyError:
        return f"{named(keyword)} is missing"
    except Exception:  # a value that pydicom cannot convert
        return f"{named(keyword)} is unreadable"
    if there is None or there == "":
        return f"{named(keyword)} is empty"
    return f"{named(keyword)} is {text(data, keyword)!r}"


def keyword_of(tag: int) -> str:
    """The name of an attribute; "" for private and unknown ones."""
    try:
        return dictionary_keyword(tag)
    except KeyError:
        return ""
