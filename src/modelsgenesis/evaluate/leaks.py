"""Subjects and images that a pre-training and the labelled data of a target share, found in the folders of the runs.

Names are compared as they are (subjects, series UIDs), images by the digests of their files and of their voxels, so
that the same scan is found under another name and in another format. All scans of a pre-training count as seen: its
validation chose the weights. What is shared with test or validation cases is a leak; what is shared with training
cases alone is named, for the network may learn from those anyway. Derived data (MedMNIST from other sets, resampled
crops) cannot be found in this way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelsgenesis.data.seen import IMAGES
from modelsgenesis.evaluate.results import Leak
from modelsgenesis.files import read_json

LEAKING = ("validation", "test")


@dataclass(frozen=True)
class Pairing:
    """A fine-tuning run and the pre-training its weights came from, as named in a comparison."""

    run: Path
    pretraining: Path
    arm: str
    target: str


@dataclass(frozen=True)
class _Image:
    subject: str
    file: str
    series: str
    digests: frozenset[str]


def overlaps(pairings: Sequence[Pairing]) -> list[Leak]:
    """Every overlap, one for each arm, target, side and kind; the runs of one arm on one target count together."""
    found: dict[tuple[Path, str, str, str, str], set[str]] = {}
    seen: dict[Path, list[_Image]] = {}
    for pairing in pairings:
        if pairing.pretraining not in seen:
            seen[pairing.pretraining] = [i for images in _images(pairing.pretraining).values() for i in images]
        for side, images in _images(pairing.run).items():
            for kind, names in _shared(seen[pairing.pretraining], images).items():
                key = (pairing.pretraining, pairing.arm, pairing.target, side, kind)
                found.setdefault(key, set()).update(names)
    return [
        Leak(pretraining, arm, target, kind, tuple(sorted(names)), side)
        for (pretraining, arm, target, side, kind), names in found.items()
        if names
    ]


def leaks(found: Sequence[Leak]) -> tuple[Leak, ...]:
    """Those of the overlaps that make a comparison unfair: with validation or test cases."""
    return tuple(one for one in found if one.side in LEAKING)


def _shared(seen: Sequence[_Image], images: Sequence[_Image]) -> Mapping[str, set[str]]:
    names = {name for image in seen for name in (image.subject, image.series) if name}
    digests = {digest for image in seen for digest in image.digests}
    subjects = {image.subject for image in images if image.subject in names or image.series in names}
    files = {f"{image.subject}: {image.file}" for image in images if image.digests & digests}
    return {"subject": subjects, "image": files}


def _images(run: Path) -> dict[str, list[_Image]]:
    """Side -> images of a run; without its list of images the subjects alone; nothing of runs that have neither."""
    path = run / IMAGES
    if path.is_file():
        return {
            side: [
                _Image(subject, file, series, frozenset({digest, voxels} - {""}))
                for subject, file, series, digest, voxels in rows
            ]
            for side, rows in read_json(path).items()
        }
    if not (run / "split.json").is_file():
        return {}
    sides = read_json(run / "split.json")
    return {
        side: [_Image(subject, "", "", frozenset()) for subject in sides.get(side, ())]
        for side in ("training", "validation", "test")
    }
