"""Reading a scan into a `Volume`, resampling it, and writing an array back on the grid of its source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from modelsgenesis.data.formats import itk, nifti, pictures, suffixes
from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.dicom import list_series, read_dicom, read_dicom_grid
from modelsgenesis.data.formats.integrity import LARGEST_BYTES
from modelsgenesis.data.formats.itk import to_image
from modelsgenesis.data.formats.writing import write_array
from modelsgenesis.data.geometry import Affine, Grid, closest_to_lps
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.places import located
from modelsgenesis.types import FloatArray, Spacing

WRITABLE = (".nii.gz", ".nii", ".mha", ".nrrd", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Volume:
    """A scan in memory.

    Args:
        array: (X, Y, Z), or (X, Y) for a 2D image; float32 in physical units (HU for CT); x to the left, y to the
            back, z to the head, by the closest permutation and flips: a rotation of the source stays in the affine.
        spacing: mm per voxel along X, Y(, Z).
        affine: 4x4, voxel index of `array` to LPS mm.
        identifier: name of the source.
        grid: the geometry of the source, as in its file.
        pixel_type: how the file stored the values, such as "uint8".
        measured: whether the spacing is in mm: PNG, JPEG and TIFF tell the resolution of a screen at most.
        full_scale: the largest value that the pixels of an image can hold, where that is not what `pixel_type` can.
        modality: the Modality of DICOM, such as "CT"; "" for other formats.
        notes: what its header lacked or contradicted, and what was taken instead.
    """

    array: FloatArray
    spacing: Spacing
    affine: Affine
    identifier: str
    grid: Grid
    pixel_type: str = "float32"
    measured: bool = True
    full_scale: float | None = None
    modality: str = ""
    notes: tuple[str, ...] = ()


def read_volume(path: str | Path, series: str | None = None, largest_bytes: int = LARGEST_BYTES) -> Volume:
    """Read NIfTI, Analyze, MGH, MetaImage, NRRD, a DICOM series or file, or a greyscale PNG, JPEG, TIFF, BMP or WebP.

    An image stored as colour is read as grey when its colours agree everywhere, as in many X-rays; its alpha channel is
    left out. What a header lacks or contradicts is in `notes`, and docs/data.md has the rules.

    Args:
        path: the file, or the folder of a DICOM series.
        series: SeriesInstanceUID; needed when a folder holds several.
        largest_bytes: a scan that needs more memory than this, as float32, is refused before any is taken.

    Raises:
        GenesisError: missing, truncated, corrupt, unreadable, 4D, colour, uneven slice distance, NaN or infinite,
            impossible spacing, too large.
        UsageError: several series in the folder and none named, or a series that is not there.
    """
    source = _existing(path)
    if source.is_dir():
        return _read_from_folder(source, series, largest_bytes)
    return _oriented(_decoded(source, largest_bytes), source, _stem(source))


def read_channels(path: str | Path, largest_bytes: int = LARGEST_BYTES) -> list[Volume]:
    """The channels of a 4D NIfTI file (x, y, z, channel), one volume each; of another file the one that it holds.

    Raises as `read_volume`.
    """
    source = _existing(path)
    if source.is_dir() or not source.name.lower().endswith(suffixes.NIBABEL):
        return [read_volume(source, largest_bytes=largest_bytes)]
    whole = nifti.read_nifti(source, largest_bytes, channels=True)
    arrays = [whole.array] if whole.array.ndim < 4 else np.moveaxis(whole.array, -1, 0)
    return [_oriented(replace(whole, array=array), source, _stem(source)) for array in arrays]


def count_channels(path: str | Path) -> int:
    """How many volumes `read_channels` gives, from the header alone; raises as `read_grid`."""
    source = _existing(path)
    if source.is_dir() or not source.name.lower().endswith(suffixes.NIBABEL):
        return 1
    return nifti.count_nifti_channels(source)


def read_grid(path: str | Path) -> Grid:
    """Where the voxels of a file lie, from its header alone where the format has one; raises as `read_volume`."""
    source = _existing(path)
    name = source.name.lower()
    try:
        if name.endswith(suffixes.NIBABEL):
            return nifti.read_nifti_grid(source)
        if name.endswith(suffixes.ITK):
            return itk.read_itk_grid(source)
        if source.is_file() and not name.endswith(suffixes.PICTURES):
            return read_dicom_grid([source], source.parent)
    except OSError as error:
        raise GenesisError(f"{source}: cannot be read ({error.strerror or error}); check the file") from error
    return read_volume(source).grid


def _existing(path: str | Path) -> Path:
    source = located(path)
    if not source.exists():
        raise GenesisError(f"{source}: no such file or folder; check the path")
    return source


def _decoded(path: Path, largest_bytes: int) -> Decoded:
    name = path.name.lower()
    try:
        if path.stat().st_size == 0:
            raise GenesisError(f"{path}: empty file; copy it again")
        if name.endswith(suffixes.NIBABEL):
            return nifti.read_nifti(path, largest_bytes)
        if name.endswith(suffixes.ITK):
            return itk.read_itk(path, largest_bytes)
        if name.endswith(suffixes.PICTURES):
            return pictures.read_picture(path, largest_bytes)
        return read_dicom([path], path.parent, largest_bytes)
    except OSError as error:
        raise GenesisError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error
    except MemoryError as error:
        raise GenesisError(f"{path}: too large for the memory of this machine; crop or split it") from error


def read_series(folder: Path, files: Sequence[Path], largest_bytes: int = LARGEST_BYTES) -> Volume:
    """Read the DICOM series `files`, in any order; `folder` names it in messages; raises as `read_volume`."""
    return _oriented(read_dicom(files, folder, largest_bytes), folder, folder.name)


def _read_from_folder(folder: Path, series: str | None, largest_bytes: int) -> Volume:
    found, _ = list_series(folder)
    if not found:
        raise GenesisError(f"{folder}: holds no DICOM images; give a scan file or the folder of a series")
    if series is None and len(found) > 1:
        raise UsageError(f"{folder}: holds {len(found)} series; choose one of {', '.join(sorted(found))}")
    uid = series if series is not None else next(iter(found))
    if uid not in found:
        raise UsageError(f"{folder}: no series {uid}; choose one of {', '.join(sorted(found))}")
    return read_series(folder, [one.path for one in found[uid]], largest_bytes)


def _oriented(decoded: Decoded, path: Path, identifier: str) -> Volume:
    grid = decoded.grid
    orientation = closest_to_lps(grid)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit float32 is refused below
        array = np.array(orientation.apply(decoded.array), dtype=np.float32, order="C")
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise GenesisError(f"{path}: NaN or infinite values; repair the scan")
    return Volume(
        array=array,
        spacing=orientation.values(grid.spacing),
        affine=orientation.affine(grid),
        identifier=identifier,
        grid=grid,
        pixel_type=decoded.pixel_type,
        measured=decoded.measured,
        full_scale=decoded.full_scale,
        modality=decoded.modality,
        notes=decoded.notes,
    )


def placed(array: FloatArray, spacing: Spacing, affine: Affine, identifier: str) -> Volume:
    """The volume of an `array` from memory, (X, Y, Z) or (X, Y), at `affine` (4x4, voxel index to LPS mm)."""
    return Volume(array, spacing, affine, identifier, _grid_of(affine, array.shape, spacing))


def resample(volume: Volume, spacing: Spacing, nearest: bool = False) -> Volume:
    """The volume at another spacing, over the same field of view; linear interpolation, or the nearest voxel.

    Args:
        volume: the volume; its source grid is kept.
        spacing: wanted mm per voxel along X, Y(, Z).
        nearest: for label maps.

    Raises:
        UsageError: when `spacing` has not one positive value an axis.
    """
    axes = volume.array.ndim
    if len(spacing) != axes or not all(np.isfinite(step) and step > 0 for step in spacing):
        raise UsageError(f"spacing {spacing}: needs {axes} positive numbers (mm), one an axis")
    size = tuple(
        max(1, round(n * old / new)) for n, old, new in zip(volume.array.shape, volume.spacing, spacing, strict=True)
    )
    ratio = np.array(spacing) / np.array(volume.spacing)
    affine = volume.affine.copy()
    # The field of view begins half a voxel before the first centre, for the old and for the new voxels.
    affine[:3, 3] += volume.affine[:3, :axes] @ ((ratio - 1) / 2)
    affine[:3, :axes] *= ratio
    target = _grid_of(affine, size, spacing)
    image = to_image(volume.array, _grid_of(volume.affine, volume.array.shape, volume.spacing))
    array = np.ascontiguousarray(_resample_onto(image, target, nearest))
    return replace(volume, array=array, spacing=tuple(float(step) for step in spacing), affine=affine)


def write_volume(
    array: npt.NDArray[Any], like: Volume, path: str | Path, nearest: bool = True, slope: float = 1.0
) -> None:
    """Write `array` on the source grid of `like`, so that it overlays the source exactly.

    Args:
        array: of the shape of `like.array`, (X, Y, Z) or (X, Y), in LPS order; its type is kept, booleans become uint8.
        like: the volume the array belongs to, as read or resampled.
        path: .nii.gz, .nii, .mha, .nrrd; for 2D also .png or .tif. Written atomically.
        nearest: undo a resampling with the nearest voxel (labels) rather than linearly (probabilities).
        slope: what readers of NIfTI multiply the stored values by.

    Raises:
        UsageError: wrong shape or an unknown suffix.
        GenesisError: the disk refuses.
    """
    target = located(path)
    if not target.name.lower().endswith(WRITABLE):
        raise UsageError(f"{target}: cannot be written in this format; use one of {', '.join(WRITABLE)}")
    if array.shape != like.array.shape:
        raise UsageError(f"{target}: array of shape {array.shape}, the volume has {like.array.shape}; they must agree")
    values = array.astype(np.uint8) if array.dtype == np.bool_ else array
    orientation = closest_to_lps(like.grid)
    write_array(orientation.undo(on_source_grid(values, like, nearest)), like.grid, target, slope)


def without_voxels(volume: Volume) -> Volume:
    """The volume with its geometry and shape, but no memory: every voxel is 0."""
    return replace(volume, array=np.broadcast_to(np.float32(0), volume.array.shape))


def on_source_grid(array: npt.NDArray[Any], like: Volume, nearest: bool = True) -> npt.NDArray[Any]:
    """`array`, of the shape of `like.array`, at the voxels of the source, still in LPS order: undoes a resampling."""
    orientation = closest_to_lps(like.grid)
    source_affine, size = orientation.affine(like.grid), orientation.values(like.grid.size)
    if size == array.shape and np.allclose(source_affine, like.affine, atol=1e-6):
        return array
    image = to_image(array, _grid_of(like.affine, array.shape, like.spacing))
    return _resample_onto(image, _grid_of(source_affine, size, orientation.values(like.grid.spacing)), nearest)


class SourceRows:
    """`on_source_grid` with linear interpolation for a range of rows along the last axis, of part of an array.

    Args:
        like: the volume, resampled or not, that the arrays belong to.

    Attributes:
        shape: of the source in LPS order.
    """

    def __init__(self, like: Volume) -> None:
        orientation = closest_to_lps(like.grid)
        self.shape: tuple[int, ...] = orientation.values(like.grid.size)
        self._spacing = orientation.values(like.grid.spacing)
        self._affine, self._like = orientation.affine(like.grid), like
        self._same = self.shape == like.array.shape and np.allclose(self._affine, like.affine, atol=1e-6)
        self._rows = like.array.shape[-1]

    def needed(self, low: int, high: int) -> tuple[int, int]:
        """The rows [first, end) of `like` that the rows [low, high) of the source are interpolated from."""
        if self._same:
            return low, high
        axis = len(self.shape) - 1
        ends = np.zeros((2, 4))
        ends[:, axis], ends[:, 3] = (low, high - 1), 1
        within = (np.linalg.inv(self._like.affine) @ self._affine @ ends.T)[axis]
        first, last = np.clip((np.floor(within[0]) - 1, np.ceil(within[1]) + 1), 0, self._rows - 1).astype(int)
        return int(first), int(last) + 1

    def resample(self, array: FloatArray, first: int, low: int, high: int) -> FloatArray:
        """The rows [low, high) of the source, of an `array` whose first row is the row `first` of `like`."""
        if self._same:
            return array[..., low - first : high - first]
        axis, source, given = len(self.shape) - 1, self._affine.copy(), self._like.affine.copy()
        source[:3, 3] += source[:3, axis] * low
        given[:3, 3] += given[:3, axis] * first
        image = to_image(array, _grid_of(given, array.shape, self._like.spacing))
        target = _grid_of(source, (*self.shape[:-1], high - low), self._spacing)
        rows: FloatArray = _resample_onto(image, target, nearest=False)
        return rows


def _resample_onto(image: Any, target: Grid, nearest: bool) -> npt.NDArray[Any]:
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in target.size])
    resampler.SetOutputSpacing(target.spacing)
    resampler.SetOutputOrigin(target.origin)
    resampler.SetOutputDirection(target.direction)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(True)  # rounding the size may reach past the last voxel
    resampled: npt.NDArray[Any] = np.transpose(sitk.GetArrayFromImage(resampler.Execute(image)))
    return resampled


def _grid_of(affine: Affine, size: tuple[int, ...], spacing: Spacing) -> Grid:
    axes = len(size)
    cosines = affine[:axes, :axes] / np.array(spacing)
    origin = tuple(float(value) for value in affine[:axes, 3])
    return Grid(size, tuple(float(step) for step in spacing), origin, tuple(float(value) for value in cosines.ravel()))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name
