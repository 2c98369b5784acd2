"""Damaged files: each is refused with its reason or read to the right values, never padded, never a hang."""

import gzip
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError

ARRAY = np.random.default_rng(0).integers(-1000, 1000, (18, 17, 16)).astype(np.int16)
PACKED = gzip.compress(nibabel.Nifti1Image(ARRAY, np.eye(4)).to_bytes(), mtime=0)
META = """NDims = 3
DimSize = {size}
ElementType = MET_SHORT
ElementSpacing = 1 1 1
CompressedData = {packed}
ElementDataFile = {data}
"""
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: {size}\nencoding: {encoding}\nendian: little\n\n"


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(ARRAY, np.eye(4)), tmp_path / "scan.nii")
    return tmp_path / "scan.nii"


def packed(path: Path, content: bytes) -> Path:
    target = path.with_name("scan.nii.gz")
    target.write_bytes(gzip.compress(content, mtime=0))
    return target


def refuse(path: Path, reason: str) -> None:
    with pytest.raises(GenesisError, match=reason) as caught:
        read_volume(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_truncated_nifti(nifti: Path) -> None:
    whole = nifti.read_bytes()
    nifti.write_bytes(whole[:-1])
    refuse(nifti, "truncated")
    nifti.write_bytes(whole[:100])
    refuse(nifti, "truncated in its NIfTI header")
    nifti.write_bytes(b"")
    refuse(nifti, "empty")
    refuse(packed(nifti, whole[:-10]), "truncated")


def test_truncated_gzip(nifti: Path) -> None:
    target = packed(nifti, nifti.read_bytes())
    whole = target.read_bytes()
    for length in (len(whole) - 1, len(whole) - 9, len(whole) // 2, 30, 5):
        target.write_bytes(whole[:length])
        refuse(target, r"gzip|truncated|compressed")
    target.write_bytes(b"not gzip at all" * 100)
    refuse(target, "gzip")


def test_gzip_of_several_members_and_with_padding_is_whole(nifti: Path) -> None:
    content = nifti.read_bytes()
    target = packed(nifti, content)
    target.write_bytes(gzip.compress(content[:4000]) + gzip.compress(content[4000:]))
    np.testing.assert_array_equal(read_volume(target).array, ARRAY[::-1, ::-1])
    target.write_bytes(gzip.compress(content) + b"\0" * 512)
    np.testing.assert_array_equal(read_volume(target).array, ARRAY[::-1, ::-1])


@given(position=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
@example(position=4, bit=0)  # the time in the header means nothing
@example(position=122, bit=0)  # and some bits of a stream have two readings of one content
@settings(max_examples=60)
def test_a_flipped_bit_in_gzip_never_passes_as_other_values(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    content = bytearray(PACKED)
    content[position] ^= 1 << bit
    target = tmp_path_factory.mktemp("bits") / "scan.nii.gz"
    target.write_bytes(content)
    try:
        volume = read_volume(target)
    except GenesisError:
        return
    np.testing.assert_array_equal(volume.array, ARRAY[::-1, ::-1])


@pytest.mark.parametrize(
    ("offset", "field", "reason"),
    [
        (42, struct.pack("<3h", 32767, 32767, 32767), "limit|truncated"),
        (42, struct.pack("<3h", 64, 17, 16), "truncated"),
        (42, struct.pack("<3h", -5, 17, 16), "impossible"),
        (42, struct.pack("<3h", 0, 17, 16), "impossible"),
        (40, struct.pack("<h", 99), "header cannot be"),
        (108, struct.pack("<f", 1e30), "vox_offset"),
        (108, struct.pack("<f", 90000.0), "truncated"),
        (108, struct.pack("<f", float("nan")), "header cannot be"),
        (280, struct.pack("<f", 1e30), "cannot be; repair the spacing or matrix"),
        (280, struct.pack("<f", float("nan")), "srow_x"),
    ],
)
@pytest.mark.parametrize("compress", [False, True])
def test_wrong_nifti_headers_take_no_memory(
    nifti: Path, offset: int, field: bytes, reason: str, compress: bool
) -> None:
    content = bytearray(nifti.read_bytes())
    content[offset : offset + len(field)] = field
    nifti.write_bytes(content)
    target = packed(nifti, bytes(content)) if compress else nifti
    refuse(target, reason)


def test_a_bomb_is_not_unpacked(nifti: Path) -> None:
    """A small scan in front of 64 MiB of zeros: read to its checksum, but not beyond the memory limit."""
    target = packed(nifti, nifti.read_bytes() + b"\0" * 2**26)
    read_volume(target)
    with pytest.raises(GenesisError, match="beyond the memory limit"):
        read_volume(target, largest_bytes=2**22)
    with pytest.raises(GenesisError, match="over the limit"):
        read_volume(target, largest_bytes=1000)


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f4"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_nan_in_a_nifti_is_found(tmp_path: Path, kind: str, value: float) -> None:
    """SimpleITK's reader of NIfTI silently makes it zero."""
    header = nibabel.Nifti1Header(endianness=kind[0])
    array = np.random.default_rng(0).normal(size=(90, 70, 60)).astype(kind)
    for suffix in ("nii", "nii.gz"):
        path = tmp_path / f"scan.{suffix}"
        header.set_data_dtype(kind)
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4), header), path)
        np.testing.assert_allclose(read_volume(path).array, array[::-1, ::-1], rtol=1e-6)
        spoilt = array.copy()
        spoilt[-1, -1, -1] = value
        nibabel.save(nibabel.Nifti1Image(spoilt, np.eye(4), header), path)
        refuse(path, "NaN or infinite")


def test_damage_that_only_lengthens_the_stream_is_found(tmp_path: Path) -> None:
    """Zeros inside a stream may decode to more bytes than declared: only the checksum at its end tells."""
    labels = np.zeros((128, 128, 128), np.uint8)
    labels[40:90, 30:80, 20:70] = np.random.default_rng(0).integers(0, 30, (50, 50, 50))
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "scan.nii")
    target = packed(tmp_path / "scan.nii", (tmp_path / "scan.nii").read_bytes())
    whole = target.read_bytes()
    for start in range(200, len(whole) - 5000, len(whole) // 25):
        target.write_bytes(whole[:start] + b"\0" * 4096 + whole[start + 4096 :])
        refuse(target, "corrupt|ends early|beyond")


@pytest.mark.parametrize("compress", [False, True])
def test_metaimage(tmp_path: Path, compress: bool) -> None:
    raw = ARRAY.transpose().tobytes()
    data = tmp_path / ("scan.zraw" if compress else "scan.raw")
    body = zlib.compress(raw) if compress else raw
    header = tmp_path / "scan.mhd"
    header.write_text(META.format(size="18 17 16", packed=compress, data=data.name))
    refuse(header, "missing")
    data.write_bytes(body)
    np.testing.assert_array_equal(read_volume(header).array, ARRAY)
    data.write_bytes(body[:-2])
    refuse(header, "truncated")
    data.write_bytes(body)
    header.write_text(META.format(size="18 17 17", packed=compress, data=data.name))
    refuse(header, "truncated")
    header.write_text(META.format(size="900000 900000 900000", packed=compress, data=data.name))
    refuse(header, "limit")
    header.write_text(META.format(size="18 -17 16", packed=compress, data=data.name))
    refuse(header, "impossible")
    header.write_text("NDims = 3\n")
    refuse(header, "MetaImage header")


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd(tmp_path: Path, encoding: str) -> None:
    raw = ARRAY.transpose().tobytes()
    body = gzip.compress(raw) if encoding == "gzip" else raw
    scan = tmp_path / "scan.nrrd"
    scan.write_bytes(NRRD.format(size="18 17 16", encoding=encoding).encode() + body)
    np.testing.assert_array_equal(read_volume(scan).array, ARRAY)
    scan.write_bytes(NRRD.format(size="18 17 16", encoding=encoding).encode() + body[:-3])
    refuse(scan, "truncated")
    scan.write_bytes(NRRD.format(size="90000 90000 90000", encoding=encoding).encode() + body)
    refuse(scan, "limit")
    scan.write_bytes(b"NRRD0004\ntype: short\nsizes: 18 17 16\n")
    refuse(scan, "does not end")
    (tmp_path / "scan.nhdr").write_text("NRRD0004\ntype: short\ndimension: 3\nsizes: 18 17 16\ndata file: gone.raw\n")
    refuse(tmp_path / "scan.nhdr", "missing")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_truncated_images(tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    path = tmp_path / f"image.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(path)
    read_volume(path)
    whole = path.read_bytes()
    for length in (len(whole) - 20, len(whole) // 2, 20):
        path.write_bytes(whole[:length])
        refuse(path, ".")


def test_a_corrupt_png(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(ARRAY[0].astype(np.uint8)).save(tmp_path / "image.png")
    content = bytearray((tmp_path / "image.png").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "image.png").write_bytes(content)
    refuse(tmp_path / "image.png", "corrupt PNG")
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[4, 4, 2] = 1
    Image.fromarray(colours).save(tmp_path / "colour.png")
    refuse(tmp_path / "colour.png", "colour")


def test_a_png_of_too_few_lines(tmp_path: Path) -> None:
    """Its checksums are right; decoders fill what is missing."""
    from PIL import Image

    for height, bits in ((12, 8), (12, 1)):
        image = Image.fromarray(ARRAY[0].astype(np.uint8)[:height]).convert("1" if bits == 1 else "L")
        image.save(tmp_path / "whole.png")
        read_volume(tmp_path / "whole.png")
        content = bytearray((tmp_path / "whole.png").read_bytes())
        content[20:24] = struct.pack(">I", 2 * height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        (tmp_path / "image.png").write_bytes(content)
        refuse(tmp_path / "image.png", "truncated PNG")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    for suffix in ("nii", "nii.gz", "mhd", "mha", "nrrd", "nhdr", "png", "jpg", "tif", "dcm"):
        path = tmp_path / f"scan.{suffix}"
        path.write_bytes(b"<html>404 not found</html>\n" * 50)
        refuse(path, ".")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bits", [0x7E37E43C8800759C, 0x7FF0000000000001], ids=["1e300", "signalling NaN"])
def test_doubles_that_are_no_floats_are_refused_without_a_warning(tmp_path: Path, bits: int) -> None:
    """What numpy warns of would stand in the middle of the bar of `genesis prepare`."""
    array = ARRAY.astype("<f8")
    array.view("<u8")[3, 3, 3] = bits
    header = META.format(size="18 17 16", packed=False, data="scan.raw").replace("MET_SHORT", "MET_DOUBLE")
    (tmp_path / "scan.mhd").write_text(header)
    (tmp_path / "scan.raw").write_bytes(array.transpose().tobytes())
    refuse(tmp_path / "scan.mhd", "NaN or infinite")
