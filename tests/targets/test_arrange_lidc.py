"""A scan with a mask, laid out as LIDC-IDRI and LUNA16 by the benchmark, comes back through both targets."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.arrange_lidc import FOLDER, PATIENT, arrange
from modelsgenesis.data.formats.itk import write_image
from modelsgenesis.data.volume import read_volume
from modelsgenesis.phantoms.images import hounsfield, placed
from modelsgenesis.phantoms.readings import RATINGS
from modelsgenesis.targets import TARGETS

MIDDLE, SPACING, SHAPE = (-57.0, 131.5, -520.25), (0.75, 0.75, 1.0), (48, 40, 30)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A ball with a hole in the middle of noise, off the middle of the scan, and four readers' ratings."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1) - (20, 22, 16)
    ball = (np.linalg.norm(grid * SPACING, axis=-1) < 5).astype(np.uint8)
    ball[20, 22, 16] = 0
    noise = hounsfield(np.random.default_rng(0).normal(-800, 30, SHAPE).astype(np.float32))
    write_image(placed(noise, SPACING, MIDDLE), tmp_path / FOLDER / "ct_crop_native.nii.gz")
    write_image(placed(ball, SPACING, MIDDLE), tmp_path / FOLDER / "nodule_crop_native.nii.gz")
    head = ",".join(("patient_id", "series_instance_uid", "diameter_inplane_mm", *RATINGS))
    lines = [head, *(f"{PATIENT},1.2.345,{10 + k},{','.join('3' * len(RATINGS))}" for k in range(4))]
    (tmp_path / "lidc-annotations").mkdir()
    (tmp_path / "lidc-annotations" / "annotations.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return tmp_path


def test_the_nodule_keeps_its_place_and_voxels(data: Path, tmp_path: Path) -> None:
    arrange(data, tmp_path / "out")
    given = read_volume(data / FOLDER / "nodule_crop_native.nii.gz")
    middle = given.affine[:3, :3] @ np.argwhere(given.array > 0).mean(axis=0) + given.affine[:3, 3]

    target = TARGETS.get("ncs").open(tmp_path / "out" / "LIDC-IDRI", {}, tmp_path / "cache")
    (case,) = target.cases
    assert case.subject == PATIENT
    assert case.centre == pytest.approx(middle.tolist(), abs=0.05)
    assert target.derive is not None
    target.derive(case)
    derived, scan = read_volume(Path(str(case.label))), read_volume(case.images[0])
    np.testing.assert_allclose(derived.affine, given.affine, atol=1e-3)
    assert np.argwhere(derived.array != given.array).tolist() == [[20, 22, 16]]  # the hole, which no outline shows
    np.testing.assert_array_equal(scan.array, read_volume(data / FOLDER / "ct_crop_native.nii.gz").array)

    target = TARGETS.get("ncc").open(tmp_path / "out" / "LUNA16", {}, tmp_path / "cache")
    (hit,) = [case for case in target.cases if case.label == 1]
    assert hit.centre == pytest.approx(middle.tolist(), abs=1e-3)
    assert hit.finding in target.findings
