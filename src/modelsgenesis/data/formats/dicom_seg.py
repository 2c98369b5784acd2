"""A label map as DICOM SEG on the slices of the series that it was made from; needs highdicom (extra `dicom`)."""

import re
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread

from modelsgenesis.data.formats.dicom_header import read_header
from modelsgenesis.data.formats.dicom_order import Stack, stacked
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import replacing

_LESION = re.compile(r"tumou?r|lesion|nodule|mass|metasta|embol|cyst|glioma|infarct|oedema|edema|ha?emorrh", re.I)
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
_SCHEME, _LONGEST_VALUE, _LONGEST_MEANING = "99MODELSGENESIS", 16, 64
_SERIES_NUMBER = 9000


class UnfitSeriesError(GenesisError):
    """A series lacks what a DICOM SEG of it needs."""


def need_highdicom() -> Any:
    """The module; UsageError naming what to install when it is absent."""
    try:
        import highdicom
    except ImportError as error:
        raise UsageError(
            'DICOM SEG needs the package highdicom; install it with pip install "modelsgenesis[dicom]"'
        ) from error
    return highdicom


def write_seg(
    labels: npt.NDArray[np.uint8], files: Sequence[Path], folder: Path, names: Mapping[int, str], path: Path
) -> None:
    """Write `labels` to `path`, atomically: a binary segmentation with a segment for each of `names`.

    Patient and study are those of the source, so the file names the patient as the source does.

    Args:
        labels: (columns, rows, slices) in the order of the series as it is read: along the normal of its planes.
        files: those of the series, in any order.
        folder: of the series, for messages.
        names: structure 1, 2, ... without a gap -> what it is.
        path: the file.

    Raises UnfitSeriesError when the series lacks what DICOM SEG needs, GenesisError when the disk refuses, UsageError
    without highdicom.
    """
    highdicom = need_highdicom()
    stack = stacked([read_header(file) for file in files], folder)
    if len(stack.grid.size) < 3:
        raise UnfitSeriesError(f"{folder}: a picture without a place in the patient; DICOM SEG needs one, write NIfTI")
    try:
        sources, frames = _in_order(stack, np.ascontiguousarray(np.transpose(labels)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd names, and of frames that are empty
            made = highdicom.seg.Segmentation(
                source_images=sources,
                pixel_array=frames,
                segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=[_described(highdicom, number, name) for number, name in sorted(names.items())],
                series_instance_uid=highdicom.UID(),
                series_number=_SERIES_NUMBER,
                sop_instance_uid=highdicom.UID(),
                instance_number=1,
                manufacturer="modelsgenesis",
                manufacturer_model_name="genesis predict",
                software_versions=version("modelsgenesis"),
                device_serial_number="0",
                series_description="genesis predict",
            )
            with replacing(path) as temporary:
                made.save_as(temporary)
    except GenesisError:
        raise
    except Exception as error:  # highdicom raises nearly anything for a source that lacks something
        told = " ".join(str(error).split())[:200]
        raise UnfitSeriesError(
            f"{folder}: lacks what DICOM SEG needs ({told}); write NIfTI (--format nifti)"
        ) from error


def _in_order(stack: Stack, planes: npt.NDArray[np.uint8]) -> tuple[list[Dataset], npt.NDArray[np.uint8]]:
    """The source's headers, and `planes` (slices, rows, columns) in their order."""
    if len(set(stack.files)) == len(stack.frames):
        return [_header(file) for file in stack.files], planes
    if len(set(stack.files)) > 1:
        raise UnfitSeriesError(f"{stack.files[0].parent}: several files of many frames; write NIfTI (--format nifti)")
    numbers = [number for _, number in stack.frames]
    return [_header(stack.files[0])], planes[np.argsort(numbers)]


def _header(file: Path) -> Dataset:
    """What a file says without its pixels; attributes that may be empty, and that anonymisers drop, are empty."""
    data = dcmread(file, stop_before_pixels=True)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in data:
            setattr(data, keyword, "")
    return data


def _described(highdicom: Any, number: int, name: str) -> Any:
    from pydicom.sr.codedict import codes

    lesion = bool(_LESION.search(name))
    category = codes.SCT.MorphologicallyAbnormalStructure if lesion else codes.SCT.AnatomicalStructure
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:_LONGEST_MEANING],
        segmented_property_category=category,
        segmented_property_type=_code(highdicom, codes, number, name),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="modelsgenesis", version=version("modelsgenesis"), family=codes.DCM.ArtificialIntelligence
        ),
    )


def _code(highdicom: Any, codes: Any, number: int, name: str) -> Any:
    """SNOMED's code for what is called exactly so ("lung"); else one of our own, whose meaning is the name."""
    keyword = "".join(word.capitalize() for word in re.findall(r"[A-Za-z]+", name))
    found = getattr(codes.SCT, keyword, None) if keyword else None
    return found or highdicom.sr.CodedConcept(f"structure-{number}"[:_LONGEST_VALUE], _SCHEME, name[:_LONGEST_MEANING])
