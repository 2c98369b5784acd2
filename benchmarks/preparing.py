"""Preparing scans on one core, beside plain decompression of them: `python -m benchmarks preparing`."""

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.material import SCANS, SHAPE, scans
from benchmarks.rows import Row, turns
from modelsgenesis.data.prepare import prepare

VOXELS = SCANS * SHAPE[0] * SHAPE[1] * SHAPE[2]


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """MB of raw 16-bit voxels a second, and the share that plain decompression takes."""
    files = scans(folder)

    def plain() -> None:
        for file in files:
            with gzip.open(file) as handle:
                while handle.read(1 << 20):
                    pass

    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary, "store")

        def ours() -> None:
            shutil.rmtree(out, ignore_errors=True)
            prepare(files, out, workers=1)

        times = turns({"prepare": ours, "gunzip": plain}, repeats)
    megabytes = 2 * VOXELS / 1e6
    floor = f"plain decompression of the files {times['gunzip']:.3g} s"
    yield Row(
        "prepare, a core",
        megabytes / times["prepare"],
        "MB/s",
        f"{times['prepare']:.3g} s for {megabytes:.0f} MB of voxels; {floor}",
        "decompressing .nii.gz, then the checks, LZ4 and checksums of the store; the worker's start is counted",
    )
