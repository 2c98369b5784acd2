"""Is a scan file whole? Checked against its own header before any memory is taken for voxels.

Readers differ in what they forgive: a truncated file may come back padded with zeros, and a damaged header may ask
for terabytes. Here the declared size is held against the bytes that are there, and compressed streams are read to
their checksum.
"""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from modelsgenesis.errors import GenesisError

LARGEST_BYTES = 8 * 2**30
"""Default memory limit of one scan as float32: 2048 slices of 1024x1024."""

_BLOCK = 2**20
_DEFLATE_RATIO = 1032  # the most deflate can compress
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
_NRRD_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8}


def check_file(path: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Check one scan file; formats without a check here are left to their reader.

    Raises:
        GenesisError: empty, truncated, corrupt, its data file missing, or declaring more than `largest_bytes`.
    """
    name = path.name.lower()
    check = next((check for suffix, check in _CHECKS.items() if name.endswith(suffix)), None)
    try:
        if path.stat().st_size == 0:
            raise GenesisError(f"{path}: empty file; copy it again")
        if check is not None:
            check(path, largest_bytes)
    except OSError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error


def _check_nifti(path: Path, largest_bytes: int) -> None:
    with path.open("rb") as handle:
        needed = _nifti_bytes(path, handle.read(540))
    _hold_against(path, path.stat().st_size, needed)
    _refuse_large(path, needed, largest_bytes)


def _check_nifti_gz(path: Path, largest_bytes: int) -> None:
    try:
        with gzip.open(path) as stream:
            needed = _nifti_bytes(path, stream.read(540))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GenesisError(f"{path}: corrupt gzip stream ({error}); copy it again") from error
    _refuse_large(path, needed, largest_bytes)
    if needed > path.stat().st_size * _DEFLATE_RATIO:
        raise GenesisError(f"{path}: its header declares {needed} bytes, more than the file can hold; copy it again")
    with path.open("rb") as handle:
        _hold_against(path, _inflated_bytes(path, handle, needed), needed)


def _nifti_bytes(path: Path, header: bytes) -> int:
    """Bytes of a whole uncompressed NIfTI-1 or -2 file: offset and voxels."""
    for order in "<>":
        if header[:4] == struct.pack(order + "i", 348) and len(header) >= 348:
            axes, *extents = struct.unpack_from(order + "8h", header, 40)
            bits, offset = (
                struct.unpack_from(order + "h", header, 72)[0],
                struct.unpack_from(order + "f", header, 108)[0],
            )
            break
        if header[:4] == struct.pack(order + "i", 540) and len(header) >= 540:
            axes, *extents = struct.unpack_from(order + "8q", header, 16)
            bits, offset = (
                struct.unpack_from(order + "h", header, 14)[0],
                struct.unpack_from(order + "q", header, 168)[0],
            )
            break
    else:
        raise GenesisError(f"{path}: not a NIfTI header; copy it again or convert it")
    if not 1 <= axes <= 7 or any(extent < 1 for extent in extents[:axes]) or bits < 1 or not 0 <= offset < 2**40:
        shape = "x".join(map(str, extents))
        raise GenesisError(f"{path}: impossible header ({axes} axes, size {shape}, {bits} bits); copy it again")
    return int(offset) + math.prod(extents[:axes]) * bits // 8


def _check_meta(path: Path, largest_bytes: int) -> None:
    with path.open("rb") as handle:
        fields, start = _meta_header(path, handle)
    needed = _meta_bytes(path, fields)
    _refuse_large(path, needed, largest_bytes)
    place = fields["ElementDataFile"]
    if place == "LIST" or "%" in place:
        return  # one file a slice, which the reader opens one by one
    data = path if place == "LOCAL" else path.parent / place
    skip = start if place == "LOCAL" else max(int(fields.get("HeaderSize", "0")), 0)
    compressed = fields.get("CompressedData", "False").lower() == "true"
    _check_data_file(path, data, skip, needed, compressed)


def _meta_header(path: Path, handle: BinaryIO) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while "ElementDataFile" not in fields:
        line = handle.readline(_BLOCK)
        key, separator, value = line.decode("latin-1").partition("=")
        if not separator or len(fields) > 1000:
            raise GenesisError(f"{path}: not a whole MetaImage header; copy it again")
        fields[key.strip()] = value.strip()
    return fields, handle.tell()


def _meta_bytes(path: Path, fields: dict[str, str]) -> int:
    try:
        extents = [int(extent) for extent in fields["DimSize"].split()]
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        width = _META_BYTES[
            fields["ElementType"]
            .removeprefix("MET_")
            .removesuffix("_ARRAY")
            .replace("UCHAR", "CHAR")
            .replace("USHORT", "SHORT")
            .replace("UINT", "INT")
            .replace("ULONG", "LONG")
        ]
    except (KeyError, ValueError) as error:
        raise GenesisError(f"{path}: MetaImage header without a valid size or type ({error}); copy it again") from error
    if not extents or min(extents) < 1:
        raise GenesisError(f"{path}: impossible size {fields['DimSize']}; copy it again")
    return math.prod(extents) * channels * width


def _check_nrrd(path: Path, largest_bytes: int) -> None:
    with path.open("rb") as handle:
        fields, start = _nrrd_header(path, handle)
    try:
        extents = [int(extent) for extent in fields["sizes"].split()]
        width = _nrrd_width(fields["type"])
    except (KeyError, ValueError) as error:
        raise GenesisError(f"{path}: NRRD header without a valid size or type ({error}); copy it again") from error
    if not extents or min(extents) < 1:
        raise GenesisError(f"{path}: impossible size {fields['sizes']}; copy it again")
    needed = math.prod(extents) * width
    _refuse_large(path, needed, largest_bytes)
    detached = fields.get("data file", fields.get("datafile"))
    if detached is not None and (detached.startswith("LIST") or "%" in detached):
        return
    data, skip = (path, start) if detached is None else (path.parent / detached, 0)
    encoding = fields.get("encoding", "raw").lower()
    if "byte skip" in fields or "byteskip" in fields or "line skip" in fields or "lineskip" in fields:
        skip = 0
    if encoding in ("raw", "gzip", "gz"):
        _check_data_file(path, data, skip, needed, encoding != "raw")


def _nrrd_header(path: Path, handle: BinaryIO) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    if not handle.readline(_BLOCK).startswith(b"NRRD"):
        raise GenesisError(f"{path}: not a NRRD file; copy it again or convert it")
    while line := handle.readline(_BLOCK):
        text = line.decode("latin-1").strip()
        if not text:
            return fields, handle.tell()
        key, separator, value = text.partition(":")
        if separator and not text.startswith("#"):
            fields[key.strip().lower()] = value.strip()
    if "data file" in fields or "datafile" in fields:
        return fields, handle.tell()
    raise GenesisError(f"{path}: its NRRD header does not end; copy it again")


def _nrrd_width(name: str) -> int:
    bits = re.fullmatch(r"u?int(8|16|32|64)(_t)?", name.strip())
    if bits:
        return int(bits[1]) // 8
    plain = name.replace("unsigned", "").replace("signed", "").strip()
    aliases = {"uchar": 1, "ushort": 2, "uint": 4, "longlong": 8, "ulonglong": 8, "long long": 8}
    words = plain.removesuffix(" int").strip() or "int"
    return {**_NRRD_BYTES, **aliases}[words]


def _check_data_file(path: Path, data: Path, skip: int, needed: int, compressed: bool) -> None:
    if not data.is_file():
        raise GenesisError(f"{path}: its data file {data.name} is missing; put it beside the header")
    if not compressed:
        _hold_against(path, data.stat().st_size - skip, needed)
        return
    with data.open("rb") as handle:
        handle.seek(skip)
        _hold_against(path, _inflated_bytes(path, handle, needed), needed)


def _inflated_bytes(path: Path, handle: BinaryIO, needed: int) -> int:
    """Length of a zlib or gzip stream, read to its checksum; it stops soon after `needed`, against bombs."""
    stream, total, rest = zlib.decompressobj(47), 0, b""
    try:
        while total <= needed + _BLOCK:
            block = rest or handle.read(_BLOCK)
            if not block:
                raise GenesisError(f"{path}: its compressed data ends early (truncated); copy it again")
            total += len(stream.decompress(block, 4 * _BLOCK))
            rest = stream.unconsumed_tail
            if stream.eof:
                rest = (stream.unused_data + handle.read(_BLOCK)).lstrip(b"\0")
                if rest[:2] != b"\x1f\x8b":  # a further gzip member may follow
                    return total
                stream = zlib.decompressobj(47)
    except zlib.error as error:
        raise GenesisError(f"{path}: its compressed data is corrupt ({error}); copy it again") from error
    return total


def _hold_against(path: Path, there: int, needed: int) -> None:
    if there < needed:
        raise GenesisError(f"{path}: truncated, {there} bytes of the {needed} its header declares; copy it again")


def _refuse_large(path: Path, needed: int, largest_bytes: int) -> None:
    if needed > largest_bytes:
        limit = f"the limit of {largest_bytes / 2**30:.3g} GiB"
        raise GenesisError(f"{path}: its header declares {needed / 2**30:.1f} GiB, over {limit}; copy or crop it")


def _check_png(path: Path, largest_bytes: int) -> None:
    """Walk the chunks to the end of the image; each carries a CRC."""
    del largest_bytes  # the reader's own size check follows
    with path.open("rb") as handle:
        if handle.read(8) != b"\x89PNG\r\n\x1a\n":
            raise GenesisError(f"{path}: not a PNG file; copy it again")
        kind = b""
        while kind != b"IEND":
            head = handle.read(8)
            length = int.from_bytes(head[:4], "big")
            kind = head[4:]
            body = handle.read(length) if length <= path.stat().st_size else b""
            crc = handle.read(4)
            if len(head) < 8 or len(body) < length or len(crc) < 4:
                raise GenesisError(f"{path}: truncated PNG; copy it again")
            if zlib.crc32(kind + body) != int.from_bytes(crc, "big"):
                raise GenesisError(f"{path}: corrupt PNG (checksum of {kind!r}); copy it again")


def _check_jpeg(path: Path, largest_bytes: int) -> None:
    """A JPEG ends with a marker; decoders fill what is missing with grey."""
    del largest_bytes
    with path.open("rb") as handle:
        handle.seek(max(path.stat().st_size - 4096, 0))
        if b"\xff\xd9" not in handle.read():
            raise GenesisError(f"{path}: truncated JPEG; copy it again")


_CHECKS: dict[str, Callable[[Path, int], None]] = {
    ".nii.gz": _check_nifti_gz,
    ".nii": _check_nifti,
    ".mhd": _check_meta,
    ".mha": _check_meta,
    ".nrrd": _check_nrrd,
    ".nhdr": _check_nrrd,
    ".png": _check_png,
    ".jpg": _check_jpeg,
    ".jpeg": _check_jpeg,
}
