"""The weights that come with the package, by name: one safetensors file each, its origin and licence in the header."""

from importlib.resources import files
from pathlib import Path

SUFFIX = ".safetensors"


def names() -> list[str]:
    """The names of the weights of the package, sorted."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _folder().glob(f"*{SUFFIX}"))


def file_of(name: str) -> Path:
    """The file of the weights `name`, one of `names()`."""
    return _folder() / f"{name}{SUFFIX}"


def _folder() -> Path:
    return Path(str(files(__name__)))
