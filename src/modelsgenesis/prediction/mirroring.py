"""Which scans may be mirrored before a network sees them, and why others may not."""

import re
from collections.abc import Iterable, Mapping

from modelsgenesis.errors import UsageError

MIRRORED_IN_TRAINING = ("flips", "strong")
"""`augmentation` under which a network has learnt that mirror images mean the same; both mirror along every axis."""

_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*")  # "L1", a vertebra, is no "L"
_HALVES = ("left", "right", "l", "r", "lt", "rt", "lh", "rh", "lhs", "rhs")
_OTHER_TONGUES = ("sin", "dex", "sinister", "sinistra", "dexter", "dextra", "links", "rechts", "gauche", "droite")
_ABBREVIATED = ("lv", "rv", "la", "ra", "lca", "rca", "lad", "lul", "lll", "rul", "rml", "rll", "ll", "rl")
_SIDES = frozenset((*_HALVES, *_OTHER_TONGUES, *_ABBREVIATED))
_NO_SIDES = ("bright", "upright", "cleft", "copyright")


def tells_sides(name: str) -> bool:
    """Whether the name of a structure or class tells left from right: "lung_left", "Kidney-R", "LV", "leftlung"."""
    return any(_is_side(word.lower()) for word in _WORD.findall(name))


def _is_side(word: str) -> bool:
    ends = word.startswith(("left", "right")) or word.endswith(("left", "right"))
    return word in _SIDES or (ends and not word.endswith(_NO_SIDES))


def refuse_mirroring(labels: Iterable[str], provenance: Mapping[str, object], source: object) -> None:
    """UsageError where scans are not to be mirrored for the weights `source`: a label tells left from right, or the
    training never mirrored, so that the network does not know mirror images."""
    sided = [name for name in labels if tells_sides(name)]
    if sided:
        raise UsageError(f"--mirror: {source}: the label {sided[0]!r} tells left from right; predict without it")
    trained = provenance.get("augmentation", "")
    if trained not in MIRRORED_IN_TRAINING:
        told = f"was trained with augmentation {trained}" if trained else "does not say how its training augmented"
        raise UsageError(
            f"--mirror: {source}: {told}, so mirrored scans are new to the network; predict without it, or "
            f"fine-tune with --augmentation {MIRRORED_IN_TRAINING[0]}"
        )
