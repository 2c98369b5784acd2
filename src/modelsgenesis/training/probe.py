"""Are the features worth anything? A linear model tells, without labels, where in the body a cube was cut."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from modelsgenesis.models.evaluation import evaluating
from modelsgenesis.models.norm import running_statistics
from modelsgenesis.progress import Progress

Array = npt.NDArray[np.float64]
FOLDS = 5
PENALTIES = np.logspace(0, 6, 13)
FARTHEST = 10.0
"""Standard deviations from the mean that a feature counts for. A channel that is silent on all but a few cubes has next
to no deviation where these are left out, and without a limit one of them would decide R²."""


def probe(
    backbone: nn.Module,
    batches: Sequence[tuple[Tensor, Array]],
    untrained: bool = False,
    progress: Progress | None = None,
) -> float:
    """R² (mean over the axes) of predicting the normalised position of cubes from frozen encoder features.

    The features are mean and standard deviation of every channel at every level of the encoder; ridge regression, its
    penalty chosen inside, 5-fold cross-validated over cubes. A random network of the same kind is what to compare with:
    intensities alone tell much.

    Args:
        backbone: left as it is; evaluated with its running statistics.
        batches: (cubes (N, C, X, Y, Z), positions (N, axes) in 0 to 1).
        untrained: the backbone has no running statistics yet; a copy of it takes them from these cubes.
        progress: told of every cube whose features are there.
    """
    from sklearn.linear_model import RidgeCV  # takes seconds to import
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    encoder: Any = _with_statistics_of(backbone, batches) if untrained else backbone
    shown = batches if progress is None else progress.over(batches, len(batches[0][0]))
    with evaluating(encoder), running_statistics(encoder):
        features = np.concatenate([_pooled(encoder.encode(cubes)) for cubes, _ in shown])
    positions = np.concatenate([position for _, position in batches])
    limited = FunctionTransformer(np.clip, kw_args={"a_min": -FARTHEST, "a_max": FARTHEST})
    model = make_pipeline(StandardScaler(), limited, RidgeCV(PENALTIES))
    predicted = cross_val_predict(model, features, positions, cv=KFold(FOLDS, shuffle=True, random_state=0))
    return float(r2_score(positions, predicted))


def _pooled(pyramid: Sequence[Tensor]) -> Array:
    flat = [level.float().flatten(2) for level in pyramid]
    pooled: Array = (
        torch.cat([part for level in flat for part in (level.mean(2), level.std(2, correction=0))], 1)
        .double()
        .cpu()
        .numpy()
    )
    return pooled


def _with_statistics_of(backbone: nn.Module, batches: Sequence[tuple[Tensor, Array]]) -> nn.Module:
    """A copy whose batch norms hold the statistics of the cubes as their running ones."""
    encoder: Any = copy.deepcopy(backbone)
    for module in encoder.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # a plain average over the batches
    encoder.train()
    with torch.inference_mode(), running_statistics(encoder):
        for cubes, _ in batches:
            encoder.encode(cubes)
    return encoder  # type: ignore[no-any-return]
