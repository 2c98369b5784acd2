"""Pictures of one odd property; the truth is Pillow's, or the definition where Pillow keeps what is stored."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from benchmarks.odd.variant import Truth, Variant

GREY = np.random.default_rng(0).integers(0, 256, (12, 17)).astype(np.uint8)
DEEP = np.random.default_rng(0).integers(0, 65536, (12, 17)).astype(np.uint16)


def variants(folder: Path) -> Iterator[Variant]:
    """Modes, depths, orientations, compressions, pages and alpha of PNG, JPEG, TIFF, BMP and WebP."""
    for number, (name, suffix, image, options) in enumerate(_images()):
        path = folder / f"picture-{number}.{suffix}"
        image.save(path, **options)
        yield Variant(suffix.upper(), name, path, _truth)


def _images() -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    grey, deep = Image.fromarray(GREY), Image.fromarray(DEEP)
    equal = Image.fromarray(np.stack([GREY] * 3, -1))
    colour = Image.fromarray(np.stack([GREY, GREY[::-1], GREY], -1))
    alpha = Image.merge("LA", (grey, Image.fromarray(GREY[::-1])))
    modes: dict[str, Callable[[], Any]] = {
        "grey": lambda: grey,
        "16 bits": lambda: deep,
        "equal colours": lambda: equal,
        "colours": lambda: colour,
        "grey with alpha": lambda: alpha,
        "equal colours with alpha": lambda: equal.convert("RGBA"),
        "a palette of greys": lambda: grey.convert("P"),
        "a palette of colours": lambda: colour.quantize(16),
        "1 bit": lambda: grey.convert("1"),
        "32 bits": lambda: deep.convert("I"),
        "float": lambda: grey.convert("F"),
        "CMYK": lambda: colour.convert("CMYK"),
    }
    for suffix in ("png", "jpg", "tif", "bmp", "webp"):
        for name, make in modes.items():
            try:
                make().save(Path("/dev/null"), format={"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
            except (OSError, ValueError, KeyError):
                continue  # the format has no such mode
            yield name, suffix, make(), {"lossless": True} if suffix == "webp" else {}
    for turn in range(2, 9):
        exif = Image.Exif()
        exif[274] = turn
        for suffix in ("jpg", "png", "tif"):
            yield f"orientation {turn}", suffix, grey, {"exif": exif}
    for kind in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_jpeg", "group4"):
        yield f"compression {kind}", "tif", grey.convert("1") if kind == "group4" else grey, {"compression": kind}
    for photometric in (0, 1):
        yield f"photometric {photometric}", "tif", grey, {"tiffinfo": {262: photometric}}
    pages = [Image.fromarray(np.roll(GREY, k)) for k in range(3)]
    yield "three pages", "tif", pages[0], {"save_all": True, "append_images": pages[1:]}
    yield "pages of two sizes", "tif", pages[0], {"save_all": True, "append_images": [pages[1].crop((0, 0, 5, 5))]}
    yield "an animation", "webp", equal, {"save_all": True, "append_images": [colour]}
    yield "an animation", "png", grey, {"save_all": True, "append_images": pages[1:]}
    yield "interlaced", "png", grey, {"interlace": 1}
    yield "progressive", "jpg", grey, {"progressive": True}


def _truth(path: Path) -> Truth:
    with Image.open(path) as image:
        pages = []
        for page in range(getattr(image, "n_frames", 1)):
            image.seek(page)
            turned = ImageOps.exif_transpose(image)
            if image.mode not in ("1", "L", "I;16", "I;16B", "I", "F"):
                colours = np.asarray(turned.convert("RGB"))
                if (colours != colours[..., :1]).any():
                    raise ValueError("colour")
                turned = Image.fromarray(colours[..., 0])
            pages.append(np.asarray(turned.convert("L") if image.mode == "1" else turned).T)
    return Truth(np.stack(pages, -1) if len(pages) > 1 else pages[0], None)
