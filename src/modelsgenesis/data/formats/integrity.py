"""Is a scan file whole? Checked against its own header before any memory is taken for voxels.

Readers differ in what they forgive: a truncated file may come back padded with zeros, and a damaged header may ask
for terabytes. Here the declared size is held against the bytes that are there, and compressed streams are read to
their checksum.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from modelsgenesis.data.formats.text_headers import Payload
from modelsgenesis.errors import GenesisError

LARGEST_BYTES = 8 * 2**30
"""Default memory limit of one scan as float32: 2048 slices of 1024x1024."""

_BLOCK = 2**20
_FLOAT32_BYTES = 4
_DEFLATE_RATIO = 1032  # the most that deflate can compress


def check_memory(path: Path, size: Sequence[int], largest_bytes: int) -> None:
    """Raise GenesisError when a scan of `size` voxels is empty or, as float32, needs more than `largest_bytes`."""
    needed = _FLOAT32_BYTES * math.prod(size)
    shape = "x".join(map(str, size))
    if needed <= 0:
        raise GenesisError(f"{path}: empty, size {shape}; leave it out")
    if needed > largest_bytes:
        raise GenesisError(f"{path}: {shape} voxels need {needed / 2**30:.1f} GiB, over the limit; crop or split it")


def check_picture(path: Path) -> None:
    """Check that a PNG or JPEG file is whole: decoders fill what is missing with grey; GenesisError when it is not."""
    name = path.name.lower()
    if name.endswith(".png"):
        _check_png(path)
    elif name.endswith((".jpg", ".jpeg")):
        _check_jpeg(path)


def check_payload(path: Path, payload: Payload, largest_bytes: int) -> None:
    """Check the voxels that a header declares.

    Raises:
        GenesisError: truncated, corrupt, its data file missing, or declaring more than `largest_bytes`.
    """
    if payload.needed > largest_bytes:
        declared, limit = payload.needed / 2**30, largest_bytes / 2**30
        raise GenesisError(f"{path}: its header declares {declared:.1f} GiB, over the limit of {limit:.3g}; crop it")
    if not payload.file.is_file():
        raise GenesisError(f"{path}: its data file {payload.file.name} is missing; put it beside the header")
    there = payload.file.stat().st_size - payload.skip
    if payload.compressed and payload.needed <= there * _DEFLATE_RATIO:
        with payload.file.open("rb") as handle:
            handle.seek(payload.skip)
            there = 0
            for block in inflated(path, handle):
                there += len(block)
                if there > max(largest_bytes, payload.needed) + _BLOCK:
                    raise GenesisError(f"{path}: its compressed data goes on beyond the memory limit; copy it again")
    if there < payload.needed:
        raise GenesisError(
            f"{path}: truncated, {there} bytes where its header declares {payload.needed}; copy it again"
        )


def inflated(path: Path, handle: BinaryIO) -> Iterator[bytes]:
    """A zlib or gzip stream in blocks, read to its checksum; raises GenesisError where it is truncated or corrupt."""
    stream, rest = zlib.decompressobj(47), b""
    try:
        while True:
            packed = rest or handle.read(_BLOCK)
            if not packed:
                raise GenesisError(f"{path}: its compressed data ends early (truncated); copy it again")
            yield stream.decompress(packed, 4 * _BLOCK)
            rest = stream.unconsumed_tail
            if stream.eof:
                rest = (stream.unused_data + handle.read(_BLOCK)).lstrip(b"\0")
                if rest[:2] != b"\x1f\x8b":  # a further gzip member may follow
                    return
                stream = zlib.decompressobj(47)
    except zlib.error as error:
        raise GenesisError(f"{path}: its compressed data is corrupt ({error}); copy it again") from error


def _check_png(path: Path) -> None:
    """Walk the chunks, each of which carries a CRC, to the one that ends the image."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        if handle.read(8) != b"\x89PNG\r\n\x1a\n":
            raise GenesisError(f"{path}: not a PNG file; copy it again")
        kind, declared, data = b"", 0, zlib.decompressobj()
        unpacked = 0
        while kind != b"IEND":
            head = handle.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            body = handle.read(length) if length <= size else b""
            crc = handle.read(4)
            if len(head) < 8 or len(body) < length or len(crc) < 4:
                raise GenesisError(f"{path}: truncated PNG; copy it again")
            if zlib.crc32(kind + body) != int.from_bytes(crc, "big"):
                raise GenesisError(f"{path}: corrupt PNG (checksum of {kind!r}); copy it again")
            if kind == b"IHDR":
                declared = _png_bytes(body)
            elif kind == b"IDAT" and unpacked < declared:
                try:
                    unpacked += len(data.decompress(body, declared + 1))
                except zlib.error as error:
                    raise GenesisError(f"{path}: corrupt PNG ({error}); copy it again") from error
    if unpacked < declared:
        raise GenesisError(
            f"{path}: truncated PNG, {unpacked} bytes of pixels where it declares {declared}; copy it again"
        )


def _png_bytes(header: bytes) -> int:
    """Bytes of the lines of pixels, uncompressed, that the body of a PNG's IHDR declares; 0 of an interlaced one."""
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(kind, 1)
    return 0 if interlaced else height * (1 + -(-width * bits * channels // 8))


def _check_jpeg(path: Path) -> None:
    """A JPEG ends with a marker; decoders fill what is missing with grey."""
    with path.open("rb") as handle:
        handle.seek(max(path.stat().st_size - 4096, 0))
        if b"\xff\xd9" not in handle.read():
            raise GenesisError(f"{path}: truncated JPEG; copy it again")
