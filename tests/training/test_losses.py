"""Losses against their formulas in numpy."""

import numpy as np
import pytest
import torch

from modelsgenesis.errors import UsageError
from modelsgenesis.training.losses import build_loss


def test_dice_and_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(2, 3, 4, 4, 4)), rng.integers(0, 3, (2, 1, 4, 4, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    hot = np.moveaxis(np.eye(3)[truth[:, 0]], -1, 1)
    overlap, total = ((p * hot).sum((0, 2, 3, 4)), (p + hot).sum((0, 2, 3, 4)))
    dice = 1 - np.mean(2 * overlap[1:] / total[1:])
    entropy = -np.mean(np.log((p * hot).sum(1)))
    tensors = torch.from_numpy(logits), torch.from_numpy(truth.astype(np.uint8))
    for name, value in (("dice", dice), ("ce", entropy), ("dice-ce", dice + entropy), ("auto", dice + entropy)):
        assert build_loss("segmentation", name)(*tensors).item() == pytest.approx(value, rel=1e-4)


def test_ignored_voxels_count_nowhere() -> None:
    rng = np.random.default_rng(1)
    logits, truth = rng.normal(size=(2, 3, 4, 4, 4)), rng.integers(0, 3, (2, 1, 4, 4, 4))
    ignored = rng.random(truth.shape) < 0.4
    ignored[1] = False
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    known = ~ignored[:, 0]
    right = np.take_along_axis(p, truth, 1)[:, 0]
    entropy = -np.log(right[known]).mean()
    dice = []
    for structure in (1, 2):
        of_truth, of_network = (truth[:, 0] == structure)[known], p[:, structure][known]
        dice.append(2 * of_network[of_truth].sum() / (of_network.sum() + of_truth.sum()))
    given = torch.from_numpy(np.where(ignored, 255, truth).astype(np.uint8))
    tensors = torch.from_numpy(logits).requires_grad_(), given
    for name, value in (("ce", entropy), ("dice", 1 - np.mean(dice)), ("dice-ce", 1 - np.mean(dice) + entropy)):
        loss = build_loss("segmentation", name, ignoring=True)(*tensors)
        assert loss.item() == pytest.approx(value, rel=1e-4)
        (slope,) = torch.autograd.grad(loss, tensors[0])
        assert (slope.abs().sum(1)[torch.from_numpy(~known)] == 0).all()
        nothing = build_loss("segmentation", name, ignoring=True)(tensors[0], torch.full_like(given, 255))
        assert nothing.item() == pytest.approx(0, abs=1e-6)


def test_classification_and_labels() -> None:
    logits = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    p = logits.softmax(1)
    value = build_loss("classification", "auto")(logits, torch.tensor([0, 1])).item()
    assert value == pytest.approx(-(p[0, 0].log() + p[1, 1].log()).item() / 2)
    q = logits.sigmoid()
    value = build_loss("multilabel", "auto")(logits, torch.tensor([[1.0, 0.0], [1.0, 1.0]])).item()
    assert value == pytest.approx(-(q[0, 0].log() + (1 - q[0, 1]).log() + q[1, 0].log() + q[1, 1].log()).item() / 4)


def test_loss_of_another_task() -> None:
    with pytest.raises(UsageError, match="'dice' is not for a classification; valid: auto, ce"):
        build_loss("classification", "dice")
