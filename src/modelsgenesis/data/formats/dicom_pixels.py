"""The stored pixel values of a DICOM file: how they are coded, decoded frame by frame, and which are padding."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom.uid as uids
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.decoders.base import Decoder, get_decoder

from modelsgenesis.data.formats.dicom_codestream import check_codestreams
from modelsgenesis.data.formats.dicom_tags import named, numbers, printable, shown, text, value, whole
from modelsgenesis.errors import GenesisError

FLOATS = {"FloatPixelData": "float32", "DoubleFloatPixelData": "float64"}
PIXELS = ("PixelData", *FLOATS)

_GREY = ("MONOCHROME1", "MONOCHROME2")
_SIGN_IS_CORRECTED = (*uids.JPEG2000TransferSyntaxes, *uids.JPEGLSTransferSyntaxes)  # by pydicom, after the codestream


@dataclass(frozen=True)
class Coding:
    """How a file codes its pixels.

    Args:
        keyword: the attribute that holds them.
        allocated, stored: bits of a pixel in the file, and those of them that are its value.
        signed: whether they may be negative.
        channels: values of a pixel.
        dark_is_high: whether the largest value is black (MONOCHROME1).
    """

    keyword: str
    allocated: int
    stored: int
    signed: bool
    channels: int
    dark_is_high: bool

    @property
    def pixel_type(self) -> str:
        """The NumPy type of a pixel in the file."""
        if self.keyword in FLOATS:
            return FLOATS[self.keyword]
        return f"{'' if self.signed else 'u'}int{max(self.allocated, 8)}"

    @property
    def ends(self) -> tuple[int, int] | None:
        """The smallest and the largest value that the stored bits can hold; None for floating point."""
        if self.keyword in FLOATS:
            return None
        return (-(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1) if self.signed else (0, 2**self.stored - 1)


def read_coding(path: Path, data: Dataset) -> Coding:
    """How the pixels of a data set are coded.

    Raises:
        GenesisError: no pixels, colour by a palette, or attributes of the coding that are missing or contradictory.
    """
    keyword = next((name for name in PIXELS if value(data, name) is not None), "")
    if not keyword:
        raise GenesisError(f"{path}: no pixels, {shown(data, 'PixelData')}; copy it again or leave it out")
    photometric, channels = text(data, "PhotometricInterpretation").upper(), whole(data, "SamplesPerPixel")
    if photometric == "PALETTE COLOR":
        raise GenesisError(f"{path}: {shown(data, 'PhotometricInterpretation')} (colour); convert it to grey")
    if channels not in (1, 3) or (channels == 1 and photometric not in _GREY):
        raise GenesisError(
            f"{path}: {shown(data, 'SamplesPerPixel')}, {shown(data, 'PhotometricInterpretation')}; "
            "only grey is read, convert it"
        )
    dark_is_high = photometric == "MONOCHROME1"
    if keyword in FLOATS:
        bits = np.dtype(FLOATS[keyword]).itemsize * 8
        return Coding(keyword, bits, bits, True, channels, dark_is_high)
    allocated, stored, sign = (whole(data, name) for name in ("BitsAllocated", "BitsStored", "PixelRepresentation"))
    _check_bits(path, data, allocated, stored, sign)
    return Coding(keyword, allocated or 0, stored or 0, sign == 1, channels, dark_is_high)


def _check_bits(path: Path, data: Dataset, allocated: int | None, stored: int | None, sign: int | None) -> None:
    high = whole(data, "HighBit")
    wrong = None
    if allocated not in (1, 8, 16, 32, 64):
        wrong = "BitsAllocated"
    elif stored is None or not 1 <= stored <= allocated:
        wrong = "BitsStored"
    elif sign not in (0, 1):
        wrong = "PixelRepresentation"
    elif high is not None and high != stored - 1:
        wrong = "HighBit"
    if wrong:
        bits = f"{named('BitsAllocated')} {allocated}, {named('BitsStored')} {stored}"
        raise GenesisError(f"{path}: {shown(data, wrong)} beside {bits}; repair its header")


def stored_frames(path: Path, data: Dataset, coding: Coding, frames: int) -> Iterator[npt.NDArray[Any]]:
    """The frames of a file in its order, (rows, columns), as they are coded: unused bits are still in them.

    Raises GenesisError: truncated, compressed in an unknown way, colour. May raise what pydicom and GDCM raise.
    """
    syntax = _transfer_syntax(path, data)
    decoder = _decoder(path, data, syntax)
    _check_length(path, data, coding, frames, syntax)
    count = 0
    try:
        twelve_bits = syntax == uids.JPEGExtended12Bit and coding.stored > 8  # pydicom's use of GDCM leaves them out
        for array in _decoded_by_gdcm(path, data, coding) if twelve_bits else _decoded(decoder, data, coding, frames):
            if count == frames:
                more = f"{named('NumberOfFrames')} says, {frames}"
                raise GenesisError(f"{path}: holds more frames than {more}; copy it again")
            count += 1
            yield array if coding.channels == 1 else _grey(path, array)
    except RuntimeError as error:
        raise GenesisError(
            f"{path}: its pixels cannot be decoded by {printable(syntax.name)}; copy it again"
        ) from error
    if count < frames:
        raise GenesisError(
            f"{path}: truncated, {count} frames where {named('NumberOfFrames')} is {frames}; copy it again"
        )


def _decoder(path: Path, data: Dataset, syntax: uids.UID) -> Decoder:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise GenesisError(
            f"{path}: compressed by {printable(syntax.name)}, which is not decoded here "
            f"({shown(data.file_meta, 'TransferSyntaxUID')}); convert it to an uncompressed transfer syntax"
        )
    return decoder


def _decoded(decoder: Decoder, data: Dataset, coding: Coding, frames: int) -> Iterator[npt.NDArray[Any]]:
    options: dict[str, Any] = {"allow_excess_frames": False, "number_of_frames": frames, "bits_stored": coding.stored}
    if decoder.UID in _SIGN_IS_CORRECTED:
        options["indices"] = range(frames)  # without them pydicom corrects the sign of a frame that it cannot write to
    else:
        options["correct_unused_bits"] = False
    for array, _ in decoder.iter_array(data, raw=coding.channels == 1, **options):
        yield array


def _decoded_by_gdcm(path: Path, data: Dataset, coding: Coding) -> Iterator[npt.NDArray[Any]]:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise RuntimeError("GDCM cannot read it")
    decoded = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")  # SWIG makes text of bytes
    yield from np.frombuffer(decoded, coding.pixel_type).reshape(-1, data.Rows, data.Columns)


def _transfer_syntax(path: Path, data: Dataset) -> uids.UID:
    """How the file is written; found by its content where the header does not tell."""
    meta = getattr(data, "file_meta", None)
    syntax = value(meta, "TransferSyntaxUID") if meta is not None else None
    if syntax is not None:
        return uids.UID(syntax)
    if data["PixelData"].is_undefined_length:
        raise GenesisError(f"{path}: compressed, but {named('TransferSyntaxUID')} is missing; copy it again")
    implicit, little = data.original_encoding
    guess = uids.ImplicitVRLittleEndian if implicit else uids.ExplicitVRLittleEndian
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = guess if little else uids.ExplicitVRBigEndian
    return data.file_meta.TransferSyntaxUID


def _check_length(path: Path, data: Dataset, coding: Coding, frames: int, syntax: uids.UID) -> None:
    """Bytes that are there, against those that the header declares."""
    there = data[coding.keyword].value
    if syntax.is_encapsulated:
        check_codestreams(path, data, frames, coding.channels, syntax)
        return
    needed = _native_bytes(data, coding, frames)
    if len(there) < needed:
        raise GenesisError(
            f"{path}: truncated, {len(there)} bytes of pixels where its header declares {needed}; copy it again"
        )
    if needed and len(there) >= needed * (frames + 1) // frames:
        raise GenesisError(
            f"{path}: {len(there)} bytes of pixels where its header declares {needed}: {shown(data, 'BitsAllocated')}, "
            f"{shown(data, 'NumberOfFrames')}; repair its header"
        )


def _native_bytes(data: Dataset, coding: Coding, frames: int) -> int:
    """Bytes of uncompressed pixels that the header declares."""
    area = (whole(data, "Rows") or 0) * (whole(data, "Columns") or 0)
    needed = -(-area * frames * coding.channels * coding.allocated // 8)
    return needed * 2 // 3 if text(data, "PhotometricInterpretation") == "YBR_FULL_422" else needed


def length_notes(data: Dataset, coding: Coding, frames: int) -> list[str]:
    """What to say of uncompressed pixels that go on behind the last frame."""
    spare = len(data[coding.keyword].value) - _native_bytes(data, coding, frames)
    if data[coding.keyword].is_undefined_length or spare < 2:
        return []
    return [f"{coding.keyword} goes on for {spare} bytes behind what the header declares; they were left out"]


def _grey(path: Path, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not (array == array[..., :1]).all():
        raise GenesisError(f"{path}: 3 values a voxel (colour or vector); convert it to one channel")
    grey: npt.NDArray[Any] = array[..., 0]
    return grey


def without_unused_bits(frame: npt.NDArray[Any], coding: Coding) -> npt.NDArray[Any]:
    """The values of the stored bits alone: what lies above them (overlays, rubbish) goes, the sign is extended."""
    spare = frame.dtype.itemsize * 8 - coding.stored
    if coding.keyword in FLOATS or coding.allocated == 1 or coding.stored == coding.allocated or spare <= 0:
        return frame
    values: npt.NDArray[Any] = (frame << spare) >> spare
    return values


@dataclass(frozen=True)
class Padding:
    """Stored values outside what was scanned: from `low` to `high`, in the bits of the file or in the stored ones."""

    low: int
    high: int

    def where(self, frame: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
        """Which pixels are padding, of a frame with and without its unused bits; None when none is."""
        mask = (frame >= self.low) & (frame <= self.high)
        if values is not frame:
            mask |= (values >= self.low) & (values <= self.high)
        return mask if mask.any() else None


def read_padding(data: Dataset, coding: Coding) -> Padding | None:
    """What PixelPaddingValue and PixelPaddingRangeLimit say, whether they are written as signed or as unsigned."""
    start = numbers(data, "PixelPaddingValue", 1)
    if start is None or coding.keyword in FLOATS or coding.allocated == 1:
        return None
    end = numbers(data, "PixelPaddingRangeLimit", 1) or start
    low, high = sorted(_in_file(int(found[0]), coding) for found in (start, end))
    return Padding(low, high)


def _in_file(number: int, coding: Coding) -> int:
    """A number as pixels of the file would hold it: 63536 is -2000 in signed 16 bits, and the other way round."""
    word, size, signs = number % (1 << coding.allocated), 1 << coding.allocated, 1 << (coding.stored - 1)
    if not coding.signed:
        return word
    if number >= 0 and signs <= word < 2 * signs:
        return word - 2 * signs
    return word - size if word >= size // 2 else word
