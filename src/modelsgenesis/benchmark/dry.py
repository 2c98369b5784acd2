"""`--dry-run`: the matrix of a plan and how long it might take, and how that was told."""

from collections import Counter
from collections.abc import Sequence

from modelsgenesis.benchmark.estimate import OVERHEAD, Rates, calibrate, makespan
from modelsgenesis.benchmark.jobs import TRAINING, Job
from modelsgenesis.benchmark.plan import Plan
from modelsgenesis.benchmark.scales import scale_mismatches
from modelsgenesis.benchmark.workers import Place
from modelsgenesis.progress import spoken


def dry_run(plan: Plan, jobs: Sequence[Job], done: set[str], rates: Rates, seats: Sequence[Place]) -> str:
    """What `plan` would do and how long workers in `seats` might need for what is not `done`.

    Times are `rates` where they know any of that kind, else from a training step of every network, measured now.
    """
    processes, threads = len(seats), seats[0].threads
    left = [job for job in jobs if job.name not in done]
    unknown = [job for job in left if job.kind in TRAINING and (job.kind, job.group) not in rates.measured]
    timed = calibrate(unknown, rates, threads) if unknown else 0
    seconds = {job.name: rates.seconds(job) for job in jobs}
    total = makespan(jobs, done, seconds, processes)
    lines = [plan.about] if plan.about else []
    lines += ["", *_runs(plan, jobs, seconds), "", *_kinds(jobs, done, seconds)]
    source = (
        [f"a training step of {timed} networks measured now, times {OVERHEAD} for validation and tests"]
        if timed
        else []
    )
    source += ["jobs of this folder that are finished"] if rates.measured else []
    lines.append(
        f"time with {processes} process{'es' if processes > 1 else ''} of {threads} threads: about {spoken(total)} "
        f"(from {' and '.join(source) or 'nothing: all is done'}; early stopping makes it less)"
    )
    lines += [f"scale: {line}" for line in scale_mismatches(plan)]
    return "\n".join(lines)


def _runs(plan: Plan, jobs: Sequence[Job], seconds: dict[str, float]) -> list[str]:
    """A line for each data set and backbone: arms, fractions, seeds, time."""
    rows = [["data", "target", "arms", "backbone", "fractions", "seeds", "runs", "a run"]]
    for data, one in plan.data.items():
        mine = [job for job in jobs if job.kind == "run" and job.cell and job.cell.data == data]
        for backbone in dict.fromkeys(job.cell.backbone for job in mine if job.cell):
            chosen = [job for job in mine if job.cell and job.cell.backbone == backbone]
            arms = dict.fromkeys(job.cell.arm for job in chosen if job.cell)
            network = chosen[0].settings["backbone"]
            rows.append(
                [
                    data,
                    one.target or data,
                    " ".join(arms),
                    backbone or f"{network['name']} {network['width']}",
                    " ".join(f"{fraction:g}" for fraction in plan.fractions_of(data)),
                    " ".join(map(str, plan.seeds_of(data))),
                    str(len(chosen)),
                    spoken(seconds[chosen[0].name]),
                ]
            )
    return aligned(rows)


def _kinds(jobs: Sequence[Job], done: set[str], seconds: dict[str, float]) -> list[str]:
    """A line for each kind of job: how many, how many are done, and what they take in all."""
    counts = Counter(job.kind for job in jobs)
    rows = [["jobs", "of which done", "time of one process"]]
    for kind, count in counts.items():
        mine = [job for job in jobs if job.kind == kind]
        spent = sum(seconds[job.name] for job in mine)
        rows.append([f"{count} {kind}", str(sum(job.name in done for job in mine)), spoken(spent)])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns begin at the same place."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
