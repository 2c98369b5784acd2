"""Volumes against nibabel, hand-written files, and the definition of an affine."""

import itertools
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from modelsgenesis.data.volume import read_volume, resample, write_volume
from modelsgenesis.errors import GenesisError, UsageError

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def save_nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def values_at(array: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of the voxels whose centres are `points` (n, 3)."""
    index = np.linalg.inv(affine) @ np.c_[points, np.ones(len(points))].T
    rounded = np.rint(index[:3]).astype(int)
    assert np.abs(index[:3] - rounded).max() < 1e-2
    return array[tuple(rounded)]


def centres(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    index = np.array(list(np.ndindex(*shape)))
    return (affine @ np.c_[index, np.ones(len(index))].T).T[:, :3]


affines = st.builds(
    lambda order, signs, angles, spacing, origin: (order, signs, angles, spacing, origin),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.tuples(*[st.floats(0.5, 4)] * 3),
    st.tuples(*[st.floats(-300, 300)] * 3),
)


def make_affine(parts: tuple) -> np.ndarray:
    order, signs, angles, spacing, origin = parts
    affine = np.eye(4)
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3] = rotation @ np.eye(3)[:, order] @ np.diag(signs) @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


@given(affines)
@settings(max_examples=40)
def test_every_voxel_stays_at_its_place_in_the_patient(tmp_path_factory: pytest.TempPathFactory, parts: tuple) -> None:
    folder = tmp_path_factory.mktemp("nifti")
    array = np.random.default_rng(0).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
    save_nifti(folder / "scan.nii.gz", array, make_affine(parts))
    source = nibabel.load(folder / "scan.nii.gz")

    volume = read_volume(folder / "scan.nii.gz")

    points = centres(volume.array.shape, volume.affine)
    np.testing.assert_array_equal(volume.array.ravel(), values_at(array, RAS_TO_LPS @ source.affine, points))
    cosines = volume.affine[:3, :3] / volume.spacing
    assert all(cosines[axis, axis] == max(cosines[axis].max(), -cosines[axis].min()) for axis in range(3))
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), volume.spacing, rtol=1e-5)


@given(affines)
@settings(max_examples=20)
def test_a_segmentation_overlays_its_source_in_nibabel(tmp_path_factory: pytest.TempPathFactory, parts: tuple) -> None:
    folder = tmp_path_factory.mktemp("overlay")
    array = np.random.default_rng(1).integers(0, 9, (6, 5, 4)).astype(np.uint8)
    save_nifti(folder / "scan.nii.gz", array, make_affine(parts))
    volume = read_volume(folder / "scan.nii.gz")

    write_volume((volume.array > 4), volume, folder / "mask.nii.gz")

    source, mask = nibabel.load(folder / "scan.nii.gz"), nibabel.load(folder / "mask.nii.gz")
    np.testing.assert_allclose(mask.affine, source.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), array > 4)
    assert mask.get_data_dtype() == np.uint8


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_orientation_agrees_with_nibabel_canonical(tmp_path: Path, order: tuple[int, ...]) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    save_nifti(tmp_path / "scan.nii", array, make_affine((order, (1, -1, 1), (5, -4, 3), (1, 2, 3), (7, 8, 9))))
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "scan.nii"))
    expected = np.asarray(canonical.dataobj)[::-1, ::-1]  # RAS to LPS
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii").array, expected)


def test_nifti_scaling_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nibabel.save(image, tmp_path / "scan.nii.gz")
    reference = nibabel.load(tmp_path / "scan.nii.gz").get_fdata()[::-1, ::-1]
    volume = read_volume(tmp_path / "scan.nii.gz")
    np.testing.assert_allclose(volume.array, reference)
    assert volume.array.dtype == np.float32
    assert volume.array.flags.c_contiguous


META = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = {compressed}
TransformMatrix = 1 0 0 0 -1 0 0 0 1
Offset = 10 20 30
ElementSpacing = 0.5 1.5 2.5
DimSize = 5 4 3
ElementType = MET_SHORT
ElementDataFile = {data}
"""


@pytest.mark.parametrize("packed", [False, True])
def test_metaimage_with_a_flipped_axis(tmp_path: Path, packed: bool) -> None:
    array = np.arange(60, dtype="<i2").reshape(3, 4, 5)  # z, y, x as the file has it
    data = tmp_path / ("scan.zraw" if packed else "scan.raw")
    data.write_bytes(zlib.compress(array.tobytes()) if packed else array.tobytes())
    (tmp_path / "scan.mhd").write_text(META.format(compressed=packed, data=data.name))
    volume = read_volume(tmp_path / "scan.mhd")
    np.testing.assert_array_equal(volume.array, array.transpose()[:, ::-1])
    assert volume.spacing == (0.5, 1.5, 2.5)
    np.testing.assert_allclose(volume.affine[:3, 3], [10, 20 - 3 * 1.5, 30])  # the flipped axis begins at its old end
    write_volume(volume.array.astype(np.int16), volume, tmp_path / "again.mha")
    again = read_volume(tmp_path / "again.mha")
    assert again.grid == volume.grid
    np.testing.assert_array_equal(again.array, volume.array)


def test_nrrd(tmp_path: Path) -> None:
    array = np.arange(60, dtype="<u2").reshape(3, 4, 5)
    header = (
        "NRRD0004\ntype: unsigned short\ndimension: 3\nspace: left-posterior-superior\nsizes: 5 4 3\n"
        "space directions: (2,0,0) (0,3,0) (0,0,4)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        "space origin: (1,2,3)\n\n"
    )
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + array.tobytes())
    volume = read_volume(tmp_path / "scan.nrrd")
    np.testing.assert_array_equal(volume.array, array.transpose())
    np.testing.assert_allclose(volume.affine, [[2, 0, 0, 1], [0, 3, 0, 2], [0, 0, 4, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize(("suffix", "kind"), [("png", np.uint8), ("png", np.uint16), ("tif", np.uint16)])
def test_grey_images_are_x_by_y(tmp_path: Path, suffix: str, kind: type) -> None:
    from PIL import Image

    pixels = np.arange(30 * 20).reshape(20, 30).astype(kind)  # rows, columns
    Image.fromarray(pixels).save(tmp_path / f"image.{suffix}")
    volume = read_volume(tmp_path / f"image.{suffix}")
    np.testing.assert_array_equal(volume.array, pixels.transpose())
    assert volume.pixel_type == np.dtype(kind).name
    write_volume(volume.array.astype(np.uint8), volume, tmp_path / "mask.png")
    assert np.array(Image.open(tmp_path / "mask.png")).shape == (20, 30)


def test_resampling_keeps_the_place_and_is_linear(tmp_path: Path) -> None:
    """A ramp along each patient axis stays that ramp at the new voxel centres."""
    affine = make_affine(([2, 0, 1], (1, -1, 1), (10, -5, 3), (1.0, 2.0, 1.5), (5, 6, 7)))
    shape = (16, 14, 18)
    ramp = (centres(shape, affine) @ [1.0, 2.0, 3.0]).reshape(shape).astype(np.float32)
    save_nifti(tmp_path / "scan.nii", ramp, affine)
    volume = resample(read_volume(tmp_path / "scan.nii"), (1.3, 0.9, 2.0))
    points = centres(volume.array.shape, RAS_TO_LPS @ volume.affine)
    inside = (slice(2, -2),) * 3
    expected = (points @ [1.0, 2.0, 3.0]).reshape(volume.array.shape)
    np.testing.assert_allclose(volume.array[inside], expected[inside], atol=1e-2)
    assert volume.spacing == (1.3, 0.9, 2.0)


def test_resampling_is_undone_on_the_source_grid(tmp_path: Path) -> None:
    affine = make_affine(([1, 2, 0], (-1, 1, 1), (8, 0, -12), (2.0, 2.0, 2.0), (0, 0, 0)))
    mask = np.zeros((14, 12, 10), np.uint8)
    mask[3:9, 4:8, 2:7] = 3
    save_nifti(tmp_path / "mask.nii.gz", mask, affine)
    fine = resample(read_volume(tmp_path / "mask.nii.gz"), (1.0, 1.0, 1.0), nearest=True)
    assert fine.array.shape == tuple(2 * n for n in read_volume(tmp_path / "mask.nii.gz").array.shape)
    write_volume(fine.array.astype(np.uint8), fine, tmp_path / "back.nii.gz")
    back = nibabel.load(tmp_path / "back.nii.gz")
    np.testing.assert_array_equal(np.asarray(back.dataobj), mask)
    np.testing.assert_allclose(back.affine, affine, atol=1e-4)


def test_a_single_time_point_is_a_volume_and_several_are_refused(tmp_path: Path) -> None:
    save_nifti(tmp_path / "one.nii", np.zeros((4, 5, 6, 1), np.int16), np.eye(4))
    save_nifti(tmp_path / "two.nii", np.zeros((4, 5, 6, 2), np.int16), np.eye(4))
    assert read_volume(tmp_path / "one.nii").array.shape == (4, 5, 6)
    with pytest.raises(GenesisError, match="4D"):
        read_volume(tmp_path / "two.nii")


def test_a_file_beside_its_unpacked_namesake_is_read_itself(tmp_path: Path) -> None:
    packed, unpacked = (np.full((4, 5, 6), value, np.int16) for value in (1, 2))
    save_nifti(tmp_path / "scan.nii.gz", packed, np.eye(4))
    save_nifti(tmp_path / "scan.nii", unpacked, np.eye(4))
    assert read_volume(tmp_path / "scan.nii.gz").array.max() == 1
    assert read_volume(tmp_path / "scan.nii").array.min() == 2


def test_wrong_use_names_the_cause(tmp_path: Path) -> None:
    save_nifti(tmp_path / "scan.nii", np.zeros((4, 5, 6), np.int16), np.eye(4))
    volume = read_volume(tmp_path / "scan.nii")
    with pytest.raises(GenesisError, match="no such file"):
        read_volume(tmp_path / "absent.nii")
    with pytest.raises(GenesisError, match="no DICOM"):
        read_volume(tmp_path)
    with pytest.raises(UsageError, match="format"):
        write_volume(volume.array, volume, tmp_path / "out.xyz")
    with pytest.raises(UsageError, match="shape"):
        write_volume(volume.array[1:], volume, tmp_path / "out.nii")
    with pytest.raises(UsageError, match="positive"):
        resample(volume, (1.0, 0.0, 1.0))
    with pytest.raises(GenesisError, match="limit"):
        read_volume(tmp_path / "scan.nii", largest_bytes=100)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("suffix", "alpha"), [("png", True), ("png", False), ("tif", False), ("jpg", False)])
def test_grey_stored_as_colour_is_grey(tmp_path: Path, suffix: str, alpha: bool) -> None:
    """Some X-rays of ChestX-ray14 are RGBA."""
    from PIL import Image

    grey = np.arange(30 * 20, dtype=np.uint16).reshape(20, 30).astype(np.uint8) // 4 * 4
    colours = np.stack([grey, grey, grey, *([np.full_like(grey, 200)] if alpha else [])], axis=-1)
    Image.fromarray(colours).save(tmp_path / f"colour.{suffix}", quality=100)
    Image.fromarray(grey).save(tmp_path / f"grey.{suffix}", quality=100)
    volume, expected = (read_volume(tmp_path / f"{name}.{suffix}") for name in ("colour", "grey"))
    assert volume.pixel_type == "uint8"
    assert np.array_equal(volume.array, expected.array)
