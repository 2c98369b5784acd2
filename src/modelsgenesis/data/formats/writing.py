"""An array on a grid to one file, whole or not at all: NIfTI with nibabel's header, other formats by SimpleITK."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.itk import to_image, write_image
from modelsgenesis.data.geometry import Grid
from modelsgenesis.files import replacing

_SCANNER = 1  # the code of both forms: coordinates of the scanner
_BEGIN = 352  # of the voxels, in bytes


def write_array(array: npt.NDArray[Any], grid: Grid, path: Path, slope: float = 1.0) -> None:
    """Write `array`, (i, j, k) or (i, j) in the order of `grid`, to `path`, atomically; its ending chooses the format.

    NIfTI carries the grid in both forms, in mm, and `slope`, by which readers multiply the stored values; other formats
    have no such field.

    Raises GenesisError when the disk refuses or the format does not hold such values.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        write_image(to_image(array, grid), path)
        return
    head = _header(array, grid, slope)
    content = head.binaryblock + bytes(_BEGIN - len(head.binaryblock))
    with replacing(path) as temporary, temporary.open("wb") as file:
        if name.endswith(".gz"):
            with gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0) as packed:
                packed.write(content)
                packed.write(array.tobytes(order="F"))
        else:
            file.write(content)
            file.write(array.tobytes(order="F"))


def _header(array: npt.NDArray[Any], grid: Grid, slope: float) -> nibabel.Nifti1Header:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine  # NIfTI's world is RAS
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_zooms(grid.spacing)
    header.set_xyzt_units("mm")
    header.set_sform(affine, _SCANNER)
    header.set_qform(affine, _SCANNER)
    header.set_slope_inter(slope, 0.0)
    header["vox_offset"] = _BEGIN
    header["magic"] = b"n+1"
    return header
