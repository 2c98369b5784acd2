"""What every reader of a format returns: the values of one scan and where its file says that they lie."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from modelsgenesis.data.geometry import Grid


@dataclass(frozen=True)
class Decoded:
    """A scan as its file holds it, decoded, before its axes are brought into the order of the patient.

    Args:
        array: (i, j, k), or (i, j) for a 2D image, in the order of the file; any real type; physical values, HU for CT.
        grid: where the voxels lie.
        pixel_type: how the file stored the values, such as "uint8".
        full_scale: the largest value that the pixels of an image can hold, such as 1023 for a radiograph of 10 bits;
            None where the values are physical or the type alone says it.
        measured: whether the spacing is in mm, or only counts pixels.
        modality: the Modality of DICOM ("CT", "MR", "DX", ...); "" where the format has none.
        notes: what in the header was missing or contradictory, and what was taken instead; one sentence each.
    """

    array: npt.NDArray[Any]
    grid: Grid
    pixel_type: str
    full_scale: float | None = None
    measured: bool = True
    modality: str = ""
    notes: tuple[str, ...] = ()
