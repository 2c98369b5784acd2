"""One small registry for all five kinds of named things.

Built-in things are registered as "module:attribute" strings, so that naming one imports nothing; other packages
add theirs through the entry-point group ``modelsgenesis.<kind>``.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from modelsgenesis.errors import GenesisError, UsageError, meant

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things of one kind, loaded when first asked for.

    Args:
        kind: what the things are, as shown in messages: "transform", "backbone", "proxy", "target", "init source".
        builtin: name -> "module:attribute".
    """

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._addresses = dict(builtin)
        self._loaded: dict[str, T] = {}
        self._plugins_read = False

    def add(self, name: str, thing: T) -> None:
        """Register `thing`; UsageError when the name is taken."""
        if name in self.names():
            raise UsageError(f"{self.kind} {name!r} is registered already; choose another name")
        self._loaded[name] = thing

    def names(self) -> list[str]:
        """All names, sorted."""
        self._read_plugins()
        return sorted({*self._addresses, *self._loaded})

    def get(self, name: str) -> T:
        """The thing called `name`.

        Raises UsageError listing the valid names when there is none, GenesisError when its package cannot be imported.
        """
        if name not in self.names():
            hint = meant(name, self.names())
            raise UsageError(f"unknown {self.kind} {name!r}; {hint}valid: {', '.join(self.names())}")
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self._addresses[name])
        return self._loaded[name]

    def _load(self, name: str, address: str) -> T:
        module, _, attribute = address.partition(":")
        try:
            thing: T = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise GenesisError(
                f"{self.kind} {name!r} of {address} cannot be loaded ({error}); repair or uninstall its package"
            ) from error
        return thing

    def _read_plugins(self) -> None:
        if self._plugins_read:
            return
        addresses = dict(self._addresses)
        for point in entry_points(group=f"modelsgenesis.{self.kind.replace(' ', '_')}"):
            if point.name in addresses:
                raise GenesisError(
                    f"{self.kind} {point.name!r} of {point.value} clashes with {addresses[point.name]}; "
                    "uninstall one of the two packages"
                )
            addresses[point.name] = point.value
        self._addresses, self._plugins_read = addresses, True
