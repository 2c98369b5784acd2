"""Stored pixel values of DICOM to physical ones: rescaling and tables, frame by frame, and which shade is black.

A radiograph is a picture: it may be stored inverted, and what its bits can hold is black to white. CT, MR and PET hold
measured values, whatever the header says about showing them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from modelsgenesis.data.formats.dicom_header import in_group
from modelsgenesis.data.formats.dicom_pixels import Coding
from modelsgenesis.data.formats.dicom_tags import items, named, number, numbers, shown, text
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import FloatArray

AIR = -1024.0
"""HU of what a CT scanner did not measure."""

TISSUE = -500.0
"""HU above which a value is of tissue rather than of air or of what was not measured."""

_SLOPE, _INTERCEPT = "RescaleSlope", "RescaleIntercept"
_EXACT_BITS = 16


@dataclass(frozen=True)
class Rescale:
    """How the stored values of one frame become physical ones.

    Args:
        slope, intercept: value = stored * slope + intercept.
        table: the data set of a Modality LUT Sequence, which takes their place; None without one.
        notes: what was missing or doubtful.
        stated: whether the header says how; else stored values count.
    """

    slope: float = 1.0
    intercept: float = 0.0
    table: Dataset | None = None
    notes: tuple[str, ...] = ()
    stated: bool = True

    def apply(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Physical values of any real type, rounded no earlier than to float64."""
        if self.table is not None:
            looked_up: npt.NDArray[Any] = apply_modality_lut(stored.astype(np.int64), self.table)
            return looked_up
        whole = self.slope == 1 and self.intercept == int(self.intercept) and abs(self.intercept) < 2**_EXACT_BITS
        if whole and stored.dtype.kind != "f" and stored.dtype.itemsize * 8 <= _EXACT_BITS:
            exact: npt.NDArray[Any] = np.add(stored, self.intercept, dtype=np.float32)  # whole numbers below 2**24
            return exact
        rescaled: npt.NDArray[Any] = stored.astype(np.float64) * self.slope + self.intercept
        return rescaled


def read_rescale(path: Path, data: Dataset, found: tuple[Dataset, ...], modality: str) -> Rescale:
    """The rescaling of a frame by its functional groups `found`, or () of a classic file.

    Raises:
        GenesisError: slope without intercept, a slope of 0, no numbers, a table that is none.
    """
    if items(data, "ModalityLUTSequence"):
        return Rescale(table=data, notes=tuple(_table_notes(path, data)))
    own = (in_group(found, "PixelValueTransformationSequence") if found else None) or data
    there = [keyword in own for keyword in (_SLOPE, _INTERCEPT)]
    if not any(there):
        missing = f"{named(_SLOPE)} is missing; stored values were taken as HU"
        return Rescale(notes=(missing,) if modality == "CT" else (), stated=False)
    slope, intercept = number(own, _SLOPE), number(own, _INTERCEPT)
    if slope is None or intercept is None or slope == 0:
        wrong = _INTERCEPT if slope else _SLOPE
        raise GenesisError(f"{path}: {shown(own, wrong)} beside {shown(own, _other(wrong))}; repair its header")
    unit = text(own, "RescaleType")
    odd = modality == "CT" and unit not in ("", "HU")
    return Rescale(slope, intercept, notes=(f"{shown(own, 'RescaleType')}; values were taken as HU",) if odd else ())


def _other(keyword: str) -> str:
    return _INTERCEPT if keyword == _SLOPE else _SLOPE


def _table_notes(path: Path, data: Dataset) -> list[str]:
    table = items(data, "ModalityLUTSequence")[0]
    descriptor = numbers(table, "LUTDescriptor", 3)
    if descriptor is None or descriptor[2] not in (8, 16):
        raise GenesisError(f"{path}: {named('ModalityLUTSequence')} whose {shown(table, 'LUTDescriptor')}; repair it")
    return [f"both {named('ModalityLUTSequence')} and {named(_SLOPE)}; the table was taken"] if _SLOPE in data else []


def picture_ends(coding: Coding, rescale: Rescale) -> tuple[float, float] | None:
    """The values of black and white in a radiograph: what its bits can hold, rescaled; None for floating point."""
    if rescale.table is not None:
        descriptor = numbers(items(rescale.table, "ModalityLUTSequence")[0], "LUTDescriptor", 3)
        return (0.0, 2.0 ** descriptor[2] - 1) if descriptor else None
    if coding.ends is None:
        return None
    low, high = sorted(end * rescale.slope + rescale.intercept for end in coding.ends)
    return low, high


def lowest(modality: str, values: FloatArray) -> float:
    """The value that padding gets: air in CT, else 0, but no more than the least of `values` (inf where padded)."""
    floor = AIR if modality == "CT" else 0.0
    return min(floor, float(values.min()))
