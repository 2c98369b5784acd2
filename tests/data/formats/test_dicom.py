"""DICOM series made and read with pydicom, against the formula of the standard."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from modelsgenesis.data.formats.dicom import list_series
from modelsgenesis.data.volume import read_volume, write_volume
from modelsgenesis.errors import GenesisError, UsageError

OBLIQUE = [0.96, 0.28, 0.0, -0.28, 0.96, 0.0]


def write_slice(path: Path, pixels: np.ndarray, series: str, position: list[float], **tags: object) -> None:
    """One CT slice, `pixels` (rows, columns) int16."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID, data.Modality = series, "1.2.3", "CT"
    data.Rows, data.Columns = pixels.shape
    data.PixelSpacing, data.SliceThickness = [1.5, 0.5], 2.0  # between rows, between columns
    data.ImageOrientationPatient, data.ImagePositionPatient = OBLIQUE, position
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.RescaleSlope, data.RescaleIntercept = 2, -1024
    data.PatientID = "P7"
    for tag, value in tags.items():
        setattr(data, tag, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)


def write_series(folder: Path, series: str = "1.2.3.4", depth: int = 6, **tags: object) -> np.ndarray:
    """A series of `depth` slices 2 mm apart in files of shuffled names; returns its values (z, rows, columns)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(depth)
    stored = rng.integers(-200, 900, (depth, 4, 5)).astype(np.int16)
    for name, z in enumerate(rng.permutation(depth)):
        write_slice(folder / f"{series}-{name}", stored[z], series, [10.0, -20.0, -100.0 + 2 * z], **tags)
    return stored


def test_a_series_is_in_order_in_hu_and_in_place(tmp_path: Path) -> None:
    stored = write_series(tmp_path)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, (stored * 2.0 - 1024).transpose(2, 1, 0))
    np.testing.assert_allclose(volume.spacing, (0.5, 1.5, 2.0))
    row, column = np.array(OBLIQUE[:3]), np.array(OBLIQUE[3:])
    # DICOM PS3.3 C.7.6.2.1.1: the first triple runs along columns, and PixelSpacing begins with the row distance
    expected = np.eye(4)
    expected[:3, 0], expected[:3, 1], expected[:3, 2] = row * 0.5, column * 1.5, [0, 0, 2.0]
    expected[:3, 3] = [10, -20, -100]
    np.testing.assert_allclose(volume.affine, expected, atol=1e-6)
    for file in tmp_path.iterdir():  # pydicom as the independent reader
        data = pydicom.dcmread(file)
        z = round((float(data.ImagePositionPatient[2]) + 100) / 2)
        hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        np.testing.assert_array_equal(volume.array[:, :, z], hu.transpose())


def test_a_result_is_written_on_the_grid_of_the_series(tmp_path: Path) -> None:
    write_series(tmp_path / "series")
    volume = read_volume(tmp_path / "series")
    write_volume(volume.array.astype(np.int16), volume, tmp_path / "out.nii.gz")
    again = read_volume(tmp_path / "out.nii.gz")
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)
    np.testing.assert_array_equal(again.array, volume.array)


def test_the_slope_may_differ_from_slice_to_slice(tmp_path: Path) -> None:
    pixels = np.full((4, 5), 100, np.int16)
    for z, slope in enumerate(["0.5", "0.25", "1.75"]):
        write_slice(tmp_path / f"{z}", pixels, "1.2", [0, 0, 2.0 * z], RescaleSlope=slope, RescaleIntercept="0")
    np.testing.assert_allclose(read_volume(tmp_path).array[0, 0], [50, 25, 175])


def test_several_series_in_one_folder(tmp_path: Path) -> None:
    first, second = write_series(tmp_path, "1.2.1", 3), write_series(tmp_path, "1.2.2", 5)
    with pytest.raises(UsageError, match=r"2 series.*1\.2\.1, 1\.2\.2"):
        read_volume(tmp_path)
    with pytest.raises(UsageError, match=r"no series 1\.9"):
        read_volume(tmp_path, "1.9")
    assert read_volume(tmp_path, "1.2.1").array.shape[2] == len(first)
    assert read_volume(tmp_path, "1.2.2").array.shape[2] == len(second)


def remove_slice(folder: Path) -> None:
    middle = next(file for file in folder.iterdir() if pydicom.dcmread(file).ImagePositionPatient[2] == -96)
    middle.unlink()


def shift_slice(folder: Path, axis: int, millimetres: float) -> None:
    file = next(file for file in folder.iterdir() if pydicom.dcmread(file).ImagePositionPatient[2] == -96)
    data = pydicom.dcmread(file)
    position = [float(value) for value in data.ImagePositionPatient]
    position[axis] += millimetres
    data.ImagePositionPatient = position
    data.save_as(file)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_slice, "missing slices"),
        (lambda folder: shift_slice(folder, 2, 0.5), "uneven slice distance"),
        (lambda folder: shift_slice(folder, 2, 2.0), "one position"),
        (lambda folder: shift_slice(folder, 0, 1.0), "shifted"),
        (lambda folder: write_slice(folder / "x", np.zeros((8, 8), np.int16), "1.2.3.4", [0, 0, 0]), "different sizes"),
        (
            lambda folder: write_slice(
                folder / "x",
                np.zeros((4, 5), np.int16),
                "1.2.3.4",
                [0, 0, 0],
                ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
            ),
            "directions",
        ),
    ],
)
def test_gaps_and_mixtures_are_refused(tmp_path: Path, damage: object, reason: str) -> None:
    write_series(tmp_path)
    read_volume(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(GenesisError, match=reason):
        read_volume(tmp_path)


def test_rounded_positions_pass(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5), np.int16)
    for z in range(5):
        write_slice(tmp_path / f"{z}", pixels + z, "1.2", [0, 0, round(z * 1.3333, 2)])
    assert read_volume(tmp_path).array.shape == (5, 4, 5)


def test_truncated_pixel_data_is_an_error(tmp_path: Path) -> None:
    write_series(tmp_path)
    victim = sorted(tmp_path.iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:-11])
    with pytest.raises(GenesisError):
        read_volume(tmp_path)


def test_files_without_an_image_are_told_apart(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"rubbish")
    (tmp_path / "notes.txt").write_text("no image")
    series, imageless = list_series(tmp_path)
    assert [len(slices) for slices in series.values()] == [6]
    assert [path.name for path in imageless] == ["broken.dcm"]
    assert read_volume(tmp_path).array.shape[2] == 6


def test_a_colour_slice_is_refused(tmp_path: Path) -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 15)
    write_slice(
        tmp_path / "colour.dcm", pixels, "1.2", [0, 0, 0], Columns=5, SamplesPerPixel=3,
        PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7,
        PixelRepresentation=0,
    )  # fmt: skip
    with pytest.raises(GenesisError, match="colour"):
        read_volume(tmp_path)


def test_a_mosaic_is_no_slice(tmp_path: Path) -> None:
    write_series(tmp_path, depth=1, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    with pytest.raises(GenesisError, match="MOSAIC, a sheet of all slices"):
        read_volume(tmp_path)


def test_two_patients_under_one_series_are_not_one_scan(tmp_path: Path) -> None:
    write_series(tmp_path)
    last = sorted(tmp_path.iterdir())[-1]
    data = pydicom.dcmread(last)
    data.PatientID = "Q8"
    data.save_as(last)
    with pytest.raises(GenesisError, match=r"PatientID \(0010,0020\) is 'P7' and 'Q8'"):
        read_volume(tmp_path)


@pytest.mark.parametrize(
    ("offsets", "said"),
    [
        (lambda z: (0.02 * z, 0.0), r"slices shifted by up to 1\.98 mm over the volume, .* \(a tilted gantry\?\)"),
        (lambda z: (0.0, 0.05 * max(z - 50, 0)), r"uneven slice distance, .* mm off over the volume"),
        (lambda z: (0.002 * z, 0.01 * (z % 2)), ""),
    ],
    ids=["small tilt", "distance that changes", "rounding"],
)
def test_small_steps_that_add_up_are_refused(
    tmp_path: Path, offsets: Callable[[int], tuple[float, float]], said: str
) -> None:
    for z in range(100):
        across, along = offsets(z)
        pixels = np.full((4, 5), z, np.int16)
        write_slice(tmp_path / f"{z}.dcm", pixels, "1.2", [10 + across * 0.96, -20 + across * 0.28, 2.0 * z + along])
    if not said:
        assert read_volume(tmp_path).array.shape == (5, 4, 100)
        return
    with pytest.raises(GenesisError, match=said):
        read_volume(tmp_path)


def test_slices_of_which_some_are_not_rescaled_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path)
    for file in sorted(tmp_path.iterdir())[:2]:
        data = pydicom.dcmread(file)
        del data.RescaleSlope, data.RescaleIntercept
        data.save_as(file)
    with pytest.raises(
        GenesisError, match=r"RescaleSlope \(0028,1053\) is missing in 2 of 6 files; .* export it again"
    ):
        read_volume(tmp_path)


def test_padding_that_is_tissue_is_noted(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", np.array([[500, 532, 0]], np.int16), "1.2", [0.0, 0.0, 0.0], PixelPaddingValue=532)
    volume = read_volume(tmp_path / "a.dcm")
    assert volume.array.ravel().tolist() == [-24, -1024, -1024]
    assert "PixelPaddingValue (0028,0120) is '532', 40 HU, which is a value of tissue; the pixels" in volume.notes[-1]


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"SegmentSequence": [Dataset(), Dataset()]}, "SegmentSequence .* holds 2 segments, a volume one"),
        ({"SegmentationType": "FRACTIONAL"}, "SegmentationType .* is 'FRACTIONAL', probabilities"),
        ({"SegmentSequence": [Dataset()], "SegmentationType": "BINARY"}, ""),
    ],
)
def test_a_segmentation_is_read_where_its_values_are_one_structure(
    tmp_path: Path, tags: dict[str, object], said: str
) -> None:
    write_series(tmp_path, Modality="SEG", **tags)
    if not said:
        assert read_volume(tmp_path).modality == "SEG"
        return
    with pytest.raises(GenesisError, match=said):
        read_volume(tmp_path)


@pytest.mark.parametrize(
    ("mark", "values", "said"),
    [
        ("EchoTime", (20, 90), r"EchoTime \(0018,0081\) is 20 and 90 within one series; split the series by it"),
        ("SeriesNumber", (3, 4), r"SeriesNumber .* is 3 and 4 within"),
        ("ConvolutionKernel", ("B30f", "B70f"), "ConvolutionKernel .* is B30f and B70f"),
        ("FrameOfReferenceUID", ("1.2.3", "1.2.4"), "FrameOfReferenceUID .* is 1.2.3 and 1.2.4"),
        ("EchoTime", (4.6, 4.6001), ""),
        ("AcquisitionNumber", (1, 2), ""),
    ],
)
def test_slices_in_even_order_may_be_of_several_volumes(
    tmp_path: Path, mark: str, values: tuple[object, object], said: str
) -> None:
    """Two volumes half a step apart, and MR that is acquired in two passes, which is one."""
    for z in range(8):
        pixels = np.full((4, 5), z, np.int16)
        write_slice(tmp_path / f"{z}.dcm", pixels, "1.2", [10.0, -20.0, float(z)], **{mark: values[z % 2]})
    if not said:
        assert read_volume(tmp_path).array.shape == (5, 4, 8)
        return
    with pytest.raises(GenesisError, match=said):
        read_volume(tmp_path)
