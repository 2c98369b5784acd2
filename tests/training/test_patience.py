"""Patience that a run is too short for, against the schedule and the early end of the loop themselves."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from modelsgenesis.config import load
from modelsgenesis.errors import UsageError
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.pretrain import PretrainSettings, preset
from modelsgenesis.pretrain import _refuse_unfit as refuse_unfit
from modelsgenesis.training.optim import Schedule
from modelsgenesis.training.patience import refuse_idle_patience
from modelsgenesis.training.settings import LoopSettings, OptimSettings

CONFIGS = Path(__file__).parents[2] / "configs"


def ever_lowered(loop: LoopSettings, optim: OptimSettings) -> bool:
    """Whether a step of a run that never improves after its first validation has a lower rate."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], optim.lr)
    schedule = Schedule(optimiser, optim, loop.steps, lower_is_better=True)
    for step in range(loop.steps):
        if schedule.set(step) < optim.lr:
            return True
        if (step + 1) % loop.validate_every == 0:
            schedule.validated(1.0)
    return False


def ever_ends_early(loop: LoopSettings) -> bool:
    """Whether such a run stops before its last step."""
    waited, best, step = 0, False, 0
    while step < loop.steps and not (loop.patience and waited >= loop.patience):
        step += 1
        if step % loop.validate_every == 0:
            waited, best = (waited + 1, True) if best else (0, True)
    return step < loop.steps


def refused(loop: LoopSettings, optim: OptimSettings) -> str:
    try:
        refuse_idle_patience(loop, optim)
    except UsageError as error:
        return str(error)
    return ""


@settings(max_examples=60, deadline=None)
@given(some.integers(1, 60), some.integers(1, 20), some.integers(0, 8), some.integers(0, 8))
def test_what_cannot_happen_is_refused(steps: int, every: int, plateau: int, patience: int) -> None:
    loop = LoopSettings(steps=steps, validate_every=every, patience=patience)
    optim = OptimSettings(schedule="plateau", plateau_patience=plateau, warmup_steps=0)
    said = refused(loop, optim)
    assert ("plateau_patience" in said) == (not ever_lowered(loop, optim))
    assert ("loop.patience" in said) == (patience > 0 and not ever_ends_early(loop))
    assert refused(LoopSettings(steps=steps, validate_every=every), OptimSettings(schedule="cosine")) == ""


def test_the_message_has_the_numbers_and_its_advice_works() -> None:
    loop, optim = LoopSettings(steps=400, validate_every=100, patience=20), OptimSettings(schedule="plateau")
    said = refused(loop, optim)
    for part in (
        "loop.steps 400 with loop.validate_every 100 validates 3 times before its last step",
        "optim.plateau_patience 10 needs 12 to lower the rate once (set loop.validate_every 33 or less, or optim.",
        "loop.patience 20 needs 21 to end the run early (set loop.validate_every 19 or less, or loop.patience 0",
    ):
        assert part in said
    assert refused(LoopSettings(steps=400, validate_every=19, patience=20), optim) == ""
    assert "19 or less" in refused(LoopSettings(steps=400, validate_every=20, patience=20), optim)
    short = LoopSettings(steps=5, validate_every=1)
    assert "set loop.steps 13," in refused(short, optim)
    assert refused(LoopSettings(steps=13, validate_every=1), optim) == ""
    assert "must be 1 or more" in refused(LoopSettings(validate_every=0), optim)


def test_both_commands_refuse_before_they_read(tmp_path: Path) -> None:
    loop = LoopSettings(steps=400, validate_every=100)
    with pytest.raises(UsageError, match="validates 3 times before its last step, but optim.plateau_patience 6 needs"):
        finetune("folder", tmp_path / "nowhere", tmp_path / "run", FinetuneSettings(loop=loop))
    with pytest.raises(UsageError, match="validates 3 times before its last step, but loop.patience 4 needs 5"):
        refuse_unfit(PretrainSettings(loop=LoopSettings(steps=400, validate_every=100, patience=4)))


def test_presets_and_recipes_of_the_repository_can_wait() -> None:
    chosen: list[PretrainSettings | FinetuneSettings] = [preset("default"), preset("released"), FinetuneSettings()]
    for path in sorted(CONFIGS.glob("*.yaml")):
        chosen.append(load(FinetuneSettings if path.stem.startswith("finetune") else PretrainSettings, path))
    for one in chosen:
        refuse_idle_patience(one.loop, one.optim)
