"""From a volume to the integers a store keeps, with everything refused that would only teach a network noise."""

from dataclasses import replace
from typing import Literal

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.data import intensity
from modelsgenesis.data.intensity import Intensity
from modelsgenesis.data.resizing import resize_image
from modelsgenesis.data.volume import Volume, placed, resample
from modelsgenesis.data.whole import refuse_fractions
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.types import FloatArray, IntegerArray

Modality = Literal["ct", "mr", "image", "label", "auto"]
MODALITIES = ("ct", "mr", "image", "label")

_SLAB = 16


@settings
class PrepareSettings:
    """How `genesis prepare` reads scans.

    Args:
        modality: "ct" (HU, one window for all), "mr" (scaled scan by scan), "image" (unsigned, 8 to 16 bits, 2D or
            3D) or "label" (label maps, 0 to 255). Scans that are of another one, by DICOM's Modality or by their
            values, are rejected. "auto" sorts a mixed folder into a store for each: OUT/ct, OUT/mr, OUT/image,
            OUT/label.
        force: keep scans that do not look like the modality named.
        exclude: files and folders to leave out: glob patterns for a name or the end of a path, such as "*_seg.nii.gz"
            or "masks/*".
        window: physical values that become 0 and 1; None for -1000 to 1000 HU, the percentiles of each MR scan, or the
            whole range of an image.
        spacing: resample to these mm per voxel along X, Y, Z; None keeps each scan's own.
        levels: copies of a scan kept in the store, itself and coarser ones of half the resolution and so on, from which
            pre-training cuts cubes at `cubes.spacing`; 3 cover four times the scan's own spacing and cost a seventh
            more space. Label maps have 1.
        pixel_size: mm per pixel of PNG, JPEG and TIFF images, which do not tell; None: unknown.
        resize: bring whole 2D images to so many pixels along X and Y, antialiased, as `patch.fitting resize` does in
            fine-tuning; None keeps their own.
        subject: "auto", "folder", or a CSV file with the columns path and subject.
        min_slices: fewest voxels along the shortest axis of a 3D scan as read.
        seconds: longest time for one scan; a hanging reader is ended then.
        largest_gb: most memory (GiB, as float32) one scan may need.
    """

    modality: Modality = "ct"
    force: bool = False
    exclude: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    spacing: tuple[float, float, float] | None = None
    levels: int = 3
    pixel_size: float | None = None
    resize: tuple[int, int] | None = None
    subject: str = "auto"
    min_slices: int = 16
    seconds: float = 900.0
    largest_gb: float = 8.0

    def __post_init__(self) -> None:
        """Raises UsageError for numbers that no scan can be read with."""
        if self.window is not None and not self.window[0] < self.window[1]:
            raise UsageError(f"window {self.window[0]:g} {self.window[1]:g}: the first must be below the second")
        for name in ("spacing", "levels", "pixel_size", "resize", "min_slices", "seconds", "largest_gb"):
            given = getattr(self, name)
            numbers = given if isinstance(given, tuple) else () if given is None else (given,)
            if not all(number > 0 for number in numbers):
                raise UsageError(f"{name} {' '.join(map(str, numbers))}: must be above 0")


def convert(volume: Volume, config: PrepareSettings) -> tuple[Volume, IntegerArray, Intensity]:
    """The volume as stored: resampled and, for single-slice images, 2D; its integers; and what they stand for.

    Raises:
        GenesisError: NaN or infinite, constant, too few slices, or values the modality does not allow.
    """
    volume = _as_2d(volume) if config.modality == "image" else volume
    _check_shape(volume, config)
    _check_values(volume, config)
    volume = _scaled(volume, config)
    scale = intensity_map(volume, config)
    encoded = _encode(volume.array, scale)
    if config.modality != "label" and encoded.min() == encoded.max():
        raise GenesisError(f"nothing inside the window {scale.low:g} to {scale.high:g}; is it the right modality?")
    return volume, encoded, scale


def _scaled(volume: Volume, config: PrepareSettings) -> Volume:
    """The volume at the pixel size, the number of pixels and the spacing that the settings ask for."""
    if not volume.measured:
        volume = _with_pixel_size(volume, config)
    if config.resize is not None:
        volume = _resized(volume, config.resize)
    if config.spacing is not None:
        volume = resample(volume, config.spacing[: volume.array.ndim], nearest=config.modality == "label")
    return volume


def _with_pixel_size(volume: Volume, config: PrepareSettings) -> Volume:
    """The volume with the pixel size that the settings state, else 1 without a unit."""
    if config.spacing is not None and config.pixel_size is None:
        raise GenesisError("pixel size unknown, so it cannot be resampled to a spacing; state it with --pixel-size")
    axes, step = volume.array.ndim, config.pixel_size or 1.0
    affine = volume.affine.copy()
    affine[:axes, :axes] *= step / np.array(volume.spacing)
    given = placed(volume.array, (step,) * axes, affine, volume.identifier)
    return replace(
        volume,
        array=given.array,
        spacing=given.spacing,
        affine=affine,
        grid=given.grid,
        measured=config.pixel_size is not None,
    )


def _resized(volume: Volume, size: tuple[int, int]) -> Volume:
    """The whole image at `size` pixels; their size changes with it."""
    if volume.array.ndim != 2:
        raise GenesisError("a volume among images; --resize is for 2D images, --spacing for volumes")
    ratio = np.divide(volume.array.shape, size)
    affine = volume.affine.copy()
    affine[:3, 3] += volume.affine[:3, :2] @ ((ratio - 1) / 2)
    affine[:3, :2] *= ratio
    spacing = tuple(float(step * r) for step, r in zip(volume.spacing, ratio, strict=True))
    if not volume.measured:
        spacing = (1.0, 1.0)
    array = resize_image(volume.array[None], size)[0]
    return replace(volume, array=array, spacing=spacing, affine=affine)


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
    if volume.full_scale is not None:
        return Intensity(0.0, volume.full_scale, min(round(volume.full_scale), intensity.UINT16_LEVELS))
    return intensity.unsigned_image(8 if volume.pixel_type == "uint8" else 16)


def _as_2d(volume: Volume) -> Volume:
    """A single slice, as of a DICOM X-ray, as the 2D image it is."""
    if volume.array.ndim == 2 or volume.array.shape[2] > 1:
        return volume
    return replace(volume, array=volume.array[:, :, 0], spacing=volume.spacing[:2])


def _check_shape(volume: Volume, config: PrepareSettings) -> None:
    shape = volume.array.shape
    if len(shape) == 2 and config.modality in ("ct", "mr"):
        raise GenesisError("a 2D image among volumes; prepare images with --modality image")
    if len(shape) == 3 and min(shape) < config.min_slices:
        raise GenesisError(f"too few slices, {'x'.join(map(str, shape))} voxels; lower --min-slices to keep it")


def _check_values(volume: Volume, config: PrepareSettings) -> None:
    modality = config.modality
    low, high = float(volume.array.min()), float(volume.array.max())  # NaN wins both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise GenesisError("NaN or infinite values; repair the scan")
    if modality == "label":
        refuse_fractions(volume.array, "not a label map")
        if round(low) < 0 or round(high) > intensity.UINT8_LEVELS:
            raise GenesisError(f"not a label map, values {low:.7g} to {high:.7g}; labels are 0 to 255, renumber them")
    elif low == high:
        raise GenesisError(f"constant, every voxel is {low:g}; leave it out")
    elif modality == "image" and config.window is None:
        refuse_fractions(volume.array, "not unsigned 8 or 16 bits (give --window LOW HIGH)")
        if round(low) < 0 or round(high) > intensity.UINT16_LEVELS:
            raise GenesisError(f"values {low:.7g} to {high:.7g} are not unsigned 8 or 16 bits; give --window LOW HIGH")


def _encode(array: FloatArray, scale: Intensity) -> IntegerArray:
    """Slab by slab, since the arithmetic takes 8 bytes a voxel and more."""
    encoded = np.empty(array.shape, scale.dtype)
    for start in range(0, len(array), _SLAB):
        encoded[start : start + _SLAB] = scale.encode(array[start : start + _SLAB])
    return encoded
