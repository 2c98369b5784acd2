"""Every target from phantoms to its report, as a user would: info, finetune from scratch, evaluate; at toy size."""

import json
from pathlib import Path

import pytest

from modelsgenesis import cli
from modelsgenesis.evaluate.examples import read_examples
from modelsgenesis.run import Run
from tests.samples import SAMPLES

TOY = """--loop.steps 2 --loop.batch-size 2 --loop.validate-every 1 --loop.accelerator cpu --loop.precision 32-true
--loop.patience 0 --optim.schedule constant --inference.windows 8 --check.most-windows 64 --check.patches 8"""
VOLUME = "--patch.shape 16 16 16 --backbone.width 2"
IMAGE = "--patch.shape 32 32 --backbone.width 4"
FLAGS = {
    "ncc": VOLUME,
    "ncs": f"{VOLUME} --images.spacing 4 4 4",
    "ecc": f"{VOLUME} --images.spacing 4 4 4 --options orientation vessel",
    "lcs": VOLUME,
    "organs": VOLUME,
    "bms": f"{VOLUME} --options modalities flair,t1ce",
    "dxc": f"{IMAGE} --split.validation 0.5",
    "iuc": IMAGE,
    "cubs": IMAGE,
    "medmnist": IMAGE,
    "medmnist3d": VOLUME,
}
"""What makes each small; `folder` has tests of its own."""
METRIC = {
    "ncc": "cpm",
    "ncs": "paper_iou",
    "ecc": "auc",
    "lcs": "paper_iou",
    "bms": "paper_iou",
    "organs": "dice",
    "cubs": "dice",
}


def genesis(line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    assert ended.value.code == 0


@pytest.mark.parametrize("name", FLAGS)
def test_from_phantoms_to_figures(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = SAMPLES[name][0](tmp_path / "data")
    genesis(f"info {name.upper()} --data {data}")
    said = capsys.readouterr().out
    assert f"target         {name}" in said
    assert "training       subjects" in said
    run = Run(tmp_path / "run")
    genesis(f"finetune {name.upper()} --data {data} --out {run.path} --init scratch {TOY} {FLAGS[name]}")
    assert run.finished
    genesis(f"evaluate {run.path}")
    summary = json.loads((run.path / "evaluation" / "summary.json").read_text())
    assert summary["cases"] >= 1
    assert METRIC.get(name, "auc") in summary["metrics"]["overall"]
    held_out = set(json.loads((run.path / "split.json").read_text())["test"])
    predicted = json.loads((run.predictions / "cases.json").read_text())["cases"]
    assert {case["subject"] for case in predicted} <= held_out
    kept = read_examples(run.predictions)
    assert {one.case for one in kept} <= {case["case"] for case in predicted}
    genesis(f"report {run.path} --out {tmp_path / 'report.html'}")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('class="card"') == len(kept) > 0


def test_every_phantom_is_written_the_same_for_a_seed(tmp_path: Path) -> None:
    """The command line's own path: names in any case, a folder that must be new."""
    for number in (1, 2):
        genesis(f"phantom LCS --out {tmp_path / str(number)} --cases 1 --seed 3 --shape 16 16 16 --spacing 9 9 9")
    files = [{p.relative_to(root): p.read_bytes() for p in root.rglob("*.nii")} for root in sorted(tmp_path.iterdir())]
    assert files[0] == files[1]
    assert len(files[0]) == 2
    with pytest.raises(SystemExit) as ended:
        cli.main(f"phantom lcs --out {tmp_path / '1'}".split())
    assert ended.value.code == 2
