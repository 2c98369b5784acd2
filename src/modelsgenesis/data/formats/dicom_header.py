"""What the header of one DICOM file says: whom and what it shows, and where each of its frames lies.

A classic file has one frame, described by its own attributes. An enhanced file has many, described by functional
groups: those of the frame, and those that all its frames share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom.uid as uids
from pydicom import Dataset

from modelsgenesis.data.formats.dicom_tags import (
    items,
    load,
    named,
    number,
    numbers,
    one_line_errors,
    printable,
    shown,
    tags_of,
    text,
    value,
    whole,
)
from modelsgenesis.errors import GenesisError

NO_SERIES = "no-series"

VOLUMES = ("CT", "MR", "PT", "NM", "SEG")
"""Modalities whose slices make volumes and whose values are physical, however they are to be shown."""

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
POSITION, ORIENTATION = "ImagePositionPatient", "ImageOrientationPatient"
PIXEL_SIZES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
"""Distance of rows and of columns in mm: in the patient, at the detector of an X-ray, on a scanned film."""

_MARKS_OF_FRAMES = {
    "StackID": "FrameContentSequence",
    "ConvolutionKernel": "CTReconstructionSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
}
"""Those of `SHARED_MARKS` that an enhanced file holds in a functional group, and in which."""
SHARED_MARKS = (
    *("StudyInstanceUID", "FrameOfReferenceUID", "SeriesNumber", "SeriesDescription", "Units", "EchoTime"),
    *_MARKS_OF_FRAMES,
)
"""Attributes in which the slices of one volume agree, or say nothing."""

TAGS = tags_of(
    (
        *SHARED_MARKS,
        *("SOPClassUID", "SeriesInstanceUID", "PatientID", "Modality", "InstanceNumber"),
        *("Rows", "Columns", "NumberOfFrames", "SliceThickness", "SpacingBetweenSlices", "ImageType"),
        *(
            POSITION,
            ORIENTATION,
            *PIXEL_SIZES,
            "FrameTime",
            "FrameIncrementPointer",
            "ConcatenationUID",
            SHARED,
            PER_FRAME,
        ),
    )
)

_MODALITY_OF_CLASS = {
    "CT": (uids.CTImageStorage, uids.EnhancedCTImageStorage, uids.LegacyConvertedEnhancedCTImageStorage),
    "MR": (uids.MRImageStorage, uids.EnhancedMRImageStorage, uids.LegacyConvertedEnhancedMRImageStorage),
    "PT": (
        uids.PositronEmissionTomographyImageStorage,
        uids.EnhancedPETImageStorage,
        uids.LegacyConvertedEnhancedPETImageStorage,
    ),
    "SEG": (uids.SegmentationStorage,),
}
_SECONDARY_CAPTURE = (
    uids.SecondaryCaptureImageStorage,
    uids.MultiFrameSingleBitSecondaryCaptureImageStorage,
    uids.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uids.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uids.MultiFrameTrueColorSecondaryCaptureImageStorage,
)


@dataclass(frozen=True)
class Plane:
    """Where one frame lies.

    Args:
        position: LPS mm of the centre of its first pixel; None when absent.
        orientation: the six direction cosines, of a row and of a column; None when absent.
        pixel: mm between columns and between rows; None when absent or impossible.
        thickness: mm to the next slice as the header states it, SpacingBetweenSlices or SliceThickness; 0 when absent.
    """

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel: tuple[float, float] | None
    thickness: float


@dataclass(frozen=True)
class Header:
    """The header of a DICOM file that holds an image.

    Args:
        path: the file.
        series: SeriesInstanceUID, `NO_SERIES` when absent.
        study: StudyInstanceUID, "" when absent.
        patient: PatientID, "" when absent.
        modality: "CT", "MR", "DX", ...; that of its storage class where the attribute is missing; "SC" for a screen
            capture, whatever it captures; "" when unknown.
        instance: InstanceNumber, 0 when absent.
        columns, rows: pixels along x and y.
        frames: NumberOfFrames, 1 in a classic file.
        planes: one for each frame; fewer than `frames` where nothing is said of each.
        thickness: mm of SliceThickness, 0 when absent.
        film: whether the frames follow each other in time.
        mosaic: whether its one frame is a sheet of all slices, as Siemens stores functional MR.
        part: whether it is one of several files that its frames were parted into (a concatenation).
        missing: the attributes of planes that are missing or impossible, as messages name them.
        marks: what each of its planes says of `SHARED_MARKS`.
    """

    path: Path
    series: str
    study: str
    patient: str
    modality: str
    instance: int
    columns: int
    rows: int
    frames: int
    planes: tuple[Plane, ...]
    thickness: float
    film: bool
    mosaic: bool
    part: bool
    missing: tuple[str, ...]
    marks: tuple[dict[str, str], ...]

    @property
    def position(self) -> tuple[float, ...] | None:
        """LPS mm of the first pixel of its first frame; None when absent."""
        return self.planes[0].position

    @property
    def volumetric(self) -> bool:
        """Whether its values are physical and its frames slices of a volume, rather than a radiograph or a picture."""
        return self.modality in VOLUMES

    @property
    def alone(self) -> bool:
        """Whether the file is an image of its own, whatever else is in its series: a picture, or a whole volume."""
        return not self.part if self.frames > 1 else not self.volumetric and self.position is None


def read_header(path: Path) -> Header:
    """Read the header of a DICOM file; GenesisError when it is damaged or holds no image."""
    with one_line_errors(path):
        return _header(path, load(path, TAGS))


def _header(path: Path, data: Dataset) -> Header:
    rows, columns = whole(data, "Rows") or 0, whole(data, "Columns") or 0
    if rows < 1 or columns < 1:
        raise _no_image(path, data)
    frames = max(whole(data, "NumberOfFrames") or 1, 1)
    modality = _modality(data)
    volumetric = modality in VOLUMES
    groups = list(frame_groups(data))
    places = [_grouped_place(found, volumetric) for found in groups] or [_place(data, data, data, volumetric)]
    return Header(
        path=path,
        series=text(data, "SeriesInstanceUID") or NO_SERIES,
        study=text(data, "StudyInstanceUID"),
        patient=text(data, "PatientID"),
        modality=modality,
        instance=whole(data, "InstanceNumber") or 0,
        columns=columns,
        rows=rows,
        frames=frames,
        planes=tuple(plane for plane, _ in places),
        thickness=max(number(data, "SliceThickness") or 0.0, 0.0),
        film=value(data, "FrameTime") is not None or value(data, "FrameIncrementPointer") is not None,
        mosaic="MOSAIC" in text(data, "ImageType").upper(),
        part=value(data, "ConcatenationUID") is not None,
        missing=tuple(dict.fromkeys(name for _, missing in places for name in missing)),
        marks=tuple(_marks(data, found) for found in groups or [()]),
    )


def _marks(data: Dataset, found: tuple[Dataset, ...]) -> dict[str, str]:
    """What a file, and the functional groups `found` of a frame, say of `SHARED_MARKS`."""
    told = {name: text(data, name) for name in SHARED_MARKS}
    inside = {name: text(in_group(found, macro) or Dataset(), name) for name, macro in _MARKS_OF_FRAMES.items()}
    return {name: value for name, value in (*told.items(), *inside.items()) if value}


def _no_image(path: Path, data: Dataset) -> GenesisError:
    kind = text(data, "SOPClassUID") or text(getattr(data, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    if not kind and not text(data, "Modality"):
        return GenesisError(f"{path}: damaged or not a DICOM image ({shown(data, 'Rows')}); copy it again")
    what = ", ".join(filter(None, (text(data, "Modality"), printable(uids.UID(kind).name))))
    return GenesisError(f"{path}: holds no image ({what}; {shown(data, 'Rows')}); leave it out")


def frame_groups(data: Dataset) -> Iterator[tuple[Dataset, ...]]:
    """For each frame of an enhanced file the data sets that describe it, its own first; nothing for a classic file."""
    shared, own = items(data, SHARED)[:1], items(data, PER_FRAME)
    if shared and not own:
        yield (shared[0],)
    yield from ((one, *shared) for one in own)


def in_group(found: tuple[Dataset, ...], group: str) -> Dataset | None:
    """The macro `group` of a frame, such as "PixelMeasuresSequence": its own, else the shared one; None without it."""
    for part in found:
        if inside := items(part, group):
            return inside[0]
    return None


def _modality(data: Dataset) -> str:
    kind, stated = value(data, "SOPClassUID"), text(data, "Modality").upper()
    if kind in _SECONDARY_CAPTURE and stated in ("", *VOLUMES) and value(data, POSITION) is None:
        return "SC"
    return stated or next((name for name, classes in _MODALITY_OF_CLASS.items() if kind in classes), "")


def _place(
    position: Dataset, orientation: Dataset, measures: Dataset, volumetric: bool
) -> tuple[Plane, tuple[str, ...]]:
    """Where a frame lies, by the data sets that hold its position, its orientation and the size of its pixels."""
    at, cosines = numbers(position, POSITION, 3), numbers(orientation, ORIENTATION, 6)
    source, pixel = _pixel_size(measures, PIXEL_SIZES[:1] if volumetric else PIXEL_SIZES)
    apart = number(measures, "SpacingBetweenSlices") or number(measures, "SliceThickness") or 0.0
    missing = [shown(position, POSITION)] if at is None else []
    missing += [shown(orientation, ORIENTATION)] if cosines is None else []
    if source != PIXEL_SIZES[0]:
        instead = f"{named(source)} was taken, the size at the detector" if source else "the size of pixels is unknown"
        missing.append(f"{shown(measures, PIXEL_SIZES[0])}; {instead}")
    return Plane(at, cosines, pixel, abs(apart)), tuple(missing)


def _grouped_place(found: tuple[Dataset, ...], volumetric: bool) -> tuple[Plane, tuple[str, ...]]:
    macros = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    position, orientation, measures = (in_group(found, macro) or Dataset() for macro in macros)
    return _place(position, orientation, measures, volumetric)


def _pixel_size(measures: Dataset, keywords: tuple[str, ...]) -> tuple[str, tuple[float, float] | None]:
    """The attribute that tells the size of pixels, and mm between columns and between rows."""
    for keyword in keywords:
        stated = numbers(measures, keyword, 2)
        if stated and min(stated) > 0:
            return keyword, (stated[1], stated[0])  # the distance of rows comes first in the file
    return "", None
