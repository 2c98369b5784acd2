"""What a run folder says of itself: how, where and how long it was made, on whom."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json
from modelsgenesis.report.words import listed
from modelsgenesis.run import Run
from modelsgenesis.types import JSON

ON_GPU = ("cuda", "mps", "xpu")


@dataclass(frozen=True)
class Facts:
    """A run folder in short.

    Args:
        path: the folder.
        shown: the same relative to where the report lies.
        manifest: as in manifest.json, without the list of tensors.
        settings: resolved settings, as flat names.
        sides: subjects a side of the split, as in split.json.
    """

    path: Path
    shown: str
    manifest: JSON
    settings: JSON = field(default_factory=dict)
    sides: JSON = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Wall time."""
        return float(self.manifest.get("seconds") or 0)

    @property
    def device(self) -> str:
        """As torch names it; empty when unknown."""
        return str(self.manifest.get("device") or "")

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return bool(self.manifest.get("finished"))

    @property
    def commit(self) -> str:
        """The first digits of the commit of the source; empty for an installed package."""
        return str(self.manifest.get("git") or "")[:10]


def read_facts(path: Path, beside: Path) -> Facts:
    """Facts of the run at `path`; GenesisError naming the file when it is no run or damaged.

    Args:
        path: a run folder.
        beside: folder of the report, to which paths are shown.
    """
    if not Run(path).exists:
        raise GenesisError(f"{path}: no run folder (no config.yaml and manifest.json)")
    manifest = read_json(path / "manifest.json")
    if not isinstance(manifest, dict):
        raise GenesisError(f"{path / 'manifest.json'}: is not a JSON object; the run must be made again")
    manifest = {name: value for name, value in manifest.items() if name != "init"} | {
        "init": _source(manifest.get("init"))
    }
    sides = read_json(path / "split.json") if (path / "split.json").is_file() else {}
    return Facts(path, relative(path, beside), manifest, _settings(path / "config.yaml"), _counted(sides))


def relative(path: Path, beside: Path) -> str:
    """`path` as seen from the folder `beside`, with forward slashes; absolute where there is no way."""
    try:
        return Path(os.path.relpath(path, beside)).as_posix()
    except ValueError:  # another drive
        return path.absolute().as_posix()


def _source(init: Any) -> str:
    return str(init.get("source", "")) if isinstance(init, dict) else ""


def _settings(path: Path) -> JSON:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GenesisError(f"{path}: cannot be read as YAML ({error}); the run must be made again") from error
    return dict(flat(values)) if isinstance(values, dict) else {}


def flat(values: JSON, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested settings as dotted names with their values."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _counted(sides: Any) -> JSON:
    return {name: len(found) for name, found in sides.items()} if isinstance(sides, dict) else {}


def common_settings(facts: Mapping[str, Sequence[Facts]]) -> tuple[dict[str, str], dict[str, str]]:
    """Settings that all runs share, and those that differ: by arm, where the arms differ.

    Args:
        facts: arm -> its runs.
    """
    names = dict.fromkeys(name for runs in facts.values() for one in runs for name in one.settings)
    shared: dict[str, str] = {}
    differing: dict[str, str] = {}
    for name in names:
        values = {arm: _values(name, runs) for arm, runs in facts.items()}
        first = next(iter(values.values()))
        if all(of_arm == first for of_arm in values.values()):
            (shared if len(first) == 1 else differing)[name] = listed(first)
        else:
            differing[name] = "; ".join(f"{arm}: {listed(of_arm)}" for arm, of_arm in values.items())
    return shared, differing


def _values(name: str, runs: Sequence[Facts]) -> list[str]:
    return sorted({_shown(one.settings.get(name, "–")) for one in runs})


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Cost:
    """What some runs took: hours on GPUs and on other devices."""

    gpu_hours: float
    other_hours: float
    devices: tuple[str, ...]


def spent(found: Cost) -> str:
    """The cost in words."""
    parts = [
        f"{hours:.2g} {unit} hours" for hours, unit in ((found.gpu_hours, "GPU"), (found.other_hours, "CPU")) if hours
    ]
    devices = f" on {', '.join(found.devices)}" if found.devices else ""
    return f"{' and '.join(parts) or 'unknown time'} of training and testing{devices}"


def cost(facts: Sequence[Facts]) -> Cost:
    """Sum over runs."""
    gpu = sum(one.seconds for one in facts if one.device.startswith(ON_GPU))
    everything = sum(one.seconds for one in facts)
    devices = tuple(dict.fromkeys(_device(one) for one in facts if one.device))
    return Cost(gpu / 3600, (everything - gpu) / 3600, devices)


def _device(one: Facts) -> str:
    return str(one.manifest.get("device_name") or one.device)


def versions(facts: Sequence[Facts]) -> dict[str, list[str]]:
    """Package -> the versions that the runs were made with."""
    found: dict[str, list[str]] = {}
    for one in facts:
        for name, version in dict(one.manifest.get("versions") or {}).items():
            if str(version) not in found.setdefault(name, []):
                found[name].append(str(version))
    return found
