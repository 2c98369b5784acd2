"""Networks for a task: a backbone and the head that task needs."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from modelsgenesis.errors import UsageError
from modelsgenesis.models.hub import OnHub


class _PointwiseHead(nn.Module):
    """1x1(x1) convolution; named `final_conv` inside `out_tr` as in the published weights."""

    def __init__(self, inputs: int, outputs: int, axes: int) -> None:
        super().__init__()
        self.final_conv = (nn.Conv3d if axes == 3 else nn.Conv2d)(inputs, outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.final_conv(x)
        return y


class DenseNetwork(nn.Module, OnHub):
    """Encoder-decoder with one output per voxel: logits (N, outputs, X, Y, Z), or (N, outputs, X, Y) of images.

    Serves restoration and segmentation. Any input size: sides that the deepest stride does not
    divide are padded by repeating the border and the output is cropped.

    Attributes:
        load_report: what became of each tensor (`models.weights.LoadReport`), None for random weights.
        provenance: what the weights say of their origin.
    """

    def __init__(self, backbone: Any, outputs: int) -> None:
        super().__init__()
        self.load_report: Any = None
        self.provenance: dict[str, Any] = {}
        self.backbone, self.outputs = backbone, outputs
        self.out_tr = _PointwiseHead(backbone.decoder_channels, outputs, backbone.axes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, X, Y(, Z)) to logits (N, outputs, X, Y(, Z))."""
        padded = _pad(x, self.backbone)
        logits: Tensor = self.out_tr(self.backbone.decode(self.backbone.encode(padded)))
        for axis, side in enumerate(x.shape[2:], start=2):
            logits = logits.narrow(axis, 0, side)
        return logits


class ClassificationNetwork(nn.Module, OnHub):
    """Encoder, global average pooling, dense 1024, dense `outputs` (PAPER 1.4): logits (N, outputs).

    Attributes as of `DenseNetwork`.
    """

    def __init__(self, backbone: Any, outputs: int, hidden: int = 1024) -> None:
        super().__init__()
        self.load_report: Any = None
        self.provenance: dict[str, Any] = {}
        self.backbone, self.outputs = backbone, outputs
        self.dense_1 = nn.Linear(backbone.channels[-1], hidden)
        self.dense_2 = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, X, Y(, Z)) to logits (N, outputs)."""
        return self.classify(self.backbone.encode(_pad(x, self.backbone))[-1])

    def classify(self, deepest: Tensor) -> Tensor:
        """The deepest features (N, C, X, Y(, Z)) of the pyramid to logits (N, outputs)."""
        logits: Tensor = self.dense_2(functional.relu(self.dense_1(deepest.flatten(2).mean(2))))
        return logits


def _pad(x: Tensor, backbone: Any) -> Tensor:
    """Pad the spatial sides of `x` at their ends to multiples of the deepest stride, repeating the border.

    Raises UsageError for another number of axes than the network's: PyTorch takes some for a batch of one.
    """
    if x.ndim != backbone.axes + 2:
        wanted = "N, C, X, Y, Z" if backbone.axes == 3 else "N, C, X, Y"
        raise UsageError(
            f"input of shape {tuple(x.shape)}: the network takes ({wanted}); add the axes of batch and channels, or "
            f"take weights of {'volumes' if x.ndim > backbone.axes + 2 else 'images'}"
        )
    missing = [-side % backbone.strides[-1] for side in x.shape[2:]]
    if not any(missing):
        return x
    return functional.pad(x, [n for side in reversed(missing) for n in (0, side)], mode="replicate")
