"""The run folder: everything a run needs to be understood, resumed and compared."""

import json
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from modelsgenesis.config import digest, load, to_dict, to_yaml
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import read_json, write_json, write_text
from modelsgenesis.types import JSON

T = TypeVar("T")
Changes = dict[str, tuple[Any, Any]]
"""Name of a setting -> its value there, in the run folder, and here; None where there is none."""
MayChange = Callable[[JSON, JSON], Collection[str]]
"""(settings there, settings here), by their full names -> names of those that may differ."""
LENGTH = ("loop.steps", "loop.patience")
"""Settings that say how far a run goes: one that was finished may not be when they change."""
PACKAGES = ("modelsgenesis", "torch", "numpy", "lightning-fabric", "monai", "numba", "tensorstore", "SimpleITK")


def nothing_changes(there: JSON, here: JSON) -> Collection[str]:  # noqa: ARG001 - MayChange
    """For runs that go on as they were begun."""
    return ()


class Run:
    """A run folder (docs/architecture.md).

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.weights = path / "weights.safetensors"
        self.cleaning = path / "cleaning.json"
        self.predictions = path / "predictions"
        self.figures = path / "figures"
        self.curves = self.figures / "validation.png"
        self.settings = path / "config.yaml"
        self._manifest, self._metrics = path / "manifest.json", path / "metrics.jsonl"
        self._began = time.time()

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.settings.is_file() and self._manifest.is_file()

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.exists and bool(self.manifest().get("finished"))

    @property
    def last(self) -> Path:
        """The checkpoint from which the run goes on."""
        return self.checkpoints / "last.pt"

    @property
    def best(self) -> Path:
        """The weights of the best validation so far, which become those of the run at its end."""
        return self.checkpoints / "best.safetensors"

    @property
    def trained(self) -> bool:
        """Whether its training has begun."""
        return self._metrics.is_file()

    def remove(self) -> None:
        """Remove the folder; of a link to one, what the folder holds."""
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if not self.path.is_symlink():
            self.path.rmdir()

    def manifest(self) -> JSON:
        """Versions, device, seed, git commit, data digest, seconds, peak memory, and what the command added."""
        value: JSON = read_json(self._manifest)
        return value

    def config(self, cls: type[T]) -> T:
        """The resolved settings the run was made with."""
        if not self.exists:
            raise UsageError(f"{self.path}: not a run folder (no config.yaml and manifest.json)")
        return load(cls, self.settings)

    def begin(
        self, command: str, config: Any, data: str, resume: bool, may_change: MayChange = nothing_changes
    ) -> bool:
        """Create the run, or recognise it; False when it is finished already and nothing is left to do.

        A run that is there is only judged: `take_up` notes what it goes on with.

        Args:
            command: "pretrain" or "finetune".
            config: resolved settings.
            data: digest of the data used.
            resume: continue an interrupted run, or one that was shorter.
            may_change: which settings need not be those the run was begun with.

        Raises UsageError when the folder holds another run (naming the settings that differ), one that is to go on
        and `resume` is false or its checkpoint or best weights are gone, or files that are no run.
        """
        if self.exists:
            self._refuse_others(command, config, data, may_change)
            longer = {name: pair for name, pair in self.changes(config).items() if name in LENGTH}
            if self.finished and not longer:
                return False
            if not resume:
                what = f"a finished run ({_shown(longer)})" if self.finished else "an interrupted run"
                raise UsageError(f"{self.path}: holds {what}; add --resume or choose another --out")
            gone = [path for path in (self.last, self.best) if not path.is_file()]
            if self.finished and gone:
                names = " and ".join(str(path.relative_to(self.path)) for path in gone)
                raise UsageError(
                    f"{self.path}: holds a finished run without its {names}, which cannot go on "
                    f"({_shown(longer)}); choose another --out"
                )
            return True
        text = to_yaml(config)
        if not self._barely_begun(text):
            raise UsageError(f"{self.path}: is not empty and is no run folder; choose another --out")
        manifest = {"command": command, "data": data, "finished": False, **_environment(config)}
        write_text(self.settings, text)
        write_json(self._manifest, manifest)
        return True

    def _barely_begun(self, config: str) -> bool:
        """Whether nothing is here, or what a run of these settings leaves that is killed in its first moment."""
        if not self.path.exists():
            return True
        left = [path for path in self.path.iterdir() if not path.name.endswith(".partial")]
        return not left or (left == [self.settings] and self.settings.read_text(encoding="utf-8") == config)

    def changes(self, config: Any) -> Changes:
        """The settings of `config` that are not those the run was last made with."""
        theirs, mine = _flat(to_dict(self.config(type(config)))), _flat(to_dict(config))
        pairs = {name: (theirs.get(name), mine.get(name)) for name in {**theirs, **mine}}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def take_up(self, config: Any, **entries: Any) -> None:
        """Go on with `config`: the run is no longer finished, so it has no weights to be used and no results of them
        (`best` holds the weights meanwhile). What a killed process had half written goes; `entries` join its manifest.
        """
        self.note(finished=False, config_digest=digest(config), **entries)
        self.weights.unlink(missing_ok=True)
        self.cleaning.unlink(missing_ok=True)
        self.curves.unlink(missing_ok=True)
        for results in (self.predictions, self.path / "evaluation"):
            shutil.rmtree(results, ignore_errors=True)
        for half in [*self.path.glob(".*.partial"), *self.checkpoints.glob(".*.partial")]:
            half.unlink(missing_ok=True)
        write_text(self.settings, to_yaml(config))

    def _refuse_others(self, command: str, config: Any, data: str, may_change: MayChange) -> None:
        manifest = self.manifest()
        if manifest["command"] != command:
            raise UsageError(f"{self.path}: holds a run of genesis {manifest['command']}; choose another --out")
        there, here = (_flat(to_dict(values)) for values in (self.config(type(config)), config))
        allowed = may_change(there, here)
        differing = {name: pair for name, pair in self.changes(config).items() if name not in allowed}
        found = ([_shown(differing)] if differing else []) + (["the data changed"] if manifest["data"] != data else [])
        if found:
            raise UsageError(f"{self.path}: holds another run ({'; '.join(found)}); choose another --out")

    def finish(self, **entries: Any) -> None:
        """Mark the run finished; `entries` join its manifest."""
        self.note(finished=True, **entries)

    def note(self, **entries: Any) -> None:
        """Add `entries` to the manifest, with the seconds spent and the peak memory so far."""
        manifest, now = self.manifest(), time.time()
        manifest["seconds"] = round(manifest.get("seconds", 0.0) + now - self._began, 1)
        self._began = now
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        manifest["peak_memory_mb"] = round(peak / (1024**2 if sys.platform == "darwin" else 1024))
        write_json(self._manifest, {**manifest, **entries})

    def log(self, **entry: Any) -> None:
        """Append a line to metrics.jsonl."""
        try:
            with self._metrics.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise GenesisError(f"{self._metrics}: could not be written ({error.strerror}); free space?") from error

    def metrics(self) -> list[JSON]:
        """All lines of metrics.jsonl; a torn last line is ignored."""
        if not self._metrics.is_file():
            return []
        entries = []
        for line in self._metrics.read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                break
        return entries

    def forget_after(self, step: int) -> None:
        """Drop metrics past `step`: a resumed run writes them again."""
        kept = [entry for entry in self.metrics() if entry["step"] <= step]
        write_text(self._metrics, "".join(json.dumps(entry) + "\n" for entry in kept))


def _shown(changes: Changes) -> str:
    return "; ".join(f"{name}: {there} there, {here} here" for name, (there, here) in changes.items())


def _flat(values: JSON, prefix: str = "") -> JSON:
    flat: JSON = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def versions(packages: Sequence[str]) -> JSON:
    """Installed version of each package, and Python's."""
    return {name: version(name) for name in packages} | {"python": platform.python_version()}


def _environment(config: Any) -> JSON:
    return {
        "config_digest": digest(config),
        "seed": getattr(config, "seed", None),
        "versions": versions(PACKAGES),
        "machine": platform.platform(),
        "git": _commit(),
    }


def _commit() -> str | None:
    """The commit of the source checkout, None for an installed package."""
    root = Path(__file__).parents[2]
    if shutil.which("git") is None or not (root / ".git").exists():
        return None
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True).stdout.strip() or None
