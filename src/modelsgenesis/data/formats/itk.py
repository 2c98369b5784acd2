"""SimpleITK's images: made from an array and a grid, and written to one file, whole or not at all."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import replacing


def to_image(array: npt.NDArray[Any], grid: Grid) -> Any:
    """`array`, (X, Y, Z) or (X, Y) in the order of the grid, as a SimpleITK image."""
    import SimpleITK as sitk  # noqa: N813 - takes a while to import

    image = sitk.GetImageFromArray(np.ascontiguousarray(np.transpose(array)))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image


def write_image(image: Any, path: Path, compress: bool = True) -> None:
    """Write a SimpleITK image to the file `path`, atomically; its ending chooses the format.

    Raises GenesisError when the disk refuses.
    """
    import SimpleITK as sitk  # noqa: N813

    name = path.name.lower()
    with replacing(path) as temporary:
        named = temporary.with_name(temporary.name + (".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()))
        try:
            sitk.WriteImage(image, str(named), useCompression=compress)
            named.replace(temporary)
        except RuntimeError as error:
            raise GenesisError(f"{path}: could not be written ({cause(error)}); free space or rights?") from error
        finally:
            named.unlink(missing_ok=True)


def cause(error: Exception) -> str:
    """The one telling line of an ITK exception, without addresses, which differ from run to run."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception thrown", "sitk::ERROR", "/"))]
    line = (telling or lines or [type(error).__name__])[-1].removeprefix("ITK ERROR: ")
    return re.sub(r"\(0x[0-9a-f]+\)", "", line)[:200]
