"""Running the jobs of a benchmark: what is ready goes to a free worker; what fails costs itself and what needs it."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelsgenesis.benchmark.estimate import Rates, makespan, rates_of
from modelsgenesis.benchmark.jobs import TRAINING, Job
from modelsgenesis.benchmark.journal import Journal
from modelsgenesis.benchmark.meter import Meter
from modelsgenesis.benchmark.tuning import best
from modelsgenesis.benchmark.workers import GRACE, Workers, log_of
from modelsgenesis.config import merge
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import file_digest
from modelsgenesis.run import Run
from modelsgenesis.training.interrupt import StopSignal
from modelsgenesis.types import JSON

BEAT = 1.0
"""Seconds between two looks at the clock and at signals."""


@dataclass
class Standing:
    """How far a benchmark has come.

    Args:
        finished: jobs that are done, now or earlier.
        failed: job -> message.
        blocked: job -> the job it needs that failed.
        stopped: "" or why it ended before its end.
        chosen: run -> the settings it took from tuning.
    """

    finished: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    chosen: dict[str, JSON] = field(default_factory=dict)


def finished_before(folder: Path, jobs: Sequence[Job], keys: Mapping[str, str], journal: Journal) -> set[str]:
    """Jobs that earlier calls finished with these settings and whose results are still in `folder`.

    Whether data, weights and what tuning chooses are those of then is seen when the turn of a job comes.
    """
    return {job.name for job in jobs if journal.finished(job.name, keys[job.name]) and _there(folder, job)}


def _there(folder: Path, job: Job) -> bool:
    if job.kind in TRAINING:
        return Run(folder / job.name).finished
    made = job.kind == "phantoms" or (job.kind == "store" and job.spec["made"])
    return not made or (folder / job.name).is_dir()


class Schedule:
    """The run of a benchmark.

    Args:
        folder: of the benchmark.
        jobs: all, each after those it needs.
        keys: of the jobs, what their results depend on.
        journal: of earlier calls, and of this one.
        workers: who does the work.
        processes: how many of them.
        stop_after: seconds after which no job is begun and those under way save their state; None: never.
    """

    def __init__(
        self,
        folder: Path,
        jobs: Sequence[Job],
        keys: Mapping[str, str],
        journal: Journal,
        workers: Workers,
        processes: int,
        stop_after: float | None = None,
    ) -> None:
        self._folder, self._jobs, self._keys, self._journal = folder, jobs, keys, journal
        self._workers, self._processes, self._stop_after = workers, processes, stop_after
        self._rates: Rates = rates_of(jobs, journal)
        self._before = finished_before(folder, jobs, keys, journal)
        self._made: dict[str, str] = {}  # job -> digest of what it made
        self.standing = Standing()

    def run(self) -> Standing:
        """Do all that can be done; returns when nothing is left, or after a signal or `stop_after`."""
        began = time.monotonic()
        with StopSignal() as stop, Meter(len(self._jobs)) as meter:
            try:
                while True:
                    self._hand_out()
                    if not self._workers.busy:
                        return self.standing
                    for job, outcome in self._workers.finished(BEAT):
                        self._take(job, outcome, meter)
                    self._show(meter)
                    late = self._stop_after is not None and time.monotonic() - began > self._stop_after
                    if stop.asked or late:
                        self.standing.stopped = "interrupted" if stop.asked else "stopped after the time given"
                        self._wind_down(meter, stop)
                        return self.standing
            finally:
                self._workers.close()

    def _hand_out(self) -> None:
        """Give ready jobs to free workers; those that are done already, or can never be, are told apart first."""
        again = True
        while again:
            again = False
            for job in self._jobs:
                if self._settled(job.name) or job.name in self._workers.busy:
                    continue
                lacking = self._lacking(job)
                if lacking:
                    self.standing.blocked[job.name] = lacking
                    again = True
                elif self._ready(job):
                    again |= self._begin(job)

    def _settled(self, name: str) -> bool:
        return name in self.standing.finished or name in self.standing.failed or name in self.standing.blocked

    def _lacking(self, job: Job) -> str:
        """A job that failed or was not run, without which `job` cannot be; "" for none."""
        lost = {*self.standing.failed, *self.standing.blocked}
        if job.tuning and all(name in lost for name in job.tuning):
            return job.tuning[0]
        return next((name for name in job.needs if name in lost), "")

    def _ready(self, job: Job) -> bool:
        tried = all(self._settled(name) for name in job.tuning)
        return tried and all(name in self.standing.finished for name in job.needs)

    def _begin(self, job: Job) -> bool:
        """Start `job` if a worker is free; true when it turned out to be settled already."""
        if self._done_before(job):
            self.standing.finished.add(job.name)
            if job.tuning:
                self.standing.chosen[job.name] = self._journal.last(job.name)["choice"]
            if job.kind == "pretraining":
                self._made[job.name] = self._weights(job)
            return True
        if not self._workers.free:
            return False
        try:
            self._require_weights(job)
            chosen = self._with_choice(self._known_store(job))
        except GenesisError as error:
            self.standing.failed[job.name] = str(error)
            return True
        self._log(job, status="started")
        self._workers.start(chosen)
        return False

    def _done_before(self, job: Job) -> bool:
        """Whether an earlier call finished `job` with these settings and data; data and stores are always looked at."""
        if job.name not in self._before or job.kind in ("data", "store"):
            return False
        last = self._journal.last(job.name)
        return last.get("choice") == self._choice(job) and last.get("made_from", {}) == self._made_from(job)

    def _made_from(self, job: Job) -> dict[str, str]:
        return {name: self._made[name] for name in job.needs if name in self._made}

    def _weights(self, job: Job) -> str:
        """Digest of the weights of a pre-training that is done; as noted, where the file did not travel along."""
        weights = Run(self._folder / job.name).weights
        return file_digest(weights) if weights.is_file() else str(self._journal.last(job.name).get("data"))

    def _known_store(self, job: Job) -> Job:
        """A store that was finished earlier is opened only: its sources are not read to their digests again."""
        made = job.kind == "store" and self._journal.finished(job.name, self._keys[job.name])
        if not made or not (self._folder / job.name).is_dir():
            return job
        return replace(job, spec={**job.spec, "made": False}, place=job.name)

    def _require_weights(self, job: Job) -> None:
        """Raises GenesisError when `job` starts from a finished pre-training whose weights are not in the folder."""
        for name in job.needs:
            weights = Run(self._folder / name).weights
            if name.startswith("pretraining/") and not weights.is_file():
                raise GenesisError(
                    f"{weights}: is not there, though {name} is finished; bring it from where it was made (in pieces: "
                    f"the group {name.replace('/', '-')}), or delete the folder {name} to have it made again"
                )

    def _choice(self, job: Job) -> JSON | None:
        return best(self._folder, job) if job.tuning else None

    def _with_choice(self, job: Job) -> Job:
        choice, held = self._choice(job), self._journal.last(job.name)
        if job.kind in TRAINING and held and Run(self._folder / job.name).exists:
            self._refuse_other(job, choice, held)
        if choice is None:
            return job
        self.standing.chosen[job.name] = choice
        return replace(job, spec={**job.spec, "settings": merge(job.settings, choice)})

    def _refuse_other(self, job: Job, choice: JSON | None, held: JSON) -> None:
        """A run with other settings, or of other data or weights, than those it would be made with now."""
        changed = [name for name, made in self._made_from(job).items() if held.get("made_from", {}).get(name) != made]
        why = f"was made from another {changed[0]}" if changed else ""
        if held.get("choice") != choice:
            why = f"tuning chooses {choice or 'nothing'}, no longer {held.get('choice') or 'nothing'}"
        if why:
            raise GenesisError(f"{self._folder / job.name}: {why}; delete that folder to have it made again")

    def _take(self, job: Job, outcome: JSON, meter: Meter) -> None:
        """Enter what came of a job."""
        self._log(job, **outcome)
        if outcome["status"] == "finished":
            self.standing.finished.add(job.name)
            self._rates.take(job, self._journal.seconds_of(job.name))
            if outcome.get("data"):
                self._made[job.name] = outcome["data"]
        elif outcome["status"] == "failed":
            self.standing.failed[job.name] = outcome["message"]
            meter.say(f"failed: {job.name}: {outcome['message']} (log: {log_of(self._folder, job.name)})")

    def _log(self, job: Job, **entries: object) -> None:
        about = {"job": job.name, "kind": job.kind, "group": job.group, "cost": job.cost, "key": self._keys[job.name]}
        choice = {"choice": self.standing.chosen[job.name]} if job.name in self.standing.chosen else {}
        made = {"made_from": found} if (found := self._made_from(job)) else {}
        self._journal.add(**about, **choice, **made, **entries)

    def _show(self, meter: Meter) -> None:
        if not meter.due:
            return
        left = self._jobs if not self.standing.failed else self._possible()
        seconds = {job.name: self._rates.seconds(job) for job in left}
        for name, spent in self._workers.busy.items():
            seconds[name] = math.nan if math.isnan(seconds[name]) else max(0.0, seconds[name] - spent)
        failed = {*self.standing.failed, *self.standing.blocked}
        done = (self.standing.finished | self._before) - failed
        time_left = makespan(left, done, seconds, self._processes)
        meter.show(len(done), time_left, len(failed), list(self._workers.busy))

    def _possible(self) -> list[Job]:
        """Jobs that are done or may still be."""
        lost = {*self.standing.failed, *self.standing.blocked}
        kept = [job for job in self._jobs if job.name not in lost and not lost & set(job.needs)]
        return [replace(job, tuning=tuple(name for name in job.tuning if name not in lost)) for job in kept]

    def _wind_down(self, meter: Meter, stop: StopSignal) -> None:
        """Have the jobs under way save their state; one more signal ends the wait."""
        meter.say(f"{self.standing.stopped}; saving {', '.join(self._workers.busy) or 'nothing'}")
        self._workers.stop()
        deadline, asked = time.monotonic() + GRACE, stop.asked
        while self._workers.busy and time.monotonic() < deadline and stop.asked == asked:
            for job, outcome in self._workers.finished(BEAT):
                self._take(job, outcome, meter)
