"""How long jobs take: from those of their kind that are finished, else from a few steps measured now."""

import heapq
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelsgenesis.benchmark.jobs import TRAINING, Job
from modelsgenesis.benchmark.journal import Journal
from modelsgenesis.types import JSON

OVERHEAD = 1.6
"""Time of a training over that of its steps alone: validation, prediction, evaluation."""
VOXEL_SECONDS = 0.7e-6
"""Of writing a phantom, or reading it into a store, a voxel; of one core."""
READ_SECONDS = 5.0
"""Of checking data that were read before, about the start of a process."""
STEPS_SECONDS = 2.0
"""Steps of a network are timed for so long, ten at most."""
CPU_COST, SMALLEST_SIDE = 2e7, 16
"""Most items x voxels x width² that are timed on a CPU, and the smallest side that a shape is cut to for that."""
CALIBRATION_SECONDS = 40.0
"""After so long no further networks are measured."""


@dataclass
class Rates:
    """Seconds a unit of cost, of each kind and group, as measured on finished jobs.

    Args:
        measured: (kind, group) -> (seconds, cost) in all.
        calibrated: training -> seconds, from a few steps.
    """

    measured: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    calibrated: dict[str, float] = field(default_factory=dict)

    def take(self, job: Job, seconds: float) -> None:
        """Note that `job` took `seconds`."""
        spent, cost = self.measured.get((job.kind, job.group), (0.0, 0.0))
        self.measured[job.kind, job.group] = (spent + seconds, cost + job.cost)

    def seconds(self, job: Job) -> float:
        """The expected time of `job`; NaN when nothing is known."""
        kinds = TRAINING if job.kind in TRAINING else (job.kind,)
        exact = self._rate([(job.kind, job.group)])
        alike = [key for key in self.measured if key[0] in kinds and key[1] == job.group]
        for rate in (exact, self._rate(alike)):
            if not math.isnan(rate):
                return rate * job.cost
        if job.name in self.calibrated:
            return self.calibrated[job.name]
        if job.kind not in TRAINING:
            return job.cost * VOXEL_SECONDS if job.cost > 1 else READ_SECONDS
        return self._rate([key for key in self.measured if key[0] in kinds]) * job.cost

    def _rate(self, keys: Sequence[tuple[str, str]]) -> float:
        pairs = [self.measured[key] for key in keys if key in self.measured]
        cost = sum(pair[1] for pair in pairs)
        return sum(pair[0] for pair in pairs) / cost if cost else math.nan


def rates_of(jobs: Sequence[Job], journal: Journal) -> Rates:
    """What earlier calls measured of these jobs."""
    rates = Rates()
    for job in jobs:
        if journal.last(job.name).get("status") == "finished" and (seconds := journal.seconds_of(job.name)) > 0:
            rates.take(job, seconds)
    return rates


def makespan(jobs: Sequence[Job], done: set[str], seconds: Mapping[str, float], processes: int) -> float:
    """Seconds until all jobs that are not in `done` are, when `processes` take them in order as they become ready.

    NaN when the time of one of them is.
    """
    if any(math.isnan(seconds[job.name]) for job in jobs if job.name not in done):
        return math.nan
    index = {job.name: number for number, job in enumerate(jobs)}
    blockers = {job.name: {*job.needs, *job.tuning} - done for job in jobs if job.name not in done}
    dependants: dict[str, list[str]] = {}
    for name, needed in blockers.items():
        for other in needed:
            dependants.setdefault(other, []).append(name)
    ready = [(0.0, index[name]) for name, needed in blockers.items() if not needed]
    free, end = [0.0] * processes, 0.0
    heapq.heapify(ready)
    while ready:
        start, number = heapq.heappop(ready)
        finish = max(heapq.heappop(free), start) + seconds[jobs[number].name]
        heapq.heappush(free, finish)
        end = max(end, finish)
        for name in dependants.get(jobs[number].name, ()):
            blockers[name].discard(jobs[number].name)
            if not blockers[name]:
                heapq.heappush(ready, (finish, index[name]))
    return end


def calibrate(jobs: Sequence[Job], rates: Rates, threads: int) -> int:
    """Time a step of each network and shape among the trainings that nothing is known of; returns how many were timed.

    At most four items are used, smaller ones where a CPU is slow, and the fastest step is scaled to batch and shape.
    Networks beyond `CALIBRATION_SECONDS` are left to the rate of the others.
    """
    import torch

    before, began = torch.get_num_threads(), time.monotonic()
    found: dict[str, float] = {}
    torch.set_num_threads(threads)
    for job in (one for one in jobs if one.kind in TRAINING):
        shape = _shape(job)
        key = str([job.settings["backbone"]["name"], job.settings["backbone"]["width"], shape])
        if key not in found and time.monotonic() - began < CALIBRATION_SECONDS:
            found[key] = _item_seconds(job.settings, shape)
        loop: JSON = job.settings["loop"]
        if key in found:
            rates.calibrated[job.name] = found[key] * loop["steps"] * loop["batch_size"] * OVERHEAD
    torch.set_num_threads(before)
    timed = [job for job in jobs if job.name in rates.calibrated]
    speed = sum(rates.calibrated[job.name] for job in timed) / max(1.0, sum(job.cost for job in timed))
    for job in jobs:
        if job.kind in TRAINING and job.name not in rates.calibrated:
            rates.calibrated[job.name] = speed * job.cost
    return len(found)


def _shape(job: Job) -> list[int]:
    place: JSON = job.settings["cubes"] if job.kind == "pretraining" else job.settings["patch"]
    shape: list[int] = place["shape"]
    return shape


def _item_seconds(settings: JSON, shape: Sequence[int]) -> float:
    """Seconds of a training step an item, on the device that the settings would take."""
    import torch

    from modelsgenesis.models import BackboneSettings, build_backbone
    from modelsgenesis.models.heads import DenseNetwork
    from modelsgenesis.training.loop import channels_last, precision_of

    choice, loop = settings["backbone"], settings["loop"]
    cuda = loop["accelerator"] in ("auto", "cuda", "gpu") and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    network: Any = DenseNetwork(build_backbone(BackboneSettings(choice["name"], choice["width"])), 1).to(device)
    items, sides = _sample(shape, choice["width"], int(loop["batch_size"]), cuda)
    x = torch.rand((items, 1, *sides), device=device)
    if loop["channels_last"]:
        form = channels_last(len(sides))
        network, x = network.to(memory_format=form), x.contiguous(memory_format=form)
    mixed = precision_of(loop["precision"], loop["accelerator"]) == "bf16-mixed"
    spent: list[float] = []
    while len(spent) < 2 or (sum(spent) < STEPS_SECONDS and len(spent) < 10):
        began = time.monotonic()
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = network(x).square().mean()
        loss.backward()
        if cuda:
            torch.cuda.synchronize()
        spent.append(time.monotonic() - began)
    # The first warms up, and other work on the machine only ever adds.
    return min(spent) / items * math.prod(shape) / math.prod(sides)


def _sample(shape: Sequence[int], width: int, batch: int, cuda: bool) -> tuple[int, list[int]]:
    """How many items of which shape are timed: four, or fewer and smaller where a CPU would need over a second."""
    items, sides = min(4, batch), list(shape)
    while not cuda and items * math.prod(sides) * width**2 > CPU_COST and (items > 1 or max(sides) > SMALLEST_SIDE):
        if items > 1:
            items -= 1
        else:
            largest = sides.index(max(sides))
            sides[largest] = max(SMALLEST_SIDE, sides[largest] // 2)
    return items, sides
