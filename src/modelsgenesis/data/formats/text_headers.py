"""What the header of a MetaImage or NRRD file declares: where its voxels lie and how many bytes they must be.

Read by hand, because the reader takes memory, pads with zeros or crashes before it looks, and passes over some fields.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.errors import GenesisError

_LONGEST_LINE = 2**20
_MOST_FIELDS = 1000
_MOST_SLICES = 10**6
_TRUE = ("T", "t", "1")
_UNMEASURED = "no {}, so the size of voxels is unknown; counted in voxels"

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
class TextHeader:
    """What the header of a MetaImage or NRRD file declares.

    Args:
        payload: its voxels; None where they lie in one file a slice: the reader opens those one by one.
        data_name: the data file as the header writes it.
        text: the header, byte for byte.
        scaling: slope and offset that make physical values of the stored ones.
        mm: millimetres in the unit of its lengths.
        measured: whether it tells the distance of voxels.
        notes: what it lacks or says oddly.
    """

    payload: Payload | None
    data_name: str
    text: bytes
    scaling: tuple[float, float] = (1.0, 0.0)
    mm: float = 1.0
    measured: bool = True
    notes: tuple[str, ...] = ()

    def naming(self, data: str) -> bytes:
        """The header with `data` as the name of its data file."""
        return self.text.replace(os.fsencode(self.data_name), data.encode())


def read_text_header(path: Path) -> TextHeader:
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
        payload = read_text_header(path).payload
    except (GenesisError, OSError):
        return None
    return payload.file if payload is not None and payload.file != path else None


def _meta(path: Path) -> TextHeader:
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
        after = handle.read(_LONGEST_LINE) if fields["ElementDataFile"].split(" ")[0] == "LIST" else b""
    sides = _sides(path, "DimSize", fields.get("DimSize", ""))
    if fields.get("NDims", "") != str(len(sides)):
        raise GenesisError(f"{path}: NDims = {fields.get('NDims')} but DimSize = {fields.get('DimSize')}; repair it")
    name = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY").lower().replace("_", "")
    channels = _sides(path, "ElementNumberOfChannels", fields.get("ElementNumberOfChannels", "1"))
    needed = math.prod((*sides, *channels)) * _width(path, "ElementType", name.removeprefix("u"))
    if fields.get("BinaryData", "True")[:1] not in _TRUE:
        raise GenesisError(f"{path}: BinaryData = {fields['BinaryData']} (text) is not read; save it as binary data")
    scaling, scaled = _meta_scaling(path, fields)
    mm, converted = _meta_unit(path, fields)
    measured = "ElementSpacing" in fields or "ElementSize" in fields
    notes = (*scaled, *converted, *(() if measured else (_UNMEASURED.format("ElementSpacing"),)))
    place = fields["ElementDataFile"]
    listed = None if (path.parent / place).is_file() else _listed(path, place, after)
    if listed is not None:
        _check_slices(path, listed, sides, needed, fields)
    payload = None if listed is not None else _meta_payload(path, fields, len(text), needed)
    return TextHeader(payload, place, text, scaling, mm, measured, notes)


def _meta_payload(path: Path, fields: Mapping[str, str], start: int, needed: int) -> Payload:
    """The voxels in one file; GenesisError where the reader would take other bytes for them."""
    place, skip = fields["ElementDataFile"], fields.get("HeaderSize", "0")
    compressed, size = fields.get("CompressedData", "False")[:1] in _TRUE, fields.get("CompressedDataSize")
    local = place.upper() == "LOCAL"
    if local and skip not in ("0", "-1"):
        raise GenesisError(f"{path}: HeaderSize = {skip} beside ElementDataFile = LOCAL; remove HeaderSize")
    file, begin = (path, start) if local else (path.parent / place, int(skip) if skip.isdigit() else 0)
    if compressed and file.is_file() and (local or size is not None):
        there = file.stat().st_size - begin
        if size is None or size != str(there):
            stated = f"CompressedDataSize {'missing' if size is None else f'= {size}'}, but {there} bytes follow"
            raise GenesisError(f"{path}: {stated}; copy it again, or save it uncompressed")
    return Payload(file, begin, needed, compressed)


def _listed(path: Path, place: str, after: bytes) -> list[str] | None:
    """The files, one a slice, that an ElementDataFile names by `LIST` or a C format; None when it names one file.

    A format is one only with first, last and step, as in `slice%03d.raw 1 20 1`.
    """
    if place.split(" ")[0] == "LIST":
        if place not in ("LIST", "LIST 2", "LIST 2D"):
            raise GenesisError(
                f"{path}: ElementDataFile = {place} is not read; list one file a slice, or save one file"
            )
        return [name.strip() for name in os.fsdecode(after).split("\n") if name.strip()]
    found = re.fullmatch(r"(.*%0?\d*d.*?) (\d+) (\d+)(?: (\d+))?", place)
    if found is None:
        return None
    first, last, step = int(found[2]), int(found[3]), int(found[4] or 1)
    return [found[1] % number for number in range(first, last + 1, max(step, 1))][:_MOST_SLICES]


def _check_slices(
    path: Path, names: Sequence[str], sides: Sequence[int], needed: int, fields: Mapping[str, str]
) -> None:
    """There must be a file for each slice, with all its bytes: the reader leaves what is missing as it finds it."""
    absent = next((name for name in names if not (path.parent / name).is_file()), None)
    if absent is not None:
        raise GenesisError(f"{path}: its data file {absent} is missing; put it beside the header")
    if len(names) != sides[-1]:
        raise GenesisError(f"{path}: ElementDataFile names {len(names)} files for {sides[-1]} slices; complete them")
    if fields.get("CompressedData", "False")[:1] in _TRUE:
        raise GenesisError(f"{path}: compressed slices in a file each are not read; save one file")
    skip = fields.get("HeaderSize", "0")
    least = needed // sides[-1] + (int(skip) if skip.isdigit() else 0)
    short = next((name for name in names if (path.parent / name).stat().st_size < least), None)
    if short is not None:
        raise GenesisError(f"{path}: {short} is truncated, a slice needs {least} bytes; copy it again")


def _meta_unit(path: Path, fields: Mapping[str, str]) -> tuple[float, tuple[str, ...]]:
    unit = fields.get("DistanceUnits", "mm").strip().lower()
    if unit in ("", "?", "mm"):
        return 1.0, ()
    if unit not in _MM:
        raise GenesisError(f"{path}: DistanceUnits = {fields['DistanceUnits']} is no known length; repair or remove it")
    return _MM[unit], (f"DistanceUnits = {unit}; converted to mm",)


def _meta_scaling(path: Path, fields: Mapping[str, str]) -> tuple[tuple[float, float], tuple[str, ...]]:
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


def _nrrd(path: Path) -> TextHeader:
    with path.open("rb") as handle:
        fields, text = _nrrd_fields(path, handle)
    sides = _sides(path, "sizes", fields.get("sizes", ""))
    if fields.get("dimension", "") != str(len(sides)):
        raise GenesisError(f"{path}: dimension: {fields.get('dimension')} but sizes: {fields.get('sizes')}; repair it")
    needed = math.prod(sides) * _width(path, "type", _nrrd_type(fields.get("type", "")))
    encoding = fields.get("encoding", "raw").lower()
    if encoding not in _ENCODINGS:
        raise GenesisError(f"{path}: encoding: {encoding} is not read; save it with encoding raw or gzip")
    detached = fields.get("data file", fields.get("datafile"))
    if detached is not None and not (path.parent / detached).is_file() and re.match(r"LIST\b|.*%\d*d", detached):
        raise GenesisError(f"{path}: data file: {detached} is not read; save it as one file")
    mm, measured, notes = _nrrd_spacing(path, fields)
    skips = any(fields.get(key, "0") != "0" for key in ("byte skip", "byteskip", "line skip", "lineskip"))
    file, start = (path, len(text)) if detached is None else (path.parent / detached, 0)
    payload = None if skips else Payload(file, start, needed, encoding != "raw")
    return TextHeader(payload, detached or "", text, (1.0, 0.0), mm, measured, notes)


def _nrrd_spacing(path: Path, fields: Mapping[str, str]) -> tuple[float, bool, tuple[str, ...]]:
    """Millimetres in the unit of its lengths, which SimpleITK passes over; whether it tells the distances; notes."""
    notes = []
    if "space" not in fields:
        notes.append("no `space`, so it does not say where the patient's left is; taken as left, posterior, superior")
    directions = fields.get("space directions", "")
    if "none" in directions and fields.get("kinds", "domain").split()[0].lower() in ("domain", "space"):
        raise GenesisError(f"{path}: space directions: {directions} tells no distance of an axis; complete it")
    measured = bool(directions) or (fields.get("spacings") is not None and "nan" not in fields["spacings"].lower())
    if not measured:
        notes.append(_UNMEASURED.format("`space directions` or `spacings`"))
    name = "space units" if directions else "units"
    units = [unit.strip().lower() for unit in re.findall(r'"([^"]*)"', fields.get(name, ""))]
    known = {_MM.get(unit or "mm", math.nan) for unit in units[:3]} or {1.0}
    if len(known) > 1 or math.isnan(next(iter(known))):
        raise GenesisError(f"{path}: {name}: {fields[name]} is not one known length; repair or remove it")
    mm = known.pop()
    if mm != 1.0:
        notes.append(f"{name}: {units[0]}; converted to mm")
    return mm, measured, tuple(notes)


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
