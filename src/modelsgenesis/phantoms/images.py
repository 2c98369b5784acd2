"""Writing phantoms as image files: NIfTI, MetaImage, NRRD; whole or not at all."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.itk import write_image
from modelsgenesis.files import replacing
from modelsgenesis.types import FloatArray, Spacing

Voxels = npt.NDArray[np.int16] | npt.NDArray[np.uint8]


def hounsfield(array: FloatArray) -> npt.NDArray[np.int16]:
    """HU as scans store them."""
    return np.rint(array).astype(np.int16)


def write_nifti(array: Voxels, spacing: Spacing, path: Path) -> None:
    """Write `array` (X, Y, Z), axes LPS, origin at its centre, to the NIfTI file `path`, atomically."""
    write_image(placed(array, spacing), path)


def placed(array: Voxels, spacing: Spacing, middle: tuple[float, ...] = (0, 0, 0), flipped: bool = False) -> Any:
    """`array` (X, Y, Z), axes LPS, as a SimpleITK image whose middle lies at `middle` in mm.

    With `flipped` the voxels run to the right and to the front instead, and the header says so: every voxel stays at
    its place in the world.
    """
    import SimpleITK as sitk  # noqa: N813

    signs = np.array([-1.0, -1.0, 1.0]) if flipped else np.ones(3)
    array = array[::-1, ::-1] if flipped else array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing([float(step) for step in spacing])
    half = (np.array(array.shape) - 1) / 2 * np.asarray(spacing, dtype=float)
    image.SetOrigin([float(v) for v in np.asarray(middle, dtype=float) - signs * half])
    image.SetDirection(np.diag(signs).ravel().tolist())
    return image


def write_detached(image: Any, path: Path, compress: bool = False) -> None:
    """Write a SimpleITK image as `path` (.mhd) with its voxels beside it (.raw, or .zraw compressed).

    The header names the voxel file, so both are made in a folder of their own, a temporary one of the system: where a
    path holds a percent sign, ITK would write a slice a file. The header comes last.
    """
    import SimpleITK as sitk  # noqa: N813

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        sitk.WriteImage(image, str(made), compress)
        for part in (made.with_name(path.stem + (".zraw" if compress else ".raw")), made):
            with replacing(path.with_name(part.name)) as temporary:
                shutil.copyfile(part, temporary)
