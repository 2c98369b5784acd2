"""Tiny copies of LUNA16, LIDC-IDRI and CTPA data sets, written by SimpleITK, pydicom and plain text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

FLIPPED = (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)
IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


def write_image(
    path: Path,
    array: npt.NDArray[Any],
    spacing: Sequence[float] = (1, 1, 1),
    origin: Sequence[float] = (0, 0, 0),
    direction: Sequence[float] = IDENTITY,
) -> Path:
    """`array` (x, y, z) in file order."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing([float(step) for step in spacing])
    image.SetOrigin([float(place) for place in origin])
    image.SetDirection([float(cosine) for cosine in direction])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def write_csv(path: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def write_series(
    folder: Path,
    array: npt.NDArray[Any],
    series: str,
    patient: str = "P1",
    spacing: Sequence[float] = (0.7, 0.7, 2.5),
    origin: Sequence[float] = (-20.0, -30.0, -100.0),
    modality: str = "CT",
    descending: bool = False,
) -> list[Path]:
    """`array` (x, y, z) in HU as one DICOM file a slice, `1-001.dcm` ...; slice 0 is the lowest."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    count = array.shape[2]
    for k in range(count):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(k)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        number = count - k if descending else k + 1
        path = folder / f"1-{number:03d}.dcm"
        slice_ = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.PatientID, slice_.Modality = patient, modality
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = series + ".9", series
        slice_.InstanceNumber = number
        slice_.SliceThickness = spacing[2]
        slice_.PixelSpacing = [spacing[1], spacing[0]]
        slice_.ImagePositionPatient = [origin[0], origin[1], origin[2] + k * spacing[2]]
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.Columns, slice_.Rows = array.shape[:2]
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 1, 1
        slice_.PhotometricInterpretation = "MONOCHROME2"
        slice_.RescaleIntercept, slice_.RescaleSlope = -1024, 1
        slice_.PixelData = (array[:, :, k].T + 1024).astype("<i2").tobytes()
        pydicom.dcmwrite(path, slice_, enforce_file_format=True)
        paths.append(path)
    return paths


Contour = tuple[float, Sequence[tuple[int, int]], bool]
"""z in mm, pixels (column, row), inclusion."""


def square(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    """The edge pixels of a rectangle from (x0, y0) to (x1, y1), in order, closed."""
    around = [(x, y0) for x in range(x0, x1)] + [(x1, y) for y in range(y0, y1)]
    return around + [(x, y1) for x in range(x1, x0, -1)] + [(x0, y) for y in range(y1, y0, -1)] + [(x0, y0)]


def lidc_xml(path: Path, series: str, readers: Sequence[Sequence[Sequence[Contour]]], root: str = "") -> Path:
    """An LIDC file: readers of nodules of contours."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    name, tag = root or "LidcReadMessage", "CXRSeriesInstanceUid" if root else "SeriesInstanceUid"
    lines.append(
        f'<{name} uid="1.3.6" xmlns="http://www.nih.gov" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    )
    lines.append(f"<ResponseHeader><Version>1.8</Version><{tag}>{series}</{tag}></ResponseHeader>")
    for nodules in readers:
        lines.append("<readingSession><annotationVersion>3.12</annotationVersion>")
        for number, contours in enumerate(nodules):
            lines.append(f"<unblindedReadNodule><noduleID>Nodule {number}</noduleID>")
            for z, pixels, inclusion in contours:
                lines.append(f"<roi><imageZposition>{z} </imageZposition><imageSOP_UID>1.2</imageSOP_UID>")
                lines.append(f"<inclusion>{str(inclusion).upper()}</inclusion>")
                lines += [f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in pixels]
                lines.append("</roi>")
            lines.append("</unblindedReadNodule>")
        lines.append("<nonNodule><nonNoduleID>7</nonNoduleID><imageZposition>1.0</imageZposition></nonNodule>")
        lines.append("</readingSession>")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, f"</{name}>"]))
    return path


def small_luna16(folder: Path) -> Path:
    """Six scans over the three sides of the papers, each with one candidate; every second is a nodule."""
    rows, lesions = [], []
    for number, subset in enumerate((0, 1, 5, 6, 7, 8)):
        uid = f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{100 + number}"
        array = np.random.default_rng(number).integers(-1000, 400, (24, 24, 20)).astype(np.int16)
        write_image(folder / f"subset{subset}" / f"{uid}.mhd", array)
        rows.append((uid, 12, 11, 10, number % 2))
        lesions += [(uid, 12, 11, 10, 6.5)] * (number % 2)
    write_csv(folder / "candidates_V2.csv", "seriesuid,coordX,coordY,coordZ,class", rows)
    write_csv(folder / "annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm", lesions)
    return folder


def small_lidc(folder: Path) -> Path:
    """Six patients, each with one scan and one nodule that two readers outlined."""
    for number in range(6):
        uid, patient = f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{200 + number}", f"LIDC-IDRI-{number + 1:04d}"
        array = np.random.default_rng(number).integers(-1000, 400, (24, 24, 8))
        write_series(folder / patient / "study" / uid, array, uid, patient, origin=(0, 0, 0))
        outlines = [(k * 2.5, square(8, 8, 15, 15), True) for k in (3, 4)]
        lidc_xml(folder / patient / "study" / uid / "1.xml", uid, [[outlines], [outlines]])
    return folder


def small_ctpa(folder: Path) -> Path:
    """Six scans beside a candidate table, each with one candidate; every second is an embolus."""
    for number in range(6):
        array = np.random.default_rng(number).integers(-1000, 400, (24, 24, 20)).astype(np.int16)
        write_image(folder / f"scan{number}.nii.gz", array)
    rows = [(f"scan{number}", 12, 11, 10, number % 2) for number in range(6)]
    write_csv(folder / "candidates.csv", "seriesuid,coordX,coordY,coordZ,class", rows)
    return folder
