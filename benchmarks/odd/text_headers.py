"""MetaImage and NRRD with one odd header field; the truth is read by hand from the definitions of the formats."""

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.odd.variant import Truth, Variant

VALUES = np.random.default_rng(0).integers(-1000, 1000, (9, 8, 7)).astype(np.int16)
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "10 20 30",
    "ElementSpacing": "0.8 0.9 2.5",
    "DimSize": "9 8 7",
    "ElementType": "MET_SHORT",
}
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "9 8 7",
    "space directions": "(0.8,0,0) (0,0.9,0) (0,0,2.5)",
    "space origin": "(10,20,30)",
    "encoding": "raw",
    "endian": "little",
}
META_ODD = {
    "NDims": ["-1", "0", "2", "4", "x"],
    "BinaryDataByteOrderMSB": ["True"],
    "CompressedData": ["True"],
    "TransformMatrix": [
        "-1 0 0 0 1 0 0 0 1",
        "0 1 0 1 0 0 0 0 1",
        "0.966 0.259 0 -0.259 0.966 0 0 0 1",
        "0 0 0 0 0 0 0 0 0",
    ],
    "Offset": ["0 0 0", "-1e6 0 0"],
    "ElementSpacing": ["1 1 1", "0 0 0", "-1 1 1", "800 900 2500", "nan 1 1"],
    "DimSize": ["9 8", "9 8 70", "8 9 7", "9 -8 7", "0 8 7", "9 8 7 1", "a b c"],
    "ElementType": ["MET_USHORT", "MET_UCHAR", "MET_CHAR", "MET_FLOAT", "MET_SHORT_ARRAY", "MET_NONE", ""],
    "ElementNumberOfChannels": ["1", "0", "3", "-1"],
    "ElementToIntensityFunctionSlope": ["1", "2", "0", "-1", "nan", "x"],
    "ElementToIntensityFunctionOffset": ["0", "-1024", "inf"],
    "HeaderSize": ["0", "-1", "10"],
    "AnatomicalOrientation": ["RAI", "LPS", "???"],
    "ElementDataFile": ["77%.raw", "%d.raw", "percent%20name.raw", "missing.raw", "LIST", "a b.raw", "Röntgen.raw", ""],
}
NRRD_ODD = {
    "type": ["ushort", "uchar", "signed char", "float", "double", "int16_t", "block", ""],
    "dimension": ["2", "4", "0", "-3"],
    "space": ["right-anterior-superior", "RAS", "LAS", "LPS", "3D-right-handed", "scanner-xyz", "nonsense", ""],
    "sizes": ["9 8", "9 8 70", "8 9 7", "0 8 7", "-9 8 7"],
    "space directions": ["(1,0,0) (0,1,0) (0,0,1)", "(0,0.8,0) (0.9,0,0) (0,0,2.5)", "(0,0,0) (0,0.9,0) (0,0,2.5)"],
    "space origin": ["(0,0,0)", "(nan,0,0)"],
    "encoding": ["text", "ascii", "txt", "hex", "bzip2", "gzip", "gz", "nonsense"],
    "endian": ["big"],
    "space units": [
        '"mm" "mm" "mm"',
        '"m" "m" "m"',
        '"cm" "cm" "cm"',
        '"mm" "mm" "s"',
        '"furlong" "furlong" "furlong"',
    ],
    "data file": ["77%.raw", "LIST 2", "LIST", "missing.raw"],
    "byte skip": ["0", "-1", "10"],
    "line skip": ["1"],
    "kinds": ["domain domain domain", "vector domain domain"],
    "measurement frame": ["(1,0,0) (0,1,0) (0,0,1)"],
}


def variants(folder: Path) -> Iterator[Variant]:
    """Every value of every field."""
    raw = VALUES.transpose().tobytes()
    for field, values in META_ODD.items():
        for number, value in enumerate(values):
            place = folder / f"meta-{field}-{number}"
            place.mkdir()
            fields = {**META, "ElementDataFile": "LOCAL"}
            fields.pop(field, None) if field == "ElementDataFile" else None
            fields = {k: v for k, v in {**fields, field: value}.items() if k != "ElementDataFile"}
            data = value if field == "ElementDataFile" else "LOCAL"
            text = "".join(f"{key} = {entry}\n" for key, entry in fields.items()) + f"ElementDataFile = {data}\n"
            body = zlib.compress(raw) if fields["CompressedData"] == "True" else raw
            path = place / ("scan.mha" if data == "LOCAL" else "scan.mhd")
            path.write_bytes(text.encode() + (body if data == "LOCAL" else b""))
            if data.endswith(".raw") and data != "missing.raw":
                (place / data).write_bytes(raw)
            yield Variant("MetaImage", f"{field} = {value}", path, _meta)
    for field, values in NRRD_ODD.items():
        for number, value in enumerate(values):
            place = folder / f"nrrd-{field.replace(' ', '_')}-{number}"
            place.mkdir()
            fields = {key: entry for key, entry in {**NRRD, field: value}.items() if entry}
            text = "NRRD0005\n" + "".join(f"{key}: {entry}\n" for key, entry in fields.items()) + "\n"
            path = place / ("scan.nhdr" if field == "data file" else "scan.nrrd")
            path.write_bytes(text.encode() + (b"" if field == "data file" else raw))
            if value.endswith(".raw") and value != "missing.raw":
                (place / value).write_bytes(raw)
            yield Variant("NRRD", f"{field}: {value or 'absent'}", path, _nrrd)


_META_TYPES = {"SHORT": "i2", "USHORT": "u2", "UCHAR": "u1", "CHAR": "i1", "FLOAT": "f4"}
_NRRD_TYPES = {
    "short": "i2",
    "int16_t": "i2",
    "ushort": "u2",
    "uchar": "u1",
    "signed char": "i1",
    "float": "f4",
    "double": "f8",
}


def _meta(path: Path) -> Truth:
    head, _, body = path.read_bytes().partition(b"ElementDataFile = ")
    name, _, body = body.partition(b"\n")
    fields = dict(line.split(" = ", 1) for line in head.decode().splitlines())
    if name != b"LOCAL":
        body = (path.parent / os.fsdecode(name)).read_bytes()
    if int(fields["NDims"]) != len(fields["DimSize"].split()) or fields.get("ElementNumberOfChannels", "1") != "1":
        raise ValueError("axes")
    if fields["CompressedData"] == "True":
        body = zlib.decompress(body)
    order = ">" if fields["BinaryDataByteOrderMSB"] == "True" else "<"
    skip = int(fields.get("HeaderSize", "0"))
    sides = tuple(int(side) for side in fields["DimSize"].split())
    kind = np.dtype(order + _META_TYPES[fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")])
    count = int(np.prod(sides))
    start = len(body) - count * kind.itemsize if skip < 0 else skip
    values = np.frombuffer(body, kind, count, start).reshape(sides[::-1]).transpose().astype(np.float64)
    while values.ndim > 3:
        values = values[..., 0]
    slope, offset = (
        float(fields.get(f"ElementToIntensityFunction{n}", d)) for n, d in (("Slope", "1"), ("Offset", "0"))
    )
    axes = np.reshape([float(v) for v in fields["TransformMatrix"].split()], (3, 3)).T  # each row is an axis
    affine = np.eye(4)
    affine[:3, :3] = axes * [float(v) for v in fields["ElementSpacing"].split()]
    affine[:3, 3] = [float(v) for v in fields["Offset"].split()]
    return Truth(values * slope + offset, affine)


def _nrrd(path: Path) -> Truth:
    head, _, body = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    sides = tuple(int(side) for side in fields["sizes"].split())
    if int(fields["dimension"]) != len(sides) or fields.get("kinds", "").startswith("vector"):
        raise ValueError("axes")
    if "data file" in fields:
        body = (path.parent / fields["data file"]).read_bytes()
    if fields["encoding"] != "raw":
        raise ValueError("encoding")  # none of the bodies is really encoded
    for _ in range(int(fields.get("line skip", "0"))):
        body = body.partition(b"\n")[2]
    kind = np.dtype((">" if fields["endian"] == "big" else "<") + _NRRD_TYPES[fields["type"]])
    count, skip = int(np.prod(sides)), int(fields.get("byte skip", "0"))
    start = len(body) - count * kind.itemsize if skip < 0 else skip
    values = np.frombuffer(body, kind, count, start).reshape(sides[::-1]).transpose().astype(np.float64)
    vectors = [[float(v) for v in one.split(",")] for one in re.findall(r"\(([^)]*)\)", fields["space directions"])]
    signs = {"right-anterior-superior": (-1, -1, 1), "RAS": (-1, -1, 1), "LAS": (1, -1, 1)}.get(
        fields.get("space", ""), (1,) * 3
    )
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", "")))
    factor = {"m": 1000.0, "cm": 10.0}.get(*units or {"mm"}, 1.0) if len(units) < 2 else float("nan")
    affine = np.eye(4)
    affine[:3, :3] = np.diag(signs) @ np.transpose(vectors) * factor
    affine[:3, 3] = np.multiply(signs, [float(v) for v in fields["space origin"].strip("()").split(",")]) * factor
    return Truth(values, affine)
