"""Folders given on the command line to one comparison; what cannot be used is listed with the reason."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from yaml import YAMLError

from modelsgenesis.errors import GenesisError
from modelsgenesis.evaluate.reading import BENCHMARK, load_benchmark, load_runs
from modelsgenesis.evaluate.results import Comparison, Result
from modelsgenesis.files import read_json
from modelsgenesis.places import located
from modelsgenesis.run import Run

T = TypeVar("T")
DEPTH = 4
"""Folders below a given one that are searched for runs."""
SKIPPED = ("cache", "checkpoints", "predictions", "tensorboard")
_DAMAGED = (GenesisError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError, YAMLError)
"""What reading a folder raises that was edited, cut off, or made by something else."""


@dataclass
class Gathered:
    """A comparison, and why some folders are not in it: (folder, reason)."""

    comparison: Comparison
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def gather(folders: Sequence[Path], reference: str = "") -> Gathered:
    """Read all benchmarks and runs at or below `folders`.

    `reference` is the arm that others are compared with; empty: the plan's, or a start from scratch.
    UsageError when no run is of it.
    """
    left_out: list[tuple[Path, str]] = []
    found: list[Comparison] = []
    loose: list[Path] = []
    for folder in dict.fromkeys(located(folder) for folder in folders):
        places = list(_places(folder, DEPTH)) if folder.is_dir() else []
        if not places:
            left_out.append((folder, "no run folder in it" if folder.is_dir() else "there is no such folder"))
        for place in places:
            if (place / BENCHMARK).is_file():
                found += _benchmark(place, left_out)
            else:
                loose.append(place)
    found += _loose(list(dict.fromkeys(loose)), left_out)
    joined = _joined(found, left_out)
    return Gathered(joined.against(reference) if reference else _referring(joined), left_out)


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """Folders of benchmarks and of runs; what lies below one is its own affair."""
    if (folder / BENCHMARK).is_file() or Run(folder).exists:
        yield folder
    elif depth and folder.name not in SKIPPED:
        for below in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _places(below, depth - 1)


def _tried(read: Callable[[], T], path: Path, left_out: list[tuple[Path, str]]) -> T | None:
    try:
        return read()
    except GenesisError as error:
        left_out.append((path, str(error).removeprefix(f"{path}: ")))
    except _DAMAGED as error:
        cause = " ".join(str(error).split())
        left_out.append((path, f"damaged ({type(error).__name__}: {cause}); make it again"))
    return None


def _benchmark(folder: Path, left_out: list[tuple[Path, str]]) -> list[Comparison]:
    """The benchmark; with a damaged run in it, cell by cell without that one."""
    try:
        whole = load_benchmark(folder)
    except _DAMAGED:
        cells = _tried(lambda: list(read_json(folder / BENCHMARK)["cells"]), folder, left_out) or []
        parts = [_cell(folder, cell, left_out) for cell in cells]
        return [part for part in parts if part is not None]
    left_out += [(folder / name, "not finished yet; run genesis benchmark again") for name in whole.waiting]
    return [whole]


def _cell(folder: Path, cell: Any, left_out: list[tuple[Path, str]]) -> Comparison | None:
    path = folder / str(cell["run"])

    def read() -> Comparison:
        one = load_runs([path], str(cell.get("metric") or ""))
        names = {"target": cell["data"], "arm": cell["arm"], "backbone": cell["backbone"] or one.results[0].backbone}
        leaks = tuple(replace(leak, arm=cell["arm"], target=cell["data"]) for leak in one.leaks)
        renamed = {str(cell["arm"]): origin for origin in one.pretraining.values()}
        return replace(one, results=(replace(one.results[0], **names),), leaks=leaks, pretraining=renamed)

    return _tried(read, path, left_out)


def _loose(paths: Sequence[Path], left_out: list[tuple[Path, str]]) -> list[Comparison]:
    """Runs without a benchmark, pre-trainings among them, with short names for their arms and targets."""
    found: list[Comparison] = []
    alone: dict[str, Path] = {}
    for path in paths:
        command = _tried(lambda path=path: str(Run(path).manifest()["command"]), path, left_out)  # type: ignore[misc]
        if command == "pretrain":
            alone[f"run:{path}"] = path
        elif command is not None:
            one = _tried(lambda path=path: load_runs([path]), path, left_out)  # type: ignore[misc]
            found += [one] if one is not None else []
    known = {origin.resolve() for one in found for origin in one.pretraining.values()}
    more = {arm: path for arm, path in alone.items() if path.resolve() not in known}
    every = [*found, Comparison((), more)] if more else found
    return _short_targets(_short_arms(every))


def _short_arms(found: list[Comparison]) -> list[Comparison]:
    """`run:/a/b/genesis` as "genesis", where that is one run only."""
    arms = {result.arm for one in found for result in one.results} | {arm for one in found for arm in one.pretraining}
    short = {arm: _last(arm) if arm.startswith(("run:", "file:")) else arm for arm in arms}
    names = list(short.values())
    short = {arm: name if names.count(name) == 1 else arm for arm, name in short.items()}
    return [
        replace(
            one,
            results=tuple(replace(result, arm=short[result.arm]) for result in one.results),
            pretraining={short[arm]: path for arm, path in one.pretraining.items()},
            leaks=tuple(replace(leak, arm=short[leak.arm]) for leak in one.leaks),
        )
        for one in found
    ]


def _last(source: str) -> str:
    """The folder of a run, or the file of weights without its ending."""
    path = located(source.partition(":")[2])
    return path.name if source.startswith("run:") else path.stem


def _short_targets(found: list[Comparison]) -> list[Comparison]:
    """Other data under one name of a target get the digest of their contents."""
    digests: dict[str, dict[str, None]] = {}
    for one in found:
        for result in one.results:
            digests.setdefault(result.target, {})[_digest(result)] = None
    unclear = {target for target, several in digests.items() if len(several) > 1}
    if not unclear:
        return found
    return [
        replace(one, results=tuple(_with_digest(r) if r.target in unclear else r for r in one.results)) for one in found
    ]


def _with_digest(result: Result) -> Result:
    return replace(result, target=f"{result.target} {_digest(result)[:4]}")


def _digest(result: Result) -> str:
    return str(Run(result.run).manifest().get("data", ""))


def _joined(found: Iterable[Comparison], left_out: list[tuple[Path, str]]) -> Comparison:
    """All as one; of runs of one place in it, the first."""
    parts = list(found)
    results: dict[tuple[Any, ...], Result] = {}
    for result in (result for one in parts for result in one.results):
        key = (result.target, result.backbone, result.fraction, result.metric, result.arm, result.seed)
        if key in results and results[key].run != result.run:
            same = f"the same target, arm, labels and seed as {results[key].run}"
            left_out.append((result.run, f"{same}; name the one to show, or give them other arms in a benchmark"))
        else:
            results[key] = result
    return Comparison(
        tuple(results.values()),
        {arm: path for one in parts for arm, path in one.pretraining.items()},
        next((one.reference for one in parts if one.plan), "scratch"),
        tuple(failure for one in parts for failure in one.failures),
        tuple(name for one in parts for name in one.waiting),
        tuple(
            {json.dumps([str(p) for p in vars(leak).values()]): leak for one in parts for leak in one.leaks}.values()
        ),
        tuple(trial for one in parts for trial in one.trials),
        next((one.plan for one in parts if one.plan), {}),
    )


def _referring(comparison: Comparison) -> Comparison:
    """With a reference that there is, when it is a kind of start from scratch."""
    arms = list(dict.fromkeys(result.arm for result in comparison.results))
    scratch = [arm for arm in arms if arm.startswith("scratch")]
    return replace(comparison, reference=scratch[0]) if scratch and comparison.reference not in arms else comparison
