"""What tells apart the slices of a DICOM series that are several volumes: echoes, time points, stacks, segments."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from modelsgenesis.data.formats.dicom_header import PER_FRAME, SHARED, SHARED_MARKS, Header, frame_groups
from modelsgenesis.data.formats.dicom_tags import items, keyword_of, load, named, one_line_errors, tags_of, text, value

_INSTANCE = "SOPInstanceUID"
_MEASURED = ("EchoTime", "EffectiveEchoTime", "DiffusionBValue")

MARKS = (
    *("EchoTime", "EffectiveEchoTime", "EchoNumbers", "TemporalPositionIdentifier", "TemporalPositionIndex"),
    *("StackID", "ReferencedSegmentNumber", "DiffusionBValue", "InversionTime", "FlipAngle", "RepetitionTime"),
    *("NominalPercentageOfCardiacPhase", "NominalCardiacTriggerDelayTime", "TriggerTime", "ComplexImageComponent"),
    *("ImageType", "FrameType", "ConvolutionKernel", "KVP", "AcquisitionNumber", "SeriesNumber", "SeriesDescription"),
    *("AcquisitionTime", "ContentTime", "ContentDate", _INSTANCE),
)
"""Attributes that tell slices of one position apart, the most telling first."""

_TAGS = [*tags_of(MARKS), *tags_of(("DimensionIndexSequence", "Rows", SHARED, PER_FRAME))]
_UNTELLING = ("ImagePositionPatient", "ImageOrientationPatient", "InStackPositionNumber", "SliceLocation")
_EVEN = 0.05  # share of the distance
_SHOWN = 3

Marks = dict[str, str]
Frames = Sequence[tuple[Header, int]]
Heights = npt.NDArray[np.float64]


def at_one_place(frames: Frames, heights: Heights) -> str:
    """Why slices lie at one position, and what to do; `frames` are ordered by `heights`, mm along the normal."""
    marks = _marks(frames)
    by_mark = _partition(marks, heights)
    if by_mark:
        return by_mark
    files = [header.path.name for header, _ in frames]
    if len(set(files)) > 1 and _is_even(files, heights):
        return "each file is a volume of its own; give each its own folder"
    index = int(np.diff(heights).argmin())
    both = f"{_place(*frames[index])} and {_place(*frames[index + 1])}"
    here, there = marks[index], marks[index + 1]
    if here.get(_INSTANCE, "") == there.get(_INSTANCE, "none"):
        return f"{both} are one slice twice; remove the copy"
    differing = [name for name in here if name != _INSTANCE and here[name] != there.get(name, here[name])]
    if not differing:
        return f"{both}, which no attribute tells apart; remove one of them"
    told = ", ".join(f"{_label(name)} {here[name]} and {there[name]}" for name in differing[:_SHOWN])
    return f"{both} with {told}; split the series"


def _place(header: Header, number: int) -> str:
    return header.path.name if header.frames == 1 else f"frame {number + 1} of {header.path.name}"


def told_apart(frames: Frames, heights: Heights) -> str:
    """By which attribute slices at uneven distances fall into even volumes, and what to do; "" when by none."""
    return _partition(_marks(frames), heights)


def mixed_by(frames: Frames) -> str:
    """By which attribute slices in even order are of several volumes, and what to do; "" when they are of one."""
    marks = [header.marks[number] for header, number in frames]
    for name in SHARED_MARKS:
        said = {one[name] for one in marks if name in one}
        values = {_rounded(text) for text in said} if name in _MEASURED else said
        if len(values) > 1:
            return f"{_label(name)} is {_listed(sorted(values))} within one series; split the series by it"
    return ""


def _rounded(text: str) -> str:
    """A number to four digits, so that rounding tells nothing apart; other text as it is."""
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def _partition(marks: Sequence[Marks], heights: Heights) -> str:
    for name in dict.fromkeys([*MARKS, *(name for one in marks for name in one)]):
        values = [one.get(name, "") for one in marks]
        if _is_even(values, heights):
            return f"{_label(name)} {_listed(values)}; split the series by it"
    return ""


def _is_even(values: Sequence[str], heights: Heights) -> bool:
    """Whether the slices of each value make a volume of their own."""
    several = set(values)
    if not 1 < len(several) <= len(values) / 2:
        return False
    groups = [heights[[one == value for one in values]] for value in several]
    steps = [np.diff(group) for group in groups]
    return all(
        step.size == 0 or (step.min() > 0 and np.ptp(step) <= _EVEN * (1 + float(np.median(step)))) for step in steps
    )


def _listed(values: Sequence[str]) -> str:
    several = list(dict.fromkeys(value or "absent" for value in sorted(values, key=_by_number)))
    if len(several) > _SHOWN:
        return f"{', '.join(several[:_SHOWN])}, ... ({len(several)} values)"
    return f"{', '.join(several[:-1])} and {several[-1]}"


def _by_number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _label(name: str) -> str:
    return name if " " in name else named(name)


def _marks(frames: Frames) -> list[Marks]:
    files = {path: _marks_of_file(path) for path in {header.path for header, _ in frames}}
    return [files[header.path][number] for header, number in frames]


def _marks_of_file(path: Path) -> tuple[Marks, ...]:
    """The marks of each frame of a file."""
    with one_line_errors(path):
        data = load(path, _TAGS)
        dimensions = [_dimension(item) for item in items(data, "DimensionIndexSequence")]
        frames = [dict(_grouped(found, dimensions)) for found in frame_groups(data)]
        return tuple(frames) or ({name: text(data, name) for name in MARKS if name in data},)


def _dimension(item: Dataset) -> str:
    pointer = value(item, "DimensionIndexPointer")
    name = keyword_of(int(pointer)) if pointer is not None else ""
    return f"dimension {text(item, 'DimensionDescriptionLabel') or name or 'without name'}"


def _grouped(found: tuple[Dataset, ...], dimensions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every attribute in the functional groups of a frame, and the place of the frame along each dimension."""
    for part in reversed(found):
        yield from _leaves(part)
    for content in (item for part in found for item in items(part, "FrameContentSequence")):
        indices = value(content, "DimensionIndexValues")
        places = list(indices) if hasattr(indices, "__iter__") else [indices]
        yield from ((f"{name} (DimensionIndexValues)", str(at)) for name, at in zip(dimensions, places, strict=False))


def _leaves(data: Dataset) -> Iterator[tuple[str, str]]:
    for tag in data.keys():  # noqa: SIM118 - iterating a data set converts its values, which may fail
        name = keyword_of(int(tag))
        if not name or name in (*_UNTELLING, "DimensionIndexValues"):
            continue
        inside = items(data, name)
        if inside:
            yield from (leaf for item in inside for leaf in _leaves(item))
        else:
            yield name, text(data, name)
