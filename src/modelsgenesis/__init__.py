"""Self-supervised pre-training of medical image networks by restoring distorted cubes (Models Genesis).

What most programs need, imported when first used:

    read_volume  open_store  mixture  load  segmenter  classifier  evaluate_run

The commands are functions of the module of their name, such as `modelsgenesis.pretrain.pretrain`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelsgenesis.data.store import open_store
    from modelsgenesis.data.volume import read_volume
    from modelsgenesis.evaluate.collect import evaluate_run
    from modelsgenesis.models.load import classifier, load, segmenter
    from modelsgenesis.transforms.mixture import mixture

_HOMES = {
    "classifier": "models.load",
    "evaluate_run": "evaluate.collect",
    "load": "models.load",
    "mixture": "transforms.mixture",
    "open_store": "data.store",
    "read_volume": "data.volume",
    "segmenter": "models.load",
}

__all__ = [
    "classifier",
    "evaluate_run",
    "load",
    "mixture",
    "open_store",
    "read_volume",
    "segmenter",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'modelsgenesis' has no attribute {name!r}")
    return getattr(import_module(f"modelsgenesis.{_HOMES[name]}"), name)
