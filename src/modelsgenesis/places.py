"""Paths as users write them, made plain once, where they enter: in each function that a command or a program calls."""

import os
from pathlib import Path

from modelsgenesis.errors import UsageError


def located(path: str | Path) -> Path:
    """`path` absolute, `~` expanded and without `..`, which TensorStore refuses.

    Links keep their names, for scans and runs are called by them; only one that `..` follows is resolved, as the system
    does: `link/..` is the folder that holds the goal of the link.
    """
    here, *parts = Path(os.path.expanduser(path)).absolute().parts  # noqa: PTH111 - Path's own raises for unknown users
    found = Path(here)
    for part in parts:
        if part != "..":
            found /= part
        else:
            found = Path(os.path.realpath(found) if os.path.islink(found) else found).parent  # noqa: PTH114
    return found


def writable(path: str | Path) -> Path:
    """`located`, for a folder that stores and runs are written into.

    Raises UsageError when its name holds bytes that are not UTF-8: TensorStore, TensorBoard and SimpleITK take none.
    """
    found = located(path)
    try:
        str(found).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{found}: holds bytes that are not UTF-8; choose another --out") from None
    return found
