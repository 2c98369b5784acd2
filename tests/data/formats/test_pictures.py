"""Images against Pillow, and against the definition where Pillow reads other values than the file means."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from PIL import Image

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError

GREY = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
DEEP = np.random.default_rng(0).integers(0, 65536, (20, 30)).astype(np.uint16)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp"])
def test_eight_bits_are_pillows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "webp":  # knows colour only
        Image.fromarray(np.stack([GREY] * 3, -1)).save(path, lossless=True)
    else:
        Image.fromarray(GREY).save(path)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, np.array(Image.open(path).convert("L")).T)
    assert (volume.pixel_type, volume.measured, volume.notes) == ("uint8", False, ())


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_the_exif_orientation_is_applied(tmp_path: Path, suffix: str, turn: int) -> None:
    """From the definition in EXIF 2.3: what the first row and column of the stored pixels are of the picture."""
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(GREY).save(tmp_path / f"x.{suffix}", exif=exif, quality=100)
    Image.fromarray(GREY).save(tmp_path / f"plain.{suffix}", quality=100)
    stored = np.array(Image.open(tmp_path / f"plain.{suffix}"))
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: stored.T[:, ::-1],
        7: stored.T[::-1, ::-1],
        8: stored.T[::-1],
    }[turn]
    if suffix == "tif" and turn > 4:
        with pytest.raises(GenesisError, match="on its side"):
            read_volume(tmp_path / "x.tif")
        return
    volume = read_volume(tmp_path / f"x.{suffix}")
    np.testing.assert_array_equal(volume.array, upright.T)
    assert bool(volume.notes) == (turn != 1)


@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["8 bits", "16 bits"])
def test_a_tiff_in_which_0_is_white_is_turned_round(tmp_path: Path, pixels: np.ndarray) -> None:
    """Written by hand: photometric interpretation 0 (TIFF 6.0, page 37) means that 0 is white."""
    rows, columns = pixels.shape
    bits = 8 * pixels.itemsize
    tags = [(256, 3, columns), (257, 3, rows), (258, 3, bits), (259, 3, 1), (262, 3, 0), (273, 4, 200), (277, 3, 1)]
    tags += [(278, 3, rows), (279, 4, pixels.nbytes)]
    body = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        body += struct.pack("<HHII", tag, kind, 1, value)  # little-endian: a short stands where the int does
    body += struct.pack("<I", 0)
    (tmp_path / "x.tif").write_bytes(body.ljust(200, b"\0") + pixels.tobytes())
    volume = read_volume(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.array, np.iinfo(pixels.dtype).max - pixels.T)
    assert "0 is white" in volume.notes[0]


def png(colours: np.ndarray) -> bytes:
    """A PNG of 16 bits by hand; (rows, columns, channels)."""
    rows, columns, channels = colours.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", columns, rows, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_whatever_the_channels(tmp_path: Path, channels: int) -> None:
    alpha = [np.full_like(DEEP, 60000)]
    planes = {1: [DEEP], 3: [DEEP] * 3, 4: [DEEP] * 3 + alpha}[channels]
    (tmp_path / "x.png").write_bytes(png(np.stack(planes, -1)))
    volume = read_volume(tmp_path / "x.png")
    np.testing.assert_array_equal(volume.array, DEEP.T)
    assert volume.pixel_type == "uint16"


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "I;16", "F"])
def test_modes_of_grey(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "F" else "png"
    if mode == "I;16":
        image = Image.fromarray(DEEP)
    elif mode == "F":
        image = Image.fromarray(GREY.astype(np.float32) / 7)
    elif mode == "1":
        image = Image.fromarray(GREY > 99)
    else:
        image = Image.fromarray(GREY).convert(mode)
    image.save(tmp_path / f"x.{suffix}")
    expected = np.array(image.convert("L") if mode in ("1", "LA", "P", "RGBA") else image)
    np.testing.assert_array_equal(read_volume(tmp_path / f"x.{suffix}").array, expected.T)


def test_the_pages_of_a_tiff_are_slices(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.roll(GREY, shift)) for shift in range(4)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    volume = read_volume(tmp_path / "x.tif")
    np.testing.assert_array_equal(volume.array, np.stack([np.array(page).T for page in pages], -1))
    pages[1] = pages[1].crop((0, 0, 5, 5))
    pages[0].save(tmp_path / "y.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(GenesisError, match="pages of"):
        read_volume(tmp_path / "y.tif")


def test_what_is_no_grey_image_is_refused(tmp_path: Path) -> None:
    colours = np.stack([GREY, GREY.T.reshape(GREY.shape), GREY], -1)
    Image.fromarray(colours).save(tmp_path / "x.png")
    Image.fromarray(GREY).convert("CMYK").save(tmp_path / "x.jpg")
    frames = [Image.fromarray(np.roll(GREY, shift)).convert("RGB") for shift in range(3)]
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:])
    (tmp_path / "alpha.png").write_bytes(png(np.stack([DEEP, DEEP], -1)))
    for name, reason in (("alpha.png", "alpha"), ("x.png", "colour"), ("x.jpg", "colour"), ("x.webp", "3 frames")):
        with pytest.raises(GenesisError, match=reason):
            read_volume(tmp_path / name)
    with pytest.raises(GenesisError, match="limit"):
        read_volume(tmp_path / "x.png", largest_bytes=100)


def tiff(
    path: Path, pixels: np.ndarray, kind: int, photometric: int = 1, description: str = "", deflated: bool = False
) -> Path:
    """A TIFF by hand, with its SampleFormat, in the byte order of `pixels`."""
    order = ">" if pixels.dtype.str[0] == ">" else "<"
    stored = zlib.compress(pixels.tobytes()) if deflated else pixels.tobytes()
    rows, columns = pixels.shape
    text = description.encode() + b"\0"
    tags = [
        (256, 3, 1, columns),
        (257, 3, 1, rows),
        (258, 3, 1, 8 * pixels.itemsize),
        (259, 3, 1, 8 if deflated else 1),
    ]
    tags += [(262, 3, 1, photometric), (270, 2, len(text), 400), (273, 4, 1, 200), (277, 3, 1, 1), (278, 3, 1, rows)]
    tags = [*(tag for tag in tags if tag[0] != 270 or description), (279, 4, 1, len(stored)), (339, 3, 1, kind)]
    offset = 200 + len(stored)
    body = struct.pack(f"{order}2sHIH", b"MM" if order == ">" else b"II", 42, 8, len(tags))
    for tag, type_, count, value in tags:
        number = struct.pack(f"{order}HH", value, 0) if type_ == 3 else struct.pack(f"{order}I", value)
        body += struct.pack(f"{order}HHI", tag, type_, count) + (
            struct.pack(f"{order}I", offset) if tag == 270 else number
        )
    path.write_bytes((body + bytes(4)).ljust(200, b"\0") + stored + text)
    return path


@pytest.mark.parametrize(
    ("dtype", "kind", "photometric", "reason"),
    [
        ("u1", 1, 1, None),
        ("u2", 1, 1, None),
        ("i4", 2, 1, None),
        ("f4", 3, 1, None),
        ("i1", 2, 1, "8 bits, signed"),
        ("i2", 2, 1, "16 bits, signed"),
        ("u4", 1, 1, "32 bits, unsigned"),
        ("f2", 3, 1, "no picture of a kind"),
        ("f4", 3, 0, "0 being white"),
        ("i4", 2, 0, "no picture of a kind"),
    ],
)
def test_every_kind_of_tiff_is_right_or_refused(
    tmp_path: Path, dtype: str, kind: int, photometric: int, reason: str | None
) -> None:
    pixels = (np.arange(240).reshape(12, 20) - (0 if dtype[0] == "u" else 100)).astype(f"<{dtype}")
    path = tiff(tmp_path / "x.tif", pixels, kind, photometric)
    if reason is None:
        np.testing.assert_array_equal(read_volume(path).array, pixels.T)
        return
    with pytest.raises(GenesisError, match=reason):
        read_volume(path)


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize(("dtype", "kind"), [("u2", 1), ("i4", 2), ("f4", 3)])
@pytest.mark.parametrize("order", "<>")
def test_byte_orders_of_compressed_tiffs(tmp_path: Path, dtype: str, kind: int, order: str, deflated: bool) -> None:
    pixels = (np.arange(240).reshape(12, 20) * 101).astype(f"{order}{dtype}")
    path = tiff(tmp_path / "x.tif", pixels, kind, deflated=deflated)
    if order == ">" and deflated and dtype != "u2":
        with pytest.raises(GenesisError, match="a compressed TIFF of 32 bits, the highest byte first, is not read"):
            read_volume(path)
        return
    np.testing.assert_array_equal(read_volume(path).array, pixels.T)


def test_what_imagej_says_beside_the_pixels(tmp_path: Path) -> None:
    pixels = np.arange(240, dtype="<u2").reshape(12, 20)
    for description, reason in (
        ("ImageJ=1.54\nimages=3\nslices=3\n", "3 slices with 1 pages"),
        ("ImageJ=1.54\nimages=1\nc0=-32768\nc1=1\n", "calibrated"),
    ):
        with pytest.raises(GenesisError, match=reason):
            read_volume(tiff(tmp_path / "x.tif", pixels, 1, description=description))
    read_volume(tiff(tmp_path / "x.tif", pixels, 1, description="ImageJ=1.54\nimages=1\n"))


def test_16_bits_in_colour_on_their_side_are_refused(tmp_path: Path) -> None:
    grey = np.arange(240, dtype=np.uint16).reshape(12, 20) * 101
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([grey] * 3, -1), isVector=True), str(tmp_path / "x.png"))
    content = (tmp_path / "x.png").read_bytes()
    np.testing.assert_array_equal(read_volume(tmp_path / "x.png").array, grey.T)
    turned = Image.Exif()
    turned[274] = 6
    body = b"eXIf" + turned.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "x.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises(GenesisError, match="colour of 16 bits with an EXIF orientation; save it upright, as grey"):
        read_volume(tmp_path / "x.png")
