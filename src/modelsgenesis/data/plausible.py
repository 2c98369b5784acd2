"""Is a scan what its user calls it? DICOM's Modality says so; for other formats the values do.

Readers trust names: a PET scan, an MR scan or a label map in a folder of CT is read without complaint and lies at 0.5
to 0.8 of the range. The rules here are made so that no whole CT, no MR scan and no radiograph is doubted; what they
cannot know (a crop of CT without any air) is left to the user, who says `force`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelsgenesis.data.whole import are_whole

AIR_HU = -500.0
"""A CT of a person has voxels below: air around, in lungs, bowel or sinuses."""
CT_LOWEST_HU = -700.0
"""Values this low say that a scan is CT, if they are air."""
NORMALISED = 30.0
"""Fractional values within a narrower range are no HU: noise alone is as wide."""
FEW, MANY = 8, 1000
"""Whole numbers that few are labels whatever their pattern; more than many are none."""
SCAN_VALUES = 32
"""A label map of more values than this has large flat pieces."""
FLAT, ROUGH = 0.5, 0.3
"""Share of equal neighbours from which values are labels, and below which they are a scan's (docs/data.md)."""
_SAMPLE = 2**17

KINDS = {
    **dict.fromkeys(("CT",), "ct"),
    **dict.fromkeys(("MR",), "mr"),
    **dict.fromkeys(("SEG",), "label"),
    **dict.fromkeys(("CR", "DX", "MG", "RF", "RG", "XA", "PX", "IO", "US", "IVUS", "BI", "TG", "DG"), "image"),
    **dict.fromkeys(("ES", "GM", "SM", "XC", "OP", "OPT", "OCT", "IVOCT", "BMD", "HC", "SC"), "image"),
}
"""DICOM's Modality -> the modality that `genesis prepare` has for it."""
UNSAID = ("", "OT", "UN")
"""Modalities that say nothing: other, as converters write them."""
_NAMES = {
    "PT": "PET", "NM": "nuclear medicine", "SEG": "a segmentation", "RTDOSE": "a radiotherapy dose",
    "RTSTRUCT": "contours", "SR": "a report", "PR": "a presentation state", "CT": "CT", "MR": "MR",
    "SC": "a screen capture",
}  # fmt: skip
_KEEP = "leave it out with --exclude, or keep it with --force"


@dataclass(frozen=True)
class Values:
    """Physical values of a scan as read: the least, percentiles of a regular sample of its voxels, the greatest.

    Args:
        lowest, highest: of all voxels.
        low, middle, high: the percentiles 0.5, 50 and 99.5.
    """

    lowest: float
    low: float
    middle: float
    high: float
    highest: float


@dataclass(frozen=True)
class Look:
    """What the values of a scan look like.

    Args:
        values: their range.
        whole: whether they are whole numbers, within the rounding of a header's slope.
        distinct: how many there are in the sample.
        flat: share of neighbours that are equal, along the middle one of the axes, without the background.
        air: share of the voxels between -1100 and -500.
        beyond: share below -1100, without those of the lowest value, which may be padding.
        shifted: whether they could be HU + 1024 or + 1000: air, soft tissue where it then is, and little between.
    """

    values: Values
    whole: bool
    distinct: int
    flat: float
    air: float
    beyond: float
    shifted: bool


def look_at(array: npt.NDArray[Any]) -> Look:
    """What the values of `array`, finite and in physical units, look like, by a regular sample of them."""
    stride = max(1, int(np.ceil((array.size / _SAMPLE) ** (1 / array.ndim))))
    sample = np.sort(array[(slice(None, None, stride),) * array.ndim], axis=None)
    low, middle, high = (float(sample[round(share * (sample.size - 1))]) for share in (0.005, 0.5, 0.995))
    values = Values(float(array.min()), low, middle, high, float(array.max()))
    starts = np.flatnonzero(np.diff(sample, prepend=np.nan))  # of the runs of equal values
    distinct = starts.size
    background = sample[starts[np.diff(starts, append=sample.size).argmax()]]
    whole = are_whole(sample)
    below, padding = np.searchsorted(sample, [-1100.0, AIR_HU]), np.searchsorted(sample, values.lowest, "right")
    return Look(
        values=values,
        whole=whole,
        distinct=distinct,
        flat=_flatness(array, stride, background) if whole and distinct <= MANY else 0.0,
        air=float(below[1] - below[0]) / sample.size,
        beyond=max(0.0, float(below[0]) - float(padding)) / sample.size,
        shifted=values.lowest >= 0 and whole and _is_shifted(sample),
    )


def _is_shifted(sample: npt.NDArray[Any]) -> bool:
    borders = np.searchsorted(sample, [300, 400, 800, 850, 1350, 1400]) / sample.size
    air, between, soft, bright = borders[0], borders[2] - borders[1], borders[4] - borders[3], 1 - borders[5]
    return bool(air >= 0.1 and soft >= 0.15 and between <= min(0.12, soft / 2) and bright <= 0.06)


def _flatness(array: npt.NDArray[Any], stride: int, background: Any) -> float:
    shares = []
    for axis in range(array.ndim):
        if array.shape[axis] < 2:
            continue
        places = [slice(None, None, stride)] * array.ndim
        places[axis] = slice(0, -1, stride)
        first = array[tuple(places)]
        places[axis] = slice(1, None, stride)
        second = array[tuple(places)]
        inside = (first != background) | (second != background)
        shares.append(float((first == second)[inside].mean()) if inside.any() else 1.0)
    return float(np.median(shares)) if shares else 0.0


def doubt(look: Look, modality: str, header: str = "") -> str:
    """Why a scan does not look like one of `modality` ("ct", "mr", "image", "label"); "" if nothing speaks against it.

    Args:
        look: its values.
        modality: what its user calls it.
        header: DICOM's Modality, "" for other formats. It goes before the values.
    """
    return doubt_of_header(header, modality) or _doubt_of_values(look, modality, header)


def doubt_of_header(header: str, modality: str) -> str:
    """As `doubt`, by DICOM's Modality alone."""
    if header in UNSAID or KINDS.get(header) == modality:
        return ""
    name = _NAMES.get(header)
    said = f"its Modality is {header}" + (f" ({name})" if name not in (None, header) else "")
    return f"{said} and not {modality}"


def _doubt_of_values(look: Look, modality: str, header: str) -> str:
    if modality == "label":
        rough = look.distinct > SCAN_VALUES and look.flat < ROUGH
        many = f"{look.distinct} different values ({_range(look)}), neighbours of which differ"
        return f"looks like a scan and not like a label map: {many}" if rough and header != "SEG" else ""
    known = KINDS.get(header) == modality
    if _is_label_map(look, modality) and not known:
        return f"looks like a label map: whole numbers ({_range(look)}) in flat pieces"
    if modality == "mr" and not known and _is_ct(look):
        return f"looks like CT: {look.air:.0%} of it has the HU of air ({_range(look)})"
    return _doubt_of_hu(look, known) if modality == "ct" else ""


def _doubt_of_hu(look: Look, known: bool) -> str:
    values = look.values
    if values.highest - values.lowest <= NORMALISED and not look.whole:
        return f"looks normalised: values {_range(look)} are no HU"
    if values.lowest >= 0:
        if look.shifted:
            return f"looks like CT shifted by 1000 or 1024 HU ({_range(look)}); correct the intercept in its header"
        cause = "is RescaleIntercept missing?" if known else "MR, PET, or CT that is cut to a window?"
        return f"has no value below 0 ({_range(look)}), so it is not in HU; {cause}"
    if values.lowest > AIR_HU and not known:
        cause = "MR, or CT that is cropped or cut to a window?"
        return f"has no voxel below {AIR_HU:g} HU ({_range(look)}), so no air; {cause}"
    return ""


def _is_label_map(look: Look, modality: str) -> bool:
    if not look.whole or look.values.lowest < 0 or look.distinct > MANY:
        return False
    if modality == "image":  # drawings have few grey values too
        return look.distinct <= FEW and look.flat >= FLAT
    return look.distinct <= FEW or look.flat >= FLAT


def _is_ct(look: Look) -> bool:
    return look.values.lowest <= CT_LOWEST_HU and look.air >= 0.01 and look.beyond < 0.005


def sorted_kind(look: Look, header: str, picture: bool) -> tuple[str, str]:
    """The modality of a scan of which nobody told, and "" or why it cannot be told.

    Args:
        look: its values.
        header: DICOM's Modality, "" for other formats.
        picture: whether it is a 2D image.
    """
    if header not in UNSAID:
        name = f" ({_NAMES[header]})" if header in _NAMES else ""
        return KINDS.get(header, ""), "" if header in KINDS else f"its Modality is {header}{name}, of no kind of store"
    if picture:
        return ("label", "") if _is_label_map(look, "image") else ("image", "")
    if _is_label_map(look, ""):
        return "label", ""
    if _is_ct(look):
        return "ct", ""
    if look.values.lowest >= 0 and not look.shifted:
        return "mr", ""
    return "", f"may be CT or MR ({_range(look)})"


def kept_by(modality: str, header: str = "") -> str:
    """How a scan that is doubted can be kept, for lists of rejected ones."""
    other = KINDS.get(header, "")
    ways = f"prepare it with --modality {other}, " if other and other != modality else ""
    return ways + _KEEP


def _range(look: Look) -> str:
    return f"{look.values.lowest:g} to {look.values.highest:g}"
