"""What the header of a scan file declares: where its voxels lie and how many bytes they must be.

Read by hand, because the readers take memory, or pad with zeros, before they look.
"""

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from modelsgenesis.errors import GenesisError

_LONGEST_LINE = 2**20
_NIFTI_HEADER = 540

_TYPE_BYTES = {"char": 1, "short": 2, "int": 4, "long": 4, "longlong": 8, "float": 4, "double": 8}


@dataclass(frozen=True)
class Payload:
    """The voxel data of a file.

    Args:
        file: the file that holds them: the scan file itself, or the one its header names.
        skip: bytes in front of them.
        needed: bytes after `skip`, uncompressed.
        compressed: whether a zlib or gzip stream follows `skip`.
        voxels: where in the uncompressed bytes the voxels begin.
        floats: type of the voxels where they must be checked for NaN because the reader would hide it.
    """

    file: Path
    skip: int
    needed: int
    compressed: bool
    voxels: int = 0
    floats: np.dtype[Any] | None = None


def read_payload(path: Path) -> Payload | None:
    """What the header of a NIfTI, MetaImage or NRRD file declares.

    None for other formats, and where the voxels lie in one file a slice: the reader opens those one by one.

    Raises:
        GenesisError: not such a header, or an impossible one.
        OSError: the file cannot be read.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return _nifti(path)
    if name.endswith((".mhd", ".mha")):
        return _meta(path)
    return _nrrd(path) if name.endswith((".nrrd", ".nhdr")) else None


def data_file(path: Path) -> Path | None:
    """The file with the voxels behind a detached header (.mhd, .nhdr); None when there is none."""
    if not path.name.lower().endswith((".mhd", ".nhdr")):
        return None
    try:
        payload = read_payload(path)
    except (GenesisError, OSError):
        return None
    return payload.file if payload is not None and payload.file != path else None


def _nifti(path: Path) -> Payload:
    compressed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if compressed else path.open("rb") as stream:
            header = stream.read(_NIFTI_HEADER)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GenesisError(f"{path}: corrupt gzip stream ({error}); copy it again") from error
    order, axes, extents, bits, kind, offset = _nifti_fields(path, header)
    if not 1 <= axes <= 7 or any(extent < 1 for extent in extents[:axes]) or bits < 1 or not 0 <= offset < 2**40:
        shape = "x".join(map(str, extents))
        raise GenesisError(f"{path}: impossible header ({axes} axes, size {shape}, {bits} bits); copy it again")
    needed = int(offset) + math.prod(extents[:axes]) * bits // 8
    floats = {16: np.dtype(f"{order}f4"), 64: np.dtype(f"{order}f8")}.get(kind)
    return Payload(path, 0, needed, compressed, int(offset), floats)


def _nifti_fields(path: Path, header: bytes) -> tuple[str, int, list[int], int, int, float]:
    """Byte order, number of axes, extents, bits a voxel, type code and offset of the voxels, of NIfTI-1 or -2."""
    for order in "<>":
        if header[:4] == struct.pack(order + "i", 348) and len(header) >= 348:
            axes, *extents = struct.unpack_from(order + "8h", header, 40)
            kind, bits = struct.unpack_from(order + "2h", header, 70)
            return order, axes, extents, bits, kind, struct.unpack_from(order + "f", header, 108)[0]
        if header[:4] == struct.pack(order + "i", 540) and len(header) >= 540:
            axes, *extents = struct.unpack_from(order + "8q", header, 16)
            kind, bits = struct.unpack_from(order + "2h", header, 12)
            return order, axes, extents, bits, kind, struct.unpack_from(order + "q", header, 168)[0]
    raise GenesisError(f"{path}: not a NIfTI header; copy it again or convert it")


def _meta(path: Path) -> Payload | None:
    fields: dict[str, str] = {}
    with path.open("rb") as handle:
        while "ElementDataFile" not in fields:
            line = handle.readline(_LONGEST_LINE)
            key, separator, value = line.decode("latin-1").partition("=")
            if not separator or len(fields) > 1000:
                raise GenesisError(f"{path}: not a whole MetaImage header; copy it again")
            fields[key.strip()] = value.strip()
        start = handle.tell()
    name = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY").lower().replace("_", "")
    channels = fields.get("ElementNumberOfChannels", "1")
    needed = _voxel_bytes(path, f"{fields.get('DimSize', '')} {channels}", name.removeprefix("u"))
    place = fields["ElementDataFile"]
    if place.startswith("LIST") or "%" in place:
        return None
    compressed = fields.get("CompressedData", "False").lower() == "true"
    if place.upper() == "LOCAL":
        return Payload(path, start, needed, compressed)
    skip = fields.get("HeaderSize", "0")
    return Payload(path.parent / place, int(skip) if skip.isdigit() else 0, needed, compressed)


def _nrrd(path: Path) -> Payload | None:
    with path.open("rb") as handle:
        fields, start = _nrrd_fields(path, handle)
    needed = _voxel_bytes(path, fields.get("sizes", ""), _nrrd_type(fields.get("type", "")))
    detached = fields.get("data file", fields.get("datafile"))
    encoding = fields.get("encoding", "raw").lower()
    several_files = detached is not None and (detached.startswith("LIST") or "%" in detached)
    skips = any(key in fields for key in ("byte skip", "byteskip", "line skip", "lineskip"))
    if several_files or skips or encoding not in ("raw", "gzip", "gz"):
        return None
    if detached is None:
        return Payload(path, start, needed, encoding != "raw")
    return Payload(path.parent / detached, 0, needed, encoding != "raw")


def _nrrd_fields(path: Path, handle: BinaryIO) -> tuple[dict[str, str], int]:
    """The header up to its empty line, and the offset behind it."""
    fields: dict[str, str] = {}
    if not handle.readline(_LONGEST_LINE).startswith(b"NRRD"):
        raise GenesisError(f"{path}: not a NRRD file; copy it again or convert it")
    while line := handle.readline(_LONGEST_LINE):
        text = line.decode("latin-1").strip()
        if not text:
            return fields, handle.tell()
        key, separator, value = text.partition(":")
        if separator and not text.startswith("#"):
            fields[key.strip().lower()] = value.strip()
    if "data file" in fields or "datafile" in fields:
        return fields, handle.tell()
    raise GenesisError(f"{path}: its NRRD header does not end; copy it again")


def _nrrd_type(name: str) -> str:
    """One of the names in `_TYPE_BYTES`, out of the many spellings NRRD allows."""
    bits = re.fullmatch(r"u?int(8|16|32|64)(_t)?", name)
    if bits:
        return {"8": "char", "16": "short", "32": "int", "64": "longlong"}[bits[1]]
    words = [word for word in name.replace("unsigned", "").replace("signed", "").split() if word != "int"]
    return "".join(words).removeprefix("u") or "int"


def _voxel_bytes(path: Path, extents: str, kind: str) -> int:
    try:
        sizes = [int(extent) for extent in extents.split()]
        width = _TYPE_BYTES[kind]
    except (KeyError, ValueError) as error:
        raise GenesisError(f"{path}: header without a valid size or type ({error}); copy it again") from error
    if not sizes or min(sizes) < 1:
        raise GenesisError(f"{path}: header with an impossible size ({extents}); copy it again")
    return math.prod(sizes) * width
