"""Losses of fine-tuning."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from modelsgenesis.errors import UsageError
from modelsgenesis.targets.base import IGNORED

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits, truth) -> scalar; always computed in float32."""

LOSSES = {"segmentation": ("dice-ce", "dice", "ce"), "classification": ("ce",), "multilabel": ("bce",)}
"""Of each task, the first being its default."""


def build_loss(task: str, name: str, ignoring: bool = False) -> Loss:
    """The loss `name` ("auto": the task's default).

    With `ignoring`, voxels whose truth is `IGNORED` take no part in that of a segmentation; without any other the loss
    is 0.

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
            return _known_entropy if ignoring else _entropy
        case "dice":
            return _known_dice if ignoring else _dice
    if ignoring:
        return lambda logits, truth: _known_dice(logits, truth) + _known_entropy(logits, truth)
    return lambda logits, truth: _dice(logits, truth) + _entropy(logits, truth)


def _indices(truth: Tensor) -> Tensor:
    """Class indices without a channel axis."""
    return (truth[:, 0] if truth.ndim > 2 else truth).long()


def _entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), _indices(truth))


def _known_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the voxels that are not ignored."""
    indices = _indices(truth)
    total = functional.cross_entropy(logits.float(), indices, ignore_index=IGNORED, reduction="sum")
    return total / (indices != IGNORED).sum().clamp(min=1)


def _dice(logits: Tensor, truth: Tensor) -> Tensor:
    from monai.losses import DiceLoss

    loss = DiceLoss(include_background=False, softmax=True, to_onehot_y=True, batch=True)
    value: Tensor = loss(logits.float(), truth.to(torch.long))
    return value


def _known_dice(logits: Tensor, truth: Tensor) -> Tensor:
    """`_dice` of the voxels that are not ignored: the others are in neither set."""
    from monai.losses import DiceLoss
    from monai.networks.utils import one_hot

    known = truth != IGNORED
    probabilities = logits.float().softmax(1) * known
    structures = one_hot((truth * known).to(torch.long), logits.shape[1]) * known
    value: Tensor = DiceLoss(include_background=False, batch=True)(probabilities, structures)
    return value
