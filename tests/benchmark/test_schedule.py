"""Schedules: order, failures, crashes, stops and starts, with jobs that only pretend to work."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from modelsgenesis.benchmark.estimate import Rates, _sample, makespan, rates_of
from modelsgenesis.benchmark.jobs import Job, keys
from modelsgenesis.benchmark.journal import JOURNAL, Journal
from modelsgenesis.benchmark.schedule import Schedule, Standing
from modelsgenesis.benchmark.workers import Place, Workers, log_of
from modelsgenesis.files import write_json
from modelsgenesis.run import Run
from tests.benchmark.plans import idle, pretend


def run(folder: Path, jobs: Sequence[Job], processes: int = 1, stop_after: float | None = None) -> Standing:
    workers = Workers([Place(folder, 1)] * processes, pretend)
    return Schedule(folder, jobs, keys(jobs), Journal(folder), workers, processes, stop_after).run()


def trace(folder: Path) -> list[str]:
    return (folder / "trace").read_text().split()


def test_a_failure_costs_itself_and_what_needs_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    jobs = [
        idle("a"),
        idle("broken", do="fail"),
        idle("buggy", do="raise"),
        idle("crashing", do="crash"),
        idle("b", "a"),
        idle("c", "broken"),
        idle("d", "c", "a"),
        Job("tuned", "store", "all", ("a",), tuning=("crashing", "buggy"), choices={}),
        idle("z"),
    ]
    standing = run(tmp_path, jobs)
    assert standing.finished == {"a", "b", "z"}
    assert standing.failed["broken"] == "broken: broken; mend it"
    assert standing.failed["buggy"] == "unexpected ZeroDivisionError: a bug"
    assert standing.failed["crashing"] == "its process ended (exit code 7)"
    assert standing.blocked == {"c": "broken", "d": "c", "tuned": "crashing"}
    assert trace(tmp_path) == ["a", "broken", "buggy", "crashing", "b", "z"]
    said = capfd.readouterr().err
    assert "failed: broken: broken: broken; mend it (log: " in said
    assert "doing" not in said  # output of jobs goes to their logs
    assert "doing broken" in log_of(tmp_path, "broken").read_text()
    assert "Traceback" in log_of(tmp_path, "buggy").read_text()
    last = {entry["job"]: entry["status"] for entry in Journal(tmp_path).entries}
    assert last["z"] == "finished"
    assert last["crashing"] == "failed"


def test_two_workers_share_the_work_and_respect_needs(tmp_path: Path) -> None:
    quick = [idle(f"quick{n}") for n in range(4)]
    jobs = [idle("slow", until="quick3", seconds=1), *quick, idle("last", "slow", "quick3")]
    assert run(tmp_path, jobs, processes=2).finished == {job.name for job in jobs}
    ends = [entry["job"] for entry in Journal(tmp_path).entries if entry["status"] == "finished"]
    assert ends[-2:] == ["slow", "last"]


def test_it_ends_after_the_time_given(tmp_path: Path) -> None:
    began = time.monotonic()
    standing = run(tmp_path, [idle("a", seconds=600), idle("b")], stop_after=0.5)
    assert standing.stopped == "stopped after the time given"
    assert not standing.finished
    assert time.monotonic() - began < 200
    last = Journal(tmp_path).last("a")
    assert (last["status"], Journal(tmp_path).last("b")) == ("interrupted", {})


def test_ctrl_c_reaches_the_workers_once(tmp_path: Path) -> None:
    threading.Timer(2.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    standing = run(tmp_path, [idle("a", seconds=600), idle("b", "a")])
    assert standing.stopped == "interrupted"
    assert Journal(tmp_path).last("a")["status"] == "interrupted"


def test_the_journal_survives_a_torn_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(job="a", status="finished", seconds=2.0)
    with (tmp_path / JOURNAL).open("a") as handle:
        handle.write('{"job": "a", "sta')
    again = Journal(tmp_path)
    assert again.last("a") == {"job": "a", "status": "finished", "seconds": 2.0}
    again.add(job="a", status="failed", seconds=1.0)
    assert Journal(tmp_path).last("a")["status"] == "failed"
    assert Journal(tmp_path).last("b") == {}


def test_the_time_of_a_job_is_that_of_its_last_try_from_its_beginning(tmp_path: Path) -> None:
    journal, found = Journal(tmp_path), []
    for status, seconds in (("interrupted", 2.0), ("finished", 3.0), ("finished", 1.0), ("failed", 4.0)):
        journal.add(job="a", key="k", status="started")
        journal.add(job="a", key="k", status=status, seconds=seconds)
        found.append(journal.seconds_of("a"))
    assert found == [2.0, 5.0, 1.0, 4.0]  # looking at data again is not reading them again
    assert journal.finished("a", "k")  # at some time
    assert not journal.finished("a", "other")


def timed(*rows: tuple[str, float, Sequence[str]]) -> tuple[list[Job], dict[str, float]]:
    return [idle(name, *needs) for name, _, needs in rows], {name: seconds for name, seconds, _ in rows}


@pytest.mark.parametrize(
    ("rows", "processes", "expected"),
    [
        ([("a", 3, ()), ("b", 2, ()), ("c", 1, ())], 1, 6),
        ([("a", 3, ()), ("b", 2, ()), ("c", 1, ())], 2, 3),
        ([("a", 3, ()), ("b", 2, ("a",)), ("c", 1, ("b",))], 4, 6),
        ([("a", 3, ()), ("b", 2, ("a",)), ("c", 4, ())], 2, 5),
        ([], 2, 0),
    ],
)
def test_time_left_follows_needs_and_workers(rows: Any, processes: int, expected: float) -> None:
    jobs, seconds = timed(*rows)
    assert makespan(jobs, set(), seconds, processes) == expected


def test_what_is_done_takes_no_time() -> None:
    jobs, seconds = timed(("a", 3, ()), ("b", 2, ("a",)))
    assert makespan(jobs, {"a"}, seconds, 1) == 2
    assert makespan(jobs, {"a", "b"}, {"a": 3, "b": float("nan")}, 1) == 0
    assert makespan(jobs, {"a"}, {"a": 3, "b": float("nan")}, 1) != 0  # unknown


def test_large_networks_are_timed_on_less() -> None:
    assert _sample((24, 24, 24), 4, 8, False) == (4, [24, 24, 24])
    assert _sample((32, 32, 32), 32, 8, False) == (1, [16, 32, 32])
    assert _sample((64, 64, 32), 32, 2, True) == (2, [64, 64, 32])
    assert _sample((16, 16, 16), 640, 2, False) == (1, [16, 16, 16])


def test_rates_come_from_jobs_of_the_same_kind(tmp_path: Path) -> None:
    jobs = [
        Job("runs/a/1", "run", "a", cost=10),
        Job("runs/a/2", "run", "a", cost=20),
        Job("runs/b/1", "run", "b", cost=30),
        Job("tuning/a/1", "tuning", "a", cost=40),
        Job("data/a", "phantoms", "a", cost=1e6),
    ]
    assert Rates().seconds(jobs[0]) != Rates().seconds(jobs[0])  # NaN
    journal = Journal(tmp_path)
    journal.add(job="runs/a/1", status="interrupted", seconds=1.0)
    journal.add(job="runs/a/1", status="finished", seconds=4.0)
    rates = rates_of(jobs, journal)
    assert rates.seconds(jobs[1]) == 10.0
    assert rates.seconds(jobs[2]) == 15.0  # another data set: the rate of all
    assert rates.seconds(jobs[3]) == 20.0
    assert 0 < rates.seconds(jobs[4]) < 5


def test_a_second_signal_ends_the_wait_for_jobs_under_way(tmp_path: Path) -> None:
    """After the time given, a job that does not heed is given up when whoever began the benchmark has no more time."""
    began = time.monotonic()
    threading.Timer(6, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    standing = run(tmp_path, [idle("a", do="deaf", seconds=600)], stop_after=3)
    assert standing.stopped == "stopped after the time given"
    assert time.monotonic() - began < 200


def test_no_run_without_the_weights_it_starts_from(tmp_path: Path) -> None:
    """The pre-training is finished, its weights were left on another machine: neither is trained, others are."""
    pretraining = Run(tmp_path / "pretraining/chest")
    jobs = [
        Job("pretraining/chest", "pretraining", "chest"),
        Job("runs/ncc/genesis", "run", "ncc", ("pretraining/chest",)),
        Job("runs/ncc/scratch", "run", "ncc"),
    ]
    run(tmp_path, jobs[:1])
    write_json(pretraining.path / "manifest.json", {"finished": True})
    (pretraining.path / "config.yaml").touch()
    standing = run(tmp_path, jobs)
    assert trace(tmp_path) == ["pretraining/chest", "runs/ncc/scratch"]
    assert list(standing.failed) == ["runs/ncc/genesis"]
    message = standing.failed["runs/ncc/genesis"]
    assert message.startswith(f"{pretraining.weights}: is not there, though pretraining/chest is finished; bring it")
    assert "the group pretraining-chest" in message
    pretraining.weights.touch()
    assert not run(tmp_path, jobs).failed
    assert trace(tmp_path).count("pretraining/chest") == 1
