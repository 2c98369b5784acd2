"""Settings files: every recipe loads, every error is reported at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from modelsgenesis.config import build, digest, load, to_dict, to_yaml
from modelsgenesis.errors import UsageError
from modelsgenesis.finetune import FinetuneSettings
from modelsgenesis.pretrain import PretrainSettings, preset

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_load(path: Path) -> None:
    settings = FinetuneSettings if path.stem.startswith("finetune") else PretrainSettings
    assert load(settings, path).loop.steps > 0


def test_the_released_recipe_is_the_released_preset() -> None:
    assert load(PretrainSettings, CONFIGS / "released.yaml") == preset("released")


def test_settings_survive_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(preset("released")))
    assert load(PretrainSettings, path) == preset("released")
    assert digest(load(PretrainSettings, path)) == digest(preset("released"))


def test_a_file_overlays_its_base(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("optim: {lr: 1e-4}\nseed: 7\n")
    merged = load(PretrainSettings, path, preset("released"))
    assert (merged.optim.lr, merged.seed) == (1e-4, 7)
    assert merged.optim.optimiser == "sgd"


def test_a_part_that_is_named_keeps_the_rest_of_its_base(tmp_path: Path) -> None:
    """Of `FinetuneSettings`, whose optimiser is not that of `OptimSettings`: with a base, and without one."""
    path = tmp_path / "config.yaml"
    path.write_text("optim: {lr: 1e-2}\nloop: {steps: 9000}\n")
    for found in (load(FinetuneSettings, path), load(FinetuneSettings, path, FinetuneSettings())):
        assert found == replace(
            FinetuneSettings(),
            optim=replace(FinetuneSettings().optim, lr=1e-2),
            loop=replace(FinetuneSettings().loop, steps=9000),
        )


def test_all_errors_come_at_once_with_the_valid_names() -> None:
    values = {"seeed": 1, "optim": {"lr": "fast", "momentun": 0.5}, "cubes": {"shape": [64, "x", 32]}}
    with pytest.raises(UsageError) as caught:
        build(PretrainSettings, values, "my.yaml")
    message = str(caught.value)
    assert message.startswith("my.yaml: ")
    for part in ("seeed", "did you mean seed?", "optim.lr", "did you mean momentum?", "cubes.shape.1"):
        assert part in message


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n"])
def test_broken_files_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"broken\.yaml"):
        load(PretrainSettings, path)


def test_plain_values_are_plain() -> None:
    assert to_dict(PretrainSettings())["cubes"]["shape"] == [64, 64, 32]
