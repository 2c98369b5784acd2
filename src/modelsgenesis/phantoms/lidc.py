"""Phantoms as LIDC-IDRI lies on disk: a DICOM series a patient, four readers' outlines as XML beside it."""

import locale
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from modelsgenesis.files import replacing, write_text
from modelsgenesis.phantoms.findings import Position
from modelsgenesis.phantoms.images import hounsfield, placed
from modelsgenesis.phantoms.luna16 import SHAPE, luna_patient
from modelsgenesis.phantoms.patients import check_cases, middle, series_uid, uid
from modelsgenesis.phantoms.readings import Slices, readings
from modelsgenesis.streams import LIDC_READINGS, LUNA, generator
from modelsgenesis.types import FloatArray, Shape, Spacing

_KERNELS = ("STANDARD", "LUNG", "BONE", "B30f", "B45f", "B70f")


def write_lidc(folder: Path, cases: int, seed: int, shape: Shape = SHAPE, spacing: Spacing | None = None) -> Path:
    """Write `cases` scans in LIDC-IDRI's layout to `folder` and return `folder`.

    `LIDC-IDRI-0001/<StudyUID>/<SeriesUID>/1-001.dcm`, ... and `001.xml` beside the slices. The patients,
    series and coordinates are those of `write_luna16` at the same seed, shape and spacing, so that splits by
    SeriesInstanceUID hold across the two, as they do for the real ones.

    Raises:
        UsageError: no cases, or a bad shape or spacing.
        GenesisError: the disk refuses.
    """
    check_cases(cases)
    for index in range(cases):
        phantom = luna_patient(seed, index, shape, spacing)
        name, study, series = f"LIDC-IDRI-{index + 1:04d}", uid(seed, LUNA, index, 1), series_uid(seed, index)
        place = folder / name / study / series
        slices = Slices(
            study=study,
            series=series,
            instances=[uid(seed, LUNA, index, 2, k) for k in range(phantom.array.shape[2])],
            heights=heights(phantom.array.shape[2], phantom.spacing[2], middle(seed, index)[2]),
        )
        rng = generator(seed, LIDC_READINGS, index)
        write_series(phantom.array, phantom.spacing, middle(seed, index), slices, name, rng, place)
        write_text(place / f"{index + 1:03d}.xml", readings(rng, phantom, slices))
    return folder


def heights(count: int, step: float, middle: float) -> list[float]:
    """z of every slice in the world, mm; `middle` is that of the scan's middle."""
    return [round(middle + (k - (count - 1) / 2) * step, 4) for k in range(count)]


def write_series(
    array: FloatArray,
    spacing: Spacing,
    at: Position,
    slices: Slices,
    name: str,
    rng: np.random.Generator,
    folder: Path,
) -> None:
    """One file a slice, numbered from the head down as the real ones; each is there whole or not at all.

    Args:
        array: (X, Y, Z) in HU, axes LPS.
        spacing: mm per voxel along (X, Y, Z).
        at: LPS mm of the middle of the scan.
        slices: identifiers of the series, and z of its slices.
        name: of the patient.
        rng: draws scanner, kernel and intercept.
        folder: where the files go.

    Raises GenesisError when the disk refuses.
    """
    import SimpleITK as sitk  # noqa: N813

    intercept = int(rng.choice([-1024, 0]))  # both occur; the writer takes it off the HU
    image = placed(hounsfield(array), spacing, at)
    common = {
        "0008|0016": "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
        "0008|0020": "20000101",
        "0008|0060": "CT",
        "0008|0070": str(rng.choice(["GE MEDICAL SYSTEMS", "SIEMENS", "Philips", "TOSHIBA"])),
        "0010|0010": name,
        "0010|0020": name,
        "0018|0050": f"{spacing[2]:g}",
        "0018|1210": str(rng.choice(_KERNELS)),
        "0020|000d": slices.study,
        "0020|000e": slices.series,
        "0020|0037": "1\\0\\0\\0\\1\\0",
        "0020|0052": f"{slices.series}.1",
        "0028|1052": str(intercept),
        "0028|1053": "1",
    }
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    depth = len(slices.heights)
    folder.mkdir(parents=True, exist_ok=True)
    with _own_locale(), tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as made:
        for k in range(depth):
            cut = image[:, :, k]
            corner = (image.GetOrigin()[0], image.GetOrigin()[1], slices.heights[k])
            own = {
                "0008|0018": slices.instances[k],
                "0020|0013": str(depth - k),
                "0020|0032": "\\".join(f"{v:.6g}" for v in corner),
                "0020|1041": f"{slices.heights[k]:.6g}",
            }
            for key, value in {**common, **own}.items():
                cut.SetMetaData(key, value)
            part = Path(made) / f"1-{depth - k:03d}.dcm"
            writer.SetFileName(str(part))
            writer.Execute(cut)
            with replacing(folder / part.name) as temporary:
                part.replace(temporary)


@contextmanager
def _own_locale() -> Iterator[None]:
    """Give the process its locale back: ITK's DICOM writer leaves it at "C", where text files are ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)
