"""Learning-rate schedules against PyTorch's own, resumed at any step; optimisers by name."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from modelsgenesis.errors import UsageError
from modelsgenesis.training.optim import Schedule, build_optimiser, parameter_groups
from modelsgenesis.training.settings import OptimSettings

PLAIN = OptimSettings("sgd", lr=0.5, momentum=0.0, weight_decay=0.0, warmup_steps=0)


def optimiser(lr: float = 0.5) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)


def rates(choice: OptimSettings, steps: int) -> list[float]:
    """The rate of every step, as found in the optimiser."""
    one = optimiser(choice.lr)
    schedule = Schedule(one, choice, steps, lower_is_better=True)
    found = []
    for step in range(steps):
        assert schedule.set(step) == one.param_groups[0]["lr"]
        found.append(one.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
def test_warmup_is_a_line_that_ends_at_the_rate(schedule: str) -> None:
    found = rates(replace(PLAIN, schedule=schedule, warmup_steps=10), 100)
    assert found[:11] == pytest.approx([0.05 * (step + 1) for step in range(10)] + [0.5])
    assert max(found) == 0.5


@pytest.mark.parametrize(("steps", "warmup"), [(100, 10), (1000, 10), (50, 0)])
def test_cosine_is_pytorchs_after_the_warmup(steps: int, warmup: int) -> None:
    found = rates(replace(PLAIN, schedule="cosine", warmup_steps=warmup), steps)
    one = optimiser()
    reference = CosineAnnealingLR(one, T_max=steps - warmup)
    for rate in found[warmup:]:
        assert rate == pytest.approx(one.param_groups[0]["lr"], abs=1e-9)
        one.step()
        reference.step()
    assert one.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_warmup_never_takes_more_than_a_tenth() -> None:
    found = rates(replace(PLAIN, schedule="constant", warmup_steps=200), 100)
    assert found[9:] == [0.5] * 91
    assert rates(replace(PLAIN, warmup_steps=200), 5)[0] == 0.5  # none at all in a run of a few steps


def plateau(choice: OptimSettings, scores: Sequence[float], lower_is_better: bool) -> list[float]:
    schedule = Schedule(optimiser(choice.lr), choice, 1000, lower_is_better)
    found = []
    for step, score in enumerate(scores):
        schedule.validated(score)
        found.append(schedule.set(step))
    return found


@given(
    scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, float("nan")]) | st.floats(-1, 1), max_size=60),
    patience=st.integers(0, 4),
    factor=st.sampled_from([0.1, 0.5, 0.9]),
    floor=st.sampled_from([0.0, 1e-3, 0.2, 2.0]),
    lower=st.booleans(),
)
@settings(max_examples=80)
def test_plateau_is_pytorchs(scores: list[float], patience: int, factor: float, floor: float, lower: bool) -> None:
    """A floor above the rate itself must not raise it."""
    choice = replace(PLAIN, schedule="plateau", plateau_factor=factor, plateau_patience=patience, floor=floor)
    one = optimiser()
    reference = ReduceLROnPlateau(one, "min" if lower else "max", factor, patience, threshold=0, min_lr=floor, eps=0)
    wanted = []
    for score in scores:
        reference.step(score)
        wanted.append(one.param_groups[0]["lr"])
    assert plateau(choice, scores, lower) == pytest.approx(wanted)


def test_plateau_waits_for_patience_then_halves_down_to_the_floor() -> None:
    choice = replace(PLAIN, schedule="plateau", plateau_patience=2, floor=0.1)
    assert plateau(choice, [1.0] * 12, lower_is_better=True) == [0.5] * 3 + [0.25] * 3 + [0.125] * 3 + [0.1] * 3
    assert plateau(choice, [1.0, 2.0, 3.0, 4.0, 5.0], lower_is_better=False) == [0.5] * 5


@given(cut=st.integers(0, 20))
@settings(max_examples=10)
def test_a_resumed_schedule_goes_on_alike(cut: int) -> None:
    choice = replace(PLAIN, schedule="plateau", plateau_patience=1)
    scores = [0.5, 0.6, 0.7, 0.4, 0.4, 0.4, 0.4, 0.3, 0.35, 0.33, 0.31, 0.32, 0.3, 0.3, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2]
    whole = plateau(choice, scores, True)
    first = Schedule(optimiser(), choice, 1000, True)
    for score in scores[:cut]:
        first.validated(score)
    second = Schedule(optimiser(), choice, 1000, True)
    second.load_state_dict(first.state_dict())
    found = []
    for step in range(cut, len(scores)):
        second.validated(scores[step])
        found.append(second.set(step))
    assert found == whole[cut:]


def test_only_plateau_listens_to_scores() -> None:
    for schedule in ("cosine", "constant"):
        choice = replace(PLAIN, schedule=schedule, plateau_patience=0)
        assert plateau(choice, [1.0] * 20, True) == rates(choice, 1000)[:20]


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_optimisers_by_name(name: str, kind: type[torch.optim.Optimizer]) -> None:
    choice = OptimSettings(name, lr=0.25, momentum=0.8, weight_decay=0.125)
    made = build_optimiser([torch.nn.Parameter(torch.zeros(1))], choice)
    assert type(made) is kind
    assert made.defaults["lr"] == 0.25
    assert made.defaults["weight_decay"] == 0.125
    assert made.defaults.get("momentum", 0.8) == 0.8


def test_unknown_names_list_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="'lion' is unknown; valid: adamw, adam, sgd"):
        build_optimiser([], replace(PLAIN, optimiser="lion"))
    with pytest.raises(UsageError, match="'step' is unknown; valid: cosine, plateau, constant"):
        Schedule(optimiser(), replace(PLAIN, schedule="step"), 10, True)


class Half(torch.nn.Module):
    """A backbone that is taken over and a head that is new."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Linear(2, 2)
        self.head = torch.nn.Linear(2, 1)


TAKEN = ("weight", "bias")
"""Published names: without `backbone.`"""


def trained(choice: OptimSettings, steps: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The backbone's and the head's weights before each step and after the last."""
    torch.manual_seed(0)
    network = Half()
    one = build_optimiser(parameter_groups(network, TAKEN, choice), choice)
    schedule = Schedule(one, choice, steps, lower_is_better=True)
    seen: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for step in range(steps + 1):
        for kept, part in zip(seen, (network.backbone, network.head), strict=True):
            kept.append(part.weight.detach().clone())
        schedule.set(step)
        one.zero_grad()
        network.head(network.backbone(torch.ones(1, 2))).sum().backward()
        one.step()
    return seen


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_new_tensors_learn_first(name: str) -> None:
    backbone, head = trained(replace(PLAIN, optimiser=name, schedule="constant", head_steps=2, weight_decay=0.1), 4)
    assert all(torch.equal(backbone[0], backbone[step]) for step in (1, 2))
    assert not torch.equal(backbone[2], backbone[3])
    assert all(not torch.equal(head[step], head[step + 1]) for step in range(4))


def test_loaded_tensors_learn_at_their_share_of_the_rate() -> None:
    plain = replace(PLAIN, schedule="constant")
    whole, slow = (trained(replace(plain, loaded_lr=share), 1) for share in (1.0, 0.25))
    torch.testing.assert_close((slow[0][1] - slow[0][0]) * 4, whole[0][1] - whole[0][0])
    torch.testing.assert_close(slow[1][1], whole[1][1])


def test_without_a_difference_there_is_one_group() -> None:
    """So that the papers' way is PyTorch's plain one, and checkpoints of before fit."""
    for loaded, choice in ((TAKEN, PLAIN), ((), replace(PLAIN, loaded_lr=0.5))):
        made = build_optimiser(parameter_groups(Half(), loaded, choice), choice)
        assert len(made.param_groups) == 1
        assert Schedule(made, choice, 10, True).set(0) == PLAIN.lr == made.param_groups[0]["lr"]
    with pytest.raises(UsageError, match=r"optim.loaded_lr -1.*must not be below 0"):
        parameter_groups(Half(), TAKEN, replace(PLAIN, loaded_lr=-1.0))
