"""Scans as a pre-trained network sees them, and what it makes of them: features of a scan, a map of it, of points."""

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from modelsgenesis.data.convert import PrepareSettings, convert
from modelsgenesis.data.guarded import read_volume
from modelsgenesis.data.padding import part_around
from modelsgenesis.data.plausible import doubt, look_at
from modelsgenesis.data.resizing import resize_image
from modelsgenesis.data.volume import Volume
from modelsgenesis.errors import GenesisError, UsageError, first_line
from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.models.load import load
from modelsgenesis.models.weights import provenance_of
from modelsgenesis.types import JSON, FloatArray, Shape

OVERLAP = 0.5
"""Of neighbouring windows, a share of the side of a cube."""
AT_ONCE = 4
"""Windows a forward pass."""


def preprocess(scan: str | Path | Volume, model: str | Any) -> FloatArray:
    """A scan as the weights expect it: (1, X, Y, Z), or (1, X, Y) of an image, float32 in [0, 1].

    LPS order (x to the left, y to the back, z to the head), the spacing of the training (a scan whose spacing lies in
    the range that was drawn in training keeps it), the intensity map of the weights: their window of CT, the
    percentiles of each MR scan, the whole range of an image. `convert` of the training makes it, so it is what the
    network saw.

    Args:
        scan: a file, the folder of a DICOM series, or a `Volume`.
        model: as of `load`, or a network that one of these functions made.

    Raises UsageError for a volume where the weights are of images, an image where they are of volumes, and what is no
    scan, GenesisError when the scan cannot be used.
    """
    array: FloatArray = _seen(scan, _provenance(model)).array[None]
    return array


def embed(
    model: str | Any, scan: str | Path | Volume, points: npt.ArrayLike | None = None, maps: bool = False
) -> FloatArray:
    """Features of the deepest level of the encoder, float32; C channels (`channels[-1]` of the backbone).

    Args:
        model: as of `load`, or what `load` gave: load it once for many scans.
        scan: as of `preprocess`.
        points: (N, 3) in mm, patient coordinates in LPS (those of DICOM; RAS of NIfTI viewers has x and y negated):
            features of the cube, of the size of the training, around each.
        maps: the features at every place, (C, x, y, z), one place for each stride of the network (8 voxels, 16 or 32
            of images), of windows that overlap by half and are blended.

    Returns:
        (2 C,): mean and standard deviation of the map over the whole scan; (N, 2 C) with `points`: of each cube; (C,
        x, y, z) with `maps`.

    Raises as `preprocess`; UsageError for points that lie outside the scan or are not (N, 3), `points` and `maps` at
    once, and a network of several channels.
    """
    if points is not None and maps:
        raise UsageError("embed: points and maps at once; the map is of the whole scan, leave one of them out")
    provenance = _provenance(model)
    backbone = load(model) if isinstance(model, str | Path) else getattr(model, "backbone", model)
    if backbone.input_channels != 1:
        raise UsageError(
            f"embed: the network takes {backbone.input_channels} channels, a scan has one; load it with channels=1"
        )
    volume = _seen(scan, provenance)
    cube: Shape = tuple(provenance["cube"])
    if points is not None:
        return _at_points(backbone, volume, points, cube)
    features = _map(backbone, volume.array, cube)
    return features if maps else _pooled(torch.from_numpy(features)[None])[0]


def feature_names(backbone: Any) -> list[str]:
    """Names of the values that `embed` gives for a scan or a point."""
    channels = backbone.channels[-1]
    return [f"{of}_{channel}" for of in ("mean", "std") for channel in range(channels)]


def _provenance(model: str | Any) -> JSON:
    found: Any = provenance_of(str(model)) if isinstance(model, str | Path) else getattr(model, "provenance", None)
    missing = [name for name in ("modality", "intensity", "cube") if name not in (found or {})]
    if missing:
        raise UsageError(f"{model}: does not say its {', '.join(missing)}; use weights that genesis pretrain wrote")
    return dict(found)


def _seen(scan: str | Path | Volume, provenance: JSON) -> Volume:
    if not isinstance(scan, str | Path | Volume):
        raise UsageError(
            f"scan: is a {type(scan).__name__}; give one file, the folder of a DICOM series, or a Volume (of an array, "
            "modelsgenesis.data.volume.placed makes one)"
        )
    volume = scan if isinstance(scan, Volume) else read_volume(scan)
    modality, window = provenance["modality"], provenance["intensity"]
    if modality != "image" and volume.array.ndim == 2:
        raise UsageError(f"{volume.identifier}: a 2D image, but the weights are of volumes; use weights of images")
    if modality == "image" and volume.array.ndim == 3 and volume.array.shape[2] > 1:
        raise UsageError(f"{volume.identifier}: a volume, but the weights are of images; use weights of CT or MR")
    said = doubt(look_at(volume.array), modality, volume.modality)
    if said:
        warnings.warn(f"{volume.identifier}: not like the {modality} of the training: {said}", stacklevel=3)
    settings = PrepareSettings(
        modality=modality,
        window=(window["low"], window["high"]) if modality == "ct" else None,
        spacing=_spacing(volume, provenance.get("scale", {})),
        min_slices=1,
    )
    try:
        seen, integers, intensity = convert(volume, settings)
    except GenesisError as error:  # which knows of the values alone
        raise GenesisError(
            f"{volume.identifier}: does not fit the weights ({error}); use others, or convert it"
        ) from error
    unit = replace(seen, array=intensity.unit(integers))
    across = provenance.get("scale", {}).get("across")
    if across and not unit.measured:
        size = tuple(round(side) for side in across)
        return replace(unit, array=resize_image(unit.array[None], size)[0])
    return unit


def _spacing(volume: Volume, scale: JSON) -> tuple[float, float, float] | None:
    """The spacing at which the network should see the volume, None for its own."""
    if not volume.measured:
        return None
    if "spacing" not in scale:
        warnings.warn("the weights do not tell their spacing: the scan keeps its own", stacklevel=4)
        return None
    held = scale["spacing"]
    trained = [held["low"], held["high"]] if scale.get("drawn") else [held["median"]] * 2
    limits = zip(*trained, strict=True)
    wanted = [min(max(own, low), high) for own, (low, high) in zip(volume.spacing, limits, strict=False)]
    wanted += volume.spacing[len(wanted) :]  # slices of a volume keep their distance
    padded = [*wanted, 1.0][:3]
    return (padded[0], padded[1], padded[2])


def _map(backbone: Any, image: FloatArray, cube: Shape) -> FloatArray:
    """Deepest features (C, x, y(, z)) of an image (X, Y(, Z)); a network of images goes through the axial slices."""
    from monai.inferers import sliding_window_inference

    if image.ndim > len(cube):
        slices = [_map(backbone, image[..., index], cube) for index in range(image.shape[-1])]
        return np.stack(slices, axis=-1)
    stride = backbone.strides[-1]
    sides = [max(side, -(-n // stride) * stride) for n, side in zip(image.shape, cube, strict=True)]
    after = [n for whole, side in zip(image.shape, sides, strict=True) for n in (side - whole, 0)][::-1]
    weight = next(backbone.parameters())
    device, kind = weight.device, weight.dtype
    padded = functional.pad(torch.from_numpy(np.ascontiguousarray(image))[None, None], after)
    with evaluating(backbone):
        found: Any = sliding_window_inference(
            padded, cube, AT_ONCE, lambda x: backbone.encode(x.to(kind))[-1].float(), overlap=OVERLAP, mode="gaussian",
            sw_device=device, device="cpu",
        )  # fmt: skip
    inside = tuple(slice(0, math.ceil(n / stride)) for n in image.shape)
    return np.asarray(found[0].float().numpy()[(slice(None), *inside)])


def _at_points(backbone: Any, volume: Volume, given: npt.ArrayLike, cube: Shape) -> FloatArray:
    try:
        points = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"points: are not numbers ({first_line(error)}); give (N, 3), x, y, z in mm (LPS)") from error
    if points.ndim != 2 or points.shape[1] != 3:
        raise UsageError(f"points of shape {points.shape}: give (N, 3), x, y, z in mm (LPS)")
    axes = volume.array.ndim
    places = np.linalg.solve(volume.affine[:3, :3], (points - volume.affine[:3, 3]).T).T[:, :axes]
    inside = (places >= -0.5) & (places <= np.array(volume.array.shape) - 0.5)  # NaN is not
    outside = np.flatnonzero(~inside.all(1))
    if len(outside):
        raise UsageError(
            f"{volume.identifier}: point {outside[0]} at {points[outside[0]].tolist()} mm lies outside the scan; "
            "are the points in LPS (x and y of RAS negated)?"
        )
    rows = []
    for first in range(0, len(places), AT_ONCE):
        cubes = np.stack([_around(volume.array, place, cube) for place in places[first : first + AT_ONCE]])
        batch = torch.from_numpy(cubes)[:, None].to(next(backbone.parameters()))
        with evaluating(backbone):
            rows.append(_pooled(backbone.encode(batch)[-1].float().cpu()))
    return np.concatenate(rows) if rows else np.zeros((0, 2 * backbone.channels[-1]), np.float32)


def _around(image: FloatArray, place: npt.NDArray[np.float64], cube: Shape) -> FloatArray:
    """The cube around voxel `place`, zeros outside; of a volume a network of images sees one axial slice."""
    part = part_around(place.tolist(), cube, image.shape)
    inside = tuple(slice(c, c + n) for c, n in zip(part.corner, part.shape, strict=True))
    return np.pad(image[inside], part.margins).reshape(cube)


def _pooled(features: Tensor) -> FloatArray:
    """(N, C, ...) to (N, 2 C): mean and standard deviation over the places."""
    flat = features.flatten(2)
    return np.asarray(torch.cat([flat.mean(2), flat.std(2, correction=0)], 1).numpy())
