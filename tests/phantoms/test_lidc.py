"""LIDC-IDRI's layout, read back with pydicom and an XML parser."""

import locale
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Polygon
from scipy import ndimage

from modelsgenesis.phantoms.lidc import write_lidc
from modelsgenesis.phantoms.luna16 import luna_patient
from modelsgenesis.phantoms.outline import outline
from modelsgenesis.phantoms.patients import middle, series_uid

GRID = {"shape": (112, 88, 40), "spacing": (3.0, 3.2, 5.5)}
PIXELS = np.argwhere(np.ones(GRID["shape"][:2]))
NS = {"n": "http://www.nih.gov"}


@pytest.fixture(scope="module")
def lidc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lidc(tmp_path_factory.mktemp("lidc"), 2, seed=2, **GRID)


def series(lidc: Path, index: int) -> list[pydicom.Dataset]:
    """Slices from the feet up."""
    (folder,) = lidc.glob(f"LIDC-IDRI-{index + 1:04d}/*/{series_uid(2, index)}")
    return sorted((pydicom.dcmread(p) for p in folder.glob("*.dcm")), key=lambda d: float(d.ImagePositionPatient[2]))


def xml(lidc: Path, index: int) -> ElementTree.Element:
    (path,) = lidc.glob(f"LIDC-IDRI-{index + 1:04d}/*/*/*.xml")
    return ElementTree.parse(path).getroot()


@pytest.mark.parametrize("index", [0, 1])
def test_dicom_holds_the_phantom(lidc: Path, index: int) -> None:
    slices = series(lidc, index)
    phantom = luna_patient(2, index, GRID["shape"], GRID["spacing"])
    assert len(slices) == 40
    assert {(d.PatientID, d.Modality, d.SeriesInstanceUID) for d in slices} == {
        (f"LIDC-IDRI-{index + 1:04d}", "CT", series_uid(2, index))
    }
    assert len({d.SOPInstanceUID for d in slices}) == 40
    assert len({d.StudyInstanceUID for d in slices}) == 1
    stack = np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices], axis=2)
    np.testing.assert_array_equal(stack.transpose(1, 0, 2), np.rint(phantom.array))
    assert [float(v) for v in slices[0].PixelSpacing] == pytest.approx([3.2, 3.0])
    corner = np.array(middle(2, index)) - (np.array(GRID["shape"]) - 1) / 2 * GRID["spacing"]
    assert [float(v) for v in slices[0].ImagePositionPatient] == pytest.approx(corner, abs=1e-2)
    assert np.diff([float(d.ImagePositionPatient[2]) for d in slices]) == pytest.approx(5.5, abs=1e-2)


def test_four_readers_agree_about_the_truth(lidc: Path) -> None:
    root, slices = xml(lidc, 0), series(lidc, 0)
    assert root.find("n:ResponseHeader/n:SeriesInstanceUid", NS).text == series_uid(2, 0)
    sessions = root.findall("n:readingSession", NS)
    assert len(sessions) == 4
    by_uid = {d.SOPInstanceUID: k for k, d in enumerate(slices)}
    phantom = luna_patient(2, 0, GRID["shape"], GRID["spacing"])
    truth = np.zeros(GRID["shape"], dtype=bool)
    for finding in phantom.findings:
        truth |= finding.mask(GRID["shape"])
    votes = np.zeros(GRID["shape"])
    for session in sessions:
        for nodule in session.findall("n:unblindedReadNodule", NS):
            if nodule.find("n:characteristics", NS) is None:
                continue
            for roi in nodule.findall("n:roi", NS):
                k = by_uid[roi.find("n:imageSOP_UID", NS).text]
                assert float(roi.find("n:imageZposition", NS).text) == pytest.approx(
                    float(slices[k].ImagePositionPatient[2]), abs=1e-2
                )
                edge = np.array(
                    [[int(e.find(f"n:{c}Coord", NS).text) for c in "xy"] for e in roi.findall("n:edgeMap", NS)]
                )
                filled = Polygon(edge).contains_points(PIXELS).reshape(GRID["shape"][:2])
                filled[tuple(edge.T)] = False  # the outline itself lies outside
                votes[:, :, k] += filled
    agreed = votes >= 2
    overlap = 2 * (agreed & truth).sum() / (agreed.sum() + truth.sum())
    assert overlap > 0.75
    assert (votes[truth] != 4).any()  # readers differ


def test_ratings_small_nodules_and_non_nodules(lidc: Path) -> None:
    roots = [xml(lidc, index) for index in (0, 1)]
    ratings = [r for root in roots for r in root.iterfind(".//n:characteristics", NS)]
    assert ratings
    for rating in ratings:
        values = {child.tag.split("}")[1]: int(child.text) for child in rating}
        assert len(values) == 9
        assert all(1 <= v <= (6 if k == "calcification" else 5) for k, v in values.items())
    others = [o for root in roots for o in root.iterfind(".//n:nonNodule", NS)]
    assert others
    assert all(o.find("n:locus/n:xCoord", NS) is not None for o in others)
    for root in roots:
        for nodule in root.iterfind(".//n:unblindedReadNodule", NS):
            if nodule.find("n:characteristics", NS) is None:
                assert len(nodule.findall("n:roi/n:edgeMap", NS)) == 1


@pytest.mark.parametrize("seed", range(8))
def test_outline_walks_round_just_outside(seed: int) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((20, 22)), 3) > 0
    parts, _ = ndimage.label(mask)
    mask = ndimage.binary_fill_holes(parts == 1)
    walk = outline(mask) + 3
    wide = np.pad(mask, 3)
    assert (walk[0] == walk[-1]).all()
    assert (np.abs(np.diff(walk, axis=0)).max(axis=1) == 1).all()
    assert not wide[tuple(walk.T)].any()
    ring = np.zeros_like(wide)
    ring[tuple(walk.T)] = True
    assert (ndimage.binary_fill_holes(ring) & ~ring)[wide].all()  # it encloses all of the shape


def test_the_locale_stays(tmp_path: Path) -> None:
    """Text written afterwards without an encoding must not become ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    write_lidc(tmp_path, 1, 0, (12, 12, 12), (8.0, 8.0, 8.0))
    assert locale.setlocale(locale.LC_ALL) == before
