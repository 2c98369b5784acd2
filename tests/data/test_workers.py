import os
import signal
import time

import pytest

from modelsgenesis.data.workers import Lost, run_jobs


def behave(job: str) -> str:
    if job == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job == "exit":
        os._exit(3)
    if job == "hang":
        time.sleep(600)
    if job == "memory":
        raise MemoryError
    if job == "bug":
        raise ValueError("odd\nvalue")
    return job.upper()


def test_every_failure_is_laid_at_its_own_job() -> None:
    jobs = ["a", "crash", "b", "memory", "exit", "c", "bug", "d"]
    results = dict(run_jobs(behave, jobs, 2, 60))
    assert {job: results[job] for job in "abcd"} == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert results["crash"] == Lost("the reader crashed (SIGSEGV)", retry=True)
    assert results["exit"] == Lost("the reader crashed (exit code 3)", retry=True)
    assert results["memory"] == Lost("out of memory", retry=True)
    assert results["bug"] == Lost("ValueError: odd value", retry=False)


def test_a_hanging_job_is_ended_and_the_others_go_on() -> None:
    began = time.monotonic()
    results = dict(run_jobs(behave, ["hang", "a", "b"], 1, 1))
    assert results == {"hang": Lost("took longer than 1 seconds", retry=False), "a": "A", "b": "B"}
    assert time.monotonic() - began < 200  # it would have slept for 600


def test_jobs_are_not_taken_ahead() -> None:
    taken = []

    def jobs():  # type: ignore[no-untyped-def]
        for number in range(6):
            taken.append(number)
            yield str(number)

    done = 0
    for _ in run_jobs(behave, jobs(), 2, 60):
        done += 1
        assert len(taken) <= done + 1
    assert done == 6


def test_workers_end_when_the_caller_stops() -> None:
    import multiprocessing

    results = run_jobs(behave, ["a", "hang", "b"], 2, 60)
    assert next(results)[0] == "a"
    assert multiprocessing.active_children()
    results.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [1, 3])
def test_no_jobs(workers: int) -> None:
    assert list(run_jobs(behave, [], workers, 60)) == []
