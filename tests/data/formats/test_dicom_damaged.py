"""DICOM files that are damaged, cut, mutated, oddly coded or no image: read as they are, or one line says why."""

import csv
import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    MPEG2MPML,
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
)

from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.formats.decoded import Decoded
from modelsgenesis.data.formats.dicom import is_dicom, list_series, read_dicom, read_header
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.store import open_store
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError
from tests.data.formats.dicom_files import empty_file, put, with_pixels, write_enhanced, write_picture, write_slice

PIXELS = np.arange(20, dtype=np.int16).reshape(4, 5) * 50
HU = PIXELS.T[:, :, None] - 1024.0


def outcome(path: Path, **options: int) -> Decoded | str:
    """What is read, or why it is refused."""
    try:
        return read_dicom([path], path.parent, **options)
    except GenesisError as error:
        return str(error)


def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    """Compressed and not; what is behind the pixels may be missing."""
    names = ("CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm")
    for source in [*map(get_testdata_file, names), write_slice(tmp_path / "a.dcm", PIXELS)]:
        whole, path = Path(str(source)).read_bytes(), tmp_path / "cut.dcm"
        path.write_bytes(whole)
        truth = read_dicom([path], tmp_path).array
        kept = 0
        for length in [*range(0, len(whole), len(whole) // 25), len(whole) - 5]:
            path.write_bytes(whole[:length])
            found = outcome(path)
            if isinstance(found, str):
                assert found.startswith(f"{path}: ")
            else:
                np.testing.assert_array_equal(found.array, truth)
                kept += 1
        assert kept < 15


@pytest.mark.parametrize("seed", range(4))
def test_no_header_however_wrong_ends_anything_or_reaches_the_console(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], seed: int
) -> None:
    rng = random.Random(seed)
    sources = [
        write_slice(tmp_path / "slice.dcm", PIXELS).read_bytes(),
        write_enhanced(tmp_path / "many.dcm", np.stack([PIXELS] * 3), [0, 1, 2]).read_bytes(),
        Path(str(get_testdata_file("MR_small_RLE.dcm"))).read_bytes(),
    ]
    folder = tmp_path / "mutated"
    folder.mkdir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(60):
            data = bytearray(rng.choice(sources))
            for _ in range(rng.randrange(1, 8)):
                at = rng.randrange(132, min(len(data), 1500))
                data[at : at + rng.choice((1, 1, 1, 0, 7))] = rng.randbytes(rng.choice((1, 1, 4)))
            (folder / "x.dcm").write_bytes(data)
            list_series(folder)
            found = outcome(folder / "x.dcm", largest_bytes=2**26)
            assert not isinstance(found, str) or found.isprintable()
    assert not caught
    assert capfd.readouterr() == ("", "")


def test_every_coding_of_a_header_is_read(tmp_path: Path) -> None:
    """Without mark, without meta information, implicit, deflated, sequences without a length."""
    plain = write_slice(tmp_path / "plain.dcm", PIXELS)
    bare = plain.read_bytes()[132:]
    (tmp_path / "no-mark.dcm").write_bytes(bare)
    start = bare.index(b"\x08\x00\x16\x00UI")
    (tmp_path / "no-meta.dcm").write_bytes(bare[start:])
    data = pydicom.dcmread(plain)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "deflated.dcm")
    data = pydicom.dcmread(plain)
    item = put(Dataset(), {"CodeValue": "1", "ReferencedImageSequence": Items([Dataset()])})
    item.is_undefined_length_sequence_item = True
    data.AnatomicRegionSequence = Items([item])
    data["AnatomicRegionSequence"].is_undefined_length = True
    data.save_as(tmp_path / "lengths.dcm")
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "implicit.dcm", data, implicit_vr=True, little_endian=True, force_encoding=True)
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 6
    for path in paths:
        np.testing.assert_array_equal(read_volume(path).array, HU, err_msg=path.name)


def without_image(kind: str, modality: str) -> Callable[[Path], None]:
    return lambda path: empty_file(path, kind, modality).save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "JPGExtended.dcm"])
def test_compressed_pixels_of_another_size_than_the_header_says(tmp_path: Path, name: str) -> None:
    """As many pixels in other rows would be scrambled, and a damaged size makes GDCM end the process."""
    path = tmp_path / name
    data = pydicom.dcmread(str(get_testdata_file(name)))
    rows, columns = data.Rows, data.Columns
    data.Rows, data.Columns = rows // 2, columns * 2
    data.save_as(path)
    said = rf"{columns * 2}x{rows // 2}x1, but its compressed pixels say {columns}x{rows}x1; copy it again"
    with pytest.raises(GenesisError, match=said):
        read_volume(path)


def mpeg(path: Path) -> None:
    data = with_pixels(empty_file(path, modality="US"), PIXELS)
    data.file_meta.TransferSyntaxUID = MPEG2MPML
    data.PixelData = pydicom.encaps.encapsulate([b"\0" * 40])
    data["PixelData"].is_undefined_length = True
    data.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (without_image(ComprehensiveSRStorage, "SR"), r"holds no image \(SR, Comprehensive SR Storage; Rows"),
        (without_image(RTStructureSetStorage, "RTSTRUCT"), r"holds no image \(RTSTRUCT, RT Structure Set Storage"),
        (without_image(EncapsulatedPDFStorage, "DOC"), r"holds no image \(DOC, Encapsulated PDF Storage"),
        (
            lambda path: path.write_bytes(Path(str(get_testdata_file("DICOMDIR"))).read_bytes()),
            "Media Storage Director",
        ),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_bytes(b"<html>not found</html>" * 40), "damaged or not a DICOM image"),
        (lambda path: path.write_bytes(b"\0" * 128 + b"DICM"), "damaged or not a DICOM image"),
        (mpeg, r"compressed by MPEG2.*TransferSyntaxUID \(0002,0010\).*convert it to an uncompressed"),
    ],
)
def test_what_is_no_image_says_what_it_is(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    make(tmp_path / "x.dcm")
    with pytest.raises(GenesisError, match=reason):
        read_volume(tmp_path / "x.dcm")
    series, imageless = list_series(tmp_path)
    assert bool(series) != bool(imageless)


@pytest.mark.parametrize(
    ("charset", "coded", "patient"),
    [
        ("ISO_IR 100", "latin-1", "MÜLLER"),
        ("ISO_IR 192", "utf-8", "MÜLLER"),
        (None, "latin-1", "MÜLLER"),
        ("ISO_IR 999", "latin-1", "MÜLLER"),
        ("ISO_IR 192", "latin-1", "M\N{REPLACEMENT CHARACTER}LLER"),
    ],
)
def test_names_are_in_the_character_set_of_the_file(
    tmp_path: Path, charset: str | None, coded: str, patient: str
) -> None:
    path = write_slice(tmp_path / "x.dcm", PIXELS, SpecificCharacterSet=charset, PatientID="MULLER__")
    name = "MÜLLER".encode(coded)
    path.write_bytes(path.read_bytes().replace(b"MULLER__", name + b" " * (8 - len(name))))
    assert read_header(path).patient == patient
    assert [source.subject for source in index_sources([tmp_path])] == [patient]


def test_an_umlaut_in_patient_and_folder_ends_nothing(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/M\xdcLLER")
    Path(folder).mkdir()
    for z in range(16):
        stored = np.random.default_rng(z).integers(0, 2000, (16, 16)).astype(np.int16)
        tags = {"SpecificCharacterSet": "ISO_IR 100", "PatientID": "MÜLLER"}
        write_slice(tmp_path / f"{z}.dcm", stored, 2.5 * z, **tags).rename(Path(folder, f"{z}.dcm"))
    assert read_volume(folder).array.shape == (16, 16, 16)


def test_a_uid_for_each_slice_is_said_to_be_that(tmp_path: Path) -> None:
    for z in range(5):
        write_slice(tmp_path / f"{z}.dcm", PIXELS, 2.5 * z, SeriesInstanceUID=f"1.2.{z}")
    reason = r"each of its 5 files has another SeriesInstanceUID \(0020,000E\)"
    with pytest.raises(GenesisError, match=reason):
        read_volume(tmp_path)
    with pytest.raises(GenesisError, match="none of 1 scans"):
        prepare([tmp_path], tmp_path.with_name(f"{tmp_path.name}-store"), PrepareSettings(), workers=1)
    with (tmp_path.with_name(f"{tmp_path.name}-store") / "rejected.csv").open() as handle:
        assert "each of its 5 files has another SeriesInstanceUID" in next(csv.DictReader(handle))["reason"]


def test_single_slices_of_several_patients_stay_apart(tmp_path: Path) -> None:
    for z in range(5):
        write_slice(tmp_path / f"{z}.dcm", PIXELS, 2.5 * z, SeriesInstanceUID=f"1.2.{z}", StudyInstanceUID=f"1.3.{z}")
    assert len(list_series(tmp_path)[0]) == 5


def test_echoes_of_a_classic_series_are_named(tmp_path: Path) -> None:
    for number in range(12):
        mr = {"Modality": "MR", "EchoTime": (4.2, 9)[number % 2], "AcquisitionNumber": number}
        write_slice(tmp_path / f"{number}.dcm", PIXELS, 2.5 * (number // 2), **mr)
    reason = r"several slices at one position: EchoTime \(0018,0081\) 4.2 and 9(\.0)?; split the series by it"
    with pytest.raises(GenesisError, match=reason):
        read_volume(tmp_path)


def test_one_slice_twice_is_named(tmp_path: Path) -> None:
    for z in range(5):
        write_slice(tmp_path / f"{z}.dcm", PIXELS, 2.5 * z)
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "2.dcm").read_bytes())
    with pytest.raises(GenesisError, match=r"(2.dcm and copy.dcm|copy.dcm and 2.dcm) are one slice twice; remove the"):
        read_volume(tmp_path)


def test_radiographs_of_one_series_are_images_of_their_own(tmp_path: Path) -> None:
    for number, name in enumerate(("lateral.dcm", "pa.dcm")):
        write_picture(tmp_path / name, PIXELS.astype(np.uint16) + np.uint16(number))
    for number, source in enumerate(index_sources([tmp_path])):
        array = read_dicom(source.files, source.path).array
        np.testing.assert_array_equal(array, PIXELS.T + number)
    assert number == 1
    with pytest.raises(GenesisError, match=r"2 pictures in one series \(Modality \(0008,0060\) DX\).*its own folder"):
        read_dicom(sorted(tmp_path.iterdir()), tmp_path)


@pytest.mark.parametrize("suffix", ["", ".MR", ".000", ".scan", ".1.2.840"])
def test_the_mark_inside_tells_under_any_suffix(tmp_path: Path, suffix: str) -> None:
    write_slice(tmp_path / f"scan{suffix}", PIXELS)
    (tmp_path / f"other{suffix}").write_bytes(b"\0" * 200)
    (tmp_path / "table.csv").write_bytes((tmp_path / f"scan{suffix}").read_bytes())
    assert [path.name for path in tmp_path.iterdir() if is_dicom(path)] == [f"scan{suffix}"]
    assert [source.files[0].name for source in index_sources([tmp_path])] == [f"scan{suffix}"]


def test_modalities_and_pixel_sizes_of_one_series_must_agree(tmp_path: Path) -> None:
    for z in range(3):
        write_slice(tmp_path / f"{z}.dcm", PIXELS, 2.5 * z)
    write_slice(tmp_path / "3.dcm", PIXELS, 7.5, Modality="MR")
    with pytest.raises(GenesisError, match=r"Modality \(0008,0060\) is CT and MR; split the series by it"):
        read_volume(tmp_path)
    write_slice(tmp_path / "3.dcm", PIXELS, 7.5, PixelSpacing=[0.9, 0.7])
    with pytest.raises(GenesisError, match=r"PixelSpacing \(0028,0030\) differs"):
        read_volume(tmp_path)


def test_prepare_keeps_the_patient_of_another_alphabet(tmp_path: Path) -> None:
    for z in range(16):
        stored = np.random.default_rng(z).integers(0, 2000, (16, 16)).astype(np.int16)
        write_slice(tmp_path / f"{z}.dcm", stored, z, SpecificCharacterSet="ISO_IR 100", PatientID="MÜLLER")
    assert prepare([tmp_path], tmp_path.with_name(f"{tmp_path.name}-store"), PrepareSettings(), workers=1).stored == 1
    assert open_store(tmp_path.with_name(f"{tmp_path.name}-store")).scans[0].subject == "MÜLLER"
