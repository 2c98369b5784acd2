"""Networks in the form of the Hugging Face hub: a folder or repository with model.safetensors and config.json."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin

from modelsgenesis.config import to_dict
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import write_json, write_text
from modelsgenesis.models.sources import HUB_FILE

KIND = "network"
"""Key of the provenance: which of the networks of `models.heads` a file holds whole, its head included."""


class OnHub(ModelHubMixin):
    """Gives a network `save_pretrained(folder)`, `push_to_hub("owner/repo")` and `from_pretrained(...)`."""

    provenance: dict[str, Any]

    def _save_pretrained(self, save_directory: Path) -> None:
        from modelsgenesis.models.catalogue import card
        from modelsgenesis.models.weights import save_weights

        network: Any = self
        about = {
            **getattr(self, "provenance", {}),
            "backbone": to_dict(network.backbone.choice),
            KIND: {"kind": type(self).__name__, "outputs": network.outputs},
        }
        save_weights(save_directory / HUB_FILE, network, about)
        write_json(save_directory / "config.json", {"library": "modelsgenesis", **about})
        front = "---\nlibrary_name: modelsgenesis\ntags: [medical-imaging, models-genesis]\n---\n\n"
        write_text(save_directory / "README.md", front + card(str(save_directory / HUB_FILE)))

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **_: Any) -> Any:
        return from_pretrained(model_id)


def from_pretrained(model: str) -> Any:
    """The whole network, head included, that `save_pretrained` or `push_to_hub` wrote, in evaluation mode.

    Args:
        model: a folder, or "owner/repo" of the hub, whose cache serves without a network.

    Raises GenesisError when it cannot be reached or is not of this package.
    """
    from modelsgenesis.config import build
    from modelsgenesis.models import BackboneSettings, build_backbone, heads
    from modelsgenesis.models.weights import file_of, initialise, read_weights
    from modelsgenesis.places import located

    uri = str(model) if located(model).exists() or ":" in str(model) else f"hf:{model}"
    path = file_of(uri)
    provenance = read_weights(path)[1] if path is not None else {}
    if KIND not in provenance:
        raise GenesisError(f"{model}: holds no whole network of modelsgenesis; use segmenter, classifier or load")
    held = provenance[KIND]
    backbone = build_backbone(build(BackboneSettings, provenance["backbone"], uri))
    network = getattr(heads, held["kind"])(backbone, held["outputs"])
    network.load_report = initialise(network, uri, head=True)
    network.provenance = provenance
    return network.eval()
