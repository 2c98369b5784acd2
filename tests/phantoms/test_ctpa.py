"""CTPA: contrast in the arteries, clots darker than the blood round them, decoys apart from clots, CAD-PE's layout."""

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage

from modelsgenesis.phantoms.chest import Phantom
from modelsgenesis.phantoms.ctpa import write_ctpa
from modelsgenesis.phantoms.emboli import ctpa

GRID = {"shape": (150, 110, 80), "spacing": (1.8, 1.8, 2.0)}


@pytest.fixture(scope="module")
def patients() -> list[Phantom]:
    return [ctpa(np.random.default_rng([4, seed]), clots=5, **GRID) for seed in range(3)]


def test_clots_are_filling_defects(patients: list[Phantom]) -> None:
    assert len({f.kind for p in patients for f in p.findings}) >= 3
    darker = []
    for seed, phantom in enumerate(patients):
        healthy = ctpa(np.random.default_rng([4, seed]), clots=0, **GRID)  # the same vessels, filled
        for clot in phantom.findings:
            mask = clot.mask(phantom.array.shape)
            darker.append(healthy.array[mask].mean() - phantom.array[mask].mean())
    assert len(darker) >= 10
    assert min(darker) > 25
    assert np.median(darker) > 100


def test_decoys_keep_away_from_clots(patients: list[Phantom]) -> None:
    kinds = set()
    for phantom in patients:
        clots = np.zeros(phantom.array.shape, dtype=bool)
        for finding in phantom.findings:
            clots |= finding.mask(phantom.array.shape)
        away = ndimage.distance_transform_edt(~clots, sampling=phantom.spacing)
        for candidate in phantom.candidates:
            index = np.array(candidate.centre) / phantom.spacing + (np.array(clots.shape) - 1) / 2
            assert away[tuple(np.rint(index).astype(int))] > 3
            kinds.add(candidate.kind)
    assert kinds == {"fork", "node", "mixing", "vein"}


def test_same_generator_same_patient() -> None:
    first, again = (ctpa(np.random.default_rng(1), (48, 40, 32), (4, 4, 4)) for _ in range(2))
    np.testing.assert_array_equal(first.array, again.array)
    assert [f.centre for f in first.findings] == [f.centre for f in again.findings]


def test_layout_of_cad_pe(tmp_path: Path) -> None:
    write_ctpa(tmp_path, 2, seed=1, **GRID)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == [
        "candidates.csv",
        "images/001.nrrd",
        "images/002.nrrd",
        "rs/0001RefStd.nrrd",
        "rs/0002RefStd.nrrd",
    ]
    with (tmp_path / "candidates.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["seriesuid", "coordX", "coordY", "coordZ", "class"]
    assert {row["class"] for row in rows} == {"0", "1"}
    for row in rows:
        clots = sitk.ReadImage(str(tmp_path / f"rs/{int(row['seriesuid']):04d}RefStd.nrrd"))
        scan = sitk.ReadImage(str(tmp_path / f"images/{row['seriesuid']}.nrrd"))
        assert clots.GetOrigin() == pytest.approx(scan.GetOrigin())
        index = scan.TransformPhysicalPointToIndex([float(row[f"coord{a}"]) for a in "XYZ"])
        assert (clots[index] > 0) == (row["class"] == "1")
    values = np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "rs/0001RefStd.nrrd"))))
    assert values.tolist() == list(range(len(values)))
