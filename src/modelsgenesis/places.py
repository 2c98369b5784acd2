"""Paths as users write them, made plain once, where they enter: in each function that a command or a program calls."""

import os
from collections.abc import Sequence
from pathlib import Path

from modelsgenesis.errors import UsageError


def listed(folder: Path, name: str) -> Path:
    """The file that a table or description in `folder` calls `name`; absolute, links keep their names.

    Backslashes part folders, as on Windows, unless a file has them in its name.
    """
    path = os.path.abspath(folder / name)  # noqa: PTH100 - keeps links
    if "\\" in name and not os.path.lexists(path):
        path = os.path.abspath(folder / name.replace("\\", "/"))  # noqa: PTH100
    return Path(path)


def several(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """Paths as a list, one alone too: a string is a sequence of letters."""
    return [paths] if isinstance(paths, str | Path) else list(paths)


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
