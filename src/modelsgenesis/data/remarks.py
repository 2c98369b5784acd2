"""What scans are to each other where that spoils what is made of them: all of one subject, parts of one, copies."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from modelsgenesis.data.index import Source
from modelsgenesis.data.manifest import Scan


def subject_remark(sources: Sequence[Source], rule: str) -> str:
    """What a user must hear when many scans are of one subject, so that no split can part them; empty otherwise."""
    subjects = {source.subject for source in sources}
    if len(sources) < 2 or len(subjects) > 1 or rule not in ("auto", "folder"):
        return ""
    told = "the DICOM PatientID" if rule == "auto" else "the name of their folder"
    other = "--subject folder (each patient in a folder), or " if rule == "auto" else ""
    return (
        f"all {len(sources)} scans are of one subject, {subjects.pop()!r} ({told}), so none can be held out; "
        f"if they are of several, use {other}--subject FILE.csv (columns path and subject)"
    )


def parted_remark(sources: Sequence[Source]) -> str:
    """What a user must hear when a DICOM series lies in several folders, each of which is read as a scan of its own."""
    folders: dict[str, list[Path]] = defaultdict(list)
    for source in sources:
        if source.series and "/" not in source.series:  # with a slash it is one image of several in a series
            folders[source.series].append(source.path)
    parted = [places for places in folders.values() if len(places) > 1]
    if not parted:
        return ""
    return (
        f"{len(parted)} DICOM series lie in several folders, such as {parted[0][0]} and {parted[0][1]}; each part is a "
        "scan of its own: bring the files of a series into one folder, or remove copies"
    )


def copies_remark(scans: Iterable[Scan]) -> str:
    """What a user must hear when scans of several subjects are one image, so that a split cannot part them."""
    alike: dict[str, list[Scan]] = defaultdict(list)
    for scan in scans:
        alike[scan.image].append(scan)
    copied = [same for same in alike.values() if len({scan.subject for scan in same}) > 1]
    if not copied:
        return ""
    first, second = copied[0][:2]
    return (
        f"{sum(map(len, copied))} scans are the image of another subject's, such as {first.id} and {second.id}; remove "
        "the copies, or name their subject by --subject FILE.csv"
    )
