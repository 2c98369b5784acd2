"""What is taken over from an init source."""

from pathlib import Path

import pytest

from modelsgenesis.config import to_dict
from modelsgenesis.data.intensity import ct_window
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import provenance_of, save_weights
from modelsgenesis.training.initial import BackboneChoice, mismatches, resolve


def held(width: int = 4, norm: str = "batch") -> dict[str, object]:
    return {"backbone": to_dict(BackboneSettings(width=width, norm=norm))}


def test_open_choices_are_the_sources() -> None:
    assert resolve(BackboneChoice(), held(), "run:x", 2) == BackboneSettings("unet3d", 4, "running", 2)
    assert resolve(BackboneChoice(norm="batch"), held(), "run:x", 1).norm == "batch"
    assert resolve(BackboneChoice(), held(norm="group"), "run:x", 1).norm == "group"
    assert resolve(BackboneChoice(), {}, "scratch", 1) == BackboneSettings("unet3d", 32, "running", 1)
    assert resolve(BackboneChoice(width=8), {}, "scratch", 1).width == 8


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (BackboneChoice(width=8), "backbone.width is 8, but run:x was trained with 4"),
        (BackboneChoice(norm="group"), "backbone.norm is group, but run:x was trained with batch"),
        (BackboneChoice(name="other"), "backbone.name is other, but run:x was trained with unet3d"),
    ],
)
def test_contradictions(choice: BackboneChoice, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(choice, held(), "run:x", 1)


def test_provenance_of_runs_and_files(tmp_path: Path) -> None:
    network = DenseNetwork(build_backbone(BackboneSettings(width=2)), 1)
    save_weights(tmp_path / "weights.safetensors", network, {"modality": "ct"})
    assert provenance_of(f"run:{tmp_path}") == {"modality": "ct"}
    assert provenance_of(f"file:{tmp_path / 'weights.safetensors'}") == {"modality": "ct"}
    assert provenance_of("scratch:he") == {}
    with pytest.raises(GenesisError, match="no such folder"):
        provenance_of(f"run:{tmp_path / 'none'}")


def test_warnings() -> None:
    origin = {"modality": "ct", "intensity": {"low": -1000.0, "high": 1000.0, "levels": 2000}}
    assert mismatches("ct", ct_window(), origin) == []
    assert mismatches("ct", ct_window(), {}) == []
    assert "-1000 to 1000 HU, these data -160 to 240" in mismatches("ct", ct_window(-160, 240), origin)[0]
    assert "trained on ct, these data are mr" in mismatches("mr", ct_window(0, 400), origin)[0]
