"""The papers' recipes as runs get them, against PAPER 1.4, and as `genesis info TARGET` shows them."""

import json
from typing import Any

import pytest

from modelsgenesis import cli
from modelsgenesis.finetune import FinetuneSettings, papers_settings
from modelsgenesis.targets import TARGETS
from modelsgenesis.training.patience import refuse_idle_patience

SEVEN = ("ncc", "ncs", "ecc", "lcs", "bms", "dxc", "iuc")
LOSSES = {"ncc": "ce", "ncs": "dice", "ecc": "ce", "lcs": "dice", "bms": "dice", "dxc": "bce", "iuc": "ce"}
"""Dice for segmentations, cross-entropy for classifications, over the labels of an X-ray one by one."""


@pytest.mark.parametrize("name", SEVEN)
def test_a_target_trains_as_the_papers_say(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """PAPER 1.4: Adam 1e-3 (LCS 1e-2), plateau factor 0.5 patience 6, early stopping, strong 3D augmentation."""
    with pytest.raises(SystemExit):
        cli.main(["info", name, "--json"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)["recipe"]
    wanted = {
        "optimiser": "adam",
        "rate": 1e-2 if name == "lcs" else 1e-3,
        "schedule": "plateau",
        "factor": 0.5,
        "patience": 6,
        "warm-up": 0,
        "decay": 0.0,
        "loss": LOSSES[name],
        "augmentation": "light" if name in ("dxc", "iuc") else "strong",  # they say it of volumes alone
    }
    print(name, told)
    assert {fact: told[fact] for fact in wanted} == wanted
    assert told["ends early after"] > told["patience"]
    settings = papers_settings(name)
    optim = settings.optim
    assert (optim.optimiser, optim.lr, optim.schedule, optim.plateau_factor, optim.plateau_patience) == (
        *("adam", wanted["rate"], "plateau", 0.5, 6),
    )
    assert (optim.warmup_steps, optim.weight_decay, settings.loss) == (0, 0.0, LOSSES[name])
    assert settings.loop == FinetuneSettings().loop


@pytest.mark.parametrize("name", TARGETS.names())
def test_a_recipe_waits_no_longer_than_its_run(name: str) -> None:
    settings = papers_settings(name)
    refuse_idle_patience(settings.loop, settings.optim)
