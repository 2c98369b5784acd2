"""The commands `genesis weights ...`: which weights there are, what is in them, and in which formats they can leave."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelsgenesis.cli.arguments import MODEL, Arguments, flag, parsed, positional
from modelsgenesis.errors import UsageError, meant
from modelsgenesis.places import writable


def weights(given: Arguments) -> None:
    """Which weights there are, what they say of themselves, and their way into other tools.

    Example: genesis weights list
    Example: genesis weights export genesis-chest-ct --to onnx --out genesis.onnx
    """
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return
    name, *rest = given
    if name not in ACTIONS:
        raise UsageError(f"weights: unknown action {name!r}; {meant(name, ACTIONS)}valid: {', '.join(ACTIONS)}")
    ACTIONS[name](rest)


def list_(given: Arguments) -> None:
    """The weights that come with the package.

    Example: genesis weights list
    """
    from modelsgenesis.models.catalogue import list_models

    parsed("weights list", dataclasses.make_dataclass("List", []), given, list_.__doc__)
    for model in list_models():
        print(model)


def show(given: Arguments) -> None:
    """What a file of weights holds and says of its origin.

    Example: genesis weights show genesis-chest-ct --json
    """
    from modelsgenesis.about import shown
    from modelsgenesis.models.weights import describe_weights, weights_file

    fields: list[Any] = [
        ("source", positional(str, MODEL)),
        ("json", flag(bool, "For machines."), dataclasses.field(default=False)),
    ]
    choice = parsed("weights show", dataclasses.make_dataclass("Show", fields), given, show.__doc__)
    facts = describe_weights(weights_file(choice.source))
    if choice.json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        print("\n".join(shown(name, value)))


def card(given: Arguments) -> None:
    """The model card in Markdown: data, licence, recipe, figures, limits.

    Example: genesis weights card genesis-chest-ct
    """
    from modelsgenesis.models.catalogue import card as card_of

    fields: list[Any] = [("source", positional(str, MODEL))]
    choice = parsed("weights card", dataclasses.make_dataclass("Card", fields), given, card.__doc__)
    print(card_of(choice.source))


def convert(given: Arguments) -> None:
    """Any weights that can be read to one safetensors file of this package.

    Example: genesis weights convert Genesis_Chest_CT.pt --out genesis.safetensors

    --about names a YAML file with what the weights do not say: title, data, licence, compute, figures, tested, not_for,
    command for the model card, and scale (as in the provenance).
    """
    from modelsgenesis.models.conversion import convert as run

    fields: list[Any] = [
        ("source", positional(str, MODEL)),
        ("out", flag(Path, "The .safetensors file to write.")),
        ("about", flag(Path | None, "YAML: more to say of them."), dataclasses.field(default=None)),
    ]
    choice = parsed("weights convert", dataclasses.make_dataclass("Convert", fields), given, convert.__doc__)
    print(run(choice.source, writable(choice.out), choice.about))


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


ACTIONS: dict[str, Callable[[Arguments], None]] = {
    action.__name__.rstrip("_"): action for action in (list_, show, card, convert, export)
}
