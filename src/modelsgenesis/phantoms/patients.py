"""Who is who among phantoms: seeds, identifiers and places in the world that several writers share."""

import uuid

import numpy as np

from modelsgenesis.errors import UsageError
from modelsgenesis.streams import IDENTIFIERS, LUNA, PLACES, generator


def patient(seed: int, stream: int, index: int) -> np.random.Generator:
    """The generator that makes one patient; `stream` is one of `streams`."""
    return generator(seed, stream, index)


def uid(seed: int, *parts: int) -> str:
    """A DICOM identifier under the root 2.25, the same for the same numbers."""
    random = generator(seed, IDENTIFIERS, *parts)
    return f"2.25.{uuid.UUID(bytes=random.bytes(16), version=4).int}"


def series_uid(seed: int, index: int) -> str:
    """SeriesInstanceUID of a chest scan, the same in LUNA16's and in LIDC-IDRI's layout."""
    return uid(seed, LUNA, index, 0)


def middle(seed: int, index: int) -> tuple[float, float, float]:
    """Where the middle of a scan lies in the scanner's world, mm, LPS."""
    x, y, z = generator(seed, PLACES, index).uniform((-20, -190, -330), (20, -150, -90)).round(2)
    return float(x), float(y), float(z)


def check_cases(cases: int) -> None:
    """UsageError unless there is something to write."""
    if cases < 1:
        raise UsageError(f"phantoms: --cases {cases} must be 1 or more")
