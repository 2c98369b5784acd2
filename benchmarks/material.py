"""Chest phantoms and the store of them, on which the speed is measured; made once and kept."""

from pathlib import Path

from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import Store, open_store
from modelsgenesis.phantoms.chest import write_unlabelled

SCANS, SHAPE, SPACING = 3, (288, 288, 128), (1.25, 1.25, 2.2)


def scans(folder: Path) -> list[Path]:
    """Three chest CT of 288x288x128 voxels."""
    held = sorted((folder / "scans").glob("*.nii.gz"))
    if len(held) < SCANS:
        held = write_unlabelled(folder / "scans", SCANS, 0, SHAPE, SPACING)
    return held


def store(folder: Path) -> Store:
    """Them as a store."""
    prepare(scans(folder), folder / "store", workers=1)
    return open_store(folder / "store")
