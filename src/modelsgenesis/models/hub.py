"""Networks in the form of the Hugging Face hub: a folder or repository with model.safetensors and config.json."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin

from modelsgenesis.config import to_dict
from modelsgenesis.errors import GenesisError, first_line
from modelsgenesis.files import write_json, write_text
from modelsgenesis.models.sources import HUB_FILE
from modelsgenesis.places import located

_OF_ITS_ORIGIN = ("about", "step", "cubes", "validation")
"""What weights say of the training that they come from; a network that was trained on is another one."""


class OnHub(ModelHubMixin):
    """Gives a network `save_pretrained(folder)`, `push_to_hub("owner/repo")` and `from_pretrained(...)`."""

    provenance: dict[str, Any]

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> str | None:
        """Write `model.safetensors`, `config.json` and `README.md` into a folder, as `ModelHubMixin` does.

        Raises GenesisError where the folder cannot be written.
        """
        place = located(save_directory)
        try:
            done: str | None = super().save_pretrained(place, **options)
        except OSError as error:
            why = error.strerror or first_line(error)
            raise GenesisError(f"{place}: no folder to write into ({why}); choose another") from error
        return done

    def _save_pretrained(self, save_directory: Path) -> None:
        from modelsgenesis.models.catalogue import card
        from modelsgenesis.models.weights import save_weights

        network: Any = self
        held = {name: value for name, value in self.provenance.items() if name not in _OF_ITS_ORIGIN}
        about = {**held, "command": "save_pretrained", "backbone": to_dict(network.backbone.choice)}
        save_weights(save_directory / HUB_FILE, network, about)
        write_json(save_directory / "config.json", {"library": "modelsgenesis", **about})
        front = "---\nlibrary_name: modelsgenesis\ntags: [medical-imaging, models-genesis]\n---\n\n"
        write_text(save_directory / "README.md", front + card(str(save_directory / HUB_FILE)))

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **_: Any) -> Any:
        from modelsgenesis.models.load import from_pretrained

        return from_pretrained(model_id)
