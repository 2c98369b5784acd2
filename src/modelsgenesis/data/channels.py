"""Images of several channels in one file: 4D, as the Decathlon's brain tumours and prostates, or a vector a voxel."""

from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from modelsgenesis.data.index import VOLUME_SUFFIXES
from modelsgenesis.data.integrity import check_file
from modelsgenesis.data.itk import cause
from modelsgenesis.data.volume import Volume, _oriented
from modelsgenesis.errors import GenesisError
from modelsgenesis.places import located


def channel_count(path: Path) -> int:
    """Channels of an image file, by its header: 1 of a volume, n of one of size X, Y, Z, n or with n values a voxel.

    Pictures and folders of slices have 1. Raises GenesisError when the header cannot be read or has more axes.
    """
    if path.is_dir() or not path.name.lower().endswith(VOLUME_SUFFIXES):
        return 1
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise GenesisError(f"{path}: unreadable ({cause(error)})") from error
    further = [extent for extent in (*reader.GetSize()[3:], reader.GetNumberOfComponents()) if extent > 1]
    if len(further) > 1:
        raise GenesisError(f"{path}: size {'x'.join(map(str, reader.GetSize()))} with {further[-1]} values; split it")
    return int(further[0]) if further else 1


def read_channels(path: Path) -> list[Volume]:
    """The channels of an image file, each as `read_volume` reads a file of its own; raises as that does."""
    source = located(path)
    if channel_count(source) == 1:
        raise GenesisError(f"{source}: one channel; read it as a volume")
    check_file(source)
    try:
        image = sitk.ReadImage(str(source))
    except RuntimeError as error:
        raise GenesisError(f"{source}: unreadable ({cause(error)})") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        count = image.GetNumberOfComponentsPerPixel()
        parts = [sitk.VectorIndexSelectionCast(image, channel) for channel in range(count)]
    else:
        axis = next(axis for axis in range(3, image.GetDimension()) if image.GetSize()[axis] > 1)
        before = (slice(None),) * axis
        parts = [image[(*before, channel)] for channel in range(image.GetSize()[axis])]
    stem = source.name.removesuffix(".gz").rsplit(".", 1)[0]
    return [_oriented(_of_3_axes(part), source, stem) for part in parts]


def _of_3_axes(image: sitk.Image) -> sitk.Image:
    while image.GetDimension() > 3:
        image = image[..., 0]
    return image
