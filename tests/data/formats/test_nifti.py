"""NIfTI, Analyze and MGH against nibabel: values, spacing and affine, also where headers contradict themselves."""

import bz2
import gzip
import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.transform import Rotation

from modelsgenesis.data.volume import Volume, read_channels, read_volume, write_volume
from modelsgenesis.errors import GenesisError

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ARRAY = np.random.default_rng(0).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
SFORM = np.array([[0, 0.9, 0, -20], [-0.8, 0, 0, 30], [0, 0, 2.5, -40], [0, 0, 0, 1]])
Edit = Callable[[nibabel.Nifti1Header], None]


def saved(path: Path, edit: Edit, array: np.ndarray = ARRAY, kind: type = nibabel.Nifti1Image) -> Path:
    """A file with SFORM in both forms whose header is then edited, without a check."""
    image = kind(array, SFORM)
    image.header.set_xyzt_units("mm")
    image.set_qform(SFORM, 1)
    image.set_sform(SFORM, 1)
    content = bytearray(image.to_bytes())
    header = kind.header_class(content[: image.header.sizeof_hdr], check=False)
    edit(header)
    content[: len(header.binaryblock)] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


def check_as_nibabel(volume: Volume, path: Path, unit: float = 1.0) -> None:
    """Every voxel has nibabel's value at nibabel's place."""
    image = nibabel.load(path)
    affine = RAS_TO_LPS @ np.diag([unit, unit, unit, 1]) @ image.affine
    index = np.array(list(np.ndindex(*volume.array.shape)))
    points = np.c_[index, np.ones(len(index))] @ volume.affine.T
    back = points @ np.linalg.inv(affine).T
    np.testing.assert_allclose(back[:, :3], np.rint(back[:, :3]), atol=1e-3)
    expected = np.asarray(image.dataobj)[tuple(np.rint(back[:, :3]).astype(int).T)]
    np.testing.assert_allclose(volume.array.ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(sorted(volume.spacing), sorted(np.linalg.norm(affine[:3, :3], axis=0)), rtol=1e-5)


def field(name: str, value: object) -> Edit:
    def edit(header: nibabel.Nifti1Header) -> None:
        header[name] = value

    return edit


def both(*edits: Edit) -> Edit:
    def edit(header: nibabel.Nifti1Header) -> None:
        for one in edits:
            one(header)

    return edit


def rounded(header: nibabel.Nifti1Header) -> None:
    """An oblique sform whose cosines have three digits, and no qform."""
    turn = np.round(Rotation.from_euler("xyz", (11, 23, 37), degrees=True).as_matrix(), 3)
    header.set_sform(np.block([[turn * [0.8, 0.9, 2.5], np.zeros((3, 1))], [np.array([0, 0, 0, 1.0])]]), 1)
    header["qform_code"] = 0


def half_turned(header: nibabel.Nifti1Header) -> None:
    header.set_qform(np.diag([0.8, 0.9, 2.5, 1.0]), 1)


NO_SFORM, NO_QFORM = field("sform_code", 0), field("qform_code", 0)
ODD = {
    "as it should be": (field("descrip", b""), None),
    "pixdim of 1": (field("pixdim", [1, 1, 1, 1, 0, 0, 0, 0]), "pixdim 1 x 1 x 1 contradicts"),
    "negative pixdim": (field("pixdim", [1, -0.8, -0.9, -2.5, 0, 0, 0, 0]), None),
    "negative pixdim, qform only": (both(NO_SFORM, field("pixdim", [1, -0.9, 0.8, 2.5, 0, 0, 0, 0])), None),
    "qfac of -1": (both(NO_SFORM, field("pixdim", [-1, 0.8, 0.9, 2.5, 0, 0, 0, 0])), None),
    "qfac of 0": (both(NO_SFORM, field("pixdim", [0, 0.8, 0.9, 2.5, 0, 0, 0, 0])), None),
    "qform only": (NO_SFORM, None),
    "sform only": (NO_QFORM, None),
    "neither": (both(NO_SFORM, NO_QFORM), "assumed as nibabel does"),
    "forms that differ": (half_turned, "qform and sform differ by"),
    "a quaternion that cannot be, beside an sform": (field("quatern_b", 5.0), None),
    "rounded cosines": (rounded, "rounded"),
    "slope of 0": (both(field("scl_slope", 0), field("scl_inter", -1024)), None),
    "slope and intercept": (both(field("scl_slope", 0.5), field("scl_inter", -1024)), None),
    "slope infinite": (field("scl_slope", np.inf), None),
    "slope NaN": (field("scl_slope", np.nan), None),
    "negative slope": (field("scl_slope", -2), None),
    "unit unknown": (field("xyzt_units", 0), None),
    "unit metre of mm": (field("xyzt_units", 1), "taken as mm"),
    "unit micron of mm": (field("xyzt_units", 3), "taken as mm|converted"),
    "time unit too": (field("xyzt_units", 10), None),
    "cal_max": (both(field("cal_max", 10), field("cal_min", 1)), None),
    "intent": (field("intent_code", 1007), None),
}


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image], ids=["1", "2"])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_header_is_read_as_nibabel_reads_it(tmp_path: Path, name: str, kind: type) -> None:
    edit, note = ODD[name]
    path = saved(tmp_path / "scan.nii.gz", edit, kind=kind)
    volume = read_volume(path)
    unit = 0.001 if any("micron; converted" in one for one in volume.notes) else 1.0
    check_as_nibabel(volume, path, unit)
    if note is None:
        assert volume.notes == ()
    else:
        assert re.search(note, " ".join(volume.notes))


def test_lengths_in_metres_and_microns_are_converted_where_they_can_be(tmp_path: Path) -> None:
    for unit, factor in (("meter", 1e3), ("micron", 1e-3)):
        affine = np.diag([0.8 / factor, 0.8 / factor, 2 / factor, 1])
        image = nibabel.Nifti1Image(ARRAY, affine)
        image.header.set_xyzt_units(unit)
        nibabel.save(image, tmp_path / "scan.nii")
        volume = read_volume(tmp_path / "scan.nii")
        np.testing.assert_allclose(volume.spacing, (0.8, 0.8, 2), rtol=1e-5)
        assert "converted to mm" in volume.notes[0]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (field("srow_x", [0, 0, 0, 0]), "srow_x"),
        (field("srow_x", [np.nan, 0, 0, 0]), "srow_x"),
        (both(NO_SFORM, field("quatern_b", 5.0)), "quaternion"),
        (both(NO_SFORM, field("qoffset_x", np.nan)), "qoffset"),
        (both(NO_SFORM, field("pixdim", [1, 0.8, 0, 2.5, 0, 0, 0, 0])), "pixdim"),
        (field("srow_x", [0.5, 0.9, 0, 0]), "sheared"),
        (field("srow_z", [0, 0, 2500, 0]), "cannot be"),
        (field("scl_inter", np.inf), "intercept"),
        (field("datatype", 128), "colour|cannot be"),
        (field("datatype", 32), "real numbers|truncated"),
        (field("datatype", 77), "cannot be|cannot be used"),
        (field("magic", b"abc"), "cannot be"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_name(tmp_path: Path, edit: Edit, reason: str) -> None:
    path = saved(tmp_path / "scan.nii", edit)
    with pytest.raises(GenesisError, match=reason) as caught:
        read_volume(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["<i2", ">i2", "u1", "i1", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", ">f4", "<f8"])
def test_every_kind_of_number(tmp_path: Path, kind: str) -> None:
    header = nibabel.Nifti1Header(endianness=">" if kind[0] == ">" else "<")
    array = np.random.default_rng(1).integers(0, 100, (5, 4, 3)).astype(kind)
    image = nibabel.Nifti1Image(array, SFORM, header, dtype=np.dtype(kind))
    nibabel.save(image, tmp_path / "scan.nii")
    volume = read_volume(tmp_path / "scan.nii")
    check_as_nibabel(volume, tmp_path / "scan.nii")
    assert volume.pixel_type == np.dtype(kind).name


def test_the_content_says_whether_it_is_compressed(tmp_path: Path) -> None:
    content = nibabel.Nifti1Image(ARRAY, SFORM).to_bytes()
    (tmp_path / "plain.nii").write_bytes(content)
    expected = read_volume(tmp_path / "plain.nii").array
    for name, packed in (
        ("a.nii", gzip.compress(content)),
        ("b.nii.gz", content),
        ("c.nii.bz2", bz2.compress(content)),
        ("d.nii", bz2.compress(content)),
        ("E.NII.GZ", gzip.compress(content)),
    ):
        (tmp_path / name).write_bytes(packed)
        volume = read_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.array, expected)
        assert any("unlike its name" in note for note in volume.notes) == (name in ("a.nii", "b.nii.gz", "d.nii"))
    (tmp_path / "c.nii.bz2").write_bytes(bz2.compress(content)[:-20])
    with pytest.raises(GenesisError, match="copy it again"):
        read_volume(tmp_path / "c.nii.bz2")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (nibabel.Nifti1Pair, "pair.img"),
        (nibabel.Nifti1Pair, "pair.hdr"),
        (nibabel.Nifti1Pair, "pair.img.gz"),
        (nibabel.Nifti2Pair, "pair.img"),
        (nibabel.AnalyzeImage, "old.img"),
        (nibabel.Spm99AnalyzeImage, "spm.img"),
        (nibabel.Spm2AnalyzeImage, "spm.hdr"),
        (nibabel.MGHImage, "brain.mgh"),
        (nibabel.MGHImage, "brain.mgz"),
    ],
)
def test_pairs_and_mgh_are_as_nibabel_has_them(tmp_path: Path, kind: type, name: str) -> None:
    nibabel.save(kind(ARRAY, SFORM), tmp_path / name)
    volume = read_volume(tmp_path / name)
    check_as_nibabel(volume, tmp_path / name)
    assert bool(volume.notes) == ("Analyze" in kind.__name__)
    voxels = (tmp_path / name).with_suffix(".img") if name == "pair.hdr" else tmp_path / name
    if name in ("pair.hdr", "old.img", "brain.mgh"):
        voxels.write_bytes(voxels.read_bytes()[:-30])
        with pytest.raises(GenesisError, match="copy it again"):
            read_volume(tmp_path / name)


def test_a_pair_without_its_other_half_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(ARRAY, SFORM), tmp_path / "pair.img")
    (tmp_path / "pair.hdr").unlink()
    with pytest.raises(GenesisError, match=r"pair\.img"):
        read_volume(tmp_path / "pair.img")


def test_channels_of_a_4d_file(tmp_path: Path) -> None:
    array = np.random.default_rng(2).integers(0, 100, (6, 5, 4, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, SFORM), tmp_path / "four.nii.gz")
    with pytest.raises(GenesisError, match="4D, size 6x5x4x3"):
        read_volume(tmp_path / "four.nii.gz")
    channels = read_channels(tmp_path / "four.nii.gz")
    for index, volume in enumerate(channels):
        nibabel.save(nibabel.Nifti1Image(array[..., index], SFORM), tmp_path / "one.nii.gz")
        check_as_nibabel(volume, tmp_path / "one.nii.gz")
    assert len(channels) == 3
    assert len(read_channels(tmp_path / "one.nii.gz")) == 1


@pytest.mark.parametrize("name", ["as it should be", "pixdim of 1", "forms that differ", "neither", "rounded cosines"])
def test_what_is_written_lies_on_the_grid_for_readers_of_both_forms(tmp_path: Path, name: str) -> None:
    source = saved(tmp_path / "scan.nii.gz", ODD[name][0])
    volume = read_volume(source)
    write_volume((volume.array > 0), volume, tmp_path / "mask.nii.gz")
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(mask.affine, nibabel.load(source).affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), ARRAY > 0)
    for form in (mask.get_qform(coded=True), mask.get_sform(coded=True)):
        assert form[1] == 1
        np.testing.assert_allclose(form[0], mask.affine, atol=0.02)
    assert mask.header.get_xyzt_units()[0] == "mm"
    written = gzip.decompress((tmp_path / "mask.nii.gz").read_bytes())
    assert nibabel.Nifti1Header(written[:348], check=False)["scl_slope"] == 1  # nibabel forgets it when it loads
    if name != "rounded cosines":  # SimpleITK refuses those of the source as well
        read = sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
        np.testing.assert_allclose(sorted(read.GetSpacing()), sorted(volume.spacing), rtol=1e-5)


def test_a_slope_is_written_for_readers(tmp_path: Path) -> None:
    volume = read_volume(saved(tmp_path / "scan.nii", ODD["as it should be"][0]))
    levels = np.arange(210, dtype=np.uint8).reshape(volume.array.shape) % 201
    write_volume(levels, volume, tmp_path / "p.nii.gz", slope=1 / 200)
    image = nibabel.load(tmp_path / "p.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(np.sort(image.get_fdata().ravel()), np.sort(levels.ravel() / 200), atol=1e-6)
    np.testing.assert_allclose(read_volume(tmp_path / "p.nii.gz").array, levels / 200, atol=1e-6)


def test_two_dimensions(tmp_path: Path) -> None:
    array = ARRAY[:, :, 0]
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.5, -0.7, 1, 1])), tmp_path / "flat.nii")
    volume = read_volume(tmp_path / "flat.nii")
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.spacing, (0.5, 0.7), rtol=1e-6)


@pytest.mark.parametrize("size", [10, 170, 65536])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_header_extensions_are_passed_over(tmp_path: Path, suffix: str, size: int) -> None:
    image = nibabel.Nifti1Image(ARRAY, SFORM)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(4, b"x" * size))
    nibabel.save(image, tmp_path / f"scan{suffix}")
    check_as_nibabel(read_volume(tmp_path / f"scan{suffix}"), tmp_path / f"scan{suffix}")


@pytest.mark.parametrize("name", ["pair.img.gz", "brain.mgz"])
def test_a_checksum_of_a_pair_or_mgz_is_looked_at(tmp_path: Path, name: str) -> None:
    nibabel.save((nibabel.MGHImage if name.endswith("mgz") else nibabel.Nifti1Pair)(ARRAY, SFORM), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for damaged in (whole[:-8] + b"\1\2\3\4" + whole[-4:], whole[:-8]):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(GenesisError, match="corrupt|ends early"):
            read_volume(tmp_path / name)


def test_mgh_under_the_other_name_is_read(tmp_path: Path) -> None:
    nibabel.save(nibabel.MGHImage(ARRAY, SFORM), tmp_path / "a.mgh")
    (tmp_path / "b.mgz").write_bytes((tmp_path / "a.mgh").read_bytes())
    (tmp_path / "c.mgh").write_bytes(gzip.compress((tmp_path / "a.mgh").read_bytes()))
    for name in ("b.mgz", "c.mgh"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, read_volume(tmp_path / "a.mgh").array)
    (tmp_path / "d.mgh").write_bytes(bytes(400))
    with pytest.raises(GenesisError, match=r"d\.mgh: "):
        read_volume(tmp_path / "d.mgh")


def test_voxels_that_begin_in_the_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[108:112] = np.float32(0).tobytes()
    path.write_bytes(content)
    with pytest.raises(GenesisError, match="vox_offset 0 cannot be, the header has 348 bytes"):
        read_volume(path)
