"""`genesis benchmark`: a plan from its file to a comparison, with as many processes as there are devices or cores."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from modelsgenesis.benchmark.checks import check
from modelsgenesis.benchmark.dry import dry_run
from modelsgenesis.benchmark.estimate import rates_of
from modelsgenesis.benchmark.jobs import TRAINING, Job, keys
from modelsgenesis.benchmark.journal import Journal
from modelsgenesis.benchmark.loading import lacking, load_plan
from modelsgenesis.benchmark.matrix import matrix
from modelsgenesis.benchmark.plan import Plan
from modelsgenesis.benchmark.schedule import Schedule, Standing, finished_before
from modelsgenesis.benchmark.tuning import candidates
from modelsgenesis.benchmark.work import perform
from modelsgenesis.benchmark.workers import Place, Workers
from modelsgenesis.config import to_dict, to_yaml
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.evaluate.leaks import LEAKING
from modelsgenesis.evaluate.overview import overview
from modelsgenesis.evaluate.reading import BENCHMARK, FAILURES, TUNING, benchmark_overlaps, load_benchmark
from modelsgenesis.files import only_writer, write_json, write_text
from modelsgenesis.places import writable
from modelsgenesis.run import Run
from modelsgenesis.types import JSON


class UnfinishedBenchmarkError(GenesisError):
    """A benchmark ended before its end, or some of its cells failed; what there is has been told."""


def benchmark(
    plan: str,
    out: Path,
    places: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    processes: int = 0,
    stop_after: float = 0.0,
    dry: bool = False,
) -> str:
    """Do what is left of a plan into the folder `out`; the comparison, as text.

    Args:
        plan: a shipped plan, or a YAML file.
        out: the folder; the same command goes on with what is there.
        places: name of a path or of data in the plan -> where it lies.
        only: names of the data to keep; empty: all.
        processes: workers; 0: one a GPU, else one for every two cores.
        stop_after: minutes after which trainings under way are saved and it ends; 0: never.
        dry: only tell what would be done, and how long it might take.

    Raises:
        UsageError: everything in the plan that does not fit, cells that were made with other settings.
        UnfinishedBenchmarkError: it was interrupted, or cells failed.
    """
    out = writable(out)
    loaded = load_plan(plan, places, only)
    check(loaded, plan)
    jobs = matrix(loaded)
    seats = _places(out, processes)
    found, journal = keys(jobs), Journal(out)
    _refuse_changed(out, jobs, found, journal)
    absent = lacking(loaded, plan)
    if dry:
        done = finished_before(out, jobs, found, journal)
        text = dry_run(loaded, jobs, done, rates_of(jobs, journal), seats)
        if not absent:
            return text
        print(text)
    if absent:
        raise UsageError(absent)
    with only_writer(out, "genesis benchmark"):
        journal = Journal(out)  # as it is now that nobody else writes to it
        others = _others(out, load_plan(plan, places), jobs) if only else []
        write_text(out / "plan.yaml", to_yaml(loaded))
        write_json(out / BENCHMARK, _contents(loaded, [*jobs, *others]))
        after = stop_after * 60 if stop_after > 0 else None
        schedule = Schedule(out, jobs, found, journal, Workers(seats, perform), len(seats), after)
        standing = schedule.run()
        return _told(out, jobs, standing)


def _told(out: Path, jobs: Sequence[Job], standing: Standing) -> str:
    """The comparison as text; raises when there is more to say than that."""
    write_json(out / TUNING, _tuning(out, jobs, standing))
    failures = [{"name": name, "message": message} for name, message in standing.failed.items()]
    failures += [{"name": name, "message": f"not run: {why} failed"} for name, why in standing.blocked.items()]
    write_json(out / FAILURES, failures)
    shared = [asdict(one) | {"pretraining": one.pretraining.name} for one in benchmark_overlaps(out)]
    write_json(out / "leaks.json", [{**one, "leak": one["side"] in LEAKING} for one in shared])
    text = overview(load_benchmark(out))
    runs = [job.name for job in jobs if job.kind == "run"]
    done = sum(name in standing.finished for name in runs)
    place = f"{done} of {len(runs)} runs are in {out / 'runs'}, logs in {out / 'logs'}"
    if standing.stopped and not standing.stopped.startswith("interrupted"):
        return f"{text}\n\n{standing.stopped}: {place}; the same command goes on"
    if standing.stopped:
        error = UnfinishedBenchmarkError(f"{out}: interrupted; {place}; the same command goes on")
        error.exit_code = 130
        raise error
    if failures:
        print(text)
        first = failures[0]
        raise UnfinishedBenchmarkError(
            f"{out}: {len(standing.failed)} jobs failed and {len(standing.blocked)} could not be run, such as "
            f"{first['name']}: {first['message']}; the others are finished ({place}); the same command tries them again"
        )
    return f"{text}\n\n{place}"


def _refuse_changed(out: Path, jobs: Sequence[Job], found: Mapping[str, str], journal: Journal) -> None:
    """Cells of another plan in the same place: never mixed with those of this one."""
    changed = []
    for job in jobs:
        held = journal.last(job.name).get("key")
        if held is not None and held != found[job.name] and (out / job.name).exists():
            changed.append(job)
    if not changed:
        return
    first = changed[0]
    differing = _differences(out, first)
    why = f" ({', '.join(differing)})" if differing else ""
    raise UsageError(
        f"{out}: the plan changed since {first.name}{why} and {len(changed) - 1} others were made; take another --out, "
        f"or delete their folders"
    )


def _differences(out: Path, job: Job) -> list[str]:
    """Settings of a training that differ from those of its folder, the first few."""
    run = Run(out / job.name)
    if job.kind not in TRAINING or not run.exists:
        return []
    held = yaml.safe_load((run.path / "config.yaml").read_text(encoding="utf-8"))
    mine, theirs = _flat(job.settings), _flat(held)
    differing = [name for name in mine if name not in ("options", "backbone.norm") and mine[name] != theirs.get(name)]
    return [f"{name}: {theirs.get(name)} there, {mine[name]} here" for name in differing[:3]]


def _flat(values: JSON, prefix: str = "") -> JSON:
    flat: JSON = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _others(out: Path, whole: Plan, jobs: Sequence[Job]) -> list[Job]:
    """Runs on data that --only leaves out now and that are there from before: they stay in the comparison."""
    mine = {job.name for job in jobs}
    return [job for job in matrix(whole) if job.name not in mine and Run(out / job.name).finished]


def _contents(plan: Plan, jobs: Sequence[Job]) -> JSON:
    """What there is to be read in the folder: the runs and where they stand in the comparison."""
    cells = [{"run": job.name, **asdict(job.cell)} for job in jobs if job.kind == "run" and job.cell is not None]
    return {"plan": to_dict(plan), "reference": plan.reference, "cells": cells}


def _tuning(out: Path, jobs: Sequence[Job], standing: Standing) -> list[JSON]:
    """Of every cell that was tuned, what its trials reached on validation subjects and which was taken."""
    told: dict[tuple[str, ...], JSON] = {}
    cells = {job.name: job.cell for job in jobs}
    for job in jobs:
        cell = cells[job.tuning[0]] if job.tuning else None  # of the trials, which may have other labels than the run
        if cell is not None and job.name in standing.chosen:
            told[job.tuning] = {
                "data": cell.data,
                "arm": cell.arm,
                "backbone": cell.backbone,
                "fraction": cell.fraction,
                "trials": [asdict(one) for one in candidates(out, job)],
                "chosen": standing.chosen[job.name],
            }
    return list(told.values())


def _places(out: Path, processes: int) -> list[Place]:
    """The workers: as many as asked for, spread over the GPUs there are, with an equal share of the cores.

    OMP_NUM_THREADS, where it is set, is the most threads of each, as for PyTorch itself.
    """
    devices = _devices()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if processes < 0:
        raise UsageError(f"--processes {processes} must be 1 or more, or 0 for as many as suit the machine")
    count = processes or len(devices) or max(1, cores // 2)
    given = os.environ.get("OMP_NUM_THREADS", "")
    most = int(given) if given.isdecimal() and int(given) else cores
    seats: list[Any] = [devices[number % len(devices)] if devices else None for number in range(count)]
    return [Place(out, max(1, min(most, cores // count)), seat) for seat in seats]


def _devices() -> list[str]:
    """The CUDA devices that this process may use."""
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not torch.cuda.is_available():
        return []
    there = torch.cuda.device_count()
    return given.split(",")[:there] if given else [str(number) for number in range(there)]
