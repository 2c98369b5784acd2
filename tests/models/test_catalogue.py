"""The weights of the package, and what they say of themselves."""

from pathlib import Path
from typing import Any

import pytest
import torch

import modelsgenesis as mg
from modelsgenesis import cli, zoo
from modelsgenesis.data.padding import crop_or_pad
from modelsgenesis.errors import UsageError
from modelsgenesis.models.catalogue import card
from modelsgenesis.models.conversion import convert
from modelsgenesis.models.weights import read_weights
from modelsgenesis.phantoms import write_phantoms

LARGEST = 15e6
"""Bytes of all weights of the package together."""


def genesis(*arguments: object) -> Any:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.mark.parametrize("name", zoo.names())
def test_each_says_all_that_a_user_needs(name: str) -> None:
    shown = card(name)
    assert "not stated" not in shown
    assert f'mg.segmenter("{name}"' in shown
    about = read_weights(zoo.file_of(name))[1]
    assert {"backbone", "cube", "modality", "intensity", "scale"} <= set(about)


PHANTOMS: dict[str, tuple[str, tuple[int, int, int] | None, tuple[float, float, float] | None]] = {
    "genesis-chest-ct": ("ct", (48, 40, 40), (4.0, 4.0, 4.0)),
    "genesis-chest-ct-2d": ("ct", (96, 80, 16), (4.0, 4.0, 8.0)),
    "genesis-brain-mr": ("flair", (72, 84, 64), (2.5, 2.5, 2.5)),
    "genesis-chest-xray": ("dxc", None, None),
}
"""Name -> phantoms of the kind that it was pre-trained on: target, voxels, mm."""


@pytest.mark.parametrize("name", zoo.names())
def test_each_restores_scans_of_its_kind(name: str, tmp_path: Path) -> None:
    """The middle of a scan that preprocess made: the error is a small part of what a constant leaves."""
    target, shape, spacing = PHANTOMS[name]
    write_phantoms(target, tmp_path, 1, 5, shape, spacing)
    scan = next(path for path in sorted(tmp_path.rglob("*")) if path.name.endswith((".nii.gz", ".png", ".mhd")))
    network = mg.restorer(name)
    image = mg.preprocess(scan, name)[0]
    if image.ndim > network.backbone.axes:
        image = image[..., image.shape[-1] // 2]
    truth = torch.from_numpy(crop_or_pad(image, (32,) * 3 if image.ndim == 3 else (96, 96)))
    with torch.no_grad():
        error = ((network(truth[None, None]).sigmoid()[0, 0] - truth) ** 2).mean()
    assert error < 0.4 * truth.var(correction=0)
    assert network.load_report.missing == []


def test_they_are_small_together() -> None:
    assert sum(zoo.file_of(name).stat().st_size for name in zoo.names()) < LARGEST
    assert [model.name for model in mg.list_models()] == zoo.names()
    assert all(model.megabytes < LARGEST / 1e6 for model in mg.list_models())


def test_the_commands_list_show_and_print_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert genesis("weights", "list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == zoo.names()
    assert genesis("weights", "show", "genesis-chest-ct") == 0
    assert "unet3d_light" in capsys.readouterr().out
    assert genesis("weights", "card", "genesis-chest-ct") == 0
    assert "| licence | Apache-2.0 |" in capsys.readouterr().out
    assert genesis("weights", "shwo") == 2
    assert "did you mean 'show'" in capsys.readouterr().err
    assert genesis("weights", "card", "scratch") == 2


def test_conversion_keeps_tensors_and_adds_what_is_said(tmp_path: Path) -> None:
    source, about, out = tmp_path / "published.pt", tmp_path / "about.yaml", tmp_path / "mine.safetensors"
    tensors, provenance = read_weights(zoo.file_of("genesis-brain-mr"))
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, source)
    about.write_text("title: mine\nlicence: MIT\n")
    convert(str(source), out, about)
    mine, said = read_weights(out)
    assert mine.keys() == tensors.keys()
    assert all(torch.equal(mine[name], tensors[name]) for name in mine)
    assert said["about"] == {"title": "mine", "licence": "MIT"}
    about.write_text("titel: mine\n")
    with pytest.raises(UsageError, match="titel: unknown; valid: title"):
        convert(str(source), out, about)
    about.write_text("scale: {across: [1.0, 1.0]}\n")
    with pytest.raises(UsageError, match="scale: the weights say"):
        convert("genesis-brain-mr", out, about)
    with pytest.raises(UsageError, match="writes safetensors"):
        convert("genesis-brain-mr", tmp_path / "mine.pt")
    assert provenance["scale"]
