"""MetaImage and NRRD whose headers say what SimpleITK passes over, misreads or crashes at."""

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
