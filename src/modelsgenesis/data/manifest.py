"""The manifest of a store: what is known of each scan, one JSON line a scan.

Lines are appended, the last one of an identifier counts, and a torn last line (a writer was killed) is ignored.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelsgenesis.data.intensity import Intensity
from modelsgenesis.data.levels import level_shape, level_spacing
from modelsgenesis.data.plausible import Values
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import to_json, write_text
from modelsgenesis.types import JSON, Shape, Spacing

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class Scan:
    """One scan of a store.

    Args:
        id: unique name in the store, safe as a file name.
        subject: whom it shows; splits never part a subject.
        source: path of the file or DICOM folder it came from.
        digest: content hash of the source.
        shape: (X, Y, Z) or (X, Y), in voxels.
        spacing: mm per voxel along X, Y(, Z).
        affine: 4x4 rows, voxel index to LPS mm.
        modality: "ct", "mr", "image" or "label".
        intensity: what the stored integers stand for.
        dtype: "uint8" or "uint16".
        bytes: size on disk of the array and its levels.
        levels: for each level how many voxels one of its voxels spans along each axis; the first is the scan itself.
        series: SeriesInstanceUID of a DICOM series, else None.
        voxels: hash of the decoded voxels, before windowing and resampling: that of the same image in another format.
        measured: whether the spacing is in mm; False for images whose pixel size nobody told, which then is 1.
        values: range of the physical values of the source; None in stores of older versions.
        doubt: why it does not look like its modality, kept by force all the same; "" otherwise.
        notes: what the header of the source lacked or contradicted, and what was taken instead.
    """

    id: str
    subject: str
    source: str
    digest: str
    shape: Shape
    spacing: Spacing
    affine: tuple[tuple[float, ...], ...]
    modality: str
    intensity: Intensity
    dtype: str
    bytes: int
    levels: tuple[Shape, ...]
    series: str | None = None
    voxels: str = ""
    measured: bool = True
    values: Values | None = None
    doubt: str = ""
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> str:
        """What scans of the same image share: the hash of the voxels, of the source in stores of older versions."""
        return self.voxels or self.digest

    def level_shape(self, level: int) -> Shape:
        """The shape of a level, (X, Y, Z) or (X, Y)."""
        return level_shape(self.shape, self.levels[level])

    def level_spacing(self, level: int) -> Spacing:
        """The mm per voxel of a level."""
        return level_spacing(self.spacing, self.levels[level])

    def to_json(self) -> JSON:
        """The scan as the plain values of its manifest line."""
        return asdict(self)

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "Scan":
        """The scan of a manifest line; KeyError, TypeError or ValueError when it is not one."""
        values = dict(line)
        values["shape"] = tuple(int(n) for n in values["shape"])
        values["levels"] = tuple(tuple(int(n) for n in factors) for factors in values["levels"])
        values["spacing"] = tuple(float(step) for step in values["spacing"])
        values["affine"] = tuple(tuple(float(value) for value in row) for row in values["affine"])
        values["intensity"] = Intensity(**values["intensity"])
        values["values"] = Values(**values["values"]) if values.get("values") else None
        values["notes"] = tuple(values.get("notes", ()))
        return cls(**values)


def read_manifest(store: Path) -> dict[str, Scan]:
    """Identifier to scan, sorted by identifier; empty when there is no manifest yet.

    Raises:
        GenesisError: when a line other than a torn last one is damaged.
    """
    path = store / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    scans: dict[str, Scan] = {}
    for number, line in enumerate(lines[:-1], start=1):  # whatever follows the last line end is torn, or empty
        if not line.strip():
            continue
        try:
            described = json.loads(line)
            if isinstance(described, dict) and "id" in described and "levels" not in described:
                raise GenesisError(f"{store}: a store of an older version, without levels; prepare it anew elsewhere")
            scan = Scan.from_json(described)
        except (KeyError, TypeError, ValueError) as error:
            raise GenesisError(f"{path}, line {number}: damaged ({error}); delete it and prepare again") from error
        scans[scan.id] = scan
    return dict(sorted(scans.items()))


def append_scan(store: Path, scan: Scan) -> None:
    """Append the line of `scan`, on disk when this returns; a torn last line is closed first and so stays ignored."""
    path = store / MANIFEST
    try:
        with path.open("a+b") as handle:
            if handle.tell() > 0:
                handle.seek(-1, os.SEEK_END)
                if handle.read(1) != b"\n":
                    _drop_torn_line(path)
            handle.write(_line(scan).encode())
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise GenesisError(f"{path}: cannot be written ({error.strerror}); free space or rights?") from error


def _drop_torn_line(path: Path) -> None:
    whole = path.read_bytes().rpartition(b"\n")
    os.truncate(path, len(whole[0]) + len(whole[1]))


def write_manifest(store: Path, scans: Iterable[Scan]) -> None:
    """Write the whole manifest anew, sorted by identifier, so that it does not depend on the order of the work."""
    write_text(store / MANIFEST, "".join(_line(scan) for scan in sorted(scans, key=lambda scan: scan.id)))


def _line(scan: Scan) -> str:
    return to_json(scan.to_json()) + "\n"
