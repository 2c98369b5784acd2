"""From a volume to the integers a store keeps, with everything refused that would only teach a network noise."""

from pathlib import Path
from typing import Literal

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.data import intensity
from modelsgenesis.data.index import IMAGE_SUFFIXES
from modelsgenesis.data.intensity import Intensity
from modelsgenesis.data.volume import Volume, placed, resample
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import FloatArray, IntegerArray

Modality = Literal["ct", "mr", "image", "label"]

_SLAB = 16


@settings
class PrepareSettings:
    """How `genesis prepare` reads scans.

    Args:
        modality: "ct" (HU, one window for all), "mr" (scaled scan by scan), "image" (unsigned 8 or 16 bits, 2D or 3D)
            or "label" (label maps, 0 to 255).
        window: physical values that become 0 and 1; None for -1000 to 1000 HU, the percentiles of each MR scan, or the
            whole range of an image.
        spacing: resample to these mm per voxel along X, Y, Z; None keeps each scan's own.
        levels: copies of a scan kept in the store, itself and coarser ones of half the resolution and so on, from which
            pre-training cuts cubes at `cubes.spacing`; 3 cover four times the scan's own spacing and cost a seventh
            more space. Label maps have 1.
        pixel_size: mm per pixel of PNG, JPEG and TIFF images, which do not tell; None: unknown.
        subject: "auto", "folder", or a CSV file with the columns path and subject.
        min_slices: fewest voxels along the shortest axis of a 3D scan as read.
        seconds: longest time for one scan; a hanging reader is ended then.
        largest_gb: most memory (GiB, as float32) one scan may need.
    """

    modality: Modality = "ct"
    window: tuple[float, float] | None = None
    spacing: tuple[float, float, float] | None = None
    levels: int = 3
    pixel_size: float | None = None
    subject: str = "auto"
    min_slices: int = 16
    seconds: float = 900.0
    largest_gb: float = 8.0


def convert(volume: Volume, config: PrepareSettings) -> tuple[Volume, IntegerArray, Intensity]:
    """The volume as stored: resampled and, for single-slice images, 2D; its integers; and what they stand for.

    Raises:
        GenesisError: NaN or infinite, constant, too few slices, or values the modality does not allow.
    """
    volume = _as_2d(volume) if config.modality == "image" else volume
    _check_shape(volume, config)
    _check_values(volume, config.modality)
    if config.spacing is not None:
        volume = resample(volume, config.spacing[: volume.array.ndim], nearest=config.modality == "label")
    scale = intensity_map(volume, config)
    encoded = _encode(volume.array, scale)
    if config.modality != "label" and encoded.min() == encoded.max():
        raise GenesisError(f"nothing inside the window {scale.low:g} to {scale.high:g}; is it the right modality?")
    return volume, encoded, scale


def pixel_size_known(path: Path, config: PrepareSettings) -> bool:
    """Whether the spacing of the scan at `path` is in mm: PNG, JPEG and TIFF tell a screen's resolution at most."""
    return config.pixel_size is not None or not path.name.lower().endswith(IMAGE_SUFFIXES)


def with_pixel_size(volume: Volume, path: Path, config: PrepareSettings) -> Volume:
    """The volume as read from `path`; the spacing of a PNG, JPEG or TIFF becomes what the settings state, else 1.

    Raises GenesisError where such an image is to be resampled and its pixel size is unknown.
    """
    if not path.name.lower().endswith(IMAGE_SUFFIXES):
        return volume
    if config.spacing is not None and config.pixel_size is None:
        raise GenesisError("pixel size unknown, so it cannot be resampled to a spacing; state it with --pixel-size")
    affine, step = volume.affine.copy(), config.pixel_size or 1.0
    axes = volume.array.ndim
    affine[:axes, :axes] *= step / np.array(volume.spacing)
    return placed(volume.array, (step,) * axes, affine, volume.identifier, volume.pixel_type)


def intensity_map(volume: Volume, config: PrepareSettings) -> Intensity:
    """The intensity map of one volume under these settings; GenesisError when an image is not unsigned."""
    if config.modality == "label":
        return intensity.label_values()
    if config.modality == "ct":
        return intensity.ct_window(*(config.window or intensity.CT_WINDOW))
    if config.window is not None:
        return Intensity(*config.window, intensity.MR_LEVELS)
    if config.modality == "mr":
        return intensity.mr_percentiles(volume.array)
    return intensity.unsigned_image(8 if volume.pixel_type == "uint8" else 16)


def _as_2d(volume: Volume) -> Volume:
    """A single slice, as of a DICOM X-ray, as the 2D image it is."""
    if volume.array.ndim == 2 or volume.array.shape[2] > 1:
        return volume
    return Volume(
        volume.array[:, :, 0], volume.spacing[:2], volume.affine, volume.identifier, volume.grid, volume.pixel_type
    )


def _check_shape(volume: Volume, config: PrepareSettings) -> None:
    shape = volume.array.shape
    if len(shape) == 2 and config.modality in ("ct", "mr"):
        raise GenesisError("a 2D image among volumes; prepare images with --modality image")
    if len(shape) == 3 and min(shape) < config.min_slices:
        raise GenesisError(f"too few slices, {'x'.join(map(str, shape))} voxels; lower --min-slices to keep it")


def _check_values(volume: Volume, modality: Modality) -> None:
    low, high = float(volume.array.min()), float(volume.array.max())  # NaN wins both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise GenesisError("NaN or infinite values; repair the scan")
    if modality == "label":
        if low < 0 or high > intensity.UINT8_LEVELS or not _whole(volume.array):
            raise GenesisError(f"not a label map, values {low:g} to {high:g}; labels are whole numbers, 0 to 255")
    elif low == high:
        raise GenesisError(f"constant, every voxel is {low:g}; leave it out")
    elif modality == "image" and (low < 0 or high > intensity.UINT16_LEVELS or not _whole(volume.array)):
        raise GenesisError(f"values {low:g} to {high:g} are not unsigned 8 or 16 bits; give --window LOW HIGH")


def _whole(array: FloatArray) -> bool:
    return all(bool((slab == np.rint(slab)).all()) for slab in array)


def _encode(array: FloatArray, scale: Intensity) -> IntegerArray:
    """Slab by slab, since the arithmetic takes 8 bytes a voxel and more."""
    encoded = np.empty(array.shape, scale.dtype)
    for start in range(0, len(array), _SLAB):
        encoded[start : start + _SLAB] = scale.encode(array[start : start + _SLAB])
    return encoded
