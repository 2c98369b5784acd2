"""Settings: frozen dataclasses are the schema, YAML the file format; every error of a file is reported at once."""

import dataclasses
import hashlib
import json
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform, get_args, get_origin

import yaml

from modelsgenesis.errors import UsageError
from modelsgenesis.types import JSON

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that refuses unknown names when built from a file."""
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True)(cls)


def build(cls: type[T], values: JSON, source: str) -> T:
    """Build the settings class `cls` from plain values; `source` names their origin in messages.

    Raises UsageError listing every unknown name and every value of a wrong type at once.
    """
    from pydantic import ValidationError

    try:
        wanted: Any = cls
        built: T = _adapter(wanted).validate_python(values)
        return built
    except ValidationError as error:
        lines = [_explain(cls, problem) for problem in error.errors()]
        raise UsageError(f"{source}: " + "; ".join(lines)) from None


@cache
def _adapter(cls: type[Any]) -> Any:
    """The schema of a settings class, which takes milliseconds to make."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _explain(cls: type[Any], problem: Any) -> str:
    *parents, name = [str(part) for part in problem["loc"]] or ["?"]
    place = ".".join([*parents, name])
    if problem["type"] != "unexpected_keyword_argument":
        return f"{place} = {problem['input']!r}: {problem['msg'].lower()}"
    owner: Any = cls
    for parent in parents:
        owner = _below(owner, parent)
    valid = [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else []
    close = get_close_matches(name, valid, 1)
    return f"{place}: no such setting" + (f", did you mean {close[0]}?" if close else f", valid: {', '.join(valid)}")


def _below(owner: Any, name: str) -> Any:
    """The type of the part `name` of settings of type `owner`; of a mapping, that of its values."""
    inner: Any = owner
    if dataclasses.is_dataclass(owner):
        inner = next((field.type for field in dataclasses.fields(owner) if field.name == name), owner)
    elif get_origin(owner) is dict:
        inner = get_args(owner)[1]
    classes = [one for one in get_args(inner) if dataclasses.is_dataclass(one)]
    return classes[0] if classes and get_origin(inner) is not dict else inner


class _Loader(yaml.SafeLoader):
    """YAML whose only booleans are true and false: `on` and `off` are names and values of settings."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or letter in "tTfF"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> JSON:
    """The mapping in the YAML file `path`; UsageError when it cannot be read or is something else."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}: must be a mapping of settings, not {type(values).__name__}")
    return values


def load(cls: type[T], path: Path, base: T | None = None) -> T:
    """Read the YAML file `path` into `cls`; names it leaves out keep the value they have in `base` (None: `cls()`)."""
    values = read_yaml(path)
    return overlaid(cls() if base is None else base, values, str(path))


def overlaid(base: T, values: JSON, source: str) -> T:
    """The settings `base` with the `values` of `source` in their places; raises as `build`.

    A base is always needed: a part of which `values` name one setting (`optim: {lr: 0.01}`) keeps the rest of what
    `base` holds there, which need not be the defaults of that part's own class.
    """
    return build(type(base), merge(to_dict(base), values), source)


def merge(base: JSON, values: JSON) -> JSON:
    """`base` with `values` in their places, mapping by mapping; neither is edited."""
    merged = dict(base)
    for name, value in values.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def to_dict(config: Any) -> JSON:
    """Plain values of a settings object: what YAML and JSON can hold."""
    plain: JSON = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def to_yaml(config: Any) -> str:
    """The settings as YAML text that `load` reads back."""
    text: str = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
    return text


def digest(value: Any) -> str:
    """16 hexadecimal digits that identify a settings object or plain value."""
    plain = to_dict(value) if dataclasses.is_dataclass(value) else value
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
