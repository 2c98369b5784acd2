"""Stored values of DICOM to physical ones, against the definition: rescaling, tables, shades, padding, bits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, RLELossless, SecondaryCaptureImageStorage

from modelsgenesis.data.convert import PrepareSettings, convert
from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.dicom import read_dicom
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError
from tests.data.formats.dicom_files import empty_file, put, with_pixels, write_picture, write_slice


def ramp(largest: int, kind: type = np.uint16) -> np.ndarray:
    """(rows, columns) from 0 to `largest`."""
    return np.linspace(0, largest, 8 * 6).reshape(8, 6).round().astype(kind)


def read(*paths: Path) -> Decoded:
    return read_dicom(paths, paths[0].parent)


def table(values: np.ndarray, first: int, bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [len(values), first, bits], "HU"
    item.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return item


def test_rescaling_is_that_of_each_slice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = []
    for z in range(5):
        stored = rng.integers(0, 60000, (4, 5)).astype(np.uint16)
        scale = {"RescaleSlope": f"{0.00013 * (z + 1):.7f}", "RescaleIntercept": f"{-3.7 * z:.3f}", "Modality": "PT"}
        paths.append(write_slice(tmp_path / f"{z}.dcm", stored, 2.5 * z, **scale))
    decoded = read(*paths[::-1])
    for z, path in enumerate(paths):
        data = pydicom.dcmread(path)
        expected = apply_modality_lut(data.pixel_array, data).astype(np.float32)
        np.testing.assert_array_equal(decoded.array[:, :, z], expected.T)
    assert decoded.grid.spacing == (0.8, 0.9, 2.5)


@pytest.mark.parametrize(("first", "kind"), [(0, np.uint16), (-40, np.int16), (30, np.uint8)])
def test_a_modality_table_takes_the_place_of_a_slope(tmp_path: Path, first: int, kind: type) -> None:
    entries = np.random.default_rng(1).integers(0, 65536, 100)
    lut = Items([table(entries, first)])
    stored = (np.arange(48).reshape(8, 6) * 2).astype(kind)  # also before and beyond the table
    path = write_slice(tmp_path / "a.dcm", stored, RescaleSlope=None, RescaleIntercept=None, ModalityLUTSequence=lut)
    expected = entries[np.clip(stored.astype(int) - first, 0, 99)]
    np.testing.assert_array_equal(read(path).array[:, :, 0], expected.T)
    both = write_slice(tmp_path / "both.dcm", stored, ModalityLUTSequence=lut)
    np.testing.assert_array_equal(read(both).array[:, :, 0], expected.T)
    assert "ModalityLUTSequence (0028,3000)" in read(both).notes[0]


@pytest.mark.parametrize("modality", ["CR", "DX", "MG", "RG", "XA", "IO", "OT", ""])
def test_a_radiograph_of_which_high_is_dark_is_inverted(tmp_path: Path, modality: str) -> None:
    dark = write_picture(tmp_path / "dark.dcm", ramp(900), modality, 10, PhotometricInterpretation="MONOCHROME1")
    light = write_picture(tmp_path / "light.dcm", ramp(900), modality, 10)
    np.testing.assert_array_equal(read(dark).array, 1023 - ramp(900).T)
    np.testing.assert_array_equal(read(light).array, ramp(900).T)
    assert read(dark).full_scale == read(light).full_scale == 1023


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM"])
def test_measured_values_are_never_inverted(tmp_path: Path, modality: str) -> None:
    dark = {"PhotometricInterpretation": "MONOCHROME1", "Modality": modality}
    decoded = read(write_slice(tmp_path / "a.dcm", ramp(900), **dark))
    np.testing.assert_array_equal(decoded.array[:, :, 0], ramp(900).T - 1024.0)
    assert decoded.full_scale is None
    assert any("MONOCHROME1" in note for note in decoded.notes)


def test_the_modality_of_a_file_without_one_is_that_of_its_class(tmp_path: Path) -> None:
    dark = {"PhotometricInterpretation": "MONOCHROME1", "Modality": None}
    decoded = read(write_slice(tmp_path / "a.dcm", ramp(900), **dark))
    assert decoded.modality == "CT"
    np.testing.assert_array_equal(decoded.array[:, :, 0], ramp(900).T - 1024.0)


@pytest.mark.parametrize("identity", [{}, {"RescaleSlope": 1, "RescaleIntercept": 0}])
def test_the_bits_of_a_radiograph_are_black_to_white(tmp_path: Path, identity: dict[str, int]) -> None:
    paths = {bits: tmp_path / f"{bits}.dcm" for bits in (8, 10, 11, 12, 14, 15, 16)}
    for bits, path in paths.items():
        write_picture(
            path, ramp(2**bits - 1), "DX", bits, PixelSpacing=[0.2, 0.1], SeriesInstanceUID=f"1.{bits}", **identity
        )
        decoded = read(path)
        assert (decoded.full_scale, decoded.measured, decoded.grid.spacing) == (2**bits - 1, True, (0.1, 0.2))
    assert prepare(
        [tmp_path], tmp_path.with_name(f"{tmp_path.name}-store"), PrepareSettings(modality="image"), workers=1
    ).stored == len(paths)
    store = open_store(tmp_path.with_name(f"{tmp_path.name}-store"))
    for scan in store.scans:
        largest = 2 ** int(scan.series.split(".")[1]) - 1
        unit = scan.intensity.unit(store.read(scan, (0, 0), (6, 8)))
        np.testing.assert_allclose(unit, ramp(largest).T / largest, atol=1e-6)
        assert (unit.min(), unit.max()) == (0, 1)


def test_a_rescaled_radiograph_keeps_its_values_and_says_how_to_map_them(tmp_path: Path) -> None:
    od = {"RescaleSlope": "0.5", "RescaleIntercept": 200, "RescaleType": "OD"}
    path = write_picture(tmp_path / "a.dcm", ramp(1023), "CR", 10, **od)
    np.testing.assert_array_equal(read(path).array, ramp(1023).T * 0.5 + 200)
    dark = write_picture(tmp_path / "b.dcm", ramp(1023), "CR", 10, PhotometricInterpretation="MONOCHROME1", **od)
    np.testing.assert_array_equal(read(dark).array, (1023 - ramp(1023).T) * 0.5 + 200)
    with pytest.raises(GenesisError, match="give --window LOW HIGH.*200 to 711.5"):
        convert(read_volume(path), PrepareSettings(modality="image"))
    _, integers, scale = convert(read_volume(path), PrepareSettings(modality="image", window=(200, 711.5)))
    np.testing.assert_allclose(scale.unit(integers), ramp(1023).T / 1023, atol=1 / 4095)


@pytest.mark.parametrize(
    ("stored", "padding", "limit"),
    [
        (np.uint16, 63536, None),
        (np.int16, -2000, None),
        (np.uint16, -2000, None),
        (np.int16, 63536, None),
        (np.uint16, 0, None),
        (np.int16, -32768, -20000),
        (np.uint16, 65535, 65000),
    ],
)
def test_padding_is_air_whatever_its_number(tmp_path: Path, stored: type, padding: int, limit: int | None) -> None:
    values = ramp(1500, stored) + stored(24)
    values[:2] = np.array(padding, np.int64).astype(stored)
    values[2, :3] = np.array(padding if limit is None else (padding + limit) // 2, np.int64).astype(stored)
    path = write_slice(tmp_path / "a.dcm", values)
    data = pydicom.dcmread(path)
    for tag, number in ((0x00280120, padding), (0x00280121, limit)):
        if number is not None:
            data.add_new(tag, "SS" if number < 0 else "US", number)
    data.save_as(path)
    expected = values.astype(float) - 1024
    expected[:2], expected[2, :3] = -1024, -1024
    np.testing.assert_array_equal(read(path).array[:, :, 0], expected.T)


@pytest.mark.parametrize(("modality", "least"), [("CT", -1024), ("MR", 0), ("PT", 0)])
def test_padding_is_the_least_of_the_whole_series(tmp_path: Path, modality: str, least: float) -> None:
    tags: dict[str, Any] = {"Modality": modality, "RescaleIntercept": 0, "PixelPaddingValue": 5000}
    values = ramp(700, np.int16) + np.int16(50)
    values[0] = 5000
    paths = [write_slice(tmp_path / f"{z}.dcm", values, 2.5 * z, **tags) for z in range(3)]
    assert (read(*paths).array[:, 0] == least).all()
    assert read(*paths).array[:, 1:].min() > 0
    low = write_slice(tmp_path / "3.dcm", ramp(700, np.int16) - np.int16(1300), 7.5, **tags)
    assert (read(*paths, low).array[:, 0, :3] == -1300).all()


def test_padding_of_a_radiograph_is_black(tmp_path: Path) -> None:
    values = ramp(900) + np.uint16(20)
    values[0] = 0
    tags = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0}
    decoded = read(write_picture(tmp_path / "a.dcm", values, "MG", 10, **tags))
    assert (decoded.array[:, 0] == 0).all()
    np.testing.assert_array_equal(decoded.array[:, 1:], 1023 - values[1:].T)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
@pytest.mark.parametrize("syntax", ["plain", "big endian", "rle"])
def test_bits_above_the_stored_ones_are_left_out(tmp_path: Path, kind: type, syntax: str) -> None:
    """An overlay in the four upper bits, and a sign that they do not repeat."""
    truth = ramp(2000, kind) - kind(0 if kind is np.uint16 else 1000)
    coded = (truth & 0x0FFF) | (np.arange(48).reshape(8, 6).astype(kind) << 12)
    path = write_slice(tmp_path / "a.dcm", coded, bits=12)
    data = pydicom.dcmread(path)
    if syntax == "rle":
        data.compress(RLELossless)
    if syntax == "big endian":
        data.PixelData = coded.byteswap().tobytes()
        data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)
    else:
        data.save_as(path)
    np.testing.assert_array_equal(read(path).array[:, :, 0], truth.T - 1024.0)


def test_padding_beyond_the_stored_bits_is_still_padding(tmp_path: Path) -> None:
    """12 bits hold at most 4095, but the padding of GE is 63536: without its upper bits it would look like tissue."""
    values = ramp(2000)
    values[0] = 63536
    path = write_slice(tmp_path / "a.dcm", values, bits=12, PixelPaddingValue=63536)
    assert (read(path).array[:, 0, 0] == -1024).all()


def test_padding_written_in_the_stored_bits_alone(tmp_path: Path) -> None:
    """-2000 in 12 bits is 2096 when it is read as unsigned."""
    values = ramp(2000, np.int16)
    values[0] = -2000
    path = write_slice(tmp_path / "a.dcm", values, bits=12)
    data = pydicom.dcmread(path)
    data.add_new(0x00280120, "US", 2096)
    data.save_as(path)
    decoded = read(path)
    assert (decoded.array[:, 0, 0] == -1024).all()
    np.testing.assert_array_equal(decoded.array[:, 1:, 0], values[1:].T - 1024.0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_pixels(tmp_path: Path, kind: type) -> None:
    values = np.linspace(-0.37, 1.9, 48).reshape(8, 6).astype(kind)
    path = write_slice(tmp_path / "a.dcm", ramp(9), RescaleSlope=None, RescaleIntercept=None, Modality="MR")
    data = pydicom.dcmread(path)
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.BitsAllocated = values.itemsize * 8
    setattr(data, "FloatPixelData" if kind is np.float32 else "DoubleFloatPixelData", values.tobytes())
    data.save_as(path)
    decoded = read(path)
    np.testing.assert_array_equal(decoded.array[:, :, 0], values.astype(np.float32).T)
    assert decoded.pixel_type == np.dtype(kind).name


@pytest.mark.parametrize("planes", [0, 1])
def test_grey_stored_as_colour_is_grey_and_colour_is_refused(tmp_path: Path, planes: int) -> None:
    grey = ramp(255, np.uint8)
    colours = np.stack([grey] * 3, axis=0 if planes else -1)
    path = write_picture(tmp_path / "grey.dcm", grey, "US")

    def save(values: np.ndarray) -> None:
        data = pydicom.dcmread(path)
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", planes
        data.PixelData = values.tobytes()
        data.save_as(path)

    save(colours)
    np.testing.assert_array_equal(read(path).array, grey.T)
    colours[(0, 0, 0) if planes else (0, 0, 1)] += 1
    save(colours)
    with pytest.raises(GenesisError, match="colour"):
        read(path)


def palette(data: Dataset) -> None:
    data.PhotometricInterpretation = "PALETTE COLOR"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (palette, r"PhotometricInterpretation \(0028,0004\) is 'PALETTE COLOR'"),
        (lambda data: put(data, {"PhotometricInterpretation": "ARGB"}), r"is 'ARGB'; only grey is read"),
        (
            lambda data: put(data, {"PhotometricInterpretation": None}),
            r"PhotometricInterpretation \(0028,0004\) is mis",
        ),
        (lambda data: put(data, {"BitsStored": 17}), r"BitsStored \(0028,0101\) is '17'"),
        (lambda data: put(data, {"BitsStored": None}), r"BitsStored \(0028,0101\) is missing"),
        (lambda data: put(data, {"BitsAllocated": 12}), r"BitsAllocated \(0028,0100\) is '12'"),
        (lambda data: put(data, {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}), "truncated, 96 bytes"),
        (lambda data: put(data, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}), r"BitsAllocated.*is '8'.*repair"),
        (lambda data: put(data, {"HighBit": 11}), r"HighBit \(0028,0102\) is '11'"),
        (lambda data: put(data, {"PixelRepresentation": 2}), r"PixelRepresentation \(0028,0103\) is '2'"),
        (lambda data: put(data, {"RescaleSlope": 0}), r"RescaleSlope \(0028,1053\) is '0"),
        (lambda data: put(data, {"RescaleIntercept": None}), r"RescaleIntercept \(0028,1052\) is missing"),
        (lambda data: put(data, {"PixelData": None}), r"no pixels, PixelData \(7FE0,0010\) is missing"),
        (lambda data: put(data, {"PixelData": b""}), r"no pixels, PixelData \(7FE0,0010\) is empty|truncated, 0 bytes"),
        (lambda data: put(data, {"Rows": 0}), r"holds no image \(CT, CT Image Storage; Rows"),
        (lambda data: put(data, {"Columns": None}), r"holds no image"),
        (lambda data: put(data, {"Rows": 9}), "truncated, 96 bytes of pixels where its header declares 108"),
        (lambda data: put(data, {"PixelSpacing": None}), r"PixelSpacing \(0028,0030\) is missing"),
        (lambda data: put(data, {"PixelSpacing": None, "ImagerPixelSpacing": [1, 1]}), r"PixelSpacing.*missing"),
        (lambda data: put(data, {"PixelSpacing": [0, 0.8]}), r"PixelSpacing \(0028,0030\) is '0"),
        (
            lambda data: put(data, {"ImageOrientationPatient": None}),
            r"ImageOrientationPatient \(0020,0037\) is missing",
        ),
        (lambda data: put(data, {"ImageOrientationPatient": [0] * 6}), r"ImageOrientationPatient.*right angle"),
        (
            lambda data: put(data, {"ModalityLUTSequence": Items([Dataset()])}),
            r"LUTDescriptor \(0028,3002\) is missing",
        ),
    ],
)
def test_contradictions_are_refused_by_the_attribute(
    tmp_path: Path, change: Callable[[Dataset], object], reason: str
) -> None:
    path = write_slice(tmp_path / "a.dcm", ramp(900))
    data = pydicom.dcmread(path)
    change(data)
    data.save_as(path)
    with pytest.raises(GenesisError, match=reason) as refusal:
        read(path)
    assert str(path) in str(refusal.value)


def test_a_ct_without_rescaling_or_in_another_unit_is_noted(tmp_path: Path) -> None:
    plain = read(write_slice(tmp_path / "a.dcm", ramp(900), RescaleSlope=None, RescaleIntercept=None))
    np.testing.assert_array_equal(plain.array[:, :, 0], ramp(900).T)
    assert plain.notes == ("RescaleSlope (0028,1053) is missing; stored values were taken as HU",)
    iodine = read(write_slice(tmp_path / "b.dcm", ramp(900), RescaleType="MGML"))
    assert "'MGML'" in iodine.notes[0]
    assert read(write_slice(tmp_path / "c.dcm", ramp(900), RescaleType="HU")).notes == ()


def test_the_pixel_size_of_radiographs(tmp_path: Path) -> None:
    imager = read(write_picture(tmp_path / "a.dcm", ramp(900), ImagerPixelSpacing=[0.2, 0.1]))
    assert (imager.grid.spacing, imager.measured) == ((0.1, 0.2), True)
    assert "ImagerPixelSpacing (0018,1164) was taken" in imager.notes[0]
    both = read(write_picture(tmp_path / "b.dcm", ramp(900), ImagerPixelSpacing=[2, 1], PixelSpacing=[0.5, 0.25]))
    assert (both.grid.spacing, both.notes) == ((0.25, 0.5), ())
    for number, absent in enumerate(({}, {"PixelSpacing": [0, 0]})):
        unknown = read(write_picture(tmp_path / f"c{number}.dcm", ramp(900), **absent))
        assert (unknown.measured, unknown.grid.spacing) == (False, (1, 1))
        assert "the size of pixels is unknown" in unknown.notes[0]


def test_a_screen_capture_is_no_scan_whatever_it_captures(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    data = with_pixels(empty_file(path, SecondaryCaptureImageStorage, "CT"), ramp(255, np.uint8))
    data.save_as(path, enforce_file_format=True)
    decoded = read(path)
    assert (decoded.modality, decoded.measured, decoded.full_scale) == ("SC", False, 255)
    placed = write_slice(tmp_path / "b.dcm", ramp(900), SOPClassUID=SecondaryCaptureImageStorage)
    assert read(placed).modality == "CT"  # as converters write volumes


def test_a_single_slice_without_a_place_is_2d_and_noted(tmp_path: Path) -> None:
    nowhere = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "Modality": "MR", "RescaleIntercept": 0}
    decoded = read(write_slice(tmp_path / "a.dcm", ramp(900), **nowhere))
    np.testing.assert_array_equal(decoded.array, ramp(900).T)
    assert decoded.grid.spacing == (0.8, 0.9)
    assert "its place in the patient is unknown" in decoded.notes[0]


def test_pixels_behind_the_last_frame_are_left_out_and_noted(tmp_path: Path) -> None:
    decoded = read(write_slice(tmp_path / "a.dcm", ramp(900), Rows=7))
    np.testing.assert_array_equal(decoded.array[:, :, 0], ramp(900)[:7].T - 1024.0)
    assert decoded.notes == ("PixelData goes on for 12 bytes behind what the header declares; they were left out",)
