"""Small data sets of every target, mostly written by the phantoms; shared by contract and end-to-end tests."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from modelsgenesis.phantoms import write_phantoms
from modelsgenesis.phantoms.chest import write_classification, write_segmentation
from modelsgenesis.phantoms.iuc import write_iuc

COUNT = 6
SMALL = (24, 24, 20)
CT = ((40, 40, 28), (6.0, 6.0, 8.0))
"""A whole chest or abdomen."""
LUNG = ((36, 36, 24), (4.0, 4.0, 6.0))


def nnunet(folder: Path) -> Path:
    return write_segmentation(folder, COUNT, 0, shape=SMALL)


def decathlon(folder: Path) -> Path:
    write_segmentation(folder, COUNT, 0, ("lung",), SMALL)
    path = folder / "dataset.json"
    description = json.loads(path.read_text())
    labels = {str(value): name for name, value in description["labels"].items()}
    path.write_text(json.dumps({"labels": labels, "training": description["training"]}))
    return folder


def table(folder: Path) -> Path:
    return write_classification(folder, COUNT, 0, SMALL)


def multilabel(folder: Path) -> Path:
    path = write_classification(folder, COUNT, 0, SMALL)
    rows = list(csv.DictReader(path.open()))
    for number, row in enumerate(rows):
        row["label"] = ["", "nodule", "nodule|large"][number % 3]
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, ["path", "subject", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def luna16(folder: Path) -> Path:
    write_phantoms("ncc", folder, COUNT, 0, *LUNG)
    return folder


def lidc(folder: Path) -> Path:
    write_phantoms("ncs", folder, COUNT, 0, *LUNG)
    return folder


def cad_pe(folder: Path) -> Path:
    write_phantoms("ecc", folder, COUNT, 0, *LUNG)
    return folder


def lits(folder: Path) -> Path:
    write_phantoms("lcs", folder, COUNT, 0, *CT)
    return folder


def organs(folder: Path) -> Path:
    write_phantoms("organs", folder, COUNT, 0, *CT)
    return folder


def brats2018(folder: Path) -> Path:
    write_phantoms("bms", folder, COUNT, 0, (32, 36, 28), (5.0, 5.0, 5.0))
    return folder


def chestxray14(folder: Path) -> Path:
    write_phantoms("dxc", folder, 8, 0)
    return folder


def carotid(folder: Path) -> Path:
    return write_iuc(folder, COUNT, 0, frames=2, shape=(96, 96))


def cubs(folder: Path) -> Path:
    write_phantoms("cubs", folder, COUNT, 0)
    return folder


def _medmnist(path: Path, shape: tuple[int, ...]) -> Path:
    rng, arrays = np.random.default_rng(0), {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = rng.integers(0, 255, (6, *shape), np.uint8)
        arrays[f"{part}_labels"] = np.arange(6).reshape(-1, 1) % 2
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def images28(folder: Path) -> Path:
    return _medmnist(folder / "pneumoniamnist.npz", (28, 28))


def volumes28(folder: Path) -> Path:
    return _medmnist(folder / "nodulemnist3d.npz", (28, 28, 28))


SAMPLES: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "ncc": (luna16,),
    "ncs": (lidc,),
    "ecc": (cad_pe,),
    "lcs": (lits,),
    "bms": (brats2018,),
    "organs": (organs,),
    "dxc": (chestxray14,),
    "iuc": (carotid,),
    "cubs": (cubs,),
    "medmnist": (images28,),
    "medmnist3d": (volumes28,),
    "folder": (nnunet, decathlon, table, multilabel),
}
"""Target -> writers of a small example in each layout."""
