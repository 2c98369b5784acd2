"""Reading a plan: shipped ones by name, others from a file; base plans, places given on the command line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from glob import has_magic
from importlib.resources import files
from pathlib import Path
from typing import Any

from modelsgenesis.benchmark.matrix import place_of, source_of
from modelsgenesis.benchmark.plan import DataSpec, InitSpec, Plan, StoreSpec
from modelsgenesis.config import build, merge, read_yaml
from modelsgenesis.errors import UsageError
from modelsgenesis.places import located
from modelsgenesis.types import JSON

SECTIONS = ("paths", "data", "stores", "pretraining", "inits", "backbones", "tune")
_PLACE = re.compile(r"\{([^{}]*)\}")


def shipped() -> dict[str, Path]:
    """Name -> file of the plans that come with the package."""
    folder = Path(str(files("modelsgenesis"))) / "plans"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_plan(name: str, places: Mapping[str, str] | None = None, only: Sequence[str] = ()) -> Plan:
    """The plan called `name`, or of the file `name`, with every place made absolute.

    Args:
        name: a shipped plan, or a YAML file.
        places: what --data gave, relative to the working directory: name of a path or of data -> place.
        only: names of the data to keep; empty: all.

    A path that is still empty stays so: `missing` lists those.
    Raises UsageError listing all unknown names and wrong values at once.
    """
    path = _find(name)
    plan = build(Plan, _values(path, ()), str(path))
    plan = _limited(plan, only, path)
    return _with_places(plan, dict(places or {}), path)


def missing(plan: Plan) -> list[str]:
    """Names that --data must give before the plan can run."""
    empty = {name for name, data in plan.data.items() if data.phantoms is None and not data.path}
    return sorted(placeholders(plan) & set(plan.paths) | empty)


def lacking(plan: Plan, source: str) -> str:
    """Why the data that `plan`, which `source` names, needs are not all there; empty when they are.

    Globs of scans are left to `genesis prepare`.
    """
    if absent := missing(plan):
        return f"{source}: needs --data {'=PLACE '.join(absent)}=PLACE, or --only other data"
    places = {f"data.{name}.path": one.path for name, one in plan.data.items() if one.phantoms is None}
    places |= {f"stores.{name}.path": one.path for name, one in plan.stores.items() if one.path}
    for name, one in plan.stores.items():
        places |= {f"stores.{name}.scans": scan for scan in one.scans if not has_magic(scan)}
    gone = [f"{setting}: {place}" for setting, place in places.items() if not Path(place).exists()]
    return f"{source}: no such file or folder: {'; '.join(gone)}; correct the paths, or give --data" if gone else ""


def placeholders(plan: Plan) -> set[str]:
    """Names in braces that no place was given for."""
    data = [text for one in plan.data.values() for text in (one.path, *one.options.values())]
    stores = [text for store in plan.stores.values() for text in (store.path, *store.scans)]
    inits = [
        text
        for one in plan.inits.values()
        for text in (one.init.values() if isinstance(one.init, dict) else [one.init])
    ]
    return {name for text in (*data, *stores, *inits) for name in _PLACE.findall(text)}


def _find(name: str) -> Path:
    known = shipped()
    if name in known:
        return known[name]
    path = located(name)
    if not path.is_file():
        raise UsageError(f"plan {name}: neither a file nor a shipped plan; shipped: {', '.join(known)}")
    return path


def _values(path: Path, seen: tuple[Path, ...]) -> JSON:
    """The plain values of a plan laid over those of its base."""
    values = read_yaml(path)
    if path in seen:
        raise UsageError(f"{path}: is its own base ({' -> '.join(one.name for one in (*seen, path))})")
    if values.get("base"):
        base = str(values["base"])
        beside = path.parent / base
        values = merge(_values(beside if beside.is_file() else _find(base), (*seen, path)), values)
    return _without_nulls(values)


def _without_nulls(values: JSON) -> JSON:
    """Entries that are null taken out, and with data what inits, fractions and seeds say of them."""
    gone = {name for name, entry in _entries(values, "data") if entry is None}
    for section in SECTIONS:
        if isinstance(values.get(section), dict):
            values[section] = {name: entry for name, entry in _entries(values, section) if entry is not None}
    for _, arm in _entries(values, "inits"):
        if isinstance(arm, dict) and isinstance(arm.get("init"), dict):
            arm["init"] = {k: v for k, v in arm["init"].items() if v is not None and str(k).split("/")[0] not in gone}
    for section in ("fractions", "seeds"):
        if isinstance(values.get(section), dict):
            values[section] = {name: of for name, of in values[section].items() if name not in gone}
    return values


def _entries(values: JSON, section: str) -> list[tuple[str, Any]]:
    """Those of a section; none of one that is no mapping, which is told when the plan is built."""
    found = values.get(section)
    return list(found.items()) if isinstance(found, dict) else []


def _limited(plan: Plan, only: Sequence[str], path: Path) -> Plan:
    unknown = sorted(set(only) - set(plan.data))
    if unknown:
        raise UsageError(f"--only {' '.join(unknown)}: not among the data of {path.name}: {', '.join(plan.data)}")
    if not only:
        return plan
    networks = plan.backbones or {"": {}}
    inits = {name: replace(arm, init=_used(arm.init, only, networks)) for name, arm in plan.inits.items()}
    sources = {source_of(arm.init, data, network) for arm in inits.values() for data in only for network in networks}
    pretraining = {name: spec for name, spec in plan.pretraining.items() if f"pretraining:{name}" in sources}
    used = {spec.store for spec in pretraining.values()}
    return replace(
        plan,
        data={name: data for name, data in plan.data.items() if name in only},
        fractions={name: plan.fractions_of(name) for name in only},
        seeds={name: plan.seeds_of(name) for name in only},
        inits=inits,
        pretraining=pretraining,
        stores={name: store for name, store in plan.stores.items() if name in used},
    )


def _used(init: Any, kept: Sequence[str], networks: Iterable[str]) -> Any:
    """What an init says of the data in `kept`."""
    if not isinstance(init, dict):
        return init
    places = {place_of(init, data, network) for data in kept for network in networks}
    return {place: source for place, source in init.items() if place in places}


def _with_places(plan: Plan, given: dict[str, str], path: Path) -> Plan:
    """Placeholders filled in where their places are known; the rest made absolute."""
    unknown = sorted(set(given) - {*plan.paths, *plan.data})
    if unknown:
        raise UsageError(f"--data {unknown[0]}: {path.name} names no such data; it has {', '.join(_askable(plan))}")
    folder = path.parent
    paths = {name: _absolute(place, folder) if place else "" for name, place in plan.paths.items()}
    mine = {name: str(located(place)) for name, place in given.items()}
    paths |= {name: place for name, place in mine.items() if name in paths}
    known = {name: place for name, place in paths.items() if place}
    known |= {name: f"data/{name}" for name, data in plan.data.items() if data.phantoms is not None}

    def fill(text: str) -> str:
        filled: str = _PLACE.sub(lambda found: known.get(found[1], found[0]), text)
        return filled

    def place(text: str) -> str:
        return _absolute(fill(text), folder) if text else ""

    def data(name: str, one: DataSpec) -> DataSpec:
        options = {key: fill(value) for key, value in one.options.items()}
        if name in mine:  # in place of phantoms, too
            return replace(one, path=mine[name], options=options, phantoms=None)
        return replace(one, path=place(one.path), options=options)

    def store(one: StoreSpec) -> StoreSpec:
        return replace(one, path=place(one.path), scans=tuple(place(scan) for scan in one.scans))

    def init(one: InitSpec) -> InitSpec:
        filled: Any = {k: fill(v) for k, v in one.init.items()} if isinstance(one.init, dict) else fill(one.init)
        return replace(one, init=_absolute_init(filled, folder))

    return replace(
        plan,
        paths=paths,
        data={name: data(name, one) for name, one in plan.data.items()},
        stores={name: store(one) for name, one in plan.stores.items()},
        inits={name: init(one) for name, one in plan.inits.items()},
    )


def _absolute(place: str, folder: Path) -> str:
    """`place` relative to `folder`; one that begins with a name still to be given stays as it is."""
    return place if place.startswith("{") else str(located(place if place.startswith("~") else folder / place))


def _absolute_init(init: Any, folder: Path) -> Any:
    if isinstance(init, dict):
        return {key: _absolute_init(value, folder) for key, value in init.items()}
    kind, _, rest = init.partition(":")
    return f"{kind}:{_absolute(rest, folder)}" if kind in ("file", "run") and rest else init


def _askable(plan: Plan) -> list[str]:
    return [*plan.paths, *(name for name, data in plan.data.items() if data.phantoms is None)]
