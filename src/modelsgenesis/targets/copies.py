"""The same image under two subjects: seen on two sides of a split it would be learnt and then tested."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.prepared import PreparedCase

SHOWN = 10
"""Pairs that are named; of more, the number."""


def refuse_copies(cases: Sequence[PreparedCase], sides: Mapping[str, Sequence[str]], source: Path) -> list[str]:
    """Warnings about images that are there under two subjects; an error where the test would not be one.

    Args:
        cases: whose images are looked at, by the digests of their files.
        sides: "training", "validation" and "test" -> their subjects; those of no side are not used and do not count.
        source: what describes the cases, for messages.

    Raises GenesisError naming the files: a test image is another subject's image in training or validation.
    """
    side_of = {subject: side for side, subjects in sides.items() for subject in subjects}
    leaks: list[str] = []
    others: list[str] = []
    for one, other in _pairs([case for case in cases if case.case.subject in side_of]):
        first, second = side_of[one.case.subject], side_of[other.case.subject]
        line = f"{other.images[0].source} ({second}) is {one.images[0].source} ({first})"
        (leaks if first != second and "test" in (first, second) else others).append(line)
    if leaks:
        raise GenesisError(
            f"{source}: the same image is of one subject for testing and of another for training: {_named(leaks)}; "
            "remove one of each, or give both one subject"
        )
    return [f"{source}: the same image under two subjects: {_named(others)}"] if others else []


def _pairs(cases: Sequence[PreparedCase]) -> list[tuple[PreparedCase, PreparedCase]]:
    """Every two subjects that share an image, by the first case of each."""
    owners: dict[str, dict[str, PreparedCase]] = defaultdict(dict)
    for case in cases:
        owners[case.images[0].digest].setdefault(case.case.subject, case)
    return [
        (held[number], other)
        for held in (list(of.values()) for of in owners.values())
        for number in range(len(held))
        for other in held[number + 1 :]
    ]


def _named(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more
