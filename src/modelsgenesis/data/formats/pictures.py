"""PNG, JPEG, TIFF, BMP and WebP as greyscale, by Pillow; by SimpleITK where Pillow would drop 8 of 16 bits."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.integrity import check_memory, check_picture
from modelsgenesis.data.geometry import Grid
from modelsgenesis.errors import GenesisError

_BITS, _COMPRESSION, _PHOTOMETRIC, _DESCRIPTION, _ORIENTATION = 258, 259, 262, 270, 274
_SAMPLES, _SAMPLE_FORMAT = 277, 339
_MIN_IS_WHITE = 0
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_RIGHT = {(_UNSIGNED, 1), (_UNSIGNED, 4), (_UNSIGNED, 8), (_UNSIGNED, 16), (_SIGNED, 32), (_FLOAT, 32)}
"""Sample format and bits of grey TIFFs that Pillow reads as they are meant."""
_GREY = ("1", "L", "I;16", "I;16B", "I;16L", "I", "F")
_COLOUR = ("LA", "La", "PA", "P", "RGB", "RGBA", "RGBX", "RGBa")


def read_picture(path: Path, largest_bytes: int) -> Decoded:
    """A greyscale image (i, j), or the pages of a TIFF as (i, j, page); i counts columns, j rows.

    Colour whose channels agree everywhere, as in many X-rays, is grey; alpha is left out; the EXIF orientation is
    applied; a TIFF in which 0 is white is turned round.

    Raises:
        GenesisError: damaged, colour, several frames other than the pages of a TIFF, too large.
    """
    check_picture(path)
    try:
        with Image.open(path) as image:
            if _has_more_bits(path, image):
                if image.mode == "LA":
                    raise GenesisError(f"{path}: grey of 16 bits with an alpha channel; save it without alpha")
                if image.getexif().get(_ORIENTATION, 1) not in (0, 1):
                    raise GenesisError(f"{path}: colour of 16 bits with an EXIF orientation; save it upright, as grey")
                return _by_itk(path)
            return _decoded(path, image, largest_bytes)
    except UnidentifiedImageError as error:
        raise GenesisError(f"{path}: no picture of a kind that Pillow reads; save it with 8 or 16 bits") from error
    except Image.DecompressionBombError as error:
        raise GenesisError(f"{path}: {error}; crop or shrink it") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise GenesisError(f"{path}: corrupt image ({error}); copy it again") from error


def _decoded(path: Path, image: Any, largest_bytes: int) -> Decoded:
    frames = getattr(image, "n_frames", 1)
    size = (*image.size, *([frames] if frames > 1 else []))
    check_memory(path, size, largest_bytes)
    if frames > 1 and image.format != "TIFF":
        raise GenesisError(f"{path}: {frames} frames (an animation); save one of them")
    _check_imagej(path, getattr(image, "tag_v2", {}), frames)
    notes: list[str] = []
    pages = []
    for frame in range(frames):
        if frames > 1:
            image.seek(frame)
        pages.append(_page(path, image, notes))
        if pages[-1].shape != pages[0].shape:
            raise GenesisError(f"{path}: pages of {pages[0].shape} and {pages[-1].shape} pixels; save one of them")
    array = np.stack(pages, axis=-1) if frames > 1 else pages[0]
    return _placed(array, tuple(dict.fromkeys(notes)))


def _page(path: Path, image: Any, notes: list[str]) -> npt.NDArray[Any]:
    """(columns, rows)."""
    tags = getattr(image, "tag_v2", {})
    _check_tiff(path, tags)
    orientation = image.getexif().get(_ORIENTATION, 1)
    if image.format == "TIFF" and orientation > 4:  # Pillow reads the lines of such a file with the wrong length
        raise GenesisError(f"{path}: a TIFF on its side (Orientation {orientation}); save it upright")
    image.load()  # a TIFF turns itself, and forgets its orientation
    turned = image
    if orientation not in (0, 1):
        turned = ImageOps.exif_transpose(image)
        notes.append(f"EXIF orientation {orientation}: turned upright")
    if image.mode in _GREY:
        grey = np.asarray(turned.convert("L") if image.mode == "1" else turned)
        if grey.dtype.byteorder == ">":
            grey = grey.astype(grey.dtype.newbyteorder("="))
    elif image.mode in _COLOUR:
        grey = _grey(path, np.asarray(turned.convert("RGBA"))[..., :3])
    else:
        raise GenesisError(f"{path}: colour ({image.mode}); convert it to one channel")
    if tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE:
        notes.append("a TIFF in which 0 is white (PhotometricInterpretation): turned round")
        if grey.dtype == np.uint16:  # Pillow itself turns 8 bits
            grey = np.iinfo(np.uint16).max - grey
    return grey.T


def _check_tiff(path: Path, tags: Mapping[int, Any]) -> None:
    """GenesisError for grey TIFFs whose values Pillow reads as others, and stacks of which it sees one slice."""
    if not tags or tags.get(_SAMPLES, 1) != 1:
        return
    kind, bits = (_one(tags.get(tag, 1)) for tag in (_SAMPLE_FORMAT, _BITS))
    white = tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE
    if bits == 32 and tags.get(_COMPRESSION, 1) != 1 and getattr(tags, "prefix", b"") == b"MM":
        raise GenesisError(
            f"{path}: a compressed TIFF of 32 bits, the highest byte first, is not read; save it without compression"
        )
    if (kind, bits) not in _RIGHT or (white and kind != _UNSIGNED):
        names = {_UNSIGNED: "unsigned", _SIGNED: "signed", _FLOAT: "floating point"}
        inverted = ", 0 being white" if white else ""
        raise GenesisError(
            f"{path}: a TIFF of {bits} bits, {names.get(kind, f'SampleFormat {kind}')}{inverted}, is not read; save it "
            "with 8 or 16 bits unsigned, or as NIfTI"
        )


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _check_imagej(path: Path, tags: Mapping[int, Any], frames: int) -> None:
    """GenesisError where ImageJ's description says what Pillow passes over: slices behind the first, a calibration."""
    description = str(tags.get(_DESCRIPTION, ""))
    if not description.startswith("ImageJ="):
        return
    stated = dict(re.findall(r"^(images|c0|c1)=(\S+)", description, re.MULTILINE))
    if stated.get("images", "1") not in ("1", str(frames)):
        raise GenesisError(
            f"{path}: an ImageJ stack of {stated['images']} slices with {frames} pages; save it as NIfTI"
        )
    if (stated.get("c0", "0"), stated.get("c1", "1")) not in (("0", "1"), ("0.0", "1.0")):
        raise GenesisError(f"{path}: an ImageJ file of calibrated values (c0, c1); save it as NIfTI")


def _grey(path: Path, colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One of three equal colours, (rows, columns, 3); GenesisError where they differ."""
    if not (colours == colours[..., :1]).all():
        raise GenesisError(
            f"{path}: {colours.shape[-1]} values a pixel (colour) that differ; convert it to one channel"
        )
    grey: npt.NDArray[Any] = colours[..., 0]
    return grey


def _has_more_bits(path: Path, image: Any) -> bool:
    """Whether it is a PNG of 16 bits and several channels, which Pillow reads with 8."""
    if image.format != "PNG" or image.mode not in ("LA", "RGB", "RGBA"):
        return False
    with path.open("rb") as file:
        return file.read(25)[24] == 16


def _by_itk(path: Path) -> Decoded:
    from modelsgenesis.data.formats.itk import read_pixels

    array = read_pixels(path)  # (channels, columns, rows) when there are several
    if array.ndim == 3 and array.shape[0] in (3, 4):
        array = _grey(path, np.moveaxis(array[:3], 0, -1))
    return _placed(array, ())


def _placed(array: npt.NDArray[Any], notes: tuple[str, ...]) -> Decoded:
    axes = array.ndim
    grid = Grid(array.shape, (1.0,) * axes, (0.0,) * axes, tuple(np.eye(axes).ravel().tolist()))
    return Decoded(array, grid, array.dtype.name, measured=False, notes=notes)
