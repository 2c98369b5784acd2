"""What `genesis info` tells: of a store, a run, weights, a folder of data, a target task, or this installation."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from modelsgenesis.data.manifest import MANIFEST, read_manifest
from modelsgenesis.data.store import describe, open_store
from modelsgenesis.errors import GenesisError, UsageError, meant
from modelsgenesis.places import located
from modelsgenesis.run import PACKAGES, Run, versions
from modelsgenesis.targets import TARGETS
from modelsgenesis.types import JSON

_NO_WEIGHTS = (".json", ".jsonl", ".yaml", ".yml", ".csv", ".txt", ".md", ".html", ".npy", ".npz", ".raw")


def installation(commands: Iterable[str]) -> JSON:
    """Commands, targets and versions."""
    return {"commands": ", ".join(commands), "targets": ", ".join(TARGETS.names()), "versions": versions(PACKAGES)}


def facts_of(what: str, data: Path | None, options: Mapping[str, str], verify: bool) -> JSON:
    """What is to be told of a path or a target task.

    Args:
        what: the path, or the name of a target.
        data: of a target: the data to describe.
        options: of a target.
        verify: read all scans of a store, all headers of data.

    Raises:
        UsageError: neither a path that is there nor a target.
        GenesisError: damaged.
    """
    from modelsgenesis.targets.describe import describe_data, describe_task

    path, target = located(what), what.lower()
    if data is not None:
        return describe_data(target, data, dict(options), verify)
    if Run(path).exists:
        return Run(path).manifest()
    if target in TARGETS.names() and not path.exists():
        from modelsgenesis.finetune import recipe_facts

        return {**describe_task(target), "recipe": recipe_facts(target)}
    if path.is_file():
        return _of_file(path)
    if not path.exists():
        hint = meant(target, TARGETS.names())
        raise UsageError(f"{what}: no such file or folder, and no target task; {hint}check the path")
    if (path / MANIFEST).exists():
        return _of_store(path, verify)
    below = [place.parent for place in sorted(path.glob(f"*/{MANIFEST}"))]
    if below:
        counts = {place: len(open_store(place).scans) for place in below if read_manifest(place)}
        return {"stores": [f"{place}: {count} scans" for place, count in counts.items()]}
    from modelsgenesis.targets.describe_folder import describe_folder

    return describe_folder(path)


def _of_file(path: Path) -> JSON:
    from modelsgenesis.models.weights import describe_weights
    from modelsgenesis.targets.describe_folder import describe_scan, is_scan

    if is_scan(path):
        return describe_scan(path)
    if path.suffix.lower() in _NO_WEIGHTS:
        raise UsageError(f"{path}: neither a scan nor weights; name the folder that holds it, or another file")
    return describe_weights(path)


def _of_store(path: Path, verify: bool) -> JSON:
    store = open_store(path)
    facts = describe(store)
    if verify:
        problems = store.verify()
        if problems:
            raise GenesisError(
                f"{path}: {len(problems)} of {len(store.scans)} scans are damaged: {'; '.join(problems)}"
            )
        facts["verified"] = "every scan reads to its checksums"
    return facts


def shown(name: str, value: Any) -> list[str]:
    """A fact as lines: a list has one an entry."""
    if isinstance(value, list):
        return [f"{name if index == 0 else '':<14} {entry}" for index, entry in enumerate(value or ["none"])]
    shown = ", ".join(f"{key} {entry}" for key, entry in value.items()) if isinstance(value, dict) else value
    return [f"{name:<14} {shown}"]
