"""Plans of toy size, and jobs that take no time, for the tests of the benchmark."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import yaml

from modelsgenesis.benchmark.jobs import Job
from modelsgenesis.benchmark.loading import load_plan
from modelsgenesis.benchmark.plan import Plan
from modelsgenesis.config import merge
from modelsgenesis.errors import GenesisError
from modelsgenesis.types import JSON

LOOP = {"batch_size": 2, "validate_every": 2, "accelerator": "cpu", "precision": "32-true", "workers": 0}
TOY: JSON = {
    "data": {
        "ncc": {
            "phantoms": {"name": "ncc", "cases": 4, "seed": 0, "shape": [32, 32, 20], "spacing": [4.0, 4.0, 7.0]},
        },
    },
    "stores": {
        "chest": {
            "phantoms": {"name": "ct", "cases": 2, "seed": 100, "shape": [24, 24, 20], "spacing": [12, 12, 14]},
        },
    },
    "pretraining": {
        "chest": {
            "store": "chest",
            "settings": {
                "cubes": {"shape": [16, 16, 16]},
                "check": {"cubes": 2, "cubes_alone": 2, "probe_cubes": 32},
                "backbone": {"width": 2},
                "loop": {**LOOP, "steps": 2},
            },
        },
    },
    "inits": {"scratch": {"init": "scratch"}, "genesis": {"init": "pretraining:chest"}},
    "seeds": [0],
    "settings": {
        "patch": {"shape": [16, 16, 16]},
        "backbone": {"width": 2},
        "augmentation": "light",
        "check": {"most_cases": 8},
        "loop": {**LOOP, "steps": 4, "patience": 0},
        "optim": {"schedule": "cosine"},
    },
}
"""One target, scratch and pre-trained, one seed."""


def write(folder: Path, **changes: Any) -> Path:
    """The toy plan with `changes` laid over it, as a file."""
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(merge(TOY, changes), sort_keys=False))
    return path


def loaded(folder: Path, **changes: Any) -> Plan:
    """The same, read."""
    return load_plan(str(write(folder, **changes)))


def idle(name: str, *needs: str, **spec: Any) -> Job:
    """A job for `pretend`."""
    return Job(name, "store", "all", needs, spec=spec)


def pretend(job: Job) -> JSON:
    """Instead of work: fail, crash, be deaf or wait (seconds, or for another job) as its spec says; leave a trace."""
    with Path("trace").open("a") as trace:
        trace.write(f"{job.name}\n")
    print(f"doing {job.name}")
    if job.spec.get("do") == "fail":
        raise GenesisError(f"{Path(job.name).absolute()}: broken; mend it")
    if job.spec.get("do") == "crash":
        os._exit(7)
    if job.spec.get("do") == "raise":
        raise ZeroDivisionError("a bug")
    if job.spec.get("do") == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while job.spec.get("until", "") not in Path("trace").read_text():
        time.sleep(0.02)
    time.sleep(float(job.spec.get("seconds", 0)))
    return {"data": job.name}
