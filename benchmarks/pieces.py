"""A benchmark's folder in small pieces, to be kept or carried elsewhere.

    python -m benchmarks.pieces pack WORK OUT [--bare]
    python -m benchmarks.pieces unpack OUT WORK

What the benchmark makes again stays behind: phantoms, stores, prepared scans and checkpoints, and the weights of its
fine-tuning runs. `--bare` leaves out what tables do not need either: pictures, label maps, all weights, and where the
folder lay. The tables of docs/results.md are made from an unpacked folder as from the one the benchmark ran in.
"""

import argparse
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json, replacing, write_json

PIECE = 15 * 2**20
LIST = "pieces.json"
_LEFT = ("data", "scans", "stores", "cache")
"""Folders of a benchmark that are made again."""
_NOT_OF_TABLES = ("figures", "tensorboard", "logs")
_WEIGHTS = "weights.safetensors"


def pack(work: Path, out: Path, bare: bool = False) -> list[Path]:
    """Write the benchmark in `work` to `out` as pieces and their list; the pieces."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:xz") as archive:
        for path in _travelling(work, bare):
            _add(archive, path, work, bare)
    whole, pieces = kept.getbuffer(), {}
    for number, start in enumerate(range(0, len(whole), PIECE)):
        part = bytes(whole[start : start + PIECE])
        pieces[f"piece-{number:03d}"] = hashlib.sha256(part).hexdigest()
        with replacing(out / f"piece-{number:03d}") as path:
            path.write_bytes(part)
    write_json(out / LIST, pieces)
    return [out / name for name in pieces]


def _add(archive: tarfile.TarFile, path: Path, work: Path, bare: bool) -> None:
    """`path` as it is named below `work`; of what is kept for good, without the place where `work` lay."""
    about, content = archive.gettarinfo(path, path.relative_to(work).as_posix()), path.read_bytes()
    if bare:
        content = content.replace(f"{work.absolute()}/".encode(), b"")
        about.uid = about.gid = 0
        about.uname = about.gname = ""
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))


def _travelling(work: Path, bare: bool) -> Iterator[Path]:
    left = ("checkpoints", *_NOT_OF_TABLES) if bare else ("checkpoints",)
    for folder, folders, files in os.walk(work):
        inside = Path(folder).relative_to(work)
        folders[:] = sorted(name for name in folders if name not in left and str(inside / name) not in _LEFT)
        for name in sorted(files):
            if name == _WEIGHTS and (bare or inside.parts[:1] != ("pretraining",)):
                continue  # the scores of a finished comparison need no weights, later arms do
            if not (bare and name.endswith((".nii.gz", ".npz"))):
                yield Path(folder, name)


def unpack(pieces: Path, work: Path) -> None:
    """Put together in `work` what `pack` wrote; GenesisError naming the piece that is missing or damaged."""
    whole = bytearray()
    for name, digest in read_json(pieces / LIST).items():
        path = pieces / name
        part = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(part).hexdigest() != digest:
            raise GenesisError(f"{path}: is missing or damaged; copy the pieces of one stretch again")
        whole += part
    with tarfile.open(fileobj=io.BytesIO(whole), mode="r:xz") as archive:
        archive.extractall(work, filter="data")


def main() -> None:
    """Read the arguments; pack or unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    packing = actions.add_parser("pack")
    packing.add_argument("work", type=Path)
    packing.add_argument("out", type=Path)
    packing.add_argument("--bare", action="store_true", help="what tables need, and no more")
    unpacking = actions.add_parser("unpack")
    unpacking.add_argument("out", type=Path)
    unpacking.add_argument("work", type=Path)
    given = parser.parse_args()
    if given.action == "unpack":
        unpack(given.out, given.work)
        return
    for piece in pack(given.work, given.out, given.bare):
        print(f"{piece}: {piece.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
