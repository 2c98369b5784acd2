"""The whole comparison on a lent GPU, a stretch at a time: `python -m benchmarks.campaign WORK OUT [--pieces FOLDER]`.

Goes on with the benchmark in WORK for some minutes and writes what it has, weights and logs, to OUT in pieces of less
than 16 MiB. On another machine, name the folder of these pieces: they are put together in WORK first. Phantoms and
stores do not travel, for they are made again alike; neither do checkpoints, so a training that a change of machine
interrupts begins anew. On one machine the same command goes on where it stopped.
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json, replacing, write_json

PIECE = 15 * 2**20
LIST = "pieces.json"
LEFT = ("data", "scans", "stores", "cache")
"""Folders of a benchmark that are made again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """One stretch; the exit status of the benchmark, 0 when it is complete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pieces", type=Path, help="of an earlier stretch on another machine")
    parser.add_argument("--plan", default="phantom-full-gpu")
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--processes", type=int, default=4)
    given, more = parser.parse_known_args(arguments)
    if given.pieces and not given.work.exists():
        unpack(given.pieces, given.work)
    command = [sys.executable, "-m", "modelsgenesis", "benchmark", given.plan, "--out", str(given.work)]
    stretch = ["--stop-after", str(given.minutes), "--processes", str(given.processes), *more]
    status = subprocess.run([*command, *stretch]).returncode
    pack(given.work, given.out)
    return status


def pack(work: Path, out: Path) -> list[Path]:
    """Write the benchmark in `work` to `out` as pieces and their list; the pieces."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz", compresslevel=1) as archive:
        for path in _travelling(work):
            archive.add(path, path.relative_to(work).as_posix(), recursive=False)
    whole, pieces = kept.getbuffer(), {}
    for number, start in enumerate(range(0, len(whole), PIECE)):
        part = bytes(whole[start : start + PIECE])
        pieces[f"piece-{number:03d}"] = hashlib.sha256(part).hexdigest()
        with replacing(out / f"piece-{number:03d}") as path:
            path.write_bytes(part)
    write_json(out / LIST, pieces)
    return [out / name for name in pieces]


def _travelling(work: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(work):
        inside = Path(folder).relative_to(work)
        folders[:] = sorted(name for name in folders if name != "checkpoints" and str(inside / name) not in LEFT)
        for name in sorted(files):
            if name != "weights.safetensors" or inside.parts[:1] == ("pretraining",):
                yield Path(folder, name)  # the scores of a finished comparison need no weights, later arms do


def unpack(pieces: Path, work: Path) -> None:
    """Put together in `work` what `pack` wrote; GenesisError naming the piece that is missing or damaged."""
    whole = bytearray()
    for name, digest in read_json(pieces / LIST).items():
        path = pieces / name
        part = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(part).hexdigest() != digest:
            raise GenesisError(f"{path}: is missing or damaged; copy the pieces of one stretch again")
        whole += part
    with tarfile.open(fileobj=io.BytesIO(whole), mode="r:gz") as archive:
        archive.extractall(work, filter="data")


if __name__ == "__main__":
    sys.exit(main())
