"""LIDC-IDRI in both folder schemes, outlines to consensus masks, splits without leaks, and damage."""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from matplotlib.path import Path as Polygon

from modelsgenesis.data.formats.dicom import list_series
from modelsgenesis.data.volume import read_series, read_volume
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.describe import describe_data
from modelsgenesis.targets.dicom_folders import find_series, series_grid
from modelsgenesis.targets.lidc_readers import same_nodule
from modelsgenesis.targets.lidc_xml import Outline, Outlined, consensus, interior, read_xml
from modelsgenesis.targets.ncs import TASK
from tests.targets.chest_data import Contour, lidc_xml, square, write_csv, write_series

SIZE, SPACING, ORIGIN = (40, 36, 8), (0.7, 0.7, 2.5), (-20.0, -30.0, -100.0)


def z_of(k: int) -> float:
    return ORIGIN[2] + k * SPACING[2]


def box(x: int, y: int, side: int, slices: range, inclusion: bool = True) -> list[Contour]:
    """Outlines whose interior is the `side`-pixel square from (x, y) on."""
    return [(z_of(k), square(x - 1, y - 1, x + side, y + side), inclusion) for k in slices]


# Four readers: one nodule with overlapping squares 8 wide, shifted by 0, 0, 2 and 4 columns; one that only two saw.
READERS = [
    [box(10, 12, 8, range(2, 5)), box(28, 20, 4, range(5, 7))],
    [box(10, 12, 8, range(2, 5)), box(28, 20, 4, range(5, 7))],
    [box(12, 12, 8, range(2, 5)), [(z_of(1), [(5, 5)], True)]],
    [box(14, 12, 8, range(3, 6))],
]


def uid(number: int) -> str:
    return f"1.3.6.1.4.1.14519.5.2.1.6279.6001.20{number}"


def ct(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 500, SIZE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("lidc")
    # Old scheme: UIDs, XML beside; a radiograph with its own reading.
    first = data / "LIDC-IDRI" / "LIDC-IDRI-0001"
    write_series(first / "1.3.6.1.298" / uid(1), ct(1), uid(1), "LIDC-IDRI-0001")
    lidc_xml(first / "1.3.6.1.298" / uid(1) / "069.xml", uid(1), READERS)
    write_series(first / "1.3.6.1.300" / uid(9), ct(9)[:, :, :2], uid(9), "LIDC-IDRI-0001", modality="DX")
    lidc_xml(first / "1.3.6.1.300" / uid(9) / "068.xml", uid(9), READERS, root="IdriReadMessage")
    # NBIA's scheme: dates and hashes, XML apart; slices in falling order, a macOS file.
    second = data / "LIDC-IDRI" / "LIDC-IDRI-0002" / "01-01-2000-98329" / "3000522.000000-04919"
    write_series(second, ct(2), uid(2), "LIDC-IDRI-0002", descending=True)
    (second / "._1-001.dcm").write_bytes(b"junk")
    lidc_xml(data / "LIDC-XML-only" / "tcia-lidc-xml" / "157" / "158.xml", uid(2), READERS)
    lidc_xml(data / "LIDC-XML-only" / "tcia-lidc-xml" / "157" / "159.xml", uid(1), READERS)
    (data / "LIDC-XML-only" / "tcia-lidc-xml" / "157" / "._158.xml").write_bytes(b"junk")
    return data


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "lidc")
    return tmp_path / "lidc"


def read(data: Path, **options: object) -> Target:
    return TASK.open(data, options, data.parent / "cache")


def truth() -> np.ndarray:
    """The 50 % consensus of `READERS` by counting, voxel by voxel, in (x, y, z)."""
    votes = np.zeros((4, *SIZE), bool)
    for reader, (x, slices) in enumerate(((10, range(2, 5)), (10, range(2, 5)), (12, range(2, 5)), (14, range(3, 6)))):
        for k in slices:
            votes[reader, x : x + 8, 12:20, k] = True
    mask = votes.sum(axis=0) >= 2
    mask[28:32, 20:24, 5:7] = True
    return mask


def test_both_schemes_give_nodules_with_their_middle(whole: Path) -> None:
    target = read(whole)
    assert [case.id for case in target.cases] == [f"{uid(n)}-nodule{k}" for n in (1, 2) for k in (1, 2)]
    assert {case.subject for case in target.cases} == {"LIDC-IDRI-0001", "LIDC-IDRI-0002"}
    assert target.notes[0] == "1 folder left out that hold no CT (1 DX)"
    assert not (whole.parent / "cache").exists()
    x, y, k = (np.argwhere(truth()[:25]).mean(axis=0) * 1.0).tolist()
    expected = np.array(ORIGIN) + np.array([x, y, k]) * SPACING
    for case in (target.cases[0], target.cases[2]):
        assert case.centre == pytest.approx(expected.tolist())


@pytest.mark.parametrize("number", [0, 2])
def test_mask_is_the_consensus_on_the_grid_of_the_scan(data: Path, number: int) -> None:
    target = read(data)
    case = target.cases[number]
    assert target.derive is not None
    target.derive(case)
    assert isinstance(case.label, Path)
    scan, mask = read_volume(case.images[0]), read_volume(case.label)
    np.testing.assert_array_equal(mask.array > 0, truth())
    np.testing.assert_allclose(mask.affine, scan.affine, atol=1e-4)
    image = nibabel.load(case.label)
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], [20, 30, -100, 1], atol=1e-4)  # RAS
    np.testing.assert_allclose(image.header.get_zooms(), SPACING, atol=1e-4)
    assert case.label == target.cases[number + 1].label
    assert [path.name for path in case.label.parent.iterdir()] == [case.label.name]


def test_grid_from_headers_is_that_of_the_voxels(whole: Path) -> None:
    for series in find_series(whole):
        if series.modality == "CT":
            grid, heights = series_grid(series)
            slices = list_series(series.path)[0][series.uid]
            expected = read_series(series.path, [one.path for one in slices]).grid
            assert grid.size == expected.size
            np.testing.assert_allclose(grid.affine, expected.affine, atol=1e-6)
            assert heights == [z_of(k) for k in range(SIZE[2])]


def test_least_number_of_readers(data: Path) -> None:
    masks = {read(data, readers=count).cases[0].label for count in (1, 3)}
    assert len(masks) == 2  # another mask must have another name
    assert len(read(data, readers=3).cases) == 2
    with pytest.raises(UsageError, match=r"options.readers: 5 must be 1 to 4"):
        read(data, readers=5)


def test_interior_leaves_the_outline_out_and_obeys_exclusion() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
        radii = rng.uniform(4, 12, 12)
        pixels = np.round(np.column_stack([20 + radii * np.cos(angles), 20 + radii * np.sin(angles)])).astype(int)
        patch = interior(Outlined(0, (Outline(0.0, pixels, True),)))[0.0]
        drawn = np.zeros((40, 40), bool)
        x, y = patch.corner
        drawn[x : x + patch.mask.shape[0], y : y + patch.mask.shape[1]] = patch.mask
        grid = np.stack(np.meshgrid(np.arange(40), np.arange(40), indexing="ij"), -1).reshape(-1, 2)
        polygon = Polygon(np.vstack([pixels, pixels[:1]]), closed=True)
        within = [polygon.contains_points(grid, radius=radius).reshape(40, 40) for radius in (1e-6, -1e-6)]
        pixel = np.zeros((40, 40), bool)
        pixel[tuple(pixels.T)] = True
        assert not (within[0] & within[1] & ~pixel & ~drawn).any()
        assert not (drawn & ~(within[0] | within[1])).any()  # a point on a slanted edge may be either
        assert not (drawn & pixel).any()
    outer = Outline(0.0, np.array(square(0, 0, 11, 11)), True)
    hole = Outline(0.0, np.array(square(4, 4, 7, 7)), False)
    mask = interior(Outlined(0, (hole, outer)))[0.0].mask
    assert mask.sum() == 100 - (mask[4:8, 4:8] == 0).sum()
    assert not mask[5:7, 5:7].any()
    assert not mask[[0, -1]].any()


def test_half_of_the_readers_is_enough_and_pieces_of_one_reader_count_once() -> None:
    def drawn(reader: int, *places: int) -> Outlined:
        return Outlined(reader, tuple(Outline(0.0, np.array(square(x, 0, x + 5, 5)), True) for x in places))

    two = consensus((drawn(0, 0), drawn(1, 10)))
    assert sum(patch.mask.sum() for patch in two) == 32  # one of two is half
    three = consensus((drawn(0, 0), drawn(1, 10), drawn(2, 10)))
    assert sum(patch.mask.sum() for patch in three) == 16
    pieces = consensus((drawn(0, 0), drawn(0, 10), drawn(1, 0), drawn(2, 30)))
    assert sum(patch.mask.sum() for patch in pieces) == 16
    assert consensus((drawn(0, 0), drawn(1, 10), drawn(2, 20))) == []


def test_nodules_are_matched_by_distance_and_parted_until_no_reader_is_there_twice() -> None:
    def at(reader: int, x: int, z: float = 0.0) -> Outlined:
        return Outlined(reader, (Outline(z, np.array(square(x, 0, x + 4, 4)), True),))

    near = [at(0, 0), at(1, 1), at(2, 2), at(0, 40), at(1, 41)]
    assert [len(group) for group in same_nodule(near, (0.7, 0.7), 2.5)] == [3, 2]
    # Two neighbours 1.4 mm apart, each seen by two readers: one group at 2.5 mm, for which every reader is there twice.
    pair = [at(0, 0), at(1, 0), at(0, 6), at(1, 6)]
    groups = same_nodule(pair, (0.7, 0.7), 2.5)
    assert [[nodule.outlines[0].pixels[0][0] for nodule in group] for group in groups] == [[0, 0], [6, 6]]
    pieces = [at(0, 0), at(0, 4), at(1, 2)]
    assert [len(group) for group in same_nodule(pieces, (0.7, 0.7), 2.5)] == [3]
    assert len(same_nodule([at(0, 0), at(1, 0, 2.6)], (0.7, 0.7), 2.5)) == 2
    assert same_nodule([], (1, 1), 1) == []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve scans of eleven patients: the last two are of one."""
    data = tmp_path_factory.mktemp("many")
    for number in range(12):
        folder = data / f"LIDC-IDRI-{number:04d}" / "study" / uid(number)
        write_series(folder, ct(number)[:, :, :4], uid(number), f"P{min(number, 10):02d}")
        lidc_xml(folder / "1.xml", uid(number), [[box(10, 12, 8, range(1, 3))]])
    return data


def test_split_follows_luna16_and_keeps_patients_whole(many: Path, tmp_path: Path) -> None:
    rows = [(uid(number), number) for number in range(9)]
    table = write_csv(tmp_path / "subsets.csv", "seriesuid,subset", [*rows, (uid(10), 9), (uid(11), 6)])
    target = read(many, luna16=str(table))
    expected = {f"P{n:02d}": "training" if n <= 4 else "validation" if n <= 6 else "test" for n in range(9)}
    assert target.sides == {**expected, "P09": "training", "P10": "validation"}
    assert target.notes == (
        "1 patient on two sides of LUNA16, kept nearer to training: P10",
        "1 patient outside LUNA16, put into training: P09",
    )
    write_csv(table, "seriesuid,subset", [("1.2", 0)])
    with pytest.raises(UsageError, match=r"subsets.csv names no series of these scans"):
        read(many, luna16=str(table))
    with pytest.raises(UsageError, match=r"nowhere is neither a LUNA16 folder nor a CSV file"):
        read(many, luna16=str(tmp_path / "nowhere"))
    table.write_text("seriesuid,subset\n1.2,0\n1.3\n")
    with pytest.raises(GenesisError, match=r"subsets.csv, line 3: no subset"):
        read(many, luna16=str(table))


def test_without_luna16_the_papers_shares_and_a_warning(many: Path) -> None:
    target = read(many)
    counts = [list(target.sides.values()).count(side) for side in ("training", "validation", "test")]
    assert counts == [6, 1, 4]
    assert "weights pre-trained on LUNA16 saw test scans" in target.notes[-1]
    assert read(many, seed=1).sides != target.sides


def only(data: Path, folder: str) -> Path:
    return next(path for path in data.rglob(folder) if path.is_dir())


def test_partial_downloads_are_noted(data: Path) -> None:
    shutil.rmtree(only(data, "LIDC-IDRI-0002"))
    lidc_xml(data / "LIDC-XML-only" / "160.xml", uid(5), [])
    write_series(data / "LIDC-IDRI-0003" / "study" / uid(3), ct(3), uid(3), "LIDC-IDRI-0003")
    write_series(data / "LIDC-IDRI-0004" / "study" / uid(4), ct(4), uid(4), "LIDC-IDRI-0004")
    apart = [[box(3, 3, 3, range(2, 3))], [box(7, 3, 3, range(2, 3))], [box(11, 3, 3, range(2, 3))]]
    lidc_xml(data / "LIDC-IDRI-0004" / "4.xml", uid(4), apart)
    target = read(data)
    assert target.notes[1:5] == (
        f"1 CT scan without an XML file left out: {uid(3)}",
        f"2 XML files of CT scans that are not there left out: {uid(2)}, {uid(5)}",
        f"1 CT scan without an outlined nodule: {uid(4)}",
        f"1 nodule left out, half of their readers agree on no pixel: {uid(4)}",
    )


def test_damage_is_named_in_one_line(data: Path) -> None:
    xml = next(data.rglob("158.xml"))
    text = xml.read_text()
    spoilt = {
        r"158.xml: damaged XML \(.*line \d+": text[: len(text) // 2],
        r"158.xml: names no SeriesInstanceUid": text.replace("SeriesInstanceUid", "Other"),
        r"158.xml: an outline that cannot be read \(invalid literal": text.replace("<xCoord>9<", "<xCoord>9.x<", 1),
        r"158.xml: an outline that cannot be read \(no inclusion": text.replace(">TRUE<", "><", 1),
    }
    for message, content in spoilt.items():
        xml.write_text(content)
        with pytest.raises(GenesisError, match=message) as error:
            read(data)
        assert "\n" not in str(error.value)
    xml.write_text(text.replace(uid(2), uid(1)).replace("<xCoord>9<", "<xCoord>8<"))
    with pytest.raises(GenesisError, match=r"158.xml: reads the same series as .*069.xml, but differs"):
        read(data)


def test_info_finds_missing_slices_when_it_verifies(data: Path) -> None:
    assert describe_data("ncs", data, {}, verify=True)["verified"] == "every header fits"
    (next(data.rglob(uid(1))) / "1-004.dcm").unlink()
    assert describe_data("ncs", data, {})["cases"] == 4
    with pytest.raises(GenesisError, match=r"1 of its scans would stop a run: .*uneven slice distance, 2.5 to 5 mm"):
        describe_data("ncs", data, {}, verify=True)


def test_info_describes_a_single_patient(data: Path) -> None:
    shutil.rmtree(data / "LIDC-IDRI" / "LIDC-IDRI-0002")
    described = describe_data("ncs", data, {})
    assert described["cases"] == 2
    assert described["split"].startswith("impossible: no subject is left for training (1 subjects")


def test_missing_slices_and_outlines_elsewhere_are_errors_of_the_mask(data: Path) -> None:
    series = next(data.rglob(uid(1)))
    kept = (series / "1-004.dcm").read_bytes()

    def make() -> None:
        target = read(data)
        assert target.derive is not None
        target.derive(target.cases[0])

    (series / "1-004.dcm").unlink()
    with pytest.raises(
        GenesisError, match=r"uneven slice distance, 2.5 to 5 mm .*missing slices between -95 and -90 mm"
    ):
        make()
    (series / "1-004.dcm").write_bytes(kept)
    (series / "1-008.dcm").unlink()
    (series / "1-007.dcm").unlink()
    with pytest.raises(GenesisError, match=r"069.xml: outlines a nodule at z = -85 mm, where .* has no slice"):
        make()
    for path in series.parents[2].rglob("*.xml"):
        path.write_text(path.read_text().replace("<xCoord>9<", "<xCoord>90<"))
    next(data.rglob("159.xml")).unlink()
    with pytest.raises(GenesisError, match=r"069.xml: an outline reaches beyond the 40x36 pixels"):
        make()
    assert not list((data.parent / "cache").rglob("*.nii.gz"))


def test_doubled_mixed_and_damaged_series_are_errors(data: Path) -> None:
    series = next(data.rglob(uid(1)))
    shutil.copytree(series, data / "copy")
    with pytest.raises(GenesisError, match=rf"copy: the same series as .*{uid(1)}|{uid(1)}: the same series as .*copy"):
        read(data)
    shutil.rmtree(data / "copy")
    first = (series / "1-001.dcm").read_bytes()
    (series / "1-001.dcm").write_bytes(first[:200])
    with pytest.raises(GenesisError, match=r"1-001.dcm: unreadable as a DICOM image, unlike others"):
        read(data)
    other = next(data.rglob(uid(9))) / "1-001.dcm"
    shutil.copy(other, series / "1-001.dcm")
    with pytest.raises(GenesisError, match=r"1-001.dcm and 1-008.dcm are of two series"):
        read(data)
    (series / "1-001.dcm").unlink()
    shutil.rmtree(only(data, "LIDC-IDRI-0002"))
    shutil.rmtree(series)
    with pytest.raises(GenesisError, match=r"holds no CT series; download LIDC-IDRI"):
        read(data)


def test_empty_folder_and_scans_without_xml(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"holds no CT series; download LIDC-IDRI"):
        read(tmp_path)
    write_series(tmp_path / "a", ct(0), uid(0))
    with pytest.raises(GenesisError, match=r"holds no XML file with readings of CT"):
        read(tmp_path)


def test_radiographs_and_other_xml_are_no_readings(tmp_path: Path) -> None:
    assert read_xml(lidc_xml(tmp_path / "a.xml", uid(1), READERS, root="IdriReadMessage")) is None
    reading = read_xml(lidc_xml(tmp_path / "b.xml", uid(1), READERS))
    assert reading is not None
    assert [nodule.reader for nodule in reading.nodules] == [0, 0, 1, 1, 2, 3]  # the single pixel is a small nodule


def traced(inside: np.ndarray) -> np.ndarray:
    """Pixels just outside a blob, in order: a walk that keeps the blob on one hand."""
    step = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}
    start = tuple(np.argwhere(inside)[0] - [1, 0])  # west of the blob's first pixel, which lies to the east
    place, facing, ring = start, 3, [start]
    while True:
        for turn in (1, 0, -1, 2):  # towards the blob first; its pixels are never entered
            way = (facing + turn) % 4
            target = (place[0] + step[way][0], place[1] + step[way][1])
            if not inside[target]:
                break
        place, facing = target, way
        ring.append(place)
        if place == start and len(ring) > 4:
            return np.array(ring)


def test_interior_undoes_an_outline_traced_just_outside_a_blob() -> None:
    """As the readers' program drew them: any blob without holes comes back voxel for voxel."""
    columns, rows = np.indices((40, 40))
    rng = np.random.default_rng(4)
    for _ in range(10):
        a, b, angle = rng.uniform(3, 11), rng.uniform(3, 11), rng.uniform(0, np.pi)
        x, y = columns - 20, rows - 20
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        blob = (u / a) ** 2 + (v / b) ** 2 < 1
        patch = interior(Outlined(0, (Outline(0.0, traced(blob), True),)))[0.0]
        drawn = np.zeros_like(blob)
        x0, y0 = patch.corner
        drawn[x0 : x0 + patch.mask.shape[0], y0 : y0 + patch.mask.shape[1]] = patch.mask
        np.testing.assert_array_equal(drawn, blob)


def test_an_outline_may_run_along_the_border_of_the_image(tmp_path: Path) -> None:
    """Outlines lie just outside of a nodule, so that of one in the first pixels has coordinates of -1."""
    write_series(tmp_path / "LIDC-IDRI-0001" / "a" / uid(1), ct(1), uid(1), "LIDC-IDRI-0001")
    corner = [box(0, 0, 6, range(2, 4)), box(34, 30, 6, range(2, 4))]
    lidc_xml(tmp_path / "LIDC-IDRI-0001" / "a" / uid(1) / "069.xml", uid(1), [corner] * 4)
    target = read(tmp_path)
    assert target.derive is not None
    for case in target.cases:
        target.derive(case)
    assert isinstance(target.cases[0].label, Path)
    mask = read_volume(target.cases[0].label).array > 0
    assert mask[:6, :6, 2:4].all()
    assert mask[34:, 30:, 2:4].all()
    assert np.count_nonzero(mask) == 2 * 6 * 6 * 2
