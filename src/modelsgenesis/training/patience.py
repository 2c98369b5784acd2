"""Patience that a run is too short for: a plateau that can never lower the rate, an early end that can never come."""

from modelsgenesis.errors import UsageError
from modelsgenesis.training.settings import LoopSettings, OptimSettings


def refuse_idle_patience(loop: LoopSettings, optim: OptimSettings) -> None:
    """Raises UsageError when a patience of `optim` or `loop` is longer than a run of `loop.steps` can wait for.

    The first validation is always the best so far, so waiting begins with the second; what follows the last step is too
    late. A plateau lowers the rate after more than `optim.plateau_patience` validations without improvement, a run ends
    early after `loop.patience` of them.
    """
    if loop.validate_every < 1:
        raise UsageError(f"loop.validate_every: {loop.validate_every} must be 1 or more")
    held = max(0, loop.steps - 1) // loop.validate_every
    waits = {}
    if optim.schedule == "plateau":
        waits[f"optim.plateau_patience {optim.plateau_patience}"] = (
            optim.plateau_patience + 2,
            "to lower the rate once",
            "optim.schedule cosine",
        )
    if loop.patience:
        waits[f"loop.patience {loop.patience}"] = (loop.patience + 1, "to end the run early", "loop.patience 0 (never)")
    problems = [
        f"{name} needs {needed} {purpose} (set {_often_enough(needed, loop)}, or {instead})"
        for name, (needed, purpose, instead) in waits.items()
        if held < needed
    ]
    if problems:
        times = "once" if held == 1 else f"{held} times"
        raise UsageError(
            f"loop.steps {loop.steps} with loop.validate_every {loop.validate_every} validates {times} before its last "
            f"step, but {', and '.join(problems)}"
        )


def _often_enough(needed: int, loop: LoopSettings) -> str:
    """The setting that leaves room for `needed` validations before the last step."""
    seldom = (loop.steps - 1) // needed
    return f"loop.validate_every {seldom} or less" if seldom >= 1 else f"loop.steps {needed * loop.validate_every + 1}"
