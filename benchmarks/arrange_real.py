"""Small labelled tasks cut from real data, in the layouts that the target `folder` reads, for the plan `real.yaml`.

    python -m benchmarks.arrange_real DATA OUT
    genesis benchmark benchmarks/real.yaml --data TASKS=OUT WEIGHTS=weights --out real

DATA holds a folder a source. Written are, few slices or patients being labelled on purpose:

- `lungs`: training and validation on slabs of one patient (gaps between them), test on the whole chest of another and a
  third slab;
- `liver`: slabs of one patient, so its figures speak of the rest of that patient, not of others;
- `sarcoma`: six CT scans of six patients; the plan makes three folds of them;
- `xrays`: 758 radiographs, pneumonia or no finding, a fifth of the patients for testing.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from modelsgenesis.files import write_csv, write_json
from modelsgenesis.tables import read_columns
from modelsgenesis.types import JSON


@dataclass(frozen=True)
class Piece:
    """Slices `first` to before `last` (None: to the end) of a scan with the mask of one structure.

    Args:
        name: of the case.
        image: file of the scan.
        labels: file of its label map.
        values: of the label map that make up the structure.
        first: first slice.
        last: slice before which it ends.
    """

    name: str
    image: str
    labels: str
    values: tuple[int, ...]
    first: int = 0
    last: int | None = None


_LUNG1 = ("nsclc-radiomics-lung1-001/ct.nii.gz", "nsclc-radiomics-lung1-001/labels.nii.gz", (1, 2))
_CCTH = "cc-tumor-heterogeneity-ccth-a01"
_CHEST = (f"{_CCTH}/chest_ct.nii.gz", f"{_CCTH}/chest_labels.nii.gz", (2, 3, 4, 5, 6))
_ABDOMEN = (f"{_CCTH}/abdomen_ct.nii.gz", f"{_CCTH}/abdomen_labels.nii.gz", (1,))
_PATIENTS = ("STS_002", "STS_003", "STS_006", "STS_012", "STS_018", "STS_041")
SEGMENTATIONS = {
    "lungs": (
        Piece("train", *_LUNG1, 60, 92),
        Piece("val", *_LUNG1, 94, 126),
        Piece("test-same-patient", *_LUNG1, 16, 58),
        Piece("test-other-patient", *_CHEST),
    ),
    "liver": (
        Piece("train", *_ABDOMEN, 66, 90),
        Piece("val", *_ABDOMEN, 48, 64),
        Piece("test-lower", *_ABDOMEN, 24, 46),
        Piece("test-upper", *_ABDOMEN, 92, 112),
    ),
    "sarcoma": tuple(
        Piece(p, f"soft-tissue-sarcoma/{p}_ct.nii.gz", f"soft-tissue-sarcoma/{p}_ct_gtv.nii.gz", (1,))
        for p in _PATIENTS
    ),
}
TEST_SHARE = 0.2
"""Share of the patients with X-rays who are for testing."""


def write_pieces(data: Path, folder: Path, structure: str, pieces: Sequence[Piece]) -> None:
    """Write `pieces` of the scans in `data` in the nnU-Net layout into `folder`."""
    for piece in pieces:
        image, labels = (
            sitk.ReadImage(str(data / file))[:, :, piece.first : piece.last] for file in (piece.image, piece.labels)
        )
        mask = sum((labels == value for value in piece.values[1:]), labels == piece.values[0])
        for kind, content, file in (("images", image, f"{piece.name}_0000"), ("labels", mask, piece.name)):
            target = folder / f"{kind}Tr" / f"{file}.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(content, str(target))
    description: JSON = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, structure: 1},
        "numTraining": len(pieces),
        "file_ending": ".nii.gz",
    }
    write_json(folder / "dataset.json", description)


def write_xrays(data: Path, out: Path) -> int:
    """Write the table of the X-rays and return how many there are; the images stay where they are."""
    source = data / "nih-chestxray14-subset"
    rows = [values for _, values in read_columns(source / "labels.csv", ("file", "patient_id", "finding_labels"))]
    patients = sorted({patient for _, patient, _ in rows})
    tested = set(np.random.default_rng(0).permutation(patients)[: round(TEST_SHARE * len(patients))].tolist())
    (out / "xrays").mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "path": os.path.relpath(source / "images" / file, out / "xrays"),
            "subject": patient,
            "label": "pneumonia" if "Pneumonia" in findings.split("|") else "none",
            "split": "test" if patient in tested else "train",
        }
        for file, patient, findings in rows
    ]
    write_csv(out / "xrays" / "cases.csv", ("path", "subject", "label", "split"), lines)
    return len(lines)


def main() -> None:
    """Read the arguments and write all tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    for name, pieces in SEGMENTATIONS.items():
        write_pieces(given.data, given.out / name, name, pieces)
        print(f"{name}: {len(pieces)} cases")
    print(f"xrays: {write_xrays(given.data, given.out)} images")


if __name__ == "__main__":
    main()
