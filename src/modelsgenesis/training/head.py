"""A new head of a segmentation starts from what the features below it already tell."""

import copy
from typing import Any

import numpy as np
import torch

from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.streams import HEAD, generator
from modelsgenesis.targets.base import IGNORED
from modelsgenesis.training.supervised import Items

ITEMS = 64
"""First items of the training that the head is fitted to."""
VOXELS = 64
"""Voxels of each class that an item gives, at most."""
LEAST_SHARE = 1e-3
"""No structure is taken for rarer than one voxel in a thousand."""


@torch.no_grad()
def fit_head(network: DenseNetwork, items: Items, batch: int, device: torch.device, seed: int) -> None:
    """Add to the random head of `network` what its features on the first training items tell of the classes: linear
    discriminant analysis.

    The classes are taken for Gaussians of one covariance (shrunk as Ledoit and Wolf do) around means of their own, as
    common as they are in the items; of a class that no voxel shows, the head knows the share alone. A head that starts
    at random speaks for any class at first, and its gradient can silence the features of a small structure: a seed
    then ends without it. The fit is also gentler on pre-trained features (Kumar et al., "Fine-Tuning can Distort
    Pretrained Features", ICLR 2022). The random weights stay, and say nothing of the mean voxel: where features hardly
    tell a class, the fit is nearly 0, and a head of zeros learns slowly (docs/results.md).

    Args:
        network: its backbone is left as it is; features are those of training mode, in which the first step is taken.
        items: the training items, which do not depend on the device or the process.
        batch: items at a time.
        device: where the features are computed.
        seed: draws the voxels.
    """
    from sklearn.covariance import ledoit_wolf  # takes seconds to import

    head: Any = network.out_tr.final_conv
    classes = head.out_channels
    below: Any = copy.deepcopy(network).to(device).train()
    below.out_tr = torch.nn.Identity()
    counts, features, truths = np.zeros(classes), [], []
    for first in range(0, ITEMS, batch):
        numbers = range(first, first + batch)
        drawn = [items[number] for number in numbers]
        decoded = below(torch.from_numpy(np.stack([image for image, _ in drawn])).to(device))
        for number, map_, (_, structures) in zip(numbers, decoded, drawn, strict=True):
            truth = structures.ravel()
            counts += np.bincount(truth[truth != IGNORED], minlength=classes)
            at = _some_of_each(truth, classes, generator(seed, HEAD, number))
            features.append(map_.flatten(1)[:, at].T.double().cpu().numpy())
            truths.append(truth[at])
    x, truth = np.concatenate(features), np.concatenate(truths)
    if not len(x):
        return  # every voxel is ignored
    shares = np.maximum(counts / max(counts.sum(), 1), LEAST_SHARE)
    present = [value for value in range(classes) if (truth == value).any()]
    means = np.zeros((classes, x.shape[1]))
    means[present] = [x[truth == value].mean(0) for value in present]
    covariance, _ = ledoit_wolf(x - means[truth], assume_centered=True)
    weights = np.zeros_like(means)
    weights[present] = np.linalg.lstsq(covariance, means[present].T, rcond=None)[0].T
    drawn = head.weight.double().cpu().numpy().reshape(weights.shape)
    middle = shares @ means / shares.sum()
    head.weight.copy_(torch.from_numpy(weights + drawn).reshape(head.weight.shape))
    head.bias.copy_(torch.from_numpy(np.log(shares) - (means * weights).sum(1) / 2 - drawn @ middle))


def _some_of_each(truth: Any, classes: int, rng: np.random.Generator) -> Any:
    """Places of at most VOXELS voxels of each class in the flat `truth`."""
    chosen = []
    for value in range(classes):
        places = np.flatnonzero(truth == value)
        chosen.append(rng.choice(places, VOXELS, replace=False) if len(places) > VOXELS else places)
    return np.concatenate(chosen)
