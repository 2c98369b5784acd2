"""Losses of fine-tuning."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from modelsgenesis.errors import UsageError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits, truth) -> scalar; always computed in float32."""

LOSSES = {"segmentation": ("dice-ce", "dice", "ce"), "classification": ("ce",), "multilabel": ("bce",)}
"""Of each task, the first being its default."""


def build_loss(task: str, name: str) -> Loss:
    """The loss `name` ("auto": the task's default).

    Segmentation: logits (N, 1 + structures, X, Y, Z) and truth (N, 1, X, Y, Z); Dice (soft, foreground, over the whole
    batch, so that a patch without a structure does not count by itself) plus cross-entropy, or one of them.
    Classification: logits (N, classes), truth (N,): cross-entropy. Multilabel: logits and truth (N, labels): binary
    cross-entropy. Raises UsageError for a name the task does not have.
    """
    name = LOSSES[task][0] if name == "auto" else name
    if name not in LOSSES[task]:
        raise UsageError(f"loss: {name!r} is not for a {task}; valid: auto, {', '.join(LOSSES[task])}")
    match name:
        case "bce":
            return lambda logits, truth: functional.binary_cross_entropy_with_logits(logits.float(), truth.float())
        case "ce":
            return lambda logits, truth: functional.cross_entropy(logits.float(), _indices(truth))
        case "dice":
            return _dice
    return lambda logits, truth: _dice(logits, truth) + functional.cross_entropy(logits.float(), _indices(truth))


def _indices(truth: Tensor) -> Tensor:
    """Class indices without a channel axis."""
    return (truth[:, 0] if truth.ndim > 2 else truth).long()


def _dice(logits: Tensor, truth: Tensor) -> Tensor:
    from monai.losses import DiceLoss

    loss = DiceLoss(include_background=False, softmax=True, to_onehot_y=True, batch=True)
    value: Tensor = loss(logits.float(), truth.to(torch.long))
    return value
