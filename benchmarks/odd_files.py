"""Odd files, one field each: every one that is accepted is compared with an independent reader.

    python -m benchmarks.odd_files

Prints for each format how many are equal, refused with a reason, beyond the decoders of the independent reader,
silently different (must be 0) and crashed (must be 0), and with `--list` each file with what came of it.
"""

import argparse
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.odd import dicom, nifti, packages, pictures, text_headers
from benchmarks.odd.variant import Variant, same
from modelsgenesis.data.volume import Volume, read_volume
from modelsgenesis.data.workers import Lost, run_jobs
from modelsgenesis.errors import GenesisError

WRONG = ("different", "crashed")
OUTCOMES = ("equal", "refused", "unchecked", *WRONG)


@dataclass(frozen=True)
class Outcome:
    """What came of one file: one of OUTCOMES, and in words."""

    kind: str
    words: str


def read(path: Path) -> Volume | str:
    """In a worker: the volume, or why it was refused."""
    warnings.simplefilter("ignore")
    try:
        return read_volume(path)
    except GenesisError as error:
        return str(error)


def judge(variant: Variant, result: Volume | str | Lost) -> Outcome:
    """Hold what was read against the independent reader."""
    if isinstance(result, Lost):
        return Outcome("crashed", result.reason)
    if isinstance(result, str):
        return Outcome("refused", result.removeprefix(f"{variant.path}: "))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            truth = variant.truth(variant.path)
    except RuntimeError as error:
        return Outcome("unchecked", f"the independent reader cannot decode it ({str(error).splitlines()[0]})")
    except Exception as error:  # whatever the independent reader raises
        return Outcome("different", f"read, but the independent reader refuses it ({type(error).__name__}: {error})")
    wrong = same(truth, result.array, result.affine)
    return Outcome("different", wrong) if wrong else Outcome("equal", "; ".join(result.notes))


def outcomes(folder: Path) -> list[tuple[Variant, Outcome]]:
    """Make the files in `folder` and read them in guarded workers."""
    made = {}
    for module in (nifti, dicom, text_headers, pictures, packages):
        for variant in module.variants(folder):
            made[variant.path] = variant
    found = {path: judge(made[path], result) for path, result in run_jobs(read, list(made), 2, 60)}
    return [(variant, found[path]) for path, variant in made.items()]


def main() -> None:
    """Print the table, and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print every file, not only what is wrong")
    listed = parser.parse_args().list
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for variant, outcome in outcomes(Path(folder)):
            counts.setdefault(variant.kind, Counter())[outcome.kind] += 1
            if listed or outcome.kind in WRONG:
                print(f"{outcome.kind:9} {variant.kind:10} {variant.name}: {outcome.words}".replace(folder, ""))
    print(f"{'format':12}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES) + f"{'files':>10}")
    for kind, count in (*counts.items(), ("all", sum(counts.values(), Counter()))):
        print(f"{kind:12}" + "".join(f"{count[outcome]:>10}" for outcome in OUTCOMES) + f"{count.total():>10}")


if __name__ == "__main__":
    main()
