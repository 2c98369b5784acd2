"""Proxy tasks: what a network learns from without labels."""

from collections.abc import Callable
from typing import Any

from modelsgenesis.registry import Registry

PROXIES: Registry[Callable[..., Any]] = Registry(
    "proxy", {"restoration": "modelsgenesis.proxies.restoration:Restoration"}
)
