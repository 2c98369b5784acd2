"""Self-supervised pre-training of medical image networks by restoring distorted cubes (Models Genesis).

What most programs need, imported when first used:

    import modelsgenesis as mg
    network = mg.segmenter("genesis-chest-ct", classes=3, channels=2)     # ready for any PyTorch or MONAI loop
    features = mg.embed("genesis-chest-ct", "scan.nii.gz")                # windowed, resampled, whole scan

`docs/api.md` shows every name. The commands are functions of the module of their name, such as
`modelsgenesis.pretrain.pretrain`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelsgenesis.data.store import open_store as open_store
    from modelsgenesis.data.volume import Volume as Volume
    from modelsgenesis.data.volume import read_volume as read_volume
    from modelsgenesis.embedding import embed as embed
    from modelsgenesis.embedding import preprocess as preprocess
    from modelsgenesis.errors import GenesisError as GenesisError
    from modelsgenesis.errors import UsageError as UsageError
    from modelsgenesis.evaluate.collect import evaluate_run as evaluate_run
    from modelsgenesis.models.catalogue import list_models as list_models
    from modelsgenesis.models.load import classifier as classifier
    from modelsgenesis.models.load import from_pretrained as from_pretrained
    from modelsgenesis.models.load import load as load
    from modelsgenesis.models.load import restorer as restorer
    from modelsgenesis.models.load import segmenter as segmenter
    from modelsgenesis.models.weights import LoadReport as LoadReport
    from modelsgenesis.prediction.scans import predict as predict
    from modelsgenesis.transforms.mixture import mixture as mixture

_HOMES = {
    "GenesisError": "errors",
    "LoadReport": "models.weights",
    "UsageError": "errors",
    "Volume": "data.volume",
    "classifier": "models.load",
    "embed": "embedding",
    "evaluate_run": "evaluate.collect",
    "from_pretrained": "models.load",
    "list_models": "models.catalogue",
    "load": "models.load",
    "mixture": "transforms.mixture",
    "open_store": "data.store",
    "predict": "prediction.scans",
    "preprocess": "embedding",
    "read_volume": "data.volume",
    "restorer": "models.load",
    "segmenter": "models.load",
}

__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'modelsgenesis' has no attribute {name!r}")
    return getattr(import_module(f"modelsgenesis.{_HOMES[name]}"), name)
