"""Weights in the formats of other tools: one module a tool, registered by the name that `--to` takes."""

from collections.abc import Callable
from pathlib import Path

from modelsgenesis.registry import Registry

Export = Callable[[str, Path], list[str]]
"""(init source, what to write) -> lines to tell the user.

An export writes atomically and refuses what it cannot carry over, naming what differs.
"""

EXPORTS: Registry[Export] = Registry(
    "export",
    {
        "monai-bundle": "modelsgenesis.exchange.monai_bundle:export",
        "onnx": "modelsgenesis.exchange.onnx_file:export",
        "torch": "modelsgenesis.exchange.torch_file:export",
        "nnssl": "modelsgenesis.exchange.nnssl:to_nnssl",
        "nnunetv2": "modelsgenesis.exchange.nnssl:to_nnunetv2",
    },
)
