"""The same image under two subjects: seen on two sides of a split it would be learnt and then tested.

Images are compared by the digests of their voxels, which the stores hold since they were read. So a copy is found in
another format, compression, pixel type or order of voxels, and nothing is read again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelsgenesis.data.manifest import Scan
from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.prepared import PreparedCase

SHOWN = 10
"""Pairs that are named; of more, the number."""


def refuse_copies(cases: Sequence[PreparedCase], sides: Mapping[str, Sequence[str]], source: Path) -> list[str]:
    """Warnings about images that are there under two subjects; an error where the test would not be one.

    Args:
        cases: whose images are looked at, every channel of them.
        sides: "training", "validation" and "test" -> their subjects; those of no side are not used and do not count.
        source: what describes the cases, for messages.

    Raises GenesisError naming the files: a test image is another subject's image in training or validation.
    """
    side_of = {subject: side for side, subjects in sides.items() for subject in subjects}
    leaks: dict[tuple[str, str], str] = {}
    others: dict[tuple[str, str], str] = {}
    for held in _shared([case for case in cases if case.case.subject in side_of]):
        for one, other in _pairs(held, side_of):
            line = f"{held[one].source} ({side_of[one]}) is {held[other].source} ({side_of[other]})"
            alike = (side_of[one] == "test") == (side_of[other] == "test")
            (others if alike else leaks).setdefault((one, other), line)  # two subjects may share several channels
    if leaks:
        raise GenesisError(
            f"{source}: the same image is of one subject for testing and of another for training: {_named(leaks)}; "
            "remove one of each, or give both one subject"
        )
    return [f"{source}: the same image under two subjects: {_named(others)}"] if others else []


def _shared(cases: Sequence[PreparedCase]) -> list[dict[str, Scan]]:
    """For each image that several subjects have: subject -> its first scan of it."""
    owners: dict[str, dict[str, Scan]] = defaultdict(dict)
    for case in cases:
        for scan in case.images:
            owners[scan.image].setdefault(case.case.subject, scan)
    return [held for held in owners.values() if len(held) > 1]


def _pairs(held: Mapping[str, Scan], side_of: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each subject that has the image, with the first one that should not have it too; those for testing come first."""
    tested = [subject for subject in held if side_of[subject] == "test"]
    rest = [subject for subject in held if side_of[subject] != "test"]
    if tested and rest:
        return [(subject, rest[0]) for subject in tested] + [(tested[0], subject) for subject in rest[1:]]
    first, *more = held
    return [(subject, first) for subject in more]


def _named(found: Mapping[tuple[str, str], str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(list(found.values())[:SHOWN]) + more
