"""DICOM, classic series and enhanced multi-frame files, with one odd attribute; the truth is pydicom's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

from benchmarks.odd.variant import Truth, Variant

VALUES = np.random.default_rng(0).integers(0, 1500, (6, 8, 9)).astype(np.int16)  # (slices, rows, columns)
FIRST = np.array([-20.0, -30.0, 40.0])
APART, SPACING = 2.5, (0.9, 0.8)  # mm between slices, and between rows and columns
ORIENTATIONS = {
    "axial": [1, 0, 0, 0, 1, 0],
    "sagittal": [0, 1, 0, 0, 0, -1],
    "coronal": [1, 0, 0, 0, 0, -1],
    "mirrored": [-1, 0, 0, 0, 1, 0],
    "oblique": [0.96, 0.28, 0, -0.28, 0.96, 0],
    "rounded": [0.966, 0.259, 0, -0.259, 0.966, 0],
    "sheared": [1, 0, 0, 0.3, 0.95, 0],
    "of length 2": [2, 0, 0, 0, 1, 0],
}
PICTURES = ("CR", "DX", "MG", "RG", "XA", "RF", "SC", "OT", "US")
Edit = Callable[[Dataset, int], None]


def put(name: str, value: Any, only: int | None = None) -> Edit:
    """Set or, with None, delete an attribute in every slice, or only in one."""

    def edit(data: Dataset, index: int) -> None:
        if only is None or index == only:
            if value is None and name in data:
                del data[name]
            elif value is not None:
                setattr(data, name, value)

    return edit


def turned(cosines: list[float]) -> Edit:
    """Another orientation, slices following its normal."""

    def edit(data: Dataset, index: int) -> None:
        data.ImageOrientationPatient = cosines
        normal = np.cross(cosines[:3], cosines[3:])
        data.ImagePositionPatient = (FIRST + index * APART * normal).round(4).tolist()

    return edit


def moved(shift: Callable[[int], tuple[float, float, float]]) -> Edit:
    """Slices moved from where they belong."""

    def edit(data: Dataset, index: int) -> None:
        data.ImagePositionPatient = (np.array(data.ImagePositionPatient, float) + shift(index)).tolist()

    return edit


def table(data: Dataset, _: int) -> None:
    """A Modality LUT Sequence in place of slope and intercept."""
    one = Dataset()
    one.LUTDescriptor, one.ModalityLUTType = [2000, 0, 16], "HU"
    one.LUTData = (3 * np.arange(2000) + 7).astype("<u2").tobytes()
    data.ModalityLUTSequence = [one]
    del data.RescaleSlope, data.RescaleIntercept


def coded(kind: str, stored: int, signed: int, padding: int | None = None) -> Edit:
    """Pixels of another type, by BitsStored, with padding along one side."""

    def edit(data: Dataset, index: int) -> None:
        pixels = VALUES[index].astype(kind)
        if padding is not None:
            pixels[:, 0] = np.array(padding).astype(kind)
            data.PixelPaddingValue = padding
        data.BitsAllocated, data.BitsStored, data.HighBit = pixels.itemsize * 8, stored, stored - 1
        data.PixelRepresentation = signed
        data.PixelData = pixels.tobytes()

    return edit


def one_table(*edits: Edit) -> Edit:
    """Several edits, one after the other."""

    def edit(data: Dataset, index: int) -> None:
        for one in edits:
            one(data, index)

    return edit


def picture(modality: str, bits: int, shade: str) -> Edit:
    """A radiograph without rescaling."""

    def edit(data: Dataset, index: int) -> None:
        coded("u2", bits, 0)(data, index)
        pixels = (VALUES[index].astype("u4") % 2**bits).astype("u2")
        data.PixelData, data.Modality, data.PhotometricInterpretation = pixels.tobytes(), modality, shade
        del data.RescaleSlope, data.RescaleIntercept

    return edit


CLASSIC: dict[str, Edit] = {
    "nothing": put("SeriesDescription", "x"),
    **{f"orientation {name}": turned(cosines) for name, cosines in ORIENTATIONS.items()},
    **{f"RescaleSlope {v}": put("RescaleSlope", v) for v in (2, 0.5, -1, 0, None)},
    **{f"RescaleIntercept {v}": put("RescaleIntercept", v) for v in (0, -1000, 0.5, None)},
    "RescaleSlope of one slice": put("RescaleSlope", 3, only=2),
    "Modality LUT": table,
    "RescaleType US": put("RescaleType", "US"),
    **{f"Modality {m}": put("Modality", m) for m in ("MR", "PT", "NM", "SC", "RTDOSE", "SEG", "", None)},
    "MONOCHROME1": put("PhotometricInterpretation", "MONOCHROME1"),
    "PALETTE COLOR": put("PhotometricInterpretation", "PALETTE COLOR"),
    "PhotometricInterpretation missing": put("PhotometricInterpretation", None),
    **{f"PixelSpacing {v}": put("PixelSpacing", v) for v in ([1, 1], [0.8, 0.9], [0, 0], [-1, 1], [1], None)},
    "PixelSpacing of one slice": put("PixelSpacing", [1, 1], only=3),
    "SliceThickness": put("SliceThickness", 9),
    "SpacingBetweenSlices": put("SpacingBetweenSlices", 9),
    "no position": put("ImagePositionPatient", None),
    "no position in one slice": put("ImagePositionPatient", None, only=4),
    "no orientation": put("ImageOrientationPatient", None),
    "another orientation in one slice": put("ImageOrientationPatient", [0, 1, 0, 0, 0, -1], only=1),
    "a gap": moved(lambda k: (0, 0, 5.0 * (k > 3))),
    "a doubled position": moved(lambda k: (0, 0, -2.5 * (k == 3))),
    "positions within rounding": moved(lambda k: (0, 0, 0.004 * (-1) ** k)),
    "a tilted gantry": moved(lambda k: (0, 0.7 * k, 0)),
    "uneven distances": moved(lambda k: (0, 0, 0.2 * k * k)),
    "backwards": moved(lambda k: (0, 0, -2 * APART * k)),
    "InstanceNumber backwards": lambda data, index: setattr(data, "InstanceNumber", 9 - index),
    "InstanceNumber missing": put("InstanceNumber", None),
    "a UID a slice": lambda data, _: setattr(data, "SeriesInstanceUID", generate_uid()),
    "rows of one slice": put("Rows", 4, only=2),
    "two echoes": lambda data, index: setattr(data, "EchoTime", 4 + index % 2),
    "12 bits": coded("i2", 12, 0),
    "16 bits unsigned": coded("u2", 16, 0),
    "8 bits": coded("u1", 8, 0),
    "32 bits": coded("i4", 32, 1),
    "signed 12 bits": coded("i2", 12, 1),
    "padding -2000": coded("i2", 16, 1, padding=-2000),
    "padding 63536": coded("u2", 16, 0, padding=63536),
    "padding 0": coded("i2", 16, 1, padding=0),
    "BitsStored 17": put("BitsStored", 17),
    "HighBit 3": put("HighBit", 3),
    "SamplesPerPixel 3": put("SamplesPerPixel", 3),
    "pixels cut short": lambda data, _: setattr(data, "PixelData", data.PixelData[:-20]),
    "no pixels": lambda data, _: data.__delitem__("PixelData"),
    "no Rows": put("Rows", None),
    "a name in Latin-1": one_table(put("SpecificCharacterSet", "ISO_IR 100"), put("PatientID", "MÜLLER")),
    "an unknown character set": put("SpecificCharacterSet", "KLINGON"),
    "RLE": lambda data, _: data.compress(RLELossless),
    **{
        f"{modality} of {bits} bits, {shade}": picture(modality, bits, shade)
        for modality in ("DX", "CR", "MG")
        for bits in (10, 12, 16)
        for shade in ("MONOCHROME1", "MONOCHROME2")
    },
}


def _group(frame: Dataset, name: str, **values: Any) -> None:
    inner = Dataset()
    for key, value in values.items():
        setattr(inner, key, value)
    setattr(frame, name, [inner])


def without(name: str) -> Edit:
    """No functional group of that name in any frame."""
    return lambda data, _: (
        [frame.__delitem__(name) for frame in data.PerFrameFunctionalGroupsSequence if name in frame] and None
    )


def frames(change: Callable[[Dataset, int], None]) -> Edit:
    """The same change in every frame's groups."""

    def edit(data: Dataset, _: int) -> None:
        for index, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
            change(frame, index)

    return edit


def _shift(z: Callable[[int], float]) -> Edit:
    def change(frame: Dataset, index: int) -> None:
        plane = frame.PlanePositionSequence[0]
        plane.ImagePositionPatient = [*FIRST[:2], float(FIRST[2] + z(index))]

    return frames(change)


def _content(frame: Dataset, **values: Any) -> None:
    _group(frame, "FrameContentSequence", **values)


ENHANCED: dict[str, Edit] = {
    "nothing": put("SeriesDescription", "x"),
    "frames in another order": _shift(lambda k: APART * [3, 1, 5, 0, 4, 2][k]),
    "backwards": _shift(lambda k: -APART * k),
    "a gap": _shift(lambda k: APART * (k + (k > 3))),
    "a doubled position": _shift(lambda k: APART * min(k, 4)),
    "slope of each frame": frames(
        lambda f, k: _group(f, "PixelValueTransformationSequence", RescaleSlope=1 + k, RescaleIntercept=-k)
    ),
    "no slope": without("PixelValueTransformationSequence"),
    "no position": without("PlanePositionSequence"),
    "no orientation": without("PlaneOrientationSequence"),
    "no spacing": without("PixelMeasuresSequence"),
    "another orientation in one frame": frames(
        lambda f, k: (
            _group(f, "PlaneOrientationSequence", ImageOrientationPatient=[0, 1, 0, 0, 0, -1]) if k == 2 else None
        )
    ),
    "another spacing in one frame": frames(
        lambda f, k: _group(f, "PixelMeasuresSequence", PixelSpacing=[1, 1]) if k == 2 else None
    ),
    "two stacks": frames(lambda f, k: _content(f, StackID=str(k // 3), InStackPositionNumber=k % 3 + 1)),
    "two time points": frames(lambda f, k: _content(f, TemporalPositionIndex=k // 3 + 1)),
    "two times at one place": one_table(
        _shift(lambda k: APART * (k % 3)), frames(lambda f, k: _content(f, TemporalPositionIndex=k // 3 + 1))
    ),
    "NumberOfFrames 5": put("NumberOfFrames", 5),
    "NumberOfFrames 7": put("NumberOfFrames", 7),
    "NumberOfFrames missing": put("NumberOfFrames", None),
    "no groups at all": put("PerFrameFunctionalGroupsSequence", None),
    "Modality MR": put("Modality", "MR"),
    "MONOCHROME1": put("PhotometricInterpretation", "MONOCHROME1"),
    "RLE": lambda data, _: data.compress(RLELossless),
    "shared groups": lambda data, _: _share(data),
}


def _share(data: Dataset) -> None:
    """What every frame says alike, said once."""
    shared = Dataset()
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence"):
        setattr(shared, name, getattr(data.PerFrameFunctionalGroupsSequence[0], name))
        for frame in data.PerFrameFunctionalGroupsSequence:
            del frame[name]
    data.SharedFunctionalGroupsSequence = [shared]


def variants(folder: Path) -> Iterator[Variant]:
    """Classic series, a folder each, and enhanced files."""
    for number, (name, edit) in enumerate(CLASSIC.items()):
        place = folder / f"classic-{number}"
        place.mkdir()
        for index in range(len(VALUES)):
            data = _data(CTImageStorage)
            _plane(data, data, index)
            data.PixelData, data.InstanceNumber = VALUES[index].tobytes(), index + 1
            data.RescaleSlope, data.RescaleIntercept = 1, -1024
            edit(data, index)
            data.save_as(place / f"{(index * 5) % 6}.dcm")
        yield Variant("DICOM", name, place, truth)
    for number, (name, edit) in enumerate(ENHANCED.items()):
        place = folder / f"enhanced-{number}.dcm"
        data = _data(EnhancedCTImageStorage)
        data.NumberOfFrames, data.PixelData = len(VALUES), VALUES.tobytes()
        data.PerFrameFunctionalGroupsSequence = [_frame(index) for index in range(len(VALUES))]
        edit(data, 0)
        data.save_as(place)
        yield Variant("enhanced", name, place, truth)


def _data(kind: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID, data.Modality, data.PatientID = "1.2.3.4", "1.2.3", "CT", "P7"
    data.Rows, data.Columns = VALUES.shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    return data


def _plane(measures: Dataset, data: Dataset, index: int) -> None:
    measures.PixelSpacing = list(SPACING)
    data.ImageOrientationPatient = ORIENTATIONS["axial"]
    data.ImagePositionPatient = (FIRST + np.array([0, 0, APART * index])).tolist()


def _frame(index: int) -> Dataset:
    frame = Dataset()
    _group(frame, "PixelMeasuresSequence", PixelSpacing=list(SPACING))
    _group(frame, "PlaneOrientationSequence", ImageOrientationPatient=ORIENTATIONS["axial"])
    _group(frame, "PlanePositionSequence", ImagePositionPatient=(FIRST + np.array([0, 0, APART * index])).tolist())
    _group(frame, "PixelValueTransformationSequence", RescaleSlope=1, RescaleIntercept=-1024)
    return frame


def truth(path: Path) -> Truth:
    """What a file or the folder of a series means, by pydicom and the definitions of the standard."""
    planes = [plane for file in (sorted(path.iterdir()) if path.is_dir() else [path]) for plane in _planes(file)]
    first = planes[0]
    if len(planes) == 1 and first[1] is None:
        return Truth(_padded([first], first[0])[..., 0], None)
    cosines = np.array(first[2], float)
    if any(not np.allclose(plane[2], cosines, atol=1e-3) for plane in planes):
        raise ValueError("several directions")
    normal = np.cross(cosines[:3], cosines[3:])
    planes.sort(key=lambda plane: float(np.dot(plane[1], normal)))
    steps = np.diff([np.dot(plane[1], normal) for plane in planes])
    if len(steps) and (steps.max() - steps.min() > 0.1 or steps.min() <= 0):
        raise ValueError("uneven distances")
    affine = np.eye(4)
    rows, columns = (float(v) for v in first[3])
    affine[:3, 0], affine[:3, 1] = cosines[:3] * columns, cosines[3:] * rows
    last = np.array(planes[-1][1], float) - np.array(planes[0][1], float)
    affine[:3, 2] = last / max(len(planes) - 1, 1) if len(planes) > 1 else normal
    affine[:3, 3] = planes[0][1]
    return Truth(_padded(planes, first[0]), affine)


def _planes(file: Path) -> Iterator[tuple[Any, ...]]:
    """(data set, position, orientation, spacing, values, padded) of each frame; values (columns, rows)."""
    data = pydicom.dcmread(file, force=True)
    pixels = data.pixel_array
    if data.get("SamplesPerPixel", 1) != 1 or data.PhotometricInterpretation == "PALETTE COLOR":
        raise ValueError("colour")
    stored = pixels if pixels.ndim == 3 else pixels[None]
    for index, plane in enumerate(stored):
        own = data
        found = {}
        for group in (
            *data.get("SharedFunctionalGroupsSequence", []),
            *data.get("PerFrameFunctionalGroupsSequence", [])[index : index + 1],
        ):
            found |= {element.keyword: element.value[0] for element in group if element.VR == "SQ" and element.value}
        if data.get("Modality") in PICTURES and data.PhotometricInterpretation == "MONOCHROME1":
            plane = 2 ** int(data.BitsStored) - 1 - plane
        values = plane.astype(np.float64)
        if "PixelValueTransformationSequence" in found:
            own = found["PixelValueTransformationSequence"]
        if "ModalityLUTSequence" in data or "RescaleSlope" in own:
            values = apply_modality_lut(plane, data if "ModalityLUTSequence" in data else own).astype(np.float64)
        padding = data.get("PixelPaddingValue")
        padded = np.zeros(plane.shape, bool) if padding is None else plane == np.array(padding).astype(plane.dtype)
        place = found.get("PlanePositionSequence", data).get("ImagePositionPatient")
        cosines = found.get("PlaneOrientationSequence", data).get("ImageOrientationPatient")
        spacing = found.get("PixelMeasuresSequence", data).get("PixelSpacing", [1, 1])
        yield data, place, cosines, spacing, values.T, padded.T


def _padded(planes: list[tuple[Any, ...]], data: Dataset) -> npt.NDArray[np.float64]:
    """The values with padding as air in CT, else as 0, unless something is lower."""
    values = np.stack([plane[4] for plane in planes], -1)
    padded = np.stack([plane[5] for plane in planes], -1)
    if padded.any():
        floor = -1024.0 if data.get("Modality") == "CT" else 0.0
        values[padded] = min(floor, float(values[~padded].min()))
    return values
