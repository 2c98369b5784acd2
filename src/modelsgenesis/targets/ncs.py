"""NCS: lung nodules in CT, outlined by four readers: LIDC-IDRI (PAPER 2 and 4).

Every nodule is a case, the cube around it; its label is the mask of all nodules of its scan, made from the outlines.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelsgenesis.config import settings
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.places import located
from modelsgenesis.targets.base import Case, Target, TargetTask
from modelsgenesis.targets.candidates import first_few, plural
from modelsgenesis.targets.dicom_folders import SeriesFolder, find_series, visible
from modelsgenesis.targets.lidc_masks import mask_of, write_mask
from modelsgenesis.targets.lidc_readers import same_nodule
from modelsgenesis.targets.lidc_split import at_random, by_luna16
from modelsgenesis.targets.lidc_xml import Patch, Reading, consensus, pixels_of, read_xml
from modelsgenesis.targets.luna16 import series_subsets

READERS = 4
SHARE = 0.5
DOWNLOAD = (
    "download LIDC-IDRI from The Cancer Imaging Archive: the DICOM images, and the XML files beside or below them"
)


@settings
class NcsOptions:
    """What can be chosen of LIDC-IDRI."""

    readers: int = 1
    """Least number of the four readers who outlined a nodule. Neither papers nor pylidc set one; LUNA16 asks 3."""
    luna16: str = ""
    """A LUNA16 download, or a CSV with seriesuid and subset: its subsets 0-4, 5-6 and 7-9 become training, validation
    and test, so that weights pre-trained on LUNA16 never saw a test scan. Empty: the papers' shares at random."""
    seed: int = 0
    """Decides the random shares."""


@dataclass(frozen=True)
class _Scan:
    """A series with its nodules, each as its slices' pixels, and where its mask goes."""

    series: SeriesFolder
    reading: Reading
    nodules: tuple[list[Patch], ...]
    mask: Path


def _read(data: Path, options: NcsOptions, cache: Path) -> Target:
    """The nodules of the download at `data`; subjects are PatientIDs.

    A nodule whose consensus holds no pixel is left out, with a note. Reads one header a series and every XML file:
    half a minute for all of LIDC-IDRI.

    Raises GenesisError naming the file: no CT series or XML, damaged ones, two different XML files of one series;
    UsageError for options that do not fit.
    """
    if not 1 <= options.readers <= READERS:
        raise UsageError(f"options.readers: {options.readers} must be 1 to {READERS}")
    subsets = series_subsets(located(options.luna16)) if options.luna16 else {}
    everything = find_series(data)
    series = [one for one in everything if one.modality == "CT"]
    if not series:
        raise GenesisError(f"{data}: holds no CT series; {DOWNLOAD}")
    readings = _readings(data)
    if not readings:
        raise GenesisError(f"{data}: holds no XML file with readings of CT; {DOWNLOAD}")
    empty: list[str] = []
    scans = [_scan(one, readings[one.uid], options, cache, empty) for one in series if one.uid in readings]
    if not any(scan.nodules for scan in scans):
        raise GenesisError(f"{data}: no outlined nodule in {plural(len(scans), 'scan')} with XML; {DOWNLOAD}")
    patient_of = {scan.series.uid: scan.series.patient for scan in scans if scan.nodules}
    sides, remarks = (
        by_luna16(patient_of, subsets, options.luna16) if options.luna16 else at_random(patient_of, options.seed)
    )
    by_mask = {scan.mask: scan for scan in scans}

    def derive(case: Case) -> None:
        scan = by_mask[Path(str(case.label))]
        write_mask(scan.mask, scan.series, scan.nodules, scan.reading.path)

    def check() -> Iterator[str | None]:
        for scan in (scan for scan in scans if scan.nodules):
            try:
                mask_of(scan.series, scan.nodules, scan.reading.path)
            except GenesisError as error:
                yield str(error)
            else:
                yield None

    return Target(
        task="segmentation",
        labels={1: "nodule"},
        cases=[case for scan in scans for case in _cases(scan)],
        source=data,
        label_map={1: (1,)},
        known=frozenset({0, 1}),
        sides=sides,
        derive=derive,
        check=check,
        notes=(*_absent(everything, series, readings, scans), *_dropped(empty), *remarks),
    )


def _readings(data: Path) -> dict[str, Reading]:
    """Series UID -> its XML file, wherever it lies; copies of one file (beside the series and apart) count as one."""
    found: dict[str, Reading] = {}
    for path in (folder / name for folder, names in visible(data) for name in names if name.lower().endswith(".xml")):
        reading = read_xml(path)
        if reading is None:
            continue
        first = found.setdefault(reading.series, reading)
        if first is not reading and first.path.read_bytes() != path.read_bytes():
            raise GenesisError(f"{path}: reads the same series as {first.path}, but differs; remove one of them")
    return found


def _scan(series: SeriesFolder, reading: Reading, options: NcsOptions, cache: Path, empty: list[str]) -> _Scan:
    if not series.patient:
        raise GenesisError(f"{series.files[0]}: has no PatientID, so the split cannot part patients; copy it again")
    groups = same_nodule(reading.nodules, series.pixel, series.thickness or max(series.pixel))
    nodules = []
    for group in groups:
        if len({outlined.reader for outlined in group}) < options.readers:
            continue
        agreed = consensus(group, SHARE)
        if agreed:
            nodules.append(agreed)
        else:
            empty.append(series.uid)
    # Other options or another XML file make another mask, so its name tells them apart.
    content = hashlib.blake2b(f"{options.readers} {SHARE} ".encode() + reading.path.read_bytes(), digest_size=4)
    mask = cache.absolute() / "ncs" / f"{series.uid}-{content.hexdigest()}.nii.gz"
    return _Scan(series, reading, tuple(nodules), mask)


def _cases(scan: _Scan) -> Iterator[Case]:
    for number, nodule in enumerate(scan.nodules, start=1):
        yield Case(
            f"{scan.series.uid}-nodule{number}",
            scan.series.patient,
            (scan.series.path,),
            scan.mask,
            _centroid(scan.series, nodule),
        )


def _centroid(series: SeriesFolder, nodule: list[Patch]) -> tuple[float, ...]:
    """LPS mm of the middle of the nodule's pixels."""
    columns, rows, z = np.array(list(pixels_of(nodule))).mean(axis=0)
    cosines = np.array(series.cosines).reshape(2, 3)
    place = np.array(series.origin) + columns * series.pixel[0] * cosines[0] + rows * series.pixel[1] * cosines[1]
    return (float(place[0]), float(place[1]), float(z))


def _absent(
    everything: Sequence[SeriesFolder],
    series: Sequence[SeriesFolder],
    readings: Mapping[str, Reading],
    scans: Sequence[_Scan],
) -> Iterator[str]:
    others = Counter(one.modality or "without images" for one in everything if one.modality != "CT")
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        yield f"{plural(others.total(), 'folder')} left out that hold no CT ({kinds})"
    unread = [one.uid for one in series if one.uid not in readings]
    if unread:
        yield f"{plural(len(unread), 'CT scan')} without an XML file left out: {first_few(unread)}"
    lonely = sorted(set(readings) - {one.uid for one in series})
    if lonely:
        yield f"{plural(len(lonely), 'XML file')} of CT scans that are not there left out: {first_few(lonely)}"
    bare = [scan.series.uid for scan in scans if not scan.nodules]
    if bare:
        yield f"{plural(len(bare), 'CT scan')} without an outlined nodule: {first_few(bare)}"


def _dropped(empty: Sequence[str]) -> Iterator[str]:
    if empty:
        yield f"{plural(len(empty), 'nodule')} left out, half of their readers agree on no pixel: {first_few(empty)}"


TASK = TargetTask(
    about="lung nodule segmentation: LIDC-IDRI, CT, 50 % consensus of its readers",
    download=DOWNLOAD,
    read=_read,
    options=NcsOptions,
    recipe={
        "images": {"modality": "ct", "spacing": [1.0, 1.0, 1.0]},
        "patch": {"shape": [64, 64, 32]},
        "loss": "dice",
        "augmentation": "strong",
        "optim": {"lr": 1e-3},
    },
)
