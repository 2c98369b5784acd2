"""Which images a run has seen, kept in its folder, so that overlaps of two runs' data can be found without the data."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

from modelsgenesis.data.manifest import Scan
from modelsgenesis.files import write_json

IMAGES = "images.json"
"""Side -> list of [subject, file, series UID or "", digest of the file, digest of its voxels]."""

_UID = re.compile(r"[0-9]+(\.[0-9]+){5,}")


def write_images(run: Path, images: Iterable[tuple[str, str, Scan]]) -> None:
    """Write `images.json` into the run folder `run`, each image once.

    Args:
        run: the run folder.
        images: (side, subject, scan); the subject may be another than the store's, which is named after the file.
    """
    sides: dict[str, dict[tuple[str, ...], None]] = {}
    for side, subject, scan in images:
        entry = (subject, PurePath(scan.source).name, series_of(scan), scan.digest, scan.voxels)
        sides.setdefault(side, {})[entry] = None
    write_json(run / IMAGES, {side: [list(entry) for entry in entries] for side, entries in sides.items()})


def series_of(scan: Scan) -> str:
    """SeriesInstanceUID of a DICOM series or of a file called after it, as LUNA16's are; "" where there is none."""
    stem = PurePath(scan.source).name.removesuffix(".mhd").removesuffix(".nii.gz")
    return scan.series or (stem if _UID.fullmatch(stem) else "")
