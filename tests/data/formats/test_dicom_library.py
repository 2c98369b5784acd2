"""Every DICOM file that pydicom installs: equal to pydicom by the definition, or refused for a true reason."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file, get_testdata_files
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

from modelsgenesis.data.formats.dicom import read_dicom
from modelsgenesis.errors import GenesisError

VOLUMES = ("CT", "MR", "PT", "NM", "SEG")
LEFT_OUT = ("README", "JPGExtended.dcm", "JPEG-lossy.dcm")
FILES = sorted(
    Path(name)
    for name in {*get_testdata_files(), *get_charset_files("*")}
    if Path(name).suffix in (".dcm", "") and Path(name).is_file() and Path(name).name not in LEFT_OUT
)


def truth(data: Dataset) -> np.ndarray:
    """Values (x, y, frames) without the placing of padding."""
    pixels = data.pixel_array
    if data.SamplesPerPixel == 3:
        assert (pixels == pixels[..., :1]).all()
        pixels = pixels[..., 0]
    values = apply_modality_lut(pixels, data).astype(np.float64)
    if data.get("Modality", "") not in VOLUMES and data.PhotometricInterpretation == "MONOCHROME1":
        white = 2**data.BitsStored - 1
        values = (white * data.get("RescaleSlope", 1) + 2 * data.get("RescaleIntercept", 0)) - values
    return values.reshape(-1, data.Rows, data.Columns).astype(np.float32).transpose(2, 1, 0)


def is_true(reason: str, data: Dataset) -> bool:
    """Whether a refusal says of the file what pydicom says."""
    if "image (" in reason:
        return "Rows" not in data
    if "no pixels" in reason:
        return "PixelData" not in data
    if "colour" in reason:
        return data.SamplesPerPixel == 3 or data.PhotometricInterpretation == "PALETTE COLOR"
    if "frames (NumberOfFrames" in reason:
        return data.NumberOfFrames > 1 and "PerFrameFunctionalGroupsSequence" not in data
    if "describes" in reason:
        return len(data.PerFrameFunctionalGroupsSequence) != data.get("NumberOfFrames", 1)
    if "RTDOSE" in reason:
        return data.Modality == "RTDOSE"
    if any(word in reason for word in ("decoded", "truncated", "compressed pixels say")):
        with pytest.raises((RuntimeError, ValueError, NotImplementedError)):
            _ = data.pixel_array
        return True
    return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_pydicom(path: Path) -> None:
    data = pydicom.dcmread(path, force=True)
    try:
        decoded = read_dicom([path], path.parent)
    except GenesisError as error:
        refusal = str(error)
    else:
        array, expected = np.atleast_3d(decoded.array), truth(data)
        padded = data.pixel_array.T[:, :, None] == data.get("PixelPaddingValue", 2**40)
        np.testing.assert_array_equal(array[~padded], expected[~padded])
        assert (array[padded] <= max(array.min(), -1024)).all()
        return
    assert refusal.startswith(f"{path}: ")
    assert refusal.isprintable()
    assert is_true(refusal, data), refusal


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_twelve_bits_of_lossy_jpeg(name: str) -> None:
    """pydicom does not decode them; the library holds the same picture in another compression."""
    other = pydicom.dcmread(str(get_testdata_file("JPEG2000.dcm"))).pixel_array.astype(float)
    path = Path(str(get_testdata_file(name)))
    array = np.atleast_3d(read_dicom([path], path.parent).array)[:, :, 0].T
    assert np.abs(array - other).mean() < 0.02 * other.max()
    assert np.corrcoef(array.ravel(), other.ravel())[0, 1] > 0.95  # both lost something


def test_many_are_read() -> None:
    images = 0
    for path in FILES:
        with suppress(GenesisError):
            read_dicom([path], path.parent)
            images += 1
    assert images > 50
