"""Digests of voxels: one for an image however it is saved, others for other images. Files by nibabel and SimpleITK."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from modelsgenesis.data.prepare import PrepareSettings, prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.data.volume import read_volume
from modelsgenesis.data.voxels import voxel_digest
from modelsgenesis.phantoms.lidc import write_lidc
from modelsgenesis.phantoms.luna16 import write_luna16

VALUES = np.random.default_rng(0).integers(-1000, 2000, (9, 10, 11)).astype(np.int16)
TILT = np.eye(4)  # axes to the right, to the head and to the front, 8 degrees askew
TILT[:3, :3] = Rotation.from_euler("xyz", (8, -5, 3), degrees=True).as_matrix() @ np.array(
    [[-0.7, 0.0, 0.0], [0.0, 0.0, -0.8], [0.0, 1.5, 0.0]]
)
TILT[:3, 3] = 90, 80, -60


def save(values: np.ndarray, path: Path, affine: np.ndarray = TILT, endian: str = "<") -> Path:
    image = nibabel.Nifti1Image(values, affine, nibabel.Nifti1Header(endianness=endian))
    image.set_data_dtype(values.dtype)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def reordered(path: Path, place: Path, order: str) -> Path:
    """The same image by nibabel, its voxels along other axes; every one stays at its place in the patient."""
    image = nibabel.load(path)
    nibabel.save(image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(order))), place)
    return place


def by_itk(path: Path, place: Path, change: Callable[[sitk.Image], sitk.Image] = lambda image: image) -> Path:
    sitk.WriteImage(change(sitk.ReadImage(str(path))), str(place), True)
    return place


def of(path: Path) -> str:
    return voxel_digest(read_volume(path).array)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(VALUES, tmp_path_factory.mktemp("source") / "a.nii.gz")


SAVED: dict[str, Callable[[Path, Path], Path]] = {
    "not compressed": lambda _, folder: save(VALUES, folder / "b.nii"),
    "float32": lambda _, folder: save(VALUES.astype(np.float32), folder / "b.nii.gz"),
    "float64": lambda _, folder: save(VALUES.astype(np.float64), folder / "b.nii.gz"),
    "int32": lambda _, folder: save(VALUES.astype(np.int32), folder / "b.nii.gz"),
    "big-endian": lambda _, folder: save(VALUES, folder / "b.nii.gz", endian=">"),
    "MHD": lambda a, folder: by_itk(a, folder / "b.mhd"),
    "MHA of float": lambda a, folder: by_itk(a, folder / "b.mha", lambda i: sitk.Cast(i, sitk.sitkFloat32)),
    "NRRD": lambda a, folder: by_itk(a, folder / "b.nrrd"),
    "order RAS": lambda a, folder: reordered(a, folder / "b.nii.gz", "RAS"),
    "order SPR": lambda a, folder: reordered(a, folder / "b.nii.gz", "SPR"),
    "order RIP by ITK": lambda a, folder: by_itk(a, folder / "b.mha", lambda i: sitk.DICOMOrient(i, "RIP")),
    "another place": lambda _, folder: save(VALUES, folder / "b.nii", TILT + _moved(30.0)),
    "a last axis of one": lambda _, folder: save(VALUES[..., None], folder / "b.nii.gz"),
}


def _moved(by: float) -> np.ndarray:
    offset = np.zeros((4, 4))
    offset[:3, 3] = by
    return offset


@pytest.mark.parametrize("how", SAVED)
def test_the_same_image_however_it_is_saved(how: str, source: Path, tmp_path: Path) -> None:
    copy = SAVED[how](source, tmp_path)
    assert copy.read_bytes() != source.read_bytes()
    assert of(copy) == of(source)


def test_stored_integers_with_a_scale_factor_and_their_values(tmp_path: Path) -> None:
    """Philips' MR and PET: the file holds integers, a slope that no binary fraction is, and an intercept."""
    image = nibabel.Nifti1Image(VALUES, TILT)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(0.0123, -3.7)
    header = bytearray(image.header.binaryblock)
    header[108:112] = np.float32(352).tobytes()  # vox_offset
    (tmp_path / "a.nii").write_bytes(bytes(header) + bytes(4) + VALUES.tobytes(order="F"))
    read = nibabel.load(tmp_path / "a.nii")
    np.testing.assert_allclose(read.get_fdata(), VALUES * 0.0123 - 3.7, atol=1e-5)
    assert of(save(read.get_fdata(dtype=np.float32), tmp_path / "b.nii.gz")) == of(tmp_path / "a.nii")
    assert of(save(read.get_fdata(), tmp_path / "c.nii.gz")) == of(tmp_path / "a.nii")


@pytest.mark.parametrize("top", [255, 1, 1e-3, 1e-9, 1e-40, 4e4, 3e9, 1e30])
def test_one_voxel_of_images_of_any_span_matters(top: float) -> None:
    """A mean of fine detail: a 1000th of the span in a single voxel is another image."""
    image = (np.random.default_rng(1).random((6, 7, 8)) * top).astype(np.float32)
    image[0, 0, :2] = 0, top
    other = image.copy()
    other[3, 3, 3] += np.float32(top / 1000)
    assert voxel_digest(image) == voxel_digest(image.copy())
    assert voxel_digest(other) != voxel_digest(image)


@pytest.mark.parametrize("top", [1, 100, 255])
def test_a_last_bit_of_images_of_whole_numbers_does_not_matter(top: float) -> None:
    """8 bits scaled to 0 to `top`: the last bit depends on the order of multiplication and division."""
    image = np.random.default_rng(2).integers(0, 256, (16, 16, 16))
    image[0, 0, :2] = 0, 255
    one = (image.astype(np.float32) / np.float32(255)) * np.float32(top)
    for other in (np.nextafter(one, np.float32(np.inf)), np.nextafter(one, np.float32(-np.inf))):
        assert (one != other).all()
        assert voxel_digest(other) == voxel_digest(one)


def test_mirrored_and_cut_images_are_others() -> None:
    image = VALUES.astype(np.float32)
    others = [image, image[::-1], image[:, ::-1], image[1:], image.reshape(10, 9, 11), image + 1]
    assert len({voxel_digest(np.ascontiguousarray(one)) for one in others}) == len(others)


def test_one_slice_is_the_image(tmp_path: Path) -> None:
    """An X-ray as PNG and TIFF, and as a NIfTI file of one slice."""
    grey = np.random.default_rng(3).integers(0, 256, (12, 15)).astype(np.uint8)
    for name in ("a.png", "b.tif"):
        sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(grey.T)), str(tmp_path / name))
    save(grey[:, :, None], tmp_path / "c.nii.gz", np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert len({of(tmp_path / name) for name in ("a.png", "b.tif", "c.nii.gz")}) == 1


def test_patients_of_luna16_are_those_of_lidc(tmp_path: Path) -> None:
    """MHD files, one stored the other way round, and DICOM series of the same phantoms."""
    write_luna16(tmp_path / "luna", 2, 5, (32, 32, 24))
    write_lidc(tmp_path / "lidc", 2, 5, (32, 32, 24))
    found = []
    for name, inputs in (("luna", list((tmp_path / "luna").glob("subset*"))), ("lidc", [tmp_path / "lidc"])):
        prepare(inputs, tmp_path / f"store {name}", PrepareSettings(), workers=1)
        found.append({scan.voxels for scan in open_store(tmp_path / f"store {name}").scans})
    assert found[0] == found[1]
    assert len(found[0]) == 2
