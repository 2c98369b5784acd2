"""Single jobs: stores from phantoms and from the training side of labelled data, a training stopped by a signal."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from modelsgenesis.benchmark.jobs import Job, keys
from modelsgenesis.benchmark.journal import Journal
from modelsgenesis.benchmark.matrix import matrix
from modelsgenesis.benchmark.schedule import Schedule
from modelsgenesis.benchmark.work import perform
from modelsgenesis.benchmark.workers import Place, Workers
from modelsgenesis.data.store import open_store
from modelsgenesis.finetune import FinetuneSettings
from modelsgenesis.run import Run
from modelsgenesis.targets.ncc import NccOptions, read_ncc
from tests.benchmark.plans import LOOP, loaded


def jobs_of(folder: Path, **changes: Any) -> dict[str, Job]:
    return {job.name: job for job in matrix(loaded(folder, **changes))}


def test_a_store_of_the_training_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subjects are those of the labels, and nobody of the other sides is there."""
    changes: Any = {"stores": {"chest": {"phantoms": None, "of": "ncc", "sides": ["training", "validation"]}}}
    jobs = jobs_of(tmp_path, **changes)
    store = jobs["stores/chest"]
    assert store.needs == ("data/ncc",)
    monkeypatch.chdir(tmp_path)
    perform(jobs["data/ncc"])
    before = (tmp_path / "data" / "ncc" / "candidates.csv").stat().st_mtime_ns
    perform(jobs["data/ncc"])  # written once
    assert (tmp_path / "data" / "ncc" / "candidates.csv").stat().st_mtime_ns == before
    found = perform(store)
    sides = read_ncc(tmp_path / "data" / "ncc", NccOptions()).sides
    held = open_store(tmp_path / "stores" / "chest")
    assert {scan.subject for scan in held.scans} == {subject for subject, side in sides.items() if side != "test"}
    assert found["data"] == held.digest()


def test_phantoms_of_another_plan_are_not_taken_for_those_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digests = []
    for cases in (1, 2):
        job = jobs_of(tmp_path, stores={"chest": {"phantoms": {"cases": cases}}})["stores/chest"]
        digests.append(perform(job)["data"])
        assert len(open_store(tmp_path / "stores/chest").scans) == cases
        shutil.rmtree(tmp_path / "stores")  # as the message about a changed plan says
    assert digests[0] != digests[1]


def test_who_is_tested_is_part_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = jobs_of(tmp_path)
    perform(jobs["data/ncc"])
    before = perform(jobs["prepared/ncc"])["data"]
    assert perform(jobs["prepared/ncc"])["data"] == before
    luna = tmp_path / "data" / "ncc"
    (scan,) = (luna / "subset0").glob("*.mhd")
    for part in (luna / "subset0").iterdir():
        part.rename(luna / "subset9" / part.name)  # from training to test
    assert scan.name in {path.name for path in (luna / "subset9").iterdir()}
    assert perform(jobs["prepared/ncc"])["data"] != before


def test_a_stopped_training_has_saved_its_state(tmp_path: Path) -> None:
    """Long before its next validation: a stretch on a rented machine loses nothing."""
    changes: Any = {
        "settings": {"loop": {**LOOP, "steps": 100_000, "validate_every": 100_000}},
        "inits": {"genesis": None},
    }
    jobs = [job for job in jobs_of(tmp_path, **changes).values() if "genesis" not in job.name]
    jobs = [job for job in jobs if job.kind in ("phantoms", "data", "run")]
    run = tmp_path / "runs" / "ncc" / "scratch-1-0"
    workers = Workers([Place(tmp_path, 1)], perform)

    def interrupt() -> None:
        while not Run(run).exists or "parameters" not in Run(run).manifest():
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    standing = Schedule(tmp_path, jobs, keys(jobs), Journal(tmp_path), workers, 1).run()
    assert standing.stopped == "interrupted"
    assert (run / "checkpoints" / "last.pt").is_file()
    assert 0 < Run(run).manifest()["step"] < 100_000
    assert Journal(tmp_path).last("runs/ncc/scratch-1-0")["status"] == "interrupted"
    assert Run(run).config(FinetuneSettings).cache == "cache"  # wherever the folder is moved to
