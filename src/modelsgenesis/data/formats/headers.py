"""What the header of a MetaImage or NRRD file declares: where its voxels lie and how many bytes they must be.

Read by hand, because the reader takes memory, pads with zeros or crashes before it looks, and passes over some fields.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.errors import GenesisError

_LONGEST_LINE = 2**20
_MOST_FIELDS = 1000

_TYPE_BYTES = {"char": 1, "short": 2, "int": 4, "long": 4, "longlong": 8, "float": 4, "double": 8}
_ENCODINGS = ("raw", "gzip", "gz")
_MM = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3}


@dataclass(frozen=True)
class Payload:
    """The voxel data of a file.

    Args:
        file: the file that holds them: the scan file itself, or the one its header names.
        skip: bytes in front of them.
        needed: bytes after `skip`, uncompressed.
        compressed: whether a zlib or gzip stream follows `skip`.
    """

    file: Path
    skip: int
    needed: int
    compressed: bool


@dataclass(frozen=True)
class Header:
    """What the header of a MetaImage or NRRD file declares.

    Args:
        payload: its voxels; None where they lie in one file a slice: the reader opens those one by one.
        data_name: the data file as the header writes it.
        text: the header, byte for byte.
        scaling: slope and offset that make physical values of the stored ones.
        mm: millimetres in the unit of its lengths.
        notes: what it lacks or says oddly.
    """

    payload: Payload | None
    data_name: str
    text: bytes
    scaling: tuple[float, float] = (1.0, 0.0)
    mm: float = 1.0
    notes: tuple[str, ...] = ()

    def naming(self, data: str) -> bytes:
        """The header with `data` as the name of its data file."""
        return self.text.replace(os.fsencode(self.data_name), data.encode())


def read_header(path: Path) -> Header:
    """The header of a MetaImage or NRRD file.

    Raises:
        GenesisError: not such a header, or one that says what cannot be.
        OSError: the file cannot be read.
    """
    return _meta(path) if path.name.lower().endswith((".mhd", ".mha")) else _nrrd(path)


def data_file(path: Path) -> Path | None:
    """The file with the voxels behind a detached header (.mhd, .nhdr); None when there is none."""
    if not path.name.lower().endswith((".mhd", ".nhdr")):
        return None
    try:
        payload = read_header(path).payload
    except (GenesisError, OSError):
        return None
    return payload.file if payload is not None and payload.file != path else None


def _meta(path: Path) -> Header:
    fields: dict[str, str] = {}
    text = b""
    with path.open("rb") as handle:
        while "ElementDataFile" not in fields:
            line = handle.readline(_LONGEST_LINE)
            key, separator, value = os.fsdecode(line).partition("=")
            if not separator or len(fields) > _MOST_FIELDS:
                raise GenesisError(f"{path}: not a whole MetaImage header; copy it again")
            fields[key.strip()] = value.strip()
            text += line
        start = handle.tell()
        after = handle.read(_LONGEST_LINE) if fields["ElementDataFile"].split(" ")[0] == "LIST" else b""
    sides = _sides(path, "DimSize", fields.get("DimSize", ""))
    if fields.get("NDims", "") != str(len(sides)):
        raise GenesisError(f"{path}: NDims = {fields.get('NDims')} but DimSize = {fields.get('DimSize')}; repair it")
    name = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY").lower().replace("_", "")
    channels = _sides(path, "ElementNumberOfChannels", fields.get("ElementNumberOfChannels", "1"))
    needed = math.prod((*sides, *channels)) * _width(path, "ElementType", name.removeprefix("u"))
    scaling, notes = _meta_scaling(path, fields)
    place, skip = fields["ElementDataFile"], fields.get("HeaderSize", "0")
    compressed = fields.get("CompressedData", "False").lower() in ("true", "1")
    payload: Payload | None
    if place.upper() == "LOCAL":
        if skip not in ("0", "-1"):
            raise GenesisError(f"{path}: HeaderSize = {skip} beside ElementDataFile = LOCAL; remove HeaderSize")
        if compressed and "CompressedDataSize" not in fields:  # the reader would return other values
            raise GenesisError(f"{path}: CompressedData without CompressedDataSize; save it again, uncompressed")
        payload = Payload(path, start, needed, compressed)
    elif place.split(" ")[0] == "LIST" and not (path.parent / place).is_file():
        absent = [
            name for name in os.fsdecode(after).split("\n") if name and not (path.parent / name.strip()).is_file()
        ]
        if absent or not after.strip():
            raise GenesisError(f"{path}: ElementDataFile = LIST, but {absent[0] if absent else 'no file'} is there")
        payload = None
    elif _is_pattern(place) and not (path.parent / place).is_file():
        payload = None
    else:
        payload = Payload(path.parent / place, int(skip) if skip.isdigit() else 0, needed, compressed)
    return Header(payload, place, text, scaling, 1.0, notes)


def _is_pattern(place: str) -> bool:
    """Whether an ElementDataFile is a C format with first, last and step, as in `slice%03d.raw 1 20 1`."""
    return re.fullmatch(r".*%\d*d.*( \d+){2,3}", place) is not None


def _meta_scaling(path: Path, fields: dict[str, str]) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Slope and offset of ElementToIntensityFunction, which SimpleITK passes over."""
    found = []
    for name, default in (("Slope", 1.0), ("Offset", 0.0)):
        key = f"ElementToIntensityFunction{name}"
        try:
            found.append(float(fields.get(key, default)))
        except ValueError:
            found.append(math.nan)
        if not math.isfinite(found[-1]) or (name == "Slope" and found[-1] == 0):
            raise GenesisError(f"{path}: {key} = {fields[key]} cannot be; repair or remove it")
    slope, offset = found
    if (slope, offset) == (1.0, 0.0):
        return (1.0, 0.0), ()
    return (slope, offset), (f"ElementToIntensityFunction applied: x {slope:g} + {offset:g}",)


def _nrrd(path: Path) -> Header:
    with path.open("rb") as handle:
        fields, text = _nrrd_fields(path, handle)
        start = len(text)
    sides = _sides(path, "sizes", fields.get("sizes", ""))
    if fields.get("dimension", "") != str(len(sides)):
        raise GenesisError(f"{path}: dimension: {fields.get('dimension')} but sizes: {fields.get('sizes')}; repair it")
    needed = math.prod(sides) * _width(path, "type", _nrrd_type(fields.get("type", "")))
    encoding = fields.get("encoding", "raw").lower()
    if encoding not in _ENCODINGS:
        raise GenesisError(f"{path}: encoding: {encoding} is not read; save it with encoding raw or gzip")
    detached = fields.get("data file", fields.get("datafile"))
    if detached is not None and re.fullmatch(r"LIST\s+\S.*", detached):
        raise GenesisError(f"{path}: data file: {detached} is not read; save it as one file")
    mm, notes = _nrrd_unit(path, fields)
    skips = any(fields.get(key, "0") != "0" for key in ("byte skip", "byteskip", "line skip", "lineskip"))
    payload: Payload | None
    if detached is None:
        payload = None if skips else Payload(path, start, needed, encoding != "raw")
    elif skips or ((detached == "LIST" or _is_pattern(detached)) and not (path.parent / detached).is_file()):
        payload = None
    else:
        payload = Payload(path.parent / detached, 0, needed, encoding != "raw")
    return Header(payload, detached or "", text, (1.0, 0.0), mm, notes)


def _nrrd_unit(path: Path, fields: dict[str, str]) -> tuple[float, tuple[str, ...]]:
    """Millimetres in the unit of `space units`, which SimpleITK passes over; and notes."""
    notes = []
    if "space" not in fields:
        notes.append("no `space`, so it does not say where the patient's left is; taken as left, posterior, superior")
    units = [unit.strip().lower() for unit in re.findall(r'"([^"]*)"', fields.get("space units", ""))]
    known = {_MM.get(unit or "mm", math.nan) for unit in units[:3]} or {1.0}
    if len(known) > 1 or math.isnan(next(iter(known))):
        raise GenesisError(
            f"{path}: space units: {fields['space units']} are not one known length; repair or remove it"
        )
    mm = known.pop()
    if mm != 1.0:
        notes.append(f"space units: {units[0]}; converted to mm")
    return mm, tuple(notes)


def _nrrd_fields(path: Path, lines: Iterator[bytes]) -> tuple[dict[str, str], bytes]:
    """The fields, and the header with the empty line that ends it."""
    fields: dict[str, str] = {}
    text = b""
    for line in lines:
        if not text and not line.startswith(b"NRRD"):
            raise GenesisError(f"{path}: not a NRRD file; copy it again or convert it")
        text += line
        if not line.strip():
            return fields, text
        if len(text) > _LONGEST_LINE:
            break
        key, separator, value = os.fsdecode(line).partition(":")
        if separator and not line.startswith(b"#"):
            fields[key.strip().lower()] = value.strip()
    if "data file" in fields or "datafile" in fields:
        return fields, text
    raise GenesisError(f"{path}: its NRRD header does not end; copy it again")


def _nrrd_type(name: str) -> str:
    """One of the names in `_TYPE_BYTES`, out of the many spellings NRRD allows."""
    bits = re.fullmatch(r"u?int(8|16|32|64)(_t)?", name)
    if bits:
        return {"8": "char", "16": "short", "32": "int", "64": "longlong"}[bits[1]]
    words = [word for word in name.replace("unsigned", "").replace("signed", "").split() if word != "int"]
    return "".join(words).removeprefix("u") or "int"


def _sides(path: Path, field: str, value: str) -> tuple[int, ...]:
    try:
        sides = tuple(int(side) for side in value.split())
    except ValueError:
        sides = ()
    if not sides or min(sides) < 1:
        raise GenesisError(f"{path}: header with an impossible size, {field} = {value or 'nothing'}; copy it again")
    return sides


def _width(path: Path, field: str, kind: str) -> int:
    """Bytes of a voxel."""
    if kind not in _TYPE_BYTES:
        raise GenesisError(f"{path}: header without a valid size or type, {field} is {kind or 'absent'}; copy it again")
    return _TYPE_BYTES[kind]
