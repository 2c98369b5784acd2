"""MetaImage and NRRD whose headers say what SimpleITK passes over, misreads or crashes at."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError

ARRAY = np.random.default_rng(0).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
RAW = ARRAY.transpose().tobytes()
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryDataByteOrderMSB": "False",
    "DimSize": "7 6 5",
    "ElementSpacing": "0.8 0.9 2.5",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "scan.raw",
}
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "7 6 5",
    "space directions": "(0.8,0,0) (0,0.9,0) (0,0,2.5)",
    "encoding": "raw",
    "endian": "little",
}


def meta(path: Path, **fields: str) -> Path:
    lines = {**{key: value for key, value in META.items() if key != "ElementDataFile"}, **fields}
    lines["ElementDataFile"] = fields.get("ElementDataFile", "scan.raw")  # the last line of a header
    lines = {**{k: v for k, v in lines.items() if k != "ElementDataFile"}, "ElementDataFile": lines["ElementDataFile"]}
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    path.write_bytes(text.encode(errors="surrogateescape"))
    return path


def nrrd(path: Path, body: bytes = RAW, **fields: str) -> Path:
    lines = {**NRRD, **{key.replace("_", " "): value for key, value in fields.items()}}
    text = "NRRD0005\n" + "".join(f"{key}: {value}\n" for key, value in lines.items() if value) + "\n"
    path.write_bytes(text.encode(errors="surrogateescape") + body)
    return path


@pytest.mark.parametrize(
    "name", ["scan.raw", "77%_x.raw", "percent%20name.raw", "%d.raw", "a%03d b.raw", "Best 77 %.raw", "Röntgen.raw"]
)
def test_a_data_file_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(RAW)
    np.testing.assert_array_equal(read_volume(meta(tmp_path / "scan.mhd", ElementDataFile=name)).array, ARRAY)
    np.testing.assert_array_equal(read_volume(nrrd(tmp_path / "scan.nhdr", b"", data_file=name)).array, ARRAY)


@pytest.mark.parametrize("name", ["Röntgen %", "line\nbreak", "latin-\udcfc"])
def test_a_header_of_any_name(tmp_path: Path, name: str) -> None:
    """The last one is a byte that is no UTF-8."""
    for path in (
        meta(tmp_path / f"{name}.mha", ElementDataFile="LOCAL"),
        nrrd(tmp_path / f"{name}.nrrd"),
        meta(tmp_path / f"{name}.mhd"),
    ):
        if path.suffix == ".mha":
            path.write_bytes(path.read_bytes() + RAW)
        (tmp_path / "scan.raw").write_bytes(RAW)
        np.testing.assert_array_equal(read_volume(path).array, ARRAY)


def test_one_file_a_slice(tmp_path: Path) -> None:
    for index in range(5):
        (tmp_path / f"slice{index:03d}.raw").write_bytes(ARRAY[:, :, index].T.tobytes())
    pattern = meta(tmp_path / "scan.mhd", ElementDataFile="slice%03d.raw 0 4 1")
    np.testing.assert_array_equal(read_volume(pattern).array, ARRAY)


def test_the_intensity_function_is_applied(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(RAW)
    function = {"ElementToIntensityFunctionSlope": "0.5", "ElementToIntensityFunctionOffset": "-100"}
    volume = read_volume(meta(tmp_path / "scan.mhd", **function))
    np.testing.assert_allclose(volume.array, ARRAY * 0.5 - 100)
    assert "ElementToIntensityFunction" in volume.notes[0]
    for value in ("0", "nan", "x"):
        with pytest.raises(GenesisError, match="ElementToIntensityFunctionSlope"):
            read_volume(meta(tmp_path / "scan.mhd", ElementToIntensityFunctionSlope=value))


@pytest.mark.parametrize(
    ("units", "factor"),
    [('"mm" "mm" "mm"', 1), ('"cm" "cm" "cm"', 10), ('"m" "m" "m"', 1000), ('"um" "um" "um"', 1e-3)],
)
def test_space_units_become_mm(tmp_path: Path, units: str, factor: float) -> None:
    directions = " ".join(f"({','.join(str(v / factor) for v in row)})" for row in np.diag([0.8, 0.9, 2.5]))
    origin = f"({10 / factor},{20 / factor},{30 / factor})"
    path = nrrd(tmp_path / "scan.nrrd", space_directions=directions, space_units=units, space_origin=origin)
    volume = read_volume(path)
    np.testing.assert_allclose(volume.affine, [[0.8, 0, 0, 10], [0, 0.9, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
    assert bool(volume.notes) == (factor != 1)


def test_a_nrrd_without_a_space_says_so(tmp_path: Path) -> None:
    volume = read_volume(nrrd(tmp_path / "scan.nrrd", space="", space_directions="", spacings="0.8 0.9 2.5"))
    np.testing.assert_allclose(volume.spacing, (0.8, 0.9, 2.5))
    assert "left" in volume.notes[0]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"NDims": "-1"}, "NDims = -1"),
        ({"NDims": "2"}, "NDims = 2"),
        ({"DimSize": "7 6"}, "DimSize = 7 6"),
        ({"ElementType": "MET_QUAD"}, "ElementType"),
        ({"ElementNumberOfChannels": "0"}, "ElementNumberOfChannels"),
    ],
)
def test_a_metaimage_header_that_cannot_be_never_reaches_the_reader(
    tmp_path: Path, fields: dict[str, str], reason: str
) -> None:
    (tmp_path / "scan.raw").write_bytes(RAW)
    with pytest.raises(GenesisError, match=reason):
        read_volume(meta(tmp_path / "scan.mhd", **fields))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"encoding": "text"}, "encoding: text"),
        ({"encoding": "ascii"}, "encoding: ascii"),
        ({"encoding": "bzip2"}, "encoding: bzip2"),
        ({"data_file": "LIST 2"}, "LIST 2"),
        ({"dimension": "2"}, "dimension: 2"),
        ({"sizes": "7 6"}, "sizes: 7 6"),
        ({"type": "block"}, "type"),
        ({"space_units": '"mm" "mm" "s"'}, "space units"),
        ({"space_units": '"parsec" "parsec" "parsec"'}, "space units"),
    ],
)
def test_a_nrrd_header_that_cannot_be_never_reaches_the_reader(
    tmp_path: Path, fields: dict[str, str], reason: str
) -> None:
    with pytest.raises(GenesisError, match=reason):
        read_volume(nrrd(tmp_path / "scan.nrrd", **fields))


def test_one_file_a_slice_must_be_whole(tmp_path: Path) -> None:
    """The reader fills slices that are missing with what lies in memory."""
    for index in range(5):
        (tmp_path / f"s{index}.raw").write_bytes(ARRAY[:, :, index].T.tobytes())
    names = "\n".join(f"s{index}.raw" for index in range(5))
    listed = meta(tmp_path / "scan.mhd", ElementDataFile=f"LIST\n{names}")
    np.testing.assert_array_equal(read_volume(listed).array, ARRAY)
    for place, reason in (
        (f"LIST\n{names[:-7]}", "names 4 files for 5 slices"),
        (f"LIST\n{names[:-6]}x.raw", r"x\.raw is missing"),
        ("s%d.raw 0 3 1", "names 4 files for 5 slices"),
        ("s%d.raw 0 5 1", r"s5\.raw is missing"),
        ("LIST 3", "LIST 3"),
    ):
        with pytest.raises(GenesisError, match=reason):
            read_volume(meta(tmp_path / "scan.mhd", ElementDataFile=place))
    (tmp_path / "s2.raw").write_bytes(RAW[:50])
    with pytest.raises(GenesisError, match=r"s2\.raw is truncated"):
        read_volume(meta(tmp_path / "scan.mhd", ElementDataFile=f"LIST\n{names}"))


@pytest.mark.parametrize("size", [-1, 10, 1])
def test_the_stated_size_of_compressed_data_must_be_that_of_the_file(tmp_path: Path, size: int) -> None:
    """The reader believes it, and returns other values."""
    packed = zlib.compress(RAW)
    fields = {"CompressedData": "T", "CompressedDataSize": str(len(packed))}
    path = meta(tmp_path / "scan.mha", ElementDataFile="LOCAL", **fields)
    path.write_bytes(path.read_bytes() + packed)
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)
    stated = len(packed) + size if size < 2 else size
    path = meta(tmp_path / "scan.mha", ElementDataFile="LOCAL", **{**fields, "CompressedDataSize": str(stated)})
    path.write_bytes(path.read_bytes() + packed)
    with pytest.raises(GenesisError, match="CompressedDataSize"):
        read_volume(path)


def test_a_matrix_with_lengths_gives_the_spacing_and_a_sheared_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(RAW)
    scaled = meta(tmp_path / "scan.mhd", ElementSpacing="1 1 1", TransformMatrix="0.8 0 0 0 0.9 0 0 0 2.5")
    np.testing.assert_allclose(read_volume(scaled).spacing, (0.8, 0.9, 2.5))
    with pytest.raises(GenesisError, match="sheared"):
        read_volume(meta(tmp_path / "scan.mhd", TransformMatrix="1 0 0 0.3 0.95 0 0 0 1"))
    with pytest.raises(GenesisError, match="sheared"):
        read_volume(nrrd(tmp_path / "scan.nrrd", space_directions="(0.8,0,0) (0.4,0.9,0) (0,0,2.5)"))


def test_lengths_that_nobody_states_are_counted_in_voxels(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(RAW)
    path = meta(tmp_path / "scan.mhd")
    path.write_text(path.read_text().replace("ElementSpacing = 0.8 0.9 2.5\n", ""))
    for volume in (
        read_volume(path),
        read_volume(nrrd(tmp_path / "scan.nrrd", space="", space_directions="", axis_mins="0 0 0")),
    ):
        assert not volume.measured
        assert any("size of voxels is unknown" in note for note in volume.notes)
    with pytest.raises(GenesisError, match="no distance of an axis"):
        read_volume(nrrd(tmp_path / "scan.nrrd", space_directions="none (0,0.9,0) (0,0,2.5)"))


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e-3), ("cm", 10)])
def test_other_fields_of_units(tmp_path: Path, unit: str, factor: float) -> None:
    (tmp_path / "scan.raw").write_bytes(RAW)
    steps = [str(step / factor) for step in (0.8, 0.9, 2.5)]
    found = read_volume(meta(tmp_path / "scan.mhd", ElementSpacing=" ".join(steps), DistanceUnits=unit))
    np.testing.assert_allclose(found.spacing, (0.8, 0.9, 2.5))
    units = " ".join([f'"{unit}"'] * 3)
    plain = nrrd(tmp_path / "s.nrrd", space="", space_directions="", spacings=" ".join(steps), units=units)
    np.testing.assert_allclose(read_volume(plain).spacing, (0.8, 0.9, 2.5))
    with pytest.raises(GenesisError, match="DistanceUnits"):
        read_volume(meta(tmp_path / "scan.mhd", DistanceUnits="furlong"))
