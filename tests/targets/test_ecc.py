"""Embolus candidates: a table beside scans, and the three public data sets that have masks or slice labels only."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.ecc import TASK
from modelsgenesis.targets.split import SplitChoice, split
from modelsgenesis.targets.spots import APART_MM, dark_spots, from_mask, separated
from tests.targets.chest_data import FLIPPED, write_csv, write_image, write_series

SIZE, SPACING, ORIGIN = (72, 60, 28), (1.5, 1.4, 2.0), (-50.0, -40.0, 10.0)
CLOTS = ((20, 30, 8), (52, 30, 20))
SPOT = (20, 30, 20)
HEADER = "seriesuid,coordX,coordY,coordZ,class"


def chest(clots: tuple[tuple[int, int, int], ...] = CLOTS, marrow: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """HU and mask (x, y, z): two lungs, in each a contrast-filled tube along z, clots and one dark spot in them.

    Between the lungs a heart; behind it a vertebra: bright shell, dark marrow.
    """
    x, y, z = np.indices(SIZE)
    hu = np.full(SIZE, -1000.0)
    hu[np.hypot((x - 36) / 34, (y - 30) / 28) < 1] = 40
    for middle in (20, 52):
        hu[np.hypot((x - middle) / 11, (y - 30) / 18) < 1] = -850
        hu[np.hypot((x - middle) * 1.5, (y - 30) * 1.4) < 7] = 320
    hu[(np.hypot(x - 36, y - 24) < 7) & (z > 2)] = 330
    if marrow:
        hu[np.hypot(x - 36, y - 44) < 6] = 500
        hu[np.hypot(x - 36, y - 44) < 2] = 60
    mask = np.zeros(SIZE, np.uint8)
    for number, (cx, cy, cz) in enumerate((*clots, SPOT), start=1):
        ball = np.sqrt(((x - cx) * 1.5) ** 2 + ((y - cy) * 1.4) ** 2 + ((z - cz) * 2) ** 2) < 3.2
        hu[ball] = 50
        if number <= len(clots):
            mask[ball] = number
    return hu.astype(np.int16), mask


def world(voxel: tuple[int, int, int]) -> np.ndarray:
    return np.array(ORIGIN) + np.array(voxel) * SPACING


def read(data: Path, **options: str) -> Target:
    return TASK.open(data, options, data.parent / "cache")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def cad_pe(data: Path, count: int = 3) -> Path:
    hu, mask = chest()
    for number in range(1, count + 1):
        write_image(data / "images" / f"{number:03d}.nrrd", hu, SPACING, ORIGIN)
        write_image(data / "rs" / f"{number:04d}RefStd.nrrd", mask, SPACING, ORIGIN)
    return data


def fumpe(data: Path) -> Path:
    hu, mask = chest()
    write_series(data / "CT_scans" / "PAT001", hu, "1.2.1", "x", SPACING, ORIGIN)
    write_series(data / "CT_scans" / "PAT002", hu, "1.2.2", "x", SPACING, ORIGIN, descending=True)
    (data / "GroundTruth").mkdir()
    savemat(data / "GroundTruth" / "PAT001.mat", {"Mask": mask > 0})
    savemat(data / "GroundTruth" / "PAT002.mat", {"Mask": mask[:, :, ::-1] > 0})  # in the order of the files
    (data / "GroundTruth" / "._PAT001.mat").write_bytes(b"junk")
    return data


def rsna(data: Path, positive: tuple[int, ...] = (7, 8, 9)) -> Path:
    rows = []
    for study, clots, marked in (("1.5.1", CLOTS[:1], positive), ("1.5.2", (), ())):
        folder = data / "train" / study / f"{study}.7"
        hu, _ = chest(clots)
        for k, path in enumerate(write_series(folder, hu, f"{study}.7", study, SPACING, ORIGIN)):
            path.rename(folder / f"{study}.7.{k + 1:03d}.dcm")
            rows.append((study, f"{study}.7", f"{study}.7.{k + 1:03d}", int(k in marked), 0))
    rows.append(("1.5.3", "1.5.3.7", "1.5.3.7.1", 1, 0))
    header = "StudyInstanceUID,SeriesInstanceUID,SOPInstanceUID,pe_present_on_image,negative_exam_for_pe"
    write_csv(data / "train.csv", header, rows)
    return data


# -- a table beside scans


def own(data: Path) -> Path:
    hu, _ = chest()
    write_image(data / "a.nrrd", hu, SPACING, ORIGIN)
    write_image(data / "scans" / "b.c.nii.gz", hu, SPACING, -world((0, 0, 0)), FLIPPED)
    write_series(data / "1.2.7", hu, "1.2.7", "x", SPACING, ORIGIN)
    rows = [("a", *world(CLOTS[0]), 1), ("a", *world(SPOT), 0), ("1.2.7", *world(CLOTS[1]), 1)]
    write_csv(data / "candidates.csv", HEADER, [*rows, ("b.c", 50 - 20 * 1.5, 40 - 30 * 1.4, -10 + 16, 1)])
    return data


def test_table_beside_scans_of_any_format(data: Path) -> None:
    target = read(own(data))
    assert {case.images[0].name for case in target.cases} == {"a.nrrd", "b.c.nii.gz", "1.2.7"}
    assert [case.label for case in target.cases] == [1, 1, 0, 1]
    assert [case.subject for case in target.cases] == ["1.2.7", "a", "a", "b.c"]
    assert target.orientation == "grid"
    assert "FROC and CPM cannot be computed" in target.notes[-1]
    for case in target.cases:
        volume = read_volume(case.images[0])
        index = np.linalg.solve(volume.affine, [*(case.centre or ()), 1])[:3]
        assert volume.array[tuple(np.round(index).astype(int))] == 50


def test_orientation_is_an_option(data: Path) -> None:
    assert read(own(data), orientation="vessel").orientation == "vessel"
    with pytest.raises(UsageError, match="orientation = 'up'"):
        read(data, orientation="up")


def test_subjects_and_findings_of_the_table_or_of_annotations(data: Path) -> None:
    own(data)
    rows = [
        ("a", *world(CLOTS[0]), 1, "P1", "saddle"),
        ("a", *world(SPOT), 0, "P1", ""),
        ("a", *world(CLOTS[1]), 1, "P1", "x"),
    ]
    write_csv(data / "candidates.csv", f"{HEADER},subject,finding", rows)
    target = read(data)
    assert [case.finding for case in target.cases] == ["a-saddle", "", "a-x"]
    assert target.findings == {"a-saddle": "P1", "a-x": "P1"}
    write_csv(data / "candidates.csv", HEADER, [row[:5] for row in rows])
    lesions = [("a", *world(CLOTS[0]), 6), ("a", *world((5, 5, 5)), 6)]
    write_csv(data / "annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm", lesions)
    target = read(data)
    assert [case.finding for case in target.cases] == ["a-lesion1", "", ""]
    assert list(target.findings) == ["a-lesion1", "a-lesion2"]


def test_damaged_tables_are_named_in_one_line(data: Path) -> None:
    own(data)
    table, place = data / "candidates.csv", ",".join(map(str, world(SPOT)))
    spoilt = {
        r"candidates.csv: lacks the column coordX": "seriesuid,x,y,z,class\n",
        r"line 2: \(0, 0, 900\) mm lies outside a.nrrd": f"{HEADER}\na,0,0,900,0\n",
        r"line 2: \(0, 0, 900\) mm lies outside 1.2.7": f"{HEADER}\n1.2.7,0,0,900,0\n",
        r"line 3: a is of P2 here and of P1 before": f"{HEADER},subject\na,{place},0,P1\na,{place},0,P2\n",
        r"line 2: finding 'x' with class 0": f"{HEADER},finding\na,{place},0,x\n",
        r"holds none of the 1 scan of candidates.csv": f"{HEADER}\nzz,{place},0\n",
    }
    for message, content in spoilt.items():
        table.write_text(content)
        with pytest.raises(GenesisError, match=message) as error:
            read(data)
        assert "\n" not in str(error.value)
    shutil.copy(data / "a.nrrd", data / "scans" / "a.nrrd")
    table.write_text(f"{HEADER}\na,{place},0\n")
    with pytest.raises(GenesisError, match=r"scans/a.nrrd: of the same name as .*/a.nrrd"):
        read(data)


def test_absent_scans_are_noted(data: Path) -> None:
    own(data)
    (data / "a.nrrd").unlink()
    target = read(data)
    assert len(target.cases) == 2
    assert target.notes[0] == "2 candidates left out of 1 scan not there: a"


def test_empty_folder_says_what_to_download(data: Path) -> None:
    with pytest.raises(GenesisError, match=r"laid out as none of the known data sets; put CT angiographies"):
        read(data)
    with pytest.raises(GenesisError, match=r"holds no other.csv"):
        read(data, candidates="other.csv")


# -- the generator


def test_dark_spots_are_found_in_vessels_and_not_in_bone(tmp_path: Path) -> None:
    hu, mask = chest()
    volume = read_volume(write_image(tmp_path / "a.nrrd", hu, SPACING, ORIGIN))
    points = np.array([point for point, _ in dark_spots(volume)])
    for voxel in (*CLOTS, SPOT):
        assert np.linalg.norm(points - world(voxel), axis=1).min() < 3
    bone = np.hypot(points[:, 0] - world((36, 44, 0))[0], points[:, 1] - world((36, 44, 0))[1])
    assert bone.min() > 10
    found = from_mask(volume, np.round(mask).astype(np.int32), "a", by_value=True)
    assert found.findings == ("a-clot1", "a-clot2")
    false = [spot.centre for spot in found.spots if not spot.label]
    assert min(np.linalg.norm(np.array(point) - world(SPOT)) for point in false) < 3
    assert all(np.linalg.norm(np.array(point) - world(clot)) > APART_MM for point in false for clot in CLOTS)


def test_separated_points() -> None:
    points = [(0.0, 0, 0), (9.0, 0, 0), (20.0, 0, 0), (31.0, 0, 0)]
    assert separated(points, [(22.0, 0, 0)]) == [points[0]]
    assert separated(points, []) == [points[0], points[2], points[3]]


# -- CAD-PE, FUMPE


@pytest.mark.parametrize("layout", [cad_pe, fumpe])
def test_masks_become_candidates(data: Path, layout: object) -> None:
    assert callable(layout)
    target = read(layout(data))
    subjects = {case.subject for case in target.cases}
    assert subjects == ({"001", "002", "003"} if layout is cad_pe else {"PAT001", "PAT002"})
    for subject in subjects:
        positive = [case for case in target.cases if case.subject == subject and case.label == 1]
        assert len(positive) == 2
        for clot in CLOTS:
            assert min(np.linalg.norm(np.array(case.centre) - world(clot)) for case in positive) < 2
        assert sum(owner == subject for owner in target.findings.values()) == 2
        assert {case.finding for case in positive} <= set(target.findings)
        assert any(case.label == 0 for case in target.cases if case.subject == subject)
    assert read(data) == target


def test_finding_goes_on_where_it_was_and_notices_changes(data: Path) -> None:
    cache = data.parent / "cache" / "ecc"
    first = read(cad_pe(data))
    files = sorted(cache.iterdir())
    stamps = [path.stat().st_mtime_ns for path in files]
    files[0].unlink()
    content = json.loads(files[1].read_text())
    content["spots"][0]["label"] = 0
    files[1].write_text(json.dumps(content))
    assert read(data) == first
    assert files[2].stat().st_mtime_ns == stamps[2]
    _, mask = chest()
    mask[mask == 2] = 0
    write_image(data / "rs" / "0003RefStd.nrrd", mask, SPACING, ORIGIN)
    assert len(read(data).findings) == 5


def test_wrong_masks_of_cad_pe(data: Path) -> None:
    cad_pe(data)
    hu, mask = chest()
    path = data / "rs" / "0002RefStd.nrrd"
    write_image(path, mask[:-1], SPACING, ORIGIN)
    with pytest.raises(GenesisError, match=r"0002RefStd.nrrd: size \(71, 60, 28\), but .*002.nrrd has \(72, 60, 28\)"):
        read(data)
    write_image(path, mask, SPACING, (0, 0, 0))
    with pytest.raises(GenesisError, match=r"0002RefStd.nrrd: does not lie on the grid of .*002.nrrd"):
        read(data)
    write_image(path, mask * 0.5, SPACING, ORIGIN)
    with pytest.raises(GenesisError, match=r"0002RefStd.nrrd: no label map"):
        read(data)
    write_image(path, (hu < -900).astype(np.uint8), SPACING, ORIGIN)
    with pytest.raises(GenesisError, match=r"0002RefStd.nrrd: most of it lies in air \(median -1000 HU\)"):
        read(data)
    path.unlink()
    assert read(data).notes == ("scans without a mask left out: 002.nrrd",)
    (data / "images" / "003.nrrd").unlink()
    with pytest.raises(GenesisError, match=r"0003RefStd.nrrd: a mask without its scan images/003.nrrd"):
        read(data)
    (data / "rs" / "0003RefStd.nrrd").unlink()
    shutil.copy(data / "images" / "001.nrrd", data / "images" / "01.nrrd")
    with pytest.raises(GenesisError, match=r"01.nrrd: of the same number as 001.nrrd"):
        read(data)


def test_wrong_masks_of_fumpe(data: Path) -> None:
    fumpe(data)
    _, mask = chest()
    path = data / "GroundTruth" / "PAT001.mat"
    savemat(path, {"Mask": mask.transpose(1, 0, 2)})
    with pytest.raises(
        GenesisError, match=r"PAT001.mat: Mask has the size \(60, 72, 28\), but .*PAT001 makes \(72, 60"
    ):
        read(data)
    (data / "GroundTruth" / "PAT002.mat").unlink()
    assert len(read(data, mask_axes="yxz").findings) == 2
    savemat(path, {"Other": mask})
    with pytest.raises(GenesisError, match=r"PAT001.mat: holds Other, not Mask"):
        read(data)
    path.write_bytes(b"not a MATLAB file" * 20)
    with pytest.raises(GenesisError, match=r"PAT001.mat: cannot be read as a MATLAB file"):
        read(data)
    savemat(path, {"Mask": mask})
    (data / "CT_scans" / "PAT001" / "1-005.dcm").unlink()
    with pytest.raises(GenesisError, match=r"makes \(72, 60, 27\); are slices missing\?"):
        read(data)
    shutil.rmtree(data / "CT_scans" / "PAT001")
    with pytest.raises(GenesisError, match=r"holds no CT_scans/<patient>/\*.dcm with a mask"):
        read(data)


def test_mask_of_fumpe_in_another_order_of_axes_is_noticed(data: Path) -> None:
    square = [array[:60] for array in chest(clots=((20, 30, 8),))]
    square[1][:] = 0
    square[1][6:9, 18:22, 6:9] = 1  # transposed onto lung
    square[0][18:22, 6:9, 6:9] = -850
    square[0][6:9, 18:22, 6:9] = -900
    write_series(data / "CT_scans" / "PAT001", square[0], "1.2.1", "x", SPACING, ORIGIN)
    (data / "GroundTruth").mkdir()
    savemat(data / "GroundTruth" / "PAT001.mat", {"Mask": square[1]})
    with pytest.raises(GenesisError, match=r"PAT001.mat: most of it lies in air .* try the option mask_axes=yxz"):
        read(data)


# -- RSNA-PE


def test_slice_labels_become_weak_candidates(data: Path) -> None:
    target = read(rsna(data))
    positive = [case for case in target.cases if case.label == 1]
    assert [case.finding for case in positive] == ["1.5.1.7-run1"]
    assert np.linalg.norm(np.array(positive[0].centre) - world(CLOTS[0])) < 3
    assert target.findings == {"1.5.1.7-run1": "1.5.1"}
    false = [np.array(case.centre) for case in target.cases if case.label == 0 and case.subject == "1.5.1"]
    assert min(np.linalg.norm(point - world(SPOT)) for point in false) < 3
    assert all(abs(point[2] - world(CLOTS[0])[2]) > APART_MM for point in false)
    assert {case.subject for case in target.cases} == {"1.5.1", "1.5.2"}
    assert target.notes[1] == "1 series of train.csv not there: 1.5.3.7"


def test_a_run_without_a_spot_stays_a_finding(data: Path) -> None:
    target = read(rsna(data, positive=(0,)))
    assert target.findings == {"1.5.1.7-run1": "1.5.1"}
    assert not [case for case in target.cases if case.label == 1]


def test_damage_of_rsna_pe(data: Path) -> None:
    rsna(data)
    table, text = data / "train.csv", (data / "train.csv").read_text()
    table.write_text(text.replace("pe_present_on_image", "pe"))
    with pytest.raises(GenesisError, match=r"train.csv: lacks the column pe_present_on_image"):
        read(data)
    table.write_text(text.replace("1.5.1.7.003,0,0", "1.5.1.7.003"))
    with pytest.raises(GenesisError, match=r"train.csv, line 4: no pe_present_on_image"):
        read(data)
    table.write_text(text)
    path = data / "train" / "1.5.1" / "1.5.1.7" / "1.5.1.7.004.dcm"
    path.rename(path.with_name("1.5.1.7.999.dcm"))
    with pytest.raises(GenesisError, match=r"1.5.1.7: misses 1 slice of train.csv: 1.5.1.7.004"):
        read(data)
    path.with_name("1.5.1.7.999.dcm").rename(path)
    table.write_text("\n".join(line for line in text.splitlines() if not line.startswith("1.5.2")))
    with pytest.raises(GenesisError, match=r"1.5.2.7: no such series in .*train.csv"):
        read(data)


def test_split_parts_no_patient(data: Path) -> None:
    hu, _ = chest()
    rows = []
    for number in range(10):
        write_image(data / f"s{number}.nii.gz", hu[:8, :8, :8], SPACING, ORIGIN)
        rows += [(f"s{number}", *world((2, 2, 2)), k, f"P{number // 2}") for k in (0, 1)]
    write_csv(data / "candidates.csv", f"{HEADER},subject", rows)
    sides = split(read(data), SplitChoice(**TASK.recipe["split"]))
    assert [len(side) for side in (sides.training, sides.validation, sides.test)] == [2, 1, 2]
