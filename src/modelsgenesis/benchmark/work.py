"""Doing one job, in the folder of the benchmark; every one of them can be killed and started again."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelsgenesis.benchmark.jobs import Job
from modelsgenesis.config import build, digest
from modelsgenesis.files import file_digest, write_csv
from modelsgenesis.run import Run
from modelsgenesis.types import JSON

CACHE = Path("cache")


def perform(job: Job) -> JSON:
    """Do `job` in the working directory; what came of it, as plain values.

    Results: `data`, the digest of what it made or read for others; of trainings `score`, the best validation.
    Raises GenesisError as the commands do, InterruptedRunError when it was asked to stop and has saved its state.
    """
    return WORK[job.kind](job)


def _phantoms(job: Job) -> JSON:
    _written(Path(job.name), job.spec["phantoms"])
    return {}


def _written(folder: Path, spec: JSON) -> None:
    """The phantoms of `spec` at `folder`: there whole, or written now."""
    from modelsgenesis.phantoms import write_phantoms

    if folder.exists():
        return
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    write_phantoms(spec["name"], partial, spec["cases"], spec["seed"], _sides(spec["shape"]), _sides(spec["spacing"]))
    partial.rename(folder)


def _sides(values: Any) -> Any:
    return None if values is None else tuple(values)


def _store(job: Job) -> JSON:
    from modelsgenesis.data.convert import PrepareSettings
    from modelsgenesis.data.prepare import prepare
    from modelsgenesis.data.store import open_store

    store = Path(job.name)
    if not job.spec["made"]:
        store = Path(job.place)
    else:
        config = build(PrepareSettings, job.spec["prepare"], f"{job.name}: prepare")
        scans = [line for line in job.place.split("\0") if line]
        if job.spec["phantoms"]:
            # named by what they are: those of another plan must not be taken for them
            scans = [f"scans/{store.name}-{digest(job.spec['phantoms'])}"]
            _written(Path(scans[0]), job.spec["phantoms"])
        elif job.spec["of"]:
            scans, config = _unlabelled(job, config)
        prepare(scans, store, config, int(os.environ.get("OMP_NUM_THREADS", 0)) or None)  # this worker's cores alone
    return {"data": open_store(store).digest()}


def _unlabelled(job: Job, config: Any) -> tuple[list[str], Any]:
    """The images of some sides of labelled data, with their subjects, and the settings that read them."""
    from modelsgenesis.finetune import FinetuneSettings, read_target, used_sides

    of = job.spec["of"]
    settings = build(FinetuneSettings, of["settings"] | {"options": dict(job.options)}, job.name)
    target = read_target(of["target"], Path(job.place).absolute(), settings, CACHE.absolute())
    sides, _ = used_sides(target, replace(settings, label_fraction=1.0))
    chosen = {subject for side in of["sides"] for subject in getattr(sides, side)}
    subjects = {str(image): case.subject for case in target.cases if case.subject in chosen for image in case.images}
    table = Path("scans") / f"{Path(job.name).name}.csv"
    write_csv(table, ("path", "subject"), [{"path": path, "subject": subjects[path]} for path in sorted(subjects)])
    return sorted(subjects), replace(config, subject=str(table))


def _data(job: Job) -> JSON:
    """Read the data into the cache once, before several runs want them at a time."""
    from modelsgenesis.finetune import FinetuneSettings, read_target
    from modelsgenesis.targets.prepared import prepare_target

    values = job.settings | {"options": dict(job.options)}
    settings = build(FinetuneSettings, values, job.name)
    target = read_target(job.spec["target"], Path(job.place).absolute(), settings, CACHE.absolute())
    prepared = prepare_target(target, settings.images, CACHE.absolute())
    held = [prepared.digest(), dict(target.sides), dict(target.findings)]  # also who is tested, which no image tells
    return {"data": digest(held), "cases": len(target.cases)}


def _pretraining(job: Job) -> JSON:
    from modelsgenesis.pretrain import PretrainSettings, pretrain

    settings = build(PretrainSettings, job.settings, job.name)
    run = pretrain(Path(job.place), Path(job.name), settings, resume=True, longer=False)
    _tidy(run, weights=True)
    return {"data": file_digest(run.weights), "score": run.manifest()["best"].get("validation")}


def _training(job: Job) -> JSON:
    from modelsgenesis.evaluate.collect import evaluate_run
    from modelsgenesis.finetune import FinetuneSettings, finetune

    settings = build(FinetuneSettings, job.settings | {"options": dict(job.options)}, job.name)
    run = finetune(job.spec["target"], Path(job.place).absolute(), Path(job.name), settings, resume=True, longer=False)
    if job.kind == "run" and not (run.path / "evaluation" / "summary.json").is_file():
        evaluate_run(run.path)
    manifest = run.manifest()
    _tidy(run, weights=job.kind == "run")
    return {"score": manifest["best"].get(manifest["monitor"])}


def _tidy(run: Run, weights: bool) -> None:
    """Remove what a finished run no longer needs: hundreds of them would fill a disk."""
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    if not weights:
        run.weights.unlink(missing_ok=True)


WORK: dict[str, Callable[[Job], JSON]] = {
    "phantoms": _phantoms,
    "store": _store,
    "data": _data,
    "pretraining": _pretraining,
    "tuning": _training,
    "run": _training,
}
