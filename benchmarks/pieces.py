"""A benchmark's folder in small pieces, to be kept or carried elsewhere.

    python -m benchmarks.pieces pack WORK OUT [--bare]
    python -m benchmarks.pieces unpack OUT WORK

What the benchmark makes again stays behind: phantoms, stores, prepared scans and checkpoints; so do pictures, label
maps that are evaluated, and the weights of its fine-tuning runs. The runs are one group, a folder of OUT with pieces
and their list; the weights of each pre-training are another, so that those which are needed next can travel alone.

`--bare` writes one group, to OUT itself, without weights, logs and the places of WORK and of the working directory:
what tables need. Those of docs/results.md are made from an unpacked folder as from the one the benchmark ran in.
"""

import argparse
import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json, replacing, write_json

PIECE = 15 * 2**20
LIST = "pieces.json"
RUNS = "runs"
PRETRAINING = "pretraining-"
"""Name of the group of all but weights, and how those of pre-trainings begin."""
_LEFT = ("data", "scans", "stores", "cache")
"""Folders of a benchmark that are made again."""
_NOT_CARRIED = ("checkpoints", "figures", "tensorboard")
_WEIGHTS = "weights.safetensors"


def pack(work: Path, out: Path, bare: bool = False, carried: Path | None = None) -> list[Path]:
    """Write the benchmark in `work` to `out` as pieces and their lists.

    Args:
        work: the benchmark's folder.
        out: where the groups go.
        bare: one group, for tables alone.
        carried: pieces that `work` was put together from: a group that is still the same is not written again.

    Returns the pieces of the groups that have changed.
    """
    if bare:
        return _write(lzma.compress(_archive(_of_runs(work, ("logs",)), work, bare)), out)
    groups = {RUNS: lzma.compress(_archive(_of_runs(work), work), preset=1)}  # ten times faster, a fifth larger
    for weights in sorted(work.glob(f"pretraining/*/{_WEIGHTS}")):
        groups[PRETRAINING + weights.parent.name] = _archive([weights], work)  # they hardly shrink
    return [
        piece
        for name, whole in groups.items()
        for piece in _write(whole, out / name, carried / name if carried else None)
    ]


def _archive(files: Iterable[Path], work: Path, bare: bool = False) -> bytes:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        for path in files:
            _add(archive, path, work, bare)
    return kept.getvalue()


def _write(whole: bytes, out: Path, carried: Path | None = None) -> list[Path]:
    """Write one group: whenever this ends, killed or not, the list in `out` names pieces that are there."""
    parts = {}
    for number, start in enumerate(range(0, len(whole), PIECE)):
        part = whole[start : start + PIECE]
        parts[f"piece-{number:03d}-{hashlib.sha256(part).hexdigest()[:16]}"] = part
    listed = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    before = next((read_json(one / LIST) for one in (out, carried) if one and (one / LIST).is_file()), None)
    if listed == before:
        return []
    for name, part in parts.items():
        with replacing(out / name) as path:
            path.write_bytes(part)
    write_json(out / LIST, listed)
    for path in out.glob("*piece-*"):  # of the list before this one, and what a killed call left half written
        if path.name not in listed:
            path.unlink()
    return [out / name for name in listed]


def _add(archive: tarfile.TarFile, path: Path, work: Path, bare: bool) -> None:
    """`path` as it is named below `work`, alike on every machine; kept for good, without where it lay."""
    about, content = archive.gettarinfo(path, path.relative_to(work).as_posix()), path.read_bytes()
    if bare:
        for place in (work.absolute(), Path.cwd()):
            content = content.replace(f"{place}/".encode(), b"")
    about.mtime, about.uid, about.gid, about.uname, about.gname = int(about.mtime), 0, 0, "", ""
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))


def _of_runs(work: Path, left: tuple[str, ...] = ()) -> Iterator[Path]:
    """All that is no weights; label maps only where they still have to be evaluated."""
    for folder, folders, files in os.walk(work):
        here = Path(folder)
        inside = here.relative_to(work)
        folders[:] = sorted(
            name for name in folders if name not in (*_NOT_CARRIED, *left) and str(inside / name) not in _LEFT
        )
        evaluated = (here.parent / "evaluation" / "summary.json").is_file()
        for name in sorted(files):
            picture = name.endswith(".npz") or (name.endswith(".nii.gz") and evaluated)
            if name != _WEIGHTS and not picture and not name.startswith("."):  # hidden: locks, half written
                yield here / name


def groups(pieces: Path) -> dict[str, Path]:
    """Name -> folder of each group in `pieces`."""
    return {path.parent.name: path.parent for path in sorted(pieces.glob(f"*/{LIST}"))}


def unpack(pieces: Path, work: Path) -> None:
    """Put together in `work` the group in `pieces`, or all groups there are.

    Raises GenesisError naming the piece or list that is missing or damaged.
    """
    for folder in groups(pieces).values() or [pieces]:
        whole = b"".join(_checked(folder / name, digest) for name, digest in read_json(folder / LIST).items())
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            # Python before 3.11.4 (that of Debian 12) has no filters; the digests of the pieces were compared above
            archive.extractall(work, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))


def _checked(path: Path, digest: str) -> bytes:
    part = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(part).hexdigest() != digest:
        raise GenesisError(f"{path}: is missing or damaged; copy all pieces of {path.parent} again")
    return part


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
