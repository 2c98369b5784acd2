"""The demonstration at toy size."""

import csv
from pathlib import Path

import pytest

from modelsgenesis.demo import ARMS, ORGANS, DemoSettings, demo
from modelsgenesis.errors import UsageError

TOY = DemoSettings(unlabelled=3, labelled=6, seeds=1, width=2, cube=32, pretrain_steps=2, finetune_steps=2)


def test_the_whole_flow_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path.parent)
    said = demo(Path("..", tmp_path.parent.name, tmp_path.name), TOY)
    assert "shows the mechanism, not the benefit" in said
    with (tmp_path / "comparison.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["structure"], row["arm"]) for row in rows} == {(s, a) for s in ("overall", *ORGANS) for a in ARMS}
    for picture in (
        "comparison.png",
        "pretrained/figures/restoration.png",
        "genesis-0/figures/predictions.png",
        "report.html",
    ):
        assert (tmp_path / picture).stat().st_size > 5_000
    weights = (tmp_path / "genesis-0" / "weights.safetensors").stat().st_mtime_ns
    assert demo(tmp_path, TOY) == said  # nothing is done twice, and the numbers are the same
    assert (tmp_path / "genesis-0" / "weights.safetensors").stat().st_mtime_ns == weights


def test_too_few_phantoms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--labelled 6 or more"):
        demo(tmp_path, DemoSettings(labelled=4))
