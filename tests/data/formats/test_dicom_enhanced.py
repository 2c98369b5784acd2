"""Enhanced multi-frame DICOM against pydicom: frames in order, in place and rescaled one by one, or refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    RLELossless,
    SegmentationStorage,
    UltrasoundMultiFrameImageStorage,
)

from modelsgenesis.data.formats.dicom import list_series, read_dicom
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.volume import read_grid, read_volume
from modelsgenesis.errors import GenesisError, UsageError
from tests.data.formats.dicom_files import empty_file, expected, group, put, with_pixels, write_enhanced

HEIGHTS = [-100.0, -97.5, -95.0, -92.5, -90.0, -87.5]


def pixels(depth: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2000, (depth, 4, 5)).astype(np.int16)


def content(**tags: object) -> dict[str, Any]:
    return group("FrameContentSequence", **tags)


def rescaled(number: int) -> dict[str, Any]:
    return group("PixelValueTransformationSequence", RescaleSlope=0.1 + 0.7 * number, RescaleIntercept=-30.25 * number)


def scrambled(path: Path, **more: Any) -> Path:
    return write_enhanced(path, pixels(), [HEIGHTS[k] for k in (3, 0, 5, 1, 4, 2)], **more)


def oblique(path: Path) -> Path:
    cosines = [0.96, 0.28, 0.0, -0.28 * 0.8, 0.96 * 0.8, 0.6]
    normal = np.cross(cosines[:3], cosines[3:])
    places = [group("PlanePositionSequence", ImagePositionPatient=list(3.0 * k * normal)) for k in (2, 1, 0, 3, 4, 5)]
    turned = group("PlaneOrientationSequence", ImageOrientationPatient=cosines)
    return write_enhanced(path, pixels(), HEIGHTS, places, turned)


def own_groups(path: Path) -> Path:
    """Everything per frame, nothing shared."""
    shared = ("PlaneOrientationSequence", "PixelMeasuresSequence")
    own = [
        {
            **group(shared[0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
            **group(shared[1], PixelSpacing=[2.0, 0.5]),
            **group("PlanePositionSequence", ImagePositionPatient=[1.5 * k, 3.0, 4.0]),
            **rescaled(k),
        }
        for k in range(6)
    ]
    return write_enhanced(path, pixels(), HEIGHTS, own, dict.fromkeys(shared))


def legacy(path: Path) -> Path:
    """As dcm4che and Pixelmed convert classic series; each frame keeps its own odd attributes."""
    kept = [group("UnassignedPerFrameConvertedAttributesSequence", AcquisitionTime=f"10101{k}") for k in range(6)]
    return write_enhanced(path, pixels(), HEIGHTS[::-1], kept, kind=LegacyConvertedEnhancedCTImageStorage)


def compressed(path: Path) -> Path:
    data = pydicom.dcmread(scrambled(path))
    data.compress(RLELossless)
    data.save_as(path)
    return path


def one_segment(path: Path) -> Path:
    one = np.random.default_rng(2).random((6, 4, 5)) > 0.5
    named = [group("SegmentIdentificationSequence", ReferencedSegmentNumber=1) for _ in HEIGHTS]
    write_enhanced(path, one.astype(np.uint8), HEIGHTS[::-1], named, kind=SegmentationStorage, modality="SEG")
    data = pydicom.dcmread(path)
    data.BitsAllocated, data.BitsStored, data.HighBit = 1, 1, 0
    data.PixelData = np.packbits(one, bitorder="little").tobytes() + b"\0"
    data.save_as(path)
    return path


@pytest.mark.parametrize(
    "make",
    [
        scrambled,
        oblique,
        own_groups,
        legacy,
        compressed,
        one_segment,
        lambda path: write_enhanced(path, pixels(), HEIGHTS, [rescaled(k) for k in range(6)]),
        lambda path: write_enhanced(path, pixels(), HEIGHTS, kind=EnhancedMRImageStorage, modality="MR"),
        lambda path: scrambled(path, PhotometricInterpretation="MONOCHROME1"),
        lambda path: scrambled(path, RescaleSlope=7, RescaleIntercept=1),  # those of the file are none of a frame
    ],
)
def test_frames_are_where_and_what_pydicom_says(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "enhanced.dcm")
    values, affine = expected(path)
    decoded = read_dicom([path], tmp_path)
    np.testing.assert_array_equal(decoded.array, values)
    np.testing.assert_allclose(decoded.grid.affine, affine, atol=1e-6)
    volume = read_volume(path)
    assert read_grid(path) == volume.grid
    points = np.array(list(np.ndindex(volume.array.shape)))
    index = np.linalg.inv(affine) @ volume.affine @ np.c_[points, np.ones(len(points))].T
    np.testing.assert_array_equal(volume.array.ravel(), values[tuple(np.rint(index[:3]).astype(int))])
    assert decoded.modality == pydicom.dcmread(path).Modality


def test_an_enhanced_file_of_one_frame_has_the_stated_thickness(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "one.dcm", pixels(1), [-100.0])
    values, affine = expected(path)
    decoded = read_dicom([path], tmp_path)
    np.testing.assert_array_equal(decoded.array, values)
    assert decoded.grid.spacing == (0.8, 0.9, 9.0)
    np.testing.assert_allclose(decoded.grid.affine[:, [0, 1, 3]], affine[:, [0, 1, 3]])


def twice(mark: str, values: tuple[Any, Any], sequence: str = "FrameContentSequence") -> Callable[[Path], Path]:
    """Three positions, each with both `values`."""
    own = [group(sequence, **{mark: value}) for value in values for _ in range(3)]
    return lambda path: write_enhanced(path, pixels(), HEIGHTS[:3] * 2, own)


def half_marked(path: Path) -> Path:
    """Three positions, each with a frame of a time point and one without."""
    own = [content(TemporalPositionIndex=2)] * 3 + [content(InStackPositionNumber=k) for k in (1, 2, 3)]
    return write_enhanced(path, pixels(), HEIGHTS[:3] * 2, own)


def by_dimension(path: Path) -> Path:
    pointer = put(Dataset(), {"DimensionIndexPointer": 0x00189087, "DimensionDescriptionLabel": "b-value"})
    own = [content(DimensionIndexValues=[1 + k // 3]) for k in range(6)]
    return write_enhanced(path, pixels(), HEIGHTS[:3] * 2, own, DimensionIndexSequence=Items([pointer]))


def stacks(path: Path) -> Path:
    """Two stacks of their own distances, one beyond the other."""
    own = [content(StackID=name) for name in "112222"]
    return write_enhanced(path, pixels(), [0, 2, 50, 55, 60, 65], own)


def tilted(path: Path) -> Path:
    own = [group("PlanePositionSequence", ImagePositionPatient=[0.0, 0.5 * k, 2.0 * k]) for k in range(6)]
    return write_enhanced(path, pixels(), HEIGHTS, own)


def turning(path: Path) -> Path:
    own = [
        group("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, k // 5, 1 - k // 5]) for k in range(6)
    ]
    return write_enhanced(path, pixels(), HEIGHTS, own)


def grouped(name: str, number: int | None = None, **tags: object) -> Callable[[Path], Path]:
    """A group that is missing, or holds something else, in all frames or in one."""
    wanted = group(name, **tags) if tags else {name: None}

    def make(path: Path) -> Path:
        if number is None and name != "PlanePositionSequence":
            return write_enhanced(path, pixels(), HEIGHTS, shared=wanted)
        own = [wanted if number in (None, k) else {} for k in range(6)]
        return write_enhanced(path, pixels(), HEIGHTS, own)

    return make


def film(kind: str, modality: str, **tags: object) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        put(with_pixels(empty_file(path, kind, modality), pixels()), tags).save_as(path, enforce_file_format=True)
        return path

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: write_enhanced(path, pixels(), [*HEIGHTS[:3], -90, -87.5, -85]), "between -95 and -90 mm"),
        (
            lambda path: write_enhanced(path, pixels(), [*HEIGHTS[:5], -86.5]),
            r"uneven.*2.5 to 3.5 mm by ImagePositionP",
        ),
        (
            twice("TemporalPositionIndex", (1, 2)),
            r"TemporalPositionIndex \(0020,9128\) 1 and 2; split the series by it",
        ),
        (twice("StackID", ("1", "head")), r"StackID \(0020,9056\) 1 and head; split the series by it"),
        (
            twice("EffectiveEchoTime", (4.0, 11.5), "MREchoSequence"),
            r"several slices at one position: EffectiveEchoTime \(0018,9082\) 4.0 and 11.5; split the series by it",
        ),
        (
            twice("ReferencedSegmentNumber", (1, 2), "SegmentIdentificationSequence"),
            r"ReferencedSegmentNumber \(0062,000B\) 1 and 2; split",
        ),
        (
            twice("EchoTime", ("3", "9"), "UnassignedPerFrameConvertedAttributesSequence"),
            r"EchoTime \(0018,0081\) 3 and 9; split",
        ),
        (half_marked, r"TemporalPositionIndex \(0020,9128\) 2 and absent; split the series by it"),
        (by_dimension, r"dimension b-value \(DimensionIndexValues\) 1 and 2; split"),
        (stacks, r"uneven.*StackID \(0020,9056\) 1 and 2; split"),
        (lambda path: write_enhanced(path, pixels(), [*HEIGHTS[:5], HEIGHTS[4]]), "several slices at one position"),
        (tilted, r"shifted against each other by ImagePositionPatient \(0020,0032\) \(a tilted gantry"),
        (turning, r"different directions.*ImageOrientationPatient \(0020,0037\) 1\\0\\0\\0\\0\\1 and 1\\0\\0\\0\\1\\0"),
        (
            grouped("PlanePositionSequence"),
            r"6 of 6 slices without a place, ImagePositionPatient \(0020,0032\) is missing",
        ),
        (grouped("PlanePositionSequence", 3), r"1 of 6 slices without a place"),
        (grouped("PlaneOrientationSequence"), r"ImageOrientationPatient \(0020,0037\) is missing"),
        (grouped("PixelMeasuresSequence"), r"PixelSpacing \(0028,0030\) is missing"),
        (grouped("PixelMeasuresSequence", PixelSpacing=[0, 0]), r"PixelSpacing \(0028,0030\) is '0.?0?\\+0.?0?'"),
        (grouped("PixelMeasuresSequence", 2, PixelSpacing=[0.9, 0.7]), r"PixelSpacing \(0028,0030\) differs"),
        (
            grouped("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
            "no two directions at a right",
        ),
        (grouped("PixelValueTransformationSequence", 1, RescaleSlope=0, RescaleIntercept=1), r"RescaleSlope.*is '0"),
        (
            lambda path: write_enhanced(path, pixels(), HEIGHTS, PerFrameFunctionalGroupsSequence=None),
            r"6 frames.*PerFrameFunctionalGroupsSequence \(5200,9230\) is missing",
        ),
        (
            lambda path: write_enhanced(path, pixels(), HEIGHTS, NumberOfFrames=5),
            r"NumberOfFrames \(0028,0008\) is 5, but PerFrameFunctionalGroupsSequence \(5200,9230\) describes 6",
        ),
        (film(UltrasoundMultiFrameImageStorage, "US", FrameTime="33"), "6 frames.*a film and no volume"),
        (film("1.2.840.10008.5.1.4.1.1.20", "NM"), "6 frames.*pictures or time points and no volume"),
        (film(MultiFrameGrayscaleByteSecondaryCaptureImageStorage, "CT"), "6 frames"),
        (film("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE"), r"Modality \(0008,0060\) is RTDOSE"),
    ],
)
def test_what_is_no_volume_is_refused_by_the_attribute(
    tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    path = make(tmp_path / "enhanced.dcm")
    with pytest.raises(GenesisError, match=reason) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_enhanced_files_of_one_series_are_volumes_of_their_own(tmp_path: Path) -> None:
    truth = {}
    for seed, name in enumerate(("first.dcm", "second.dcm")):
        truth[f"1.2.4/{name}"], _ = expected(write_enhanced(tmp_path / name, pixels(seed=seed), HEIGHTS))
    with pytest.raises(UsageError, match=r"holds 2 series; choose one of 1.2.4/first.dcm, 1.2.4/second.dcm"):
        read_volume(tmp_path)
    for name, values in truth.items():
        np.testing.assert_array_equal(read_volume(tmp_path, name).array, values)
    sources = index_sources([tmp_path])
    assert [source.series for source in sources] == list(truth)
    assert len({source.identifier for source in sources}) == 2
    with pytest.raises(GenesisError, match="each file is a volume of its own; give each its own folder"):
        read_dicom(sorted(tmp_path.iterdir()), tmp_path)


def test_a_volume_in_two_files_is_one(tmp_path: Path) -> None:
    """A concatenation: its frames go together by their positions, whatever file they are in."""
    whole = pixels()
    for name, part in (("a", (5, 1, 3)), ("b", (0, 4, 2))):
        heights = [HEIGHTS[k] for k in part]
        write_enhanced(tmp_path / f"{name}.dcm", whole[list(part)], heights, ConcatenationUID="1.2.9")
    np.testing.assert_array_equal(read_volume(tmp_path).array, (whole - 1024.0).transpose(2, 1, 0))


def test_a_claim_of_more_memory_than_the_limit_is_refused_before_it_is_taken(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "large.dcm", pixels(), HEIGHTS, Rows=65000, Columns=65000)
    with pytest.raises(GenesisError, match="65000x65000x6 voxels need 94.4 GiB"):
        read_volume(path)
    many = film(UltrasoundMultiFrameImageStorage, "US")(tmp_path / "many.dcm")
    put(data := pydicom.dcmread(many), {"NumberOfFrames": 2**31 - 1}).save_as(many)
    assert data.NumberOfFrames == 2**31 - 1
    series, _ = list_series(tmp_path)
    assert sum(map(len, series.values())) == 2
    with pytest.raises(GenesisError, match="2147483647 frames"):
        read_volume(many)


@pytest.mark.parametrize(
    ("macro", "name", "values"),
    [
        ("MREchoSequence", "EffectiveEchoTime", (20.0, 90.0)),
        ("MRDiffusionSequence", "DiffusionBValue", (0.0, 1000.0)),
        ("CTReconstructionSequence", "ConvolutionKernel", ("B30f", "B70f")),
        ("FrameContentSequence", "StackID", ("1", "2")),
    ],
)
@pytest.mark.parametrize("order", ["alternating", "end to end"])
def test_frames_in_even_order_may_be_of_several_volumes(
    tmp_path: Path, macro: str, name: str, values: tuple[Any, Any], order: str
) -> None:
    pixels = np.arange(8 * 4 * 5, dtype=np.int16).reshape(8, 4, 5)
    which = [number % 2 if order == "alternating" else number // 4 for number in range(8)]
    frames = [group(macro, **{name: values[one]}) for one in which]
    path = write_enhanced(tmp_path / "a.dcm", pixels, [2.0 * number for number in range(8)], frames)
    with pytest.raises(GenesisError, match=rf"{name} .* within one series; split the series by it"):
        read_volume(path)
    frames = [group(macro, **{name: values[0]})] * 8
    write_enhanced(path, pixels, [2.0 * number for number in range(8)], frames)
    assert read_volume(path).array.shape == (5, 4, 8)
