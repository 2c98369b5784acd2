"""Classification data from a table: columns path, subject, label, and optionally split."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.places import listed
from modelsgenesis.tables import read_columns
from modelsgenesis.targets.base import SIDES, Case, Target, TaskKind

TABLE = "cases.csv"
COLUMNS = ("path", "subject", "label")
SEPARATOR = "|"
"""Between several labels of one case."""
_SIDE_NAMES = {"train": "training", "val": "validation", **{side: side for side in SIDES}}


def read_table(path: Path) -> Target:
    """The classification target of the CSV file `path`; its paths are relative to its folder.

    A case belongs to one class, or, when any label holds a vertical bar or is empty, to any number of them
    (multilabel). Numeric classes are ordered by number, others by name.

    Raises GenesisError naming the file and line: missing columns or images, one class only, a subject on two sides.
    """
    rows = list(read_columns(path, COLUMNS, ("split",), blank=("label",)))
    several = any(SEPARATOR in label or not label for _, (_, _, label, _) in rows)
    task: TaskKind = "multilabel" if several else "classification"
    carried = [[name for name in map(str.strip, label.split(SEPARATOR)) if name] for _, (_, _, label, _) in rows]
    names = _ordered(sorted({name for labels in carried for name in labels}))
    _refuse_constant(several, names, carried, path)
    cases = []
    for (line, (place, subject, _, _)), labels in zip(rows, carried, strict=True):
        image = listed(path.parent, place)
        if not image.exists():
            raise GenesisError(f"{path}, line {line}: {image}: no such file; correct the path or remove the line")
        label = tuple(int(name in labels) for name in names) if several else names.index(labels[0])
        cases.append(Case(_identifier(place), subject, (image,), label))
    sides = sides_of(((line, subject, side) for line, (_, subject, _, side) in rows), path)
    return Target(task, dict(enumerate(names)), cases, path, sides=sides)


def _refuse_constant(several: bool, names: Sequence[str], carried: Sequence[Sequence[str]], path: Path) -> None:
    if not names:
        raise GenesisError(f"{path}: no case has a label; fill in the column label")
    if not several and len(names) < 2:
        raise GenesisError(f"{path}: all cases have the label {names[0]}; a classification needs two classes")
    if several and all(len(set(labels)) == len(names) for labels in carried):
        raise GenesisError(f"{path}: all cases have all labels ({', '.join(names)}); there is nothing to tell apart")


def _ordered(names: Sequence[str]) -> list[str]:
    numeric = all(re.fullmatch(r"-?\d+", name) for name in names)
    return sorted(names, key=int) if numeric else list(names)


def _identifier(path: str) -> str:
    """The path as one name of letters, digits, dot, dash and underscore."""
    stem = re.sub(r"(\.nii)?\.\w+$", "", path.removeprefix("./"))
    return re.sub(r"[^A-Za-z0-9._-]", "_", stem.replace("/", "__").replace("\\", "__"))


def sides_of(rows: Iterable[tuple[int, str, str]], path: Path) -> dict[str, str]:
    """Subject -> side, from (line, subject, what the column split says) of each row; empty when no row says anything.

    Raises GenesisError naming the line: an unknown side, a subject on two sides, a row without a side among others.
    """
    given = list(rows)
    if not any(name for _, _, name in given):
        return {}
    sides: dict[str, str] = {}
    for line, subject, name in given:
        side = _SIDE_NAMES.get(name.lower())
        if side is None:
            raise GenesisError(f"{path}, line {line}: split {name!r} is unknown; valid: train, val, test")
        if sides.setdefault(subject, side) != side:
            raise GenesisError(
                f"{path}, line {line}: subject {subject} is in {sides[subject]} and in {side}; "
                "put all of a subject on one side"
            )
    return sides
