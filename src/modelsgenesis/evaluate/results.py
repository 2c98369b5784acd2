"""What a comparison is made of: finished fine-tuning runs as rows, read from their folders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelsgenesis.errors import UsageError
from modelsgenesis.types import JSON


@dataclass(frozen=True)
class CaseResult:
    """One test case of a run.

    Args:
        subject: whom it shows.
        score: the metric on this case alone, mean over structures; NaN where only all cases together have one (AUC).
        truth: class index, or 0 or 1 for each label; None for a segmentation.
        probabilities: one a class or label; empty for a segmentation.
    """

    subject: str
    score: float
    truth: int | tuple[int, ...] | None = None
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Result:
    """A finished run as a row of a comparison.

    Args:
        run: its folder, to which every number can be traced.
        target: name of the labelled data in the plan, or of the target task.
        arm: name of the initialisation in the plan, or the init source.
        backbone: name of the network in the plan, or of the backbone.
        fraction: share of the training subjects whose labels were used.
        seed: of the run.
        task: "segmentation", "classification" or "multilabel".
        metric: which metric `score` and the cases' scores are: "auc", "dice", "paper_iou", ...; larger is better.
        score: on the test cases together.
        cases: test case -> what it got.
        outcomes: structures "found", "missed", "false positive", "absent", counted over cases; empty for classes.
        curve: (step, validation metric) in the order of steps.
        monitor: name of the validation metric.
        seconds: wall time of the run.
        training_subjects: how many it learned from.
        scale: in words, how the scale its weights saw differs from that of the target; empty: it does not, or nobody
            can tell.
        missed: structures of the validation cases that its weights predicted nowhere there.
    """

    run: Path
    target: str
    arm: str
    backbone: str
    fraction: float
    seed: int
    task: str
    metric: str
    score: float
    cases: Mapping[str, CaseResult] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    monitor: str = ""
    seconds: float = 0.0
    training_subjects: int = 0
    scale: str = ""
    missed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A job that did not come to its end: its folder, its name ("runs/..." for a run of the matrix), the message."""

    run: Path
    name: str
    message: str


@dataclass(frozen=True)
class Trial:
    """Settings that were tried for an arm before its runs.

    Args:
        target, arm, backbone, fraction: of the cell they were tried for.
        runs: names of the run folders, one a seed.
        settings: what they tried.
        validation: mean of their best validations; None when none came to its end.
        chosen: whether all runs of the cell have these settings.
    """

    target: str
    arm: str
    backbone: str
    fraction: float
    runs: tuple[str, ...]
    settings: JSON
    validation: float | None
    chosen: bool


@dataclass(frozen=True)
class Leak:
    """Subjects or images that are both in a pre-training and in the test or validation data of a target.

    Args:
        pretraining: run folder of the pre-training.
        arm: name of the initialisation made from it.
        target: name of the labelled data.
        kind: "subject" or "image".
        names: subjects, or files, that are in both.
        side: of the target data: "test", "validation", or "training", which is no leak; "" where it is not known.
    """

    pretraining: Path
    arm: str
    target: str
    kind: str
    names: tuple[str, ...]
    side: str = ""


@dataclass(frozen=True)
class Comparison:
    """Everything a report tells of.

    Args:
        results: finished fine-tuning runs.
        pretraining: run folders of pre-trainings, by the name of the arm.
        reference: the arm that others are compared with, usually "scratch".
        failures: jobs that failed: runs, and what they needed.
        waiting: names of runs of the plan that are neither finished nor failed.
        leaks: overlaps of pre-training and target data.
        trials: settings that were tried, cell by cell.
        plan: the plan as in its file; empty for loose run folders.
    """

    results: tuple[Result, ...]
    pretraining: Mapping[str, Path] = field(default_factory=dict)
    reference: str = "scratch"
    failures: tuple[Failure, ...] = ()
    waiting: tuple[str, ...] = ()
    leaks: tuple[Leak, ...] = ()
    trials: tuple[Trial, ...] = ()
    plan: JSON = field(default_factory=dict)

    def against(self, reference: str) -> "Comparison":
        """The same runs with another arm as the reference; UsageError when no run is of it."""
        arms = dict.fromkeys(result.arm for result in self.results)
        if reference not in arms:
            there = ", ".join(arms) or "no finished runs"
            raise UsageError(f"reference: no finished run is of the arm {reference!r}; there are {there}")
        return replace(self, reference=reference)

    def mismatches(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(target, how the scale differs) -> the arms whose weights saw another scale than the target's."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for result in self.results:
            if result.scale:
                found.setdefault((result.target, result.scale), {})[result.arm] = None
        return {key: tuple(arms) for key, arms in found.items()}

    def leaked(self, arm: str, target: str) -> bool:
        """Whether the pre-training of an arm saw test or validation data of a target."""
        return any((leak.arm, leak.target) == (arm, target) for leak in self.leaks)

    def spoilt(self, arm: str, target: str) -> bool:
        """Whether a comparison of the arm with the reference is worth nothing, since either saw such data."""
        return self.leaked(arm, target) or self.leaked(self.reference, target)
