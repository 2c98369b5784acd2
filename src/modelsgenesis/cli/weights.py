"""The commands `genesis weights ...`: which weights there are, what is in them, and in which formats they can leave."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelsgenesis.cli.arguments import MODEL, Arguments, flag, parsed, positional
from modelsgenesis.errors import UsageError, meant
from modelsgenesis.places import writable


def weights(given: Arguments) -> None:
    """Weights for other tools: export.

    Example: genesis weights export run:runs/genesis --to torch --out genesis.pt
    """
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return
    name, *rest = given
    if name not in ACTIONS:
        raise UsageError(f"weights: unknown action {name!r}; {meant(name, ACTIONS)}valid: {', '.join(ACTIONS)}")
    ACTIONS[name](rest)


def export(given: Arguments) -> None:
    """Write weights in the format of another tool.

    Example: genesis weights export run:runs/genesis --to torch --out genesis.pt
    """
    from modelsgenesis.exchange import EXPORTS

    fields: list[Any] = [
        ("source", positional(str, MODEL)),
        ("to", flag(str, f"The format: {', '.join(EXPORTS.names())}.")),
        ("out", flag(Path, "File or folder to write.")),
    ]
    choice = parsed("weights export", dataclasses.make_dataclass("Export", fields), given, export.__doc__)
    for line in EXPORTS.get(choice.to)(choice.source, writable(choice.out)):
        print(line)


def _overview() -> str:
    lines = [f"  {name:<8} {(action.__doc__ or '').splitlines()[0]}" for name, action in ACTIONS.items()]
    ending = ["", "genesis weights ACTION --help explains one", *(weights.__doc__ or "").splitlines()[1:]]
    return "\n".join(["usage: genesis weights ACTION ...", "", *lines, *ending])


ACTIONS: dict[str, Callable[[Arguments], None]] = {action.__name__: action for action in (export,)}
