"""How many scans `genesis prepare` takes for something else than what they are.

    python -m benchmarks.doubts ct FOLDER...        # or mr, image, label
    python -m benchmarks.doubts phantoms            # a few of every layout that the package makes

The first names folders of scans of one modality; the second holds scans against the modality of their layout.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from modelsgenesis.data.convert import MODALITIES
from modelsgenesis.data.guarded import guarding, read_source
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.plausible import doubt, look_at
from modelsgenesis.errors import GenesisError
from modelsgenesis.phantoms import write_phantoms

SCANS = {"ct": "ct", "flair": "mr", "dxc": "image", "iuc": "image"}
"""Layouts that hold scans of one modality and nothing else."""


def doubted(folders: Sequence[str | Path], modality: str) -> tuple[int, int, int]:
    """How many scans there are, cannot be read, and do not look like `modality`; the last are printed."""
    found = unread = odd = 0
    with guarding():
        for source in index_sources(folders):
            found += 1
            try:
                volume = read_source(source)
            except GenesisError:
                unread += 1
                continue
            said = doubt(look_at(volume.array), modality, volume.modality)
            if said:
                odd += 1
                print(f"  {source.path}: {said}")
    return found, unread, odd


def main() -> None:
    """Print a line for the folders, or for each layout."""
    modality, *folders = sys.argv[1:] or ["phantoms"]
    if modality in MODALITIES and folders:
        rows = [(modality, doubted(folders, modality))]
    else:
        with tempfile.TemporaryDirectory() as place:
            rows = []
            for name, kind in SCANS.items():
                folder = Path(place, name)
                write_phantoms(name, folder, 3, 0, None, None)
                rows.append((f"{name} ({kind})", doubted([folder], kind)))
    for name, (found, unread, odd) in rows:
        print(f"{name}: {found} scans, {unread} that cannot be read, {odd} doubted")


if __name__ == "__main__":
    main()
