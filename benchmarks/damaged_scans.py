"""Damage copies of real scans in every way files get damaged, prepare them, and count what was refused and why.

    python benchmarks/damaged_scans.py SCANS [--copies 200] [--workers 1] [--modality mr]

SCANS is a folder with .nii.gz files. Nothing in it is changed; the copies go to a temporary folder.
"""

import argparse
import csv
import gzip
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from modelsgenesis.data.prepare import PrepareSettings, prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.errors import GenesisError

Damage = Callable[[bytes, np.random.Generator], bytes]


def _pack(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _cut(packed: bytes, rng: np.random.Generator) -> bytes:
    return packed[: int(rng.integers(1, len(packed)))]


def _flip_bit(packed: bytes, rng: np.random.Generator) -> bytes:
    content = bytearray(packed)
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(content)


def _zero_block(packed: bytes, rng: np.random.Generator) -> bytes:
    content, start = bytearray(packed), int(rng.integers(len(packed)))
    content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    return bytes(content)


def _swap_blocks(packed: bytes, rng: np.random.Generator) -> bytes:
    middle = int(rng.integers(1, len(packed)))
    return packed[middle:] + packed[:middle]


def _header(offset: int, values: bytes) -> Damage:
    def damage(packed: bytes, rng: np.random.Generator) -> bytes:
        del rng
        content = bytearray(gzip.decompress(packed))
        content[offset : offset + len(values)] = values
        return _pack(bytes(content))

    return damage


def _random_header(packed: bytes, rng: np.random.Generator) -> bytes:
    content = bytearray(gzip.decompress(packed))
    for position in rng.integers(0, 348, 20):
        content[position] = int(rng.integers(256))
    return _pack(bytes(content))


def _missing_voxels(packed: bytes, rng: np.random.Generator) -> bytes:
    content = gzip.decompress(packed)
    return _pack(content[: int(rng.integers(352, len(content)))])


def _not_a_number(packed: bytes, rng: np.random.Generator) -> bytes:
    """The voxels as float32, one of them NaN."""
    content = gzip.decompress(packed)
    dims = struct.unpack_from("<8h", content, 40)
    count = int(np.prod(dims[1 : dims[0] + 1]))
    values = rng.normal(0, 300, count).astype("<f4")
    values[int(rng.integers(count))] = np.nan
    header = bytearray(content[:352])
    header[70:74] = struct.pack("<2h", 16, 32)
    header[108:120] = struct.pack("<3f", 352, 1, 0)
    return _pack(bytes(header) + values.tobytes())


def _constant(packed: bytes, rng: np.random.Generator) -> bytes:
    del rng
    content = gzip.decompress(packed)
    return _pack(content[:352] + bytes(len(content) - 352))


def _empty(packed: bytes, rng: np.random.Generator) -> bytes:
    del packed, rng
    return b""


def _web_page(packed: bytes, rng: np.random.Generator) -> bytes:
    del packed, rng
    return b"<html><body>404 Not Found</body></html>\n" * 20


def _nothing(packed: bytes, rng: np.random.Generator) -> bytes:
    del rng
    return packed


DAMAGES: dict[str, Damage] = {
    "gzip cut off": _cut,
    "bit flipped in gzip": _flip_bit,
    "block of zeros in gzip": _zero_block,
    "blocks swapped in gzip": _swap_blocks,
    "size too large": _header(42, struct.pack("<3h", 30000, 30000, 30000)),
    "size one too large": _header(42, struct.pack("<h", 300)),
    "size negative": _header(44, struct.pack("<h", -7)),
    "4D": _header(40, struct.pack("<5h", 4, 8, 8, 8, 8)),
    "too few slices": _header(46, struct.pack("<h", 3)),
    "unknown voxel type": _header(70, struct.pack("<h", 4097)),
    "20 random header bytes": _random_header,
    "voxels missing": _missing_voxels,
    "one NaN": _not_a_number,
    "constant": _constant,
    "empty file": _empty,
    "a web page": _web_page,
    "nothing (control)": _nothing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--modality", choices=["ct", "mr"], default="mr")
    arguments = parser.parse_args()
    scans = sorted(arguments.scans.rglob("*.nii.gz"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "scans")
        folder.mkdir()
        kinds = damage_copies(scans, folder, arguments.copies)
        began = time.monotonic()
        try:
            prepare([folder], Path(temporary, "store"), PrepareSettings(arguments.modality), arguments.workers)
        except GenesisError as error:
            print(error)
        print(f"{len(kinds)} copies of {len(scans)} scans prepared in {time.monotonic() - began:.0f} s")
        report(Path(temporary, "store"), kinds)


def damage_copies(scans: list[Path], folder: Path, copies: int) -> dict[str, str]:
    """Write the copies, all kinds of damage in turn; returns file name to kind."""
    rng, kinds = np.random.default_rng(0), {}
    for number in range(copies):
        kind = list(DAMAGES)[number % len(DAMAGES)]
        packed = scans[int(rng.integers(len(scans)))].read_bytes()
        name = f"{number:04d}.nii.gz"
        (folder / name).write_bytes(DAMAGES[kind](packed, rng))
        kinds[name] = kind
    return kinds


def report(store: Path, kinds: dict[str, str]) -> None:
    """Print, for each kind of damage, how many were accepted and the reasons of the others."""
    with (store / "rejected.csv").open(newline="", encoding="utf-8") as handle:
        reasons = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(handle)}
    opened = open_store(store)
    accepted = {Path(scan.source).name for scan in opened.scans}
    for kind in DAMAGES:
        names = [name for name, one in kinds.items() if one == kind]
        listed = Counter(reasons[name].split(",")[0].split(" (")[0].split(";")[0] for name in names if name in reasons)
        print(f"{kind}: {sum(name in accepted for name in names)} accepted, {sum(listed.values())} rejected")
        for reason, count in listed.most_common():
            print(f"    {count} x {reason}")
    print(f"accepted {len(accepted)}, rejected {len(reasons)}, lost {len(kinds) - len(accepted) - len(reasons)}")
    print(f"arrays that cannot be read back: {len(opened.verify())}")


if __name__ == "__main__":
    main()
