"""DICOM files made by pydicom, and what they hold by the definition, computed from pydicom alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.sequence import Sequence as Items
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def empty_file(path: Path, kind: str = CTImageStorage, modality: str = "CT", **tags: object) -> FileDataset:
    """A data set with identifiers, without an image."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID, data.Modality, data.PatientID = "1.2.4", "1.2.3", modality, "P7"
    return put(data, tags)


def put(data: Dataset, tags: dict[str, object]) -> Any:
    """Set attributes; those that are None are taken away."""
    for name, value in tags.items():
        if value is None:
            data.pop(name, None)
        else:
            setattr(data, name, value)
    return data


def with_pixels(data: FileDataset, pixels: np.ndarray, bits: int | None = None) -> FileDataset:
    """Add `pixels`, (rows, columns) or (frames, rows, columns), of any integer type."""
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = pixels.dtype.itemsize * 8
    data.BitsStored = bits or data.BitsAllocated
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    return data


def write_picture(
    path: Path, pixels: np.ndarray, modality: str = "DX", bits: int | None = None, **tags: object
) -> Path:
    """One radiograph."""
    data = with_pixels(empty_file(path, "1.2.840.10008.5.1.4.1.1.1.1", modality), pixels, bits)
    put(data, tags).save_as(path, enforce_file_format=True)
    return path


def write_slice(path: Path, pixels: np.ndarray, z: float = 0.0, bits: int | None = None, **tags: object) -> Path:
    """One CT slice at z mm, pixels of 0.8 x 0.9 mm."""
    data = with_pixels(empty_file(path), pixels, bits)
    data.PixelSpacing, data.SliceThickness = [0.9, 0.8], 2.5
    data.ImageOrientationPatient, data.ImagePositionPatient = AXIAL, [-12.0, -20.0, z]
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    put(data, tags).save_as(path, enforce_file_format=True)
    return path


def group(name: str, **tags: object) -> dict[str, Items]:
    """A functional group of one item."""
    return {name: Items([put(Dataset(), tags)])}


def write_enhanced(
    path: Path,
    pixels: np.ndarray,
    heights: Sequence[float],
    frames: Sequence[dict[str, Any]] = (),
    shared: dict[str, Any] | None = None,
    kind: str = EnhancedCTImageStorage,
    modality: str = "CT",
    **tags: object,
) -> Path:
    """An enhanced file of `pixels` (frames, rows, columns) at z = `heights`, with groups of each frame, and shared."""
    data = with_pixels(empty_file(path, kind, modality), pixels)
    common = {
        **group("PlaneOrientationSequence", ImageOrientationPatient=AXIAL),
        **group("PixelMeasuresSequence", PixelSpacing=[0.9, 0.8], SliceThickness=9.0),
        **group("PixelValueTransformationSequence", RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"),
    }
    data.SharedFunctionalGroupsSequence = Items([put(Dataset(), {**common, **(shared or {})})])
    own = []
    for number, z in enumerate(heights):
        position = group("PlanePositionSequence", ImagePositionPatient=[-12.0, -20.0, z])
        own.append(put(Dataset(), {**position, **(frames[number] if frames else {})}))
    data.PerFrameFunctionalGroupsSequence = Items(own)
    put(data, tags).save_as(path, enforce_file_format=True)
    return path


def expected(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values (x, y, z) float32 and affine of an enhanced file, by pydicom and PS3.3 C.7.6.2.1.1, frame by frame."""
    data = pydicom.dcmread(path)
    stored = data.pixel_array.reshape(-1, data.Rows, data.Columns)

    def macro(number: int, name: str) -> Dataset:
        own, shared = data.PerFrameFunctionalGroupsSequence[number], data.SharedFunctionalGroupsSequence[0]
        return (own if name in own else shared)[name].value[0]

    frames = []
    for number in range(int(data.NumberOfFrames)):
        position = np.array(macro(number, "PlanePositionSequence").ImagePositionPatient, float)
        cosines = np.array(macro(number, "PlaneOrientationSequence").ImageOrientationPatient, float)
        values = apply_modality_lut(stored[number], macro(number, "PixelValueTransformationSequence"))
        normal = np.cross(cosines[:3], cosines[3:])
        frames.append((position @ normal, number, position, cosines, values))
    frames.sort(key=lambda frame: frame[:2])
    _, number, first, cosines, _ = frames[0]
    rows, columns = (float(step) for step in macro(number, "PixelMeasuresSequence").PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = cosines[:3] * columns, cosines[3:] * rows
    affine[:3, 2] = (frames[-1][2] - first) / max(len(frames) - 1, 1)
    affine[:3, 3] = first
    return np.stack([frame[4].T for frame in frames], axis=2).astype(np.float32), affine
