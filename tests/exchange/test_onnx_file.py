"""`--to onnx`: onnxruntime computes what PyTorch does, in any batch and at any size of the stride."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelsgenesis.errors import UsageError
from modelsgenesis.exchange import EXPORTS
from modelsgenesis.models import BackboneSettings
from tests.exchange.networks import fine_tuned, pretrained

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
CASES = [
    ("unet3d", "running", "segmentation"),
    ("unet3d_light", "group", "pretrain"),
    ("unet2d", "running", "segmentation"),
    ("unet2d", "running", "classification"),
    ("monai_dynunet", "instance", "segmentation"),
]


def answers(network: Any, task: str, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with torch.inference_mode():
        return network.backbone.encode(x) if task == "pretrain" else (network(x),)


@pytest.mark.parametrize(("name", "norm", "task"), CASES)
def test_onnxruntime_gives_the_same_at_any_size(name: str, norm: str, task: str, tmp_path: Path) -> None:
    choice = BackboneSettings(name, 4, norm, 2)
    make = pretrained if task == "pretrain" else fine_tuned
    source, network = make(tmp_path / "run", choice, *([task] if task != "pretrain" else []))
    out = tmp_path / "out.onnx"
    EXPORTS.get("onnx")(source, out)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.onnx"]  # one file, weights inside
    model = onnx.load(out)
    onnx.checker.check_model(model)
    if norm == "running":
        assert not [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    held = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(held["provenance"])["backbone"]["name"] == name
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    stride, axes = network.backbone.strides[-1], network.backbone.axes
    for items, blocks in ((1, (1, 2, 3)), (4, (3, 1, 2)), (2, (2, 2, 2))):
        x = torch.rand(items, 2, *[stride * block for block in blocks[:axes]])
        for one, other in zip(session.run(None, {"image": x.numpy()}), answers(network, task, x), strict=True):
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-4)


def test_a_network_whose_windows_have_one_size_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("einops")
    source, _ = pretrained(tmp_path / "run", BackboneSettings("monai_swinunetr", 12, "instance"))
    with pytest.raises(UsageError, match="lays its windows for one size"):
        EXPORTS.get("onnx")(source, tmp_path / "out.onnx")


def test_the_extra_is_named_where_it_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match=r'pip install "modelsgenesis\[onnx\]"'):
        EXPORTS.get("onnx")(f"run:{tmp_path}", tmp_path / "out.onnx")
