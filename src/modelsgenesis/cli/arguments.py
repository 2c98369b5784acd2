"""Arguments of a command: one dataclass of flags, parsed by tyro."""

from collections.abc import Sequence
from typing import Annotated, Any

from modelsgenesis.errors import UsageError

Arguments = Sequence[str]
MODEL = "A name of the zoo (genesis weights list), a run, a file of weights, or hf:OWNER/REPO."
SCANS = "Files, folders (searched with all below them) and globs."


def parsed(command: str, shape: Any, given: Arguments, description: str | None) -> Any:
    """The arguments `given` to `genesis COMMAND` as an instance of the dataclass `shape`; ends the program when they
    do not fit it, and for --help."""
    import tyro

    return tyro.cli(
        shape,
        prog=f"genesis {command}",
        description=description,
        args=list(given),
    )


def flat(cls: type[Any]) -> Any:
    """A field whose settings become flags without a prefix."""
    import tyro

    return Annotated[cls, tyro.conf.arg(name="")]


def positional(kind: Any, about: str) -> Any:
    """A field that is given by its place, described as `about`."""
    import tyro

    return Annotated[kind, tyro.conf.Positional, tyro.conf.arg(help=about)]


def flag(kind: Any, about: str) -> Any:
    """A field that is a flag, described as `about`."""
    import tyro

    return Annotated[kind, tyro.conf.arg(help=about)]


def refuse_none(command: str, what: str, given: Sequence[Any]) -> None:
    """UsageError where nothing is `given`."""
    if not given:
        raise UsageError(f"{command}: name at least one {what} (genesis {command} --help)")
