"""Whole numbers within rounding, against nibabel's reading of the headers that put them there."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from modelsgenesis.data.whole import refuse_fractions, whole_numbers
from modelsgenesis.errors import GenesisError

LABELS = np.arange(256, dtype=np.int16).reshape(4, 8, 8)


@pytest.mark.parametrize("slope", [1.000015, 0.999985, 1.0001])
def test_the_slope_of_a_scan_leaves_labels_whole(tmp_path: Path, slope: float) -> None:
    image = nib.Nifti1Image(LABELS, np.eye(4))
    nib.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[112:116] = np.float32(slope).tobytes()  # scl_slope
    (tmp_path / "a.nii").write_bytes(raw)
    read = nib.load(tmp_path / "a.nii").get_fdata()
    assert (read != LABELS).any()
    assert (whole_numbers(read.astype(np.float32), "a") == LABELS).all()


def test_labels_that_nibabel_scaled_to_16_bits(tmp_path: Path) -> None:
    image = nib.Nifti1Image(LABELS.astype(np.float64) % 6, np.eye(4))
    image.set_data_dtype(np.int16)
    nib.save(image, tmp_path / "a.nii.gz")
    assert (whole_numbers(nib.load(tmp_path / "a.nii.gz").get_fdata(), "a") == LABELS % 6).all()


@pytest.mark.parametrize("value", [0.5, 0.002, -0.01, 1.002, 200.06, 2.5e5 + 0.25, np.nan])
def test_what_is_no_whole_number(value: float) -> None:
    values = LABELS.astype(np.float64)
    values[3, 1, 1] = value
    with pytest.raises(GenesisError) as error:
        refuse_fractions(values, "scan.nii")
    assert f"scan.nii, {value:.7g} is no whole number, nor are 0 other values; of 256 from" in str(error.value)


def test_integers_need_no_look() -> None:
    assert whole_numbers(LABELS - 3, "a").min() == -3
    assert whole_numbers(np.array([True, False]), "a").tolist() == [1, 0]
