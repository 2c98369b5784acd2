"""`genesis info FOLDER` of data that are neither a store nor a run."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import RTStructureSetStorage

from modelsgenesis import cli
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import write_json
from modelsgenesis.targets import describe_folder as module
from modelsgenesis.targets.describe_folder import describe_folder
from tests.data.formats.test_dicom import write_series
from tests.data.formats.test_dicom_damaged import without_image


def save(path: Path, shape: tuple[int, ...], spacing: tuple[float, ...] = (1.0, 1.0, 2.0)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, np.int16), np.diag([*spacing, 1.0])), path)


def test_scans_without_labels(tmp_path: Path) -> None:
    for number, side in enumerate((8, 9, 12)):
        save(tmp_path / f"a/{number}.nii.gz", (side, 8, 8), (0.5, 1, side / 4))
    Image.fromarray(np.zeros((6, 7), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "bad.nii").write_bytes(b"no scan at all" * 100)
    write_series(tmp_path / "ct", depth=6)
    found = describe_folder(tmp_path)
    assert found["layout"] == "scans without labels (no dataset.json or cases.csv)"
    assert (found["scans"], found["subjects"]) == (6, 6)
    assert found["formats"] == {".nii.gz": 3, ".nii": 1, "DICOM": 1, ".png": 1}
    assert found["headers read"] == "5 of 5"
    assert found["voxels"] == {"smallest": [8, 8, 8], "median": [9, 8, 8], "largest": [12, 8, 8]}
    assert found["spacing"] == {"smallest": [0.5, 1, 2], "median": [0.5, 1, 2.25], "largest": [0.5, 1, 3]}
    assert found["voxels of 2D images"]["largest"] == [7, 6]
    assert found["DICOM files a series"]["largest"] == [6]
    assert [str(tmp_path / "bad.nii") in problem for problem in found["unreadable"]] == [True]
    assert found["next"].startswith("genesis prepare")


def test_contours_are_no_scan(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", depth=6)
    (tmp_path / "rt").mkdir()
    without_image(RTStructureSetStorage, "RTSTRUCT")(tmp_path / "rt/contours.dcm")
    found = describe_folder(tmp_path)
    assert (found["scans"], found["subjects"], found["formats"]) == (1, 1, {"DICOM": 1})
    assert found["DICOM without an image"] == ["contours.dcm"]
    with pytest.raises(GenesisError, match="its 1 DICOM files hold no image; name a folder with scans"):
        describe_folder(tmp_path / "rt")


def test_labelled_data(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"imagesTr/{name}_0000.nii.gz", (8, 8, 8))
        save(tmp_path / f"labelsTr/{name}.nii.gz", (8, 8, 8))
    labels = {"background": 0, "organ": [1, 2], "vessel": 4}
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"})
    found = describe_folder(tmp_path)
    assert found["layout"] == "labelled, segmentation, by dataset.json"
    assert (found["cases"], found["subjects"], found["channels"]) == (3, 3, 1)
    assert found["labels"] == {"organ": [1, 2], "vessel": [4]}
    assert found["voxels"]["median"] == [8, 8, 8]


def test_a_table(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"{name}.nii", (8, 8, 8))
    rows = "a.nii;p1;yes;train\nb.nii;p2;no;val\nc.nii;p2;no;val"
    (tmp_path / "cases.csv").write_text(f"path;subject;label;split\n{rows}\n")
    found = describe_folder(tmp_path)
    assert found["labels"] == {"no": 2, "yes": 1}
    assert found["subjects of sides"] == {"training": 1, "validation": 1}


def test_many_headers_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HEADERS", 3)
    for number in range(8):
        save(tmp_path / f"{number}.nii", (8, 8, 8))
    assert describe_folder(tmp_path)["headers read"] == "3 of 8"


def test_what_is_not_there_or_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for what, code, message in (
        ("nosuch", 2, "nosuch: no such file or folder, and no target task; check the path"),
        ("nccc", 2, "nccc: no such file or folder, and no target task; did you mean 'ncc'? check the path"),
        (str(tmp_path / "empty"), 1, "empty: no scans found"),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(["info", what])
        assert ended.value.code == code
        assert message in capsys.readouterr().err
    save(tmp_path / "scans/a.nii", (8, 8, 8))
    with pytest.raises(SystemExit) as ended:
        cli.main(["info", str(tmp_path / "scans")])
    assert ended.value.code == 0
    assert "scans without labels" in capsys.readouterr().out
