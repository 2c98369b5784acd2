"""Errors a user can act on: one line with what is wrong, why, and the next step."""

from collections.abc import Iterable


def meant(name: str, known: Iterable[str]) -> str:
    """A question for a message, with the nearest of the `known` names and a space behind it; "" when none is near."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}? " if close else ""


class GenesisError(Exception):
    """A failure the user can act on. The command line prints it as one line and exits with code 1.

    The message names the file or setting, the cause and the next step.
    """

    exit_code = 1


class UsageError(GenesisError):
    """Wrong use: an unknown name, a contradictory or invalid setting. The command line exits with code 2."""

    exit_code = 2
