"""Lay the LIDC-IDRI scan of the shared data out as LIDC-IDRI and LUNA16 lie on disk, for the targets `ncs` and `ncc`.

    python -m benchmarks.arrange_lidc DATA OUT

DATA holds `lidc-idri-0314/ct_crop_native.nii.gz` with the mask of its nodule, and `lidc-annotations`. OUT gets

    LIDC-IDRI/LIDC-IDRI-0314/<study>/<series>/1-001.dcm, ..., 314.xml    each reader's outlines are those of the mask
    LUNA16/subset0/<series>.mhd, annotations.csv, candidates.csv         the nodule, and places that are none

with real series UID, positions and ratings; study and instance UIDs are made up.
"""

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from modelsgenesis.files import write_csv, write_text
from modelsgenesis.phantoms.images import placed, write_detached
from modelsgenesis.phantoms.lidc import heights, write_series
from modelsgenesis.phantoms.luna16 import COLUMNS
from modelsgenesis.phantoms.readings import RATINGS, Slices, begin, finish, outlined, outlines, sit

PATIENT, FOLDER = "LIDC-IDRI-0314", "lidc-idri-0314"
AWAY = ((-30.0, -20.0, 25.0), (25.0, 25.0, -30.0), (-15.0, 35.0, 20.0))
"""mm from the nodule to the places that are none, where the scan reaches so far."""


def arrange(data: Path, out: Path) -> str:
    """Write both layouts; returns the series UID."""
    scan, mask = (sitk.ReadImage(str(data / FOLDER / f"{name}_crop_native.nii.gz")) for name in ("ct", "nodule"))
    hounsfield, nodule = (sitk.GetArrayFromImage(image).transpose(2, 1, 0) for image in (scan, mask))
    spacing, origin = scan.GetSpacing(), np.array(scan.GetOrigin())
    x, y, z = (origin + (np.array(hounsfield.shape) - 1) / 2 * spacing).tolist()
    rows = _rows(data / "lidc-annotations" / "annotations.csv.gz")
    series = rows[0]["series_instance_uid"]
    slices = Slices(
        study=f"{series}.1",
        series=series,
        instances=[f"{series}.2.{k + 1}" for k in range(hounsfield.shape[2])],
        heights=heights(hounsfield.shape[2], spacing[2], z),
    )
    place = out / "LIDC-IDRI" / PATIENT / slices.study / series
    rng = np.random.default_rng(0)
    write_series(hounsfield.astype(np.float32), spacing, (x, y, z), slices, PATIENT, rng, place)
    write_text(place / "314.xml", _xml(nodule > 0, rows, slices))
    write_detached(placed(hounsfield.astype(np.int16), spacing, (x, y, z)), out / f"LUNA16/subset0/{series}.mhd")
    middle = origin + np.argwhere(nodule).mean(axis=0) * spacing
    diameter = float(np.mean([float(row["diameter_inplane_mm"]) for row in rows]))
    far = np.array(hounsfield.shape) * spacing
    places = [middle, *(at for at in middle + np.array(AWAY) if (at >= origin).all() and (at < origin + far).all())]
    tables = [dict(zip(COLUMNS, (series, *p.round(4).tolist(), int(p is middle)), strict=True)) for p in places]
    write_csv(out / "LUNA16" / "candidates.csv", COLUMNS, tables)
    found = {**tables[0], "diameter_mm": round(diameter, 4)}
    write_csv(out / "LUNA16" / "annotations.csv", (*COLUMNS[:-1], "diameter_mm"), [found])
    return series


def _rows(table: Path) -> list[dict[str, str]]:
    """What the readers wrote about the patient's nodule, one row each."""
    with gzip.open(table, "rt", newline="") as handle:
        return [row for row in csv.DictReader(handle) if row["patient_id"] == PATIENT]


def _xml(nodule: NDArray[np.bool_], rows: list[dict[str, str]], slices: Slices) -> str:
    root, rois = begin(slices), outlines(nodule)
    for reader, row in enumerate(rows):
        ratings = {rating: int(row[rating]) for rating in RATINGS}
        outlined(sit(root, reader), rois, ratings, "Nodule 001", slices)
    return finish(root)


def main() -> None:
    """Read the arguments and arrange."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    print(f"series {arrange(given.data, given.out)} arranged in {given.out}")


if __name__ == "__main__":
    main()
