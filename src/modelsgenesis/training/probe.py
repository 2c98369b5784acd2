"""Are the features worth anything? A linear model tells, without labels, where in the body a cube was cut."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

Array = npt.NDArray[np.float64]
FOLDS = 5


def probe(encode: Callable[[Tensor], Sequence[Tensor]], batches: Sequence[tuple[Tensor, Array]]) -> float:
    """R² (mean over the axes) of predicting the normalised position of cubes from frozen encoder features.

    The features are the global averages of the deepest level; ridge regression, its penalty chosen inside, 5-fold
    cross-validated over cubes. A random network of the same kind is what to compare with: intensities alone tell much.

    Args:
        encode: an encoder, already in evaluation mode; its last output is the deepest.
        batches: (cubes (N, C, X, Y, Z), positions (N, axes) in 0 to 1); always the same, for batch statistics.
    """
    with torch.inference_mode():
        features = np.concatenate([encode(cubes)[-1].float().flatten(2).mean(2).cpu().numpy() for cubes, _ in batches])
    positions = np.concatenate([position for _, position in batches])
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
    predicted = cross_val_predict(model, features, positions, cv=KFold(FOLDS, shuffle=True, random_state=0))
    return float(r2_score(positions, predicted))


def evaluating(network: nn.Module) -> Callable[[Tensor], Sequence[Tensor]]:
    """The encoder of `network`'s backbone in evaluation mode, leaving the mode as it was after each call."""

    def encode(x: Tensor) -> Sequence[Tensor]:
        training = network.training
        network.eval()
        features: Sequence[Tensor] = network.backbone.encode(x)  # type: ignore[union-attr, operator]
        network.train(training)
        return features

    return encode
