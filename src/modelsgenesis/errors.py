"""Errors a user can act on: one line with what is wrong, why, and the next step."""

from collections.abc import Iterable


def meant(name: str, known: Iterable[str]) -> str:
    """A question for a message, with the nearest of the `known` names and a space behind it; "" when none is near."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}? " if close else ""


def first_line(error: BaseException) -> str:
    """The first line of what another library says, for a message in one line; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]


class GenesisError(Exception):
    """A failure the user can act on. The command line prints it as one line and exits with code 1.

    The message names the file or setting, the cause and the next step.
    """

    exit_code = 1


class UsageError(GenesisError):
    """Wrong use: an unknown name, a contradictory or invalid setting. The command line exits with code 2."""

    exit_code = 2
