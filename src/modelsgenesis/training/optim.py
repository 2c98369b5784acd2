"""Optimiser and learning-rate schedule from settings."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import nn

from modelsgenesis.errors import UsageError
from modelsgenesis.training.settings import OptimSettings

LOADED = "loaded"
"""Key of the group of an optimiser whose tensors were taken over from init."""

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


def parameter_groups(network: nn.Module, loaded: Collection[str], choice: OptimSettings) -> Parameters:
    """The parameters of `network`; in two groups, new and loaded, where `choice` treats them differently.

    Args:
        network: a network of `models.heads`.
        loaded: names of the tensors taken over from init, as published (no `backbone.` prefix).
        choice: says how the two differ.

    Raises UsageError for a negative number of steps, or a share of the rate below 0.
    """
    if choice.head_steps < 0 or choice.loaded_lr < 0:
        raise UsageError(
            f"optim.head_steps {choice.head_steps}, optim.loaded_lr {choice.loaded_lr}: must not be below 0"
        )
    if choice.head_steps == 0 and choice.loaded_lr == 1:
        return network.parameters()
    parts: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in network.named_parameters():
        parts[name.removeprefix("backbone.") in loaded].append(parameter)
    return [{"params": members, LOADED: is_loaded} for is_loaded, members in parts.items() if members]


def build_optimiser(parameters: Parameters, choice: OptimSettings) -> torch.optim.Optimizer:
    """The optimiser `choice` names; UsageError for an unknown one."""
    match choice.optimiser:
        case "adamw":
            return torch.optim.AdamW(parameters, choice.lr, weight_decay=choice.weight_decay, fused=True)
        case "adam":
            return torch.optim.Adam(parameters, choice.lr, weight_decay=choice.weight_decay)
        case "sgd":
            return torch.optim.SGD(parameters, choice.lr, choice.momentum, weight_decay=choice.weight_decay)
    raise UsageError(f"optim.optimiser: {choice.optimiser!r} is unknown; valid: adamw, adam, sgd")


def share_of_rate(choice: OptimSettings, steps: int, step: int, factor: float = 1.0) -> float:
    """Share of `choice.lr` at step `step` of `steps`, when a plateau has lowered it to `factor`."""
    warmup = min(choice.warmup_steps, steps // 10)
    if step < warmup:
        return factor * (step + 1) / warmup
    if choice.schedule == "cosine":
        return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))
    return factor


class Schedule:
    """Learning rate of each step.

    Args:
        optimiser: whose rate is set.
        choice: the schedule's settings.
        steps: steps of the whole training (end of the cosine).
        lower_is_better: sense of the score `validated` is told.
    """

    def __init__(
        self, optimiser: torch.optim.Optimizer, choice: OptimSettings, steps: int, lower_is_better: bool
    ) -> None:
        if choice.schedule not in ("cosine", "plateau", "constant"):
            raise UsageError(f"optim.schedule: {choice.schedule!r} is unknown; valid: cosine, plateau, constant")
        self._optimiser, self._choice, self._steps = optimiser, choice, steps
        self._sign = 1.0 if lower_is_better else -1.0
        self._factor, self._best, self._waited = 1.0, math.inf, 0

    def set(self, step: int) -> float:
        """Set and return the rate of step `step` (counted from 0); that of new tensors, where loaded ones differ."""
        rate = self._choice.lr * share_of_rate(self._choice, self._steps, step, self._factor)
        of_loaded = rate * self._choice.loaded_lr if step >= self._choice.head_steps else 0.0
        for group in self._optimiser.param_groups:
            group["lr"] = of_loaded if group.get(LOADED) else rate
        return rate

    def validated(self, score: float) -> None:
        """Take note of a validation score: schedule plateau lowers the rate when it stays away from its best."""
        if self._choice.schedule != "plateau":
            return
        if self._sign * score < self._best:
            self._best, self._waited = self._sign * score, 0
            return
        self._waited += 1
        if self._waited > self._choice.plateau_patience:
            lowest = min(self._factor, self._choice.floor / self._choice.lr)
            self._factor = max(self._factor * self._choice.plateau_factor, lowest)
            self._waited = 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"factor": self._factor, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self._factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
