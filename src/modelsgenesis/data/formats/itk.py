"""SimpleITK's images: MetaImage and NRRD read from their files, arrays made into images and written to one file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.integrity import check_memory, check_payload
from modelsgenesis.data.formats.lps_grid import lps_grid
from modelsgenesis.data.formats.text_headers import TextHeader, read_text_header
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import replacing


def read_itk(path: Path, largest_bytes: int) -> Decoded:
    """The scan in a MetaImage or NRRD file; its values as the header scales them, its spacing in mm.

    Raises:
        GenesisError: damaged, truncated, several channels or time points, or a header that the reader does not survive.
    """
    import SimpleITK as sitk  # noqa: N813 - takes a while to import

    header = read_text_header(path)
    if header.payload is not None:
        check_payload(path, header.payload, largest_bytes)
    with _named_plainly(path, header) as place, one_line_errors(path):
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(place))
        reader.ReadImageInformation()
        size, channels = reader.GetSize(), reader.GetNumberOfComponents()
        if channels != 1:
            raise GenesisError(f"{path}: {channels} values a voxel (colour or vector); convert it to one channel")
        if any(extent > 1 for extent in size[3:]):
            raise GenesisError(f"{path}: {len(size)}D, size {'x'.join(map(str, size))}; split it into 3D volumes")
        check_memory(path, size, largest_bytes)
        image = reader.Execute()
    while image.GetDimension() > 3:
        image = image[..., 0]
    array = np.transpose(sitk.GetArrayFromImage(image))
    pixel_type = array.dtype.name
    slope, offset = header.scaling
    if (slope, offset) != (1.0, 0.0):
        array, pixel_type = (array.astype(np.float64) * slope + offset).astype(np.float32), "float32"
    notes = list(header.notes)
    grid = _grid(path, image, header, notes)
    return Decoded(array, grid, pixel_type, measured=header.measured, notes=tuple(notes))


def read_itk_grid(path: Path) -> Grid:
    """The grid of the first three axes, from the header alone; raises as `read_itk`."""
    import SimpleITK as sitk  # noqa: N813

    header = read_text_header(path)
    with _named_plainly(path, header) as place, one_line_errors(path):
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(place))
        reader.ReadImageInformation()
    return _grid(path, reader, header, [])


def _grid(path: Path, image: Any, header: TextHeader, notes: list[str]) -> Grid:
    """The grid of a SimpleITK image or reader, in mm."""
    size = image.GetSize()
    axes = min(len(size), 3)
    direction = np.reshape(image.GetDirection(), (len(size),) * 2)[:axes, :axes]
    affine = np.eye(4)
    affine[:axes, :axes] = direction * image.GetSpacing()[:axes] * header.mm
    affine[:axes, 3] = np.multiply(image.GetOrigin()[:axes], header.mm)
    return lps_grid(path, affine, tuple(size[:axes]), notes)


def read_pixels(path: Path) -> npt.NDArray[Any]:
    """The pixels of an image file (columns, rows), with the channels first where there are several; GenesisError."""
    import SimpleITK as sitk  # noqa: N813

    with _linked(path) as place, one_line_errors(path):
        array: npt.NDArray[Any] = np.transpose(sitk.GetArrayFromImage(sitk.ReadImage(str(place))))
    return array


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Turn what SimpleITK raises into a GenesisError that names `path`."""
    try:
        yield
    except RuntimeError as error:
        raise GenesisError(f"{path}: unreadable ({cause(error)}); convert it again from its source") from error
    except MemoryError as error:
        raise GenesisError(f"{path}: too large for the memory of this machine; crop or split it") from error


@contextmanager
def _named_plainly(path: Path, header: TextHeader) -> Iterator[Path]:
    """A path that SimpleITK opens as it is meant: it knows UTF-8 only, and `%` makes a pattern of a data file."""
    data = header.payload.file if header.payload is not None else path
    if _is_text(path) and _is_text(data) and (data == path or "%" not in header.data_name):
        yield path
        return
    with TemporaryDirectory() as folder:
        place = Path(folder, f"header{path.suffix.lower()}")
        if data == path:
            place.symlink_to(path.absolute())
        else:
            Path(folder, "data").symlink_to(data.absolute())
            place.write_bytes(header.naming("data"))
        yield place


@contextmanager
def _linked(path: Path) -> Iterator[Path]:
    """`path`, or where its name is not UTF-8, a link to it."""
    if _is_text(path):
        yield path
        return
    with TemporaryDirectory() as folder:
        place = Path(folder, f"image{path.suffix.lower()}")
        place.symlink_to(path.absolute())
        yield place


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


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
