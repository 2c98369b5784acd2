"""`--to onnx`: the network as an ONNX graph of any batch and of sizes that are multiples of its deepest stride."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import replacing
from modelsgenesis.models.folding import fold_norms
from modelsgenesis.models.heads import ClassificationNetwork
from modelsgenesis.models.whole import Whole, whole

TOLERANCE = 1e-4
"""Largest difference to PyTorch, a share of the largest value where that is above 1."""


class _Graph(nn.Module):
    """What is exported: logits of a fine-tuned network, the encoder's pyramid of a pre-trained one."""

    def __init__(self, given: Whole) -> None:
        super().__init__()
        self.network = given.network
        self._pyramid = given.pretrained

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, the finest features first."""
        strides = self.network.backbone.strides
        return [f"features_{stride}" for stride in strides] if self._pyramid else ["logits"]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        backbone, network = self.network.backbone, self.network
        pyramid: tuple[Tensor, ...] = backbone.encode(x)
        if self._pyramid:
            return pyramid
        if isinstance(network, ClassificationNetwork):
            return (network.classify(pyramid[-1]),)
        return (network.out_tr(backbone.decode(pyramid)),)


def export(source: str, out: Path) -> list[str]:
    """Write the network of `source` to the file `out`, and compare it with PyTorch in onnxruntime.

    The input `image` is (N, C, X, Y(, Z)) float32 in [0, 1]; its sides are multiples of the deepest stride. Outputs:
    `logits` of a fine-tuned network, `features_STRIDE` of a pre-trained one. Batch norms are folded into the
    convolutions; the provenance is in the metadata of the graph.

    Raises UsageError without the extra `onnx` and for a network that is not the same at all sizes, else as
    `source.whole`.
    """
    _refuse_absent()
    given = whole(source)
    backbone = given.network.backbone
    if not getattr(backbone, "any_size", True):
        raise UsageError(f"{source}: {backbone.choice.name} lays its windows for one size; use --to monai-bundle")
    graph = _Graph(given)
    fold_norms(given.network)
    with replacing(out) as temporary:
        _write(graph, given, temporary)
        worst = _difference(graph, temporary)
        if worst > TOLERANCE:
            raise GenesisError(f"{source}: the ONNX graph differs from PyTorch by {worst:.2g}; it is not written")
    stride = backbone.strides[-1]
    return [
        f"{out}: input `image` (N, {backbone.input_channels}, {', '.join('XYZ'[: backbone.axes])}) in [0, 1], sides "
        f"multiples of {stride}; outputs {', '.join(graph.outputs)}",
        f"  largest difference to PyTorch, in onnxruntime: {worst:.1g}",
    ]


def _refuse_absent() -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        try:
            __import__(package)
        except ImportError as error:
            raise UsageError(f'--to onnx needs {package}; pip install "modelsgenesis[onnx]"') from error


def _write(graph: _Graph, given: Whole, path: Path) -> None:
    backbone = given.network.backbone
    stride, axes = backbone.strides[-1], "xyz"[: backbone.axes]
    sizes: dict[int, Any] = {0: torch.export.Dim("batch", min=1)}
    sizes |= {axis: stride * torch.export.Dim(f"blocks_{name}", min=1) for axis, name in enumerate(axes, start=2)}
    example = _image(backbone, 2, (2, 3, 2))
    with _quiet():
        program: Any = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            dynamic_shapes={"x": sizes},
            input_names=["image"],
            output_names=graph.outputs,
            verbose=False,
        )
    program.model.metadata_props["provenance"] = json.dumps(given.provenance)
    program.save(str(path), external_data=False)


def _difference(graph: _Graph, path: Path) -> float:
    """The largest difference to PyTorch at sizes that were not traced."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for items, blocks in ((1, (2, 2, 3)), (3, (4, 1, 2))):
        x = _image(graph.network.backbone, items, blocks)
        with torch.inference_mode():
            wanted = graph(x)
        for one, other in zip(session.run(None, {"image": x.numpy()}), wanted, strict=True):
            scale = max(1.0, float(other.abs().max()))
            worst = max(worst, float(np.abs(one - other.numpy()).max()) / scale)
    return worst


def _image(backbone: Any, items: int, blocks: tuple[int, ...]) -> Tensor:
    sides = [backbone.strides[-1] * block for block in blocks[: backbone.axes]]
    return torch.rand(items, backbone.input_channels, *sides, generator=torch.Generator().manual_seed(0))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
