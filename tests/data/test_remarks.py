"""What `prepare` says of scans that are parted, copies, or all of one subject."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np

from modelsgenesis.data.convert import PrepareSettings
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.prepare import prepare
from modelsgenesis.data.remarks import parted_remark, subject_remark
from tests.data.formats.test_dicom import write_series
from tests.data.test_index import touch


def test_one_subject_for_all_is_remarked(tmp_path: Path) -> None:
    touch(tmp_path, "P1/a.nii", "P1/b.nii")
    sources = index_sources([tmp_path], "folder")
    assert subject_remark(sources, "folder").startswith(
        "all 2 scans are of one subject, 'P1' (the name of their folder)"
    )
    unnamed = [replace(source, subject="ANONYMOUS") for source in sources]
    told = subject_remark(unnamed, "auto")
    assert "'ANONYMOUS' (the DICOM PatientID)" in told
    assert "--subject folder" in told
    assert "--subject FILE.csv" in told
    assert not subject_remark(unnamed, "subjects.csv"), "the user says so"
    assert not subject_remark(unnamed[:1], "auto")
    assert not subject_remark(index_sources([tmp_path]), "auto")


def test_a_series_in_several_folders_is_remarked(tmp_path: Path) -> None:
    write_series(tmp_path / "A", depth=6)
    assert not parted_remark(index_sources([tmp_path]))
    write_series(tmp_path / "B", depth=6)
    said = parted_remark(index_sources([tmp_path]))
    assert said.startswith(f"1 DICOM series lie in several folders, such as {tmp_path / 'A'} and {tmp_path / 'B'}")


def test_copies_under_several_subjects_are_remarked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = nibabel.Nifti1Image(rng.integers(-1000, 400, (24, 24, 24)).astype(np.int16), np.eye(4))
    for name in ("a.nii", "b.nii.gz"):  # compared by their voxels, as fine-tuning does
        nibabel.save(image, tmp_path / name)
    found = prepare([tmp_path], tmp_path.parent / f"{tmp_path.name}-store", PrepareSettings(), workers=1)
    assert found.stored == 2
    assert found.remarks == [
        "2 scans are the image of another subject's, such as a and b; remove the copies, or name their subject by "
        "--subject FILE.csv"
    ]
