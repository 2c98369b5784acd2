"""Names to things: nothing loads before it is asked for, clashes and unknown names are refused."""

import subprocess
import sys
import types
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.registry import Registry

PROBE = "modelsgenesis_registry_probe"


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that can be found by name."""
    module = types.ModuleType(PROBE)
    module.thing = "built in"  # type: ignore[attr-defined]
    module.other = "plugged in"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, PROBE, module)


def plug_in(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> list[str]:
    """Make `points` (name, address) the installed entry points; returns the groups asked for."""
    asked: list[str] = []

    def entry_points(group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint(name, address, group) for name, address in points]

    monkeypatch.setattr("modelsgenesis.registry.entry_points", entry_points)
    return asked


def test_gives_what_was_registered() -> None:
    registry: Registry[Any] = Registry("proxy", {"b": f"{PROBE}:thing"})
    registry.add("a", 1)
    assert registry.names() == ["a", "b"]
    assert registry.get("a") == 1
    assert registry.get("b") == "built in"


def test_clash_is_refused_and_the_first_stays() -> None:
    registry: Registry[Any] = Registry("transform", {"flip": "nowhere:Flip"})
    registry.add("mine", 1)
    for name in ("flip", "mine"):
        with pytest.raises(UsageError, match=f"transform '{name}' is registered already; choose another name"):
            registry.add(name, 2)
    assert registry.get("mine") == 1


def test_unknown_name_lists_the_valid_ones_and_suggests() -> None:
    registry: Registry[Any] = Registry("backbone", {"unet3d": "nowhere:x", "swin": "nowhere:y"})
    with pytest.raises(UsageError, match="unknown backbone 'unet3'; did you mean 'unet3d'. valid: swin, unet3d"):
        registry.get("unet3")
    with pytest.raises(UsageError) as caught:
        registry.get("zzz")
    assert "did you mean" not in str(caught.value)


def test_naming_imports_nothing() -> None:
    """In a process of its own: all names of all kinds, and no module that implements one."""
    code = """
import sys
from modelsgenesis.transforms import TRANSFORMS
from modelsgenesis.models import BACKBONES
from modelsgenesis.proxies import PROXIES
from modelsgenesis.targets import TARGETS
for registry in (TRANSFORMS, BACKBONES, PROXIES, TARGETS):
    assert registry.names()
heavy = {"torch", "numba", "monai", "SimpleITK"} & set(sys.modules)
assert not heavy, heavy
TRANSFORMS.get("flip")
assert "modelsgenesis.transforms.flip" in sys.modules
assert "modelsgenesis.transforms.shuffle" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_thing_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry[Any] = Registry("proxy", {"a": f"{PROBE}:thing"})
    registry.get("a")
    monkeypatch.delitem(sys.modules, PROBE)
    assert registry.get("a") == "built in"


def test_other_packages_add_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plug_in(monkeypatch, ("theirs", f"{PROBE}:other"))
    registry: Registry[Any] = Registry("init source", {"ours": f"{PROBE}:thing"})
    assert asked == []  # not even looked for before the first question
    assert registry.names() == ["ours", "theirs"]
    assert registry.get("theirs") == "plugged in"
    assert asked == ["modelsgenesis.init_source"]


def test_two_packages_of_one_name_are_refused_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("ours", f"{PROBE}:other"))
    registry: Registry[Any] = Registry("proxy", {"ours": f"{PROBE}:thing"})
    for _ in range(2):
        with pytest.raises(GenesisError, match=f"proxy 'ours' of {PROBE}:other clashes with {PROBE}:thing; uninstall"):
            registry.get("ours")


@pytest.mark.parametrize("address", ["not_installed_anywhere:Thing", f"{PROBE}:missing"])
def test_a_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    plug_in(monkeypatch, ("theirs", address))
    registry: Registry[Any] = Registry("proxy", {})
    with pytest.raises(GenesisError, match=f"proxy 'theirs' of {address} cannot be loaded"):
        registry.get("theirs")
