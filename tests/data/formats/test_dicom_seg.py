"""DICOM SEG on a series, read by pydicom and by highdicom, against the NIfTI label map of the same prediction."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from modelsgenesis import cli
from modelsgenesis.data.formats.dicom_seg import write_seg
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import UsageError
from modelsgenesis.prediction.scans import predict
from tests.data.formats.dicom_files import write_enhanced, write_slice
from tests.prediction.test_ensemble import save_run

highdicom = pytest.importorskip("highdicom")

REAL = Path(__file__).parents[4] / "shared/data/nsclc-radiomics-lung1-001/ct.nii.gz"
STRAIGHT, OBLIQUE = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [0.96, 0.28, 0.0, -0.2688, 0.9216, 0.28]
SAGITTAL = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]


def write_ct(folder: Path, values: Any, orientation: list[float], step: float = 2.5, **tags: object) -> Path:
    """A series of `values` (slices, rows, columns) HU, `step` mm apart along the normal, under names out of order."""
    folder.mkdir(parents=True)
    normal = np.cross(orientation[:3], orientation[3:])
    frame = generate_uid()
    for number, name in enumerate(np.random.default_rng(0).permutation(len(values))):
        place = (np.array([-12.0, -20.0, 5.0]) + normal * step * number).round(4).tolist()
        about = {
            "ImageOrientationPatient": orientation,
            "ImagePositionPatient": place,
            "FrameOfReferenceUID": frame,
            "InstanceNumber": number + 1,
            "PatientName": "Doe^Jane",
            "PatientBirthDate": "",
            "PatientSex": "F",
            "AccessionNumber": "",
            "StudyID": "1",
            "StudyDate": "20200101",
            "StudyTime": "120000",
            "ReferringPhysicianName": "",
        }
        write_slice(folder / f"{name:03d}.dcm", (values[number] + 1024).astype(np.uint16), **{**about, **tags})
    return folder


def values(depth: int = 9) -> Any:
    rng = np.random.default_rng(3)
    return np.clip(rng.normal(0, 200, (depth, 17, 14)) + np.linspace(-700, 700, depth)[:, None, None], -1000, 1000)


def masks_by_place(path: Path) -> dict[tuple[int, tuple[float, ...]], Any]:
    """(segment, position of the plane) -> its mask, read by pydicom alone."""
    data = pydicom.dcmread(path)
    planes = np.atleast_3d(data.pixel_array) if data.NumberOfFrames > 1 else data.pixel_array[None]
    found = {}
    for plane, groups in zip(planes, data.PerFrameFunctionalGroupsSequence, strict=True):
        own = groups if "SegmentIdentificationSequence" in groups else data.SharedFunctionalGroupsSequence[0]
        number = int(own.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        place = tuple(float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient)
        found[number, place] = plane
    return found


def both(folder: Path, run: Path, out: Path) -> tuple[Any, Path]:
    """The label map as NIfTI, and the DICOM SEG, of one series."""
    predict(run, [folder], out / "nifti", clean=False)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["predict", str(run), str(folder), "--out", str(out / "seg"), "--format", "dicom-seg", "--no-clean"])
    (nifti,) = [path for path in (out / "nifti").glob("*.nii.gz") if "_prob" not in path.name]
    (seg,) = (out / "seg").glob("*.dcm")
    return nibabel.load(nifti), seg  # type: ignore[attr-defined]


def check_alike(nifti: Any, seg: Path, folder: Path) -> None:
    """Every plane of every slice of the series, in its place, by two readers."""
    labels, affine = np.asarray(nifti.dataobj), np.diag([-1.0, -1.0, 1.0, 1.0]) @ nifti.affine
    by_pydicom, by_highdicom = masks_by_place(seg), highdicom.seg.segread(seg)
    described = [str(item.SegmentLabel) for item in by_highdicom.SegmentSequence]
    assert described == ["bright", "dark"]
    seen = set()
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        place = tuple(float(v) for v in data.ImagePositionPatient)
        row, column = (np.array(data.ImageOrientationPatient[k : k + 3], float) for k in (0, 3))
        down, across = (float(v) for v in data.PixelSpacing)
        r, c = np.mgrid[: data.Rows, : data.Columns]
        points = np.array(place) + row * across * c[..., None] + column * down * r[..., None]
        index = (np.linalg.inv(affine) @ np.concatenate([points, np.ones_like(points[..., :1])], -1)[..., None])[
            ..., :3, 0
        ]
        assert np.abs(index - index.round()).max() < 0.05
        expected = labels[tuple(np.moveaxis(index.round().astype(int), -1, 0))]
        seen.update(np.unique(expected).tolist())
        mine = by_highdicom.get_pixels_by_source_instance(
            [data.SOPInstanceUID], ignore_spatial_locations=True, assert_missing_frames_are_empty=True
        )[0]
        for number in (1, 2):
            near = [one for (k, at), one in by_pydicom.items() if k == number and np.allclose(at, place, atol=1e-3)]
            found = near[0] if near else np.zeros_like(expected)
            np.testing.assert_array_equal(found, expected == number)
            np.testing.assert_array_equal(mine[..., number - 1], expected == number)
    assert {1, 2} <= seen


@pytest.mark.parametrize("orientation", [STRAIGHT, OBLIQUE, SAGITTAL])
@pytest.mark.parametrize("step", [2.5, -2.5])
def test_the_segmentation_is_the_label_map(tmp_path: Path, orientation: list[float], step: float) -> None:
    """Straight and oblique, and with instance numbers that run against the order of the planes."""
    folder = write_ct(tmp_path / "ct", values(), orientation, step)
    nifti, seg = both(folder, save_run(tmp_path / "run", 1), tmp_path)
    check_alike(nifti, seg, folder)
    read = pydicom.dcmread(seg)
    assert (read.Modality, str(read.PatientName), read.StudyInstanceUID) == ("SEG", "Doe^Jane", "1.2.3")


def test_a_scan_of_a_person(tmp_path: Path) -> None:
    if not REAL.is_file():
        pytest.skip("the scan is not there")
    volume = read_volume(REAL)
    part = volume.array[100:400:3, 100:400:3, 10:60:5]
    folder = write_ct(tmp_path / "ct", np.clip(np.round(part.transpose(2, 1, 0)), -1000, 2000), STRAIGHT)
    nifti, seg = both(folder, save_run(tmp_path / "run", 1), tmp_path)
    check_alike(nifti, seg, folder)


def test_enhanced_files(tmp_path: Path) -> None:
    pixels = (values(4) + 1024).astype(np.uint16)
    path = write_enhanced(tmp_path / "ct.dcm", pixels, [7.5, 0.0, 5.0, 2.5], FrameOfReferenceUID=generate_uid())
    labels = np.zeros((14, 17, 4), np.uint8)
    for height in range(4):
        labels[height + 1, 2, height] = 1  # along the normal: 0, 2.5, 5, 7.5 mm
    write_seg(labels, [path], tmp_path, {1: "lung"}, tmp_path / "seg.dcm")
    found = {place[2]: plane for (_, place), plane in masks_by_place(tmp_path / "seg.dcm").items()}
    for number, height in enumerate((0.0, 2.5, 5.0, 7.5)):
        np.testing.assert_array_equal(np.argwhere(found[height]), [[2, number + 1]])


def test_anonymous_series(tmp_path: Path) -> None:
    gone = dict.fromkeys(("PatientName", "PatientSex", "StudyID", "StudyDate", "AccessionNumber"))
    folder = write_ct(tmp_path / "ct", values(), STRAIGHT, **gone)
    write_seg(np.ones((14, 17, 9), np.uint8), list(folder.iterdir()), folder, {1: "lung"}, tmp_path / "seg.dcm")
    assert pydicom.dcmread(tmp_path / "seg.dcm").pixel_array.all()


def test_nothing_found_is_written_too(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "ct", values(), STRAIGHT)
    write_seg(np.zeros((14, 17, 9), np.uint8), list(folder.iterdir()), folder, {1: "lung", 2: "lesion"}, tmp_path / "s")
    read = highdicom.seg.segread(tmp_path / "s")
    assert not read.pixel_array.any()
    assert read.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "39607008"  # SNOMED's lung


def test_what_cannot_become_a_segmentation(tmp_path: Path) -> None:
    run = save_run(tmp_path / "run", 1)
    folder = write_ct(tmp_path / "scans/ct", values(), STRAIGHT)
    nibabel.save(nibabel.Nifti1Image(values(), np.eye(4)), tmp_path / "scans/other.nii.gz")  # type: ignore[attr-defined, no-untyped-call]
    with pytest.raises(UsageError, match=r"other\.nii\.gz: no DICOM series; --format dicom-seg"):
        predict(run, [tmp_path / "scans"], tmp_path / "out", form="dicom-seg")
    with pytest.raises(UsageError, match="DICOM SEG holds label maps alone"):
        predict(run, [folder], tmp_path / "out", form="dicom-seg", probabilities=True)
    classes = save_run(tmp_path / "classes", 1, task="classification", labels={"0": "no", "1": "yes"})
    with pytest.raises(UsageError, match="the run is a classification"):
        predict(classes, [folder], tmp_path / "out", form="dicom-seg")
    assert not (tmp_path / "out").exists()


def test_a_series_that_lacks_something_costs_itself_alone(tmp_path: Path) -> None:
    write_ct(tmp_path / "scans/bad", values(), STRAIGHT, FrameOfReferenceUID=None, SeriesInstanceUID="1.2.9")
    write_ct(tmp_path / "scans/good", values(), STRAIGHT)
    summary = predict(save_run(tmp_path / "run", 1), [tmp_path / "scans"], tmp_path / "out", form="dicom-seg")
    assert (summary.predicted, summary.rejected) == (1, 1)
    assert "lacks what DICOM SEG needs" in (tmp_path / "out/rejected.csv").read_text()
