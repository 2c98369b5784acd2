"""The first minute: what a run says before its first step, and how long it expects to take."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.data.cubes import CubeSettings
from modelsgenesis.data.intensity import ct_window
from modelsgenesis.data.store import add_scan
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.models.weights import read_weights, save_weights
from modelsgenesis.phantoms.chest import write_segmentation
from modelsgenesis.pretrain import pretrain
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.training.initial import BackboneChoice
from modelsgenesis.training.opening import TIMED_STEPS, Pace
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from tests.test_pretrain import TOY


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects: one scan is thinner than a cube of 16, one less than half as thick, one is an image."""
    path = tmp_path_factory.mktemp("opening") / "store"
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(24, 24, 20)] * 3 + [(24, 24, 10), (24, 24, 7), (24, 24)]):
        array = rng.uniform(-900, 900, shape)
        add_scan(
            path, f"scan{number}", ct_window().encode(array), ct_window(), subject=f"s{number}", digest=str(number)
        )
    return path


def test_pretraining_opens_with_what_it_does(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(TOY, loop=replace(TOY.loop, steps=12, validate_every=12))
    run = pretrain(store, tmp_path / "run", config)
    printed = capsys.readouterr()
    said = printed.err.splitlines()
    assert printed.out == ""
    before = said[: next(number for number, line in enumerate(said) if line.startswith("step 12:"))]
    assert before[0].startswith("data: ")
    counts = [int(word.strip("(")) for word in before[0].split() if word.strip("(").isdigit()]
    assert (counts[0] + counts[2], counts[1] + counts[3]) == (4, 4)  # subjects and scans of both sides
    assert before[1] == "cubes: 16x16x16 voxels, rule default"
    assert "  padded with zeros, thinner than a cube: 1 scan (scan3 24x24x10)" in before
    (left_out,) = (line for line in before if "left out" in line)
    assert "2 scans (scan4 24x24x7, scan5 24x24)" in left_out
    assert "--cubes.shape" in left_out
    assert f"network: unet3d, width 2, norm {TOY.backbone.norm}; {run.manifest()['parameters']:,} parameters" in before
    assert "device: cpu, precision 32-true" in before
    assert "training: 12 steps of 4 cubes (48 cubes), a validation every 12" in before
    assert any(line.startswith("baselines: 8/8 cubes") for line in before)
    assert any(line.startswith("probe of the random network: 32/32 cubes") for line in before)
    assert any(line.startswith("about ") and "cubes/s, validations not counted" in line for line in before)
    assert run.manifest()["scans_padded"] == ["scan3"]
    assert sorted(run.manifest()["scans_dropped"]) == ["scan4", "scan5"]


def test_init_is_reported_and_the_head_goes_on(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = replace(TOY, loop=replace(TOY.loop, steps=1, validate_every=1))
    first = pretrain(store, tmp_path / "first", short)
    capsys.readouterr()
    second = pretrain(store, tmp_path / "second", replace(short, init=f"run:{first.path}", seed=2))
    said = capsys.readouterr().err
    assert f"init run:{first.path}: 92 tensors loaded, 0 adapted, 0 skipped, 0 new" in said
    assert "head of the proxy task: loaded, the task goes on" in said
    assert second.manifest()["init"]["missing"] == []
    for other, run in ((0, first), (2, second)):  # the baseline is a random network's, not the source's
        again = pretrain(store, tmp_path / f"random{other}", replace(short, seed=other))
        assert run.manifest()["baselines"] == again.manifest()["baselines"]
    tensors, provenance = read_weights(first.weights)
    headless = tmp_path / "headless.safetensors"

    class Stored:
        def state_dict(self):  # type: ignore[no-untyped-def]
            return {name: tensor for name, tensor in tensors.items() if not name.startswith("out_tr.")}

    save_weights(headless, Stored(), provenance)  # type: ignore[arg-type]
    capsys.readouterr()
    pretrain(store, tmp_path / "third", replace(short, init=f"file:{headless}"))
    assert "head of the proxy task: new" in capsys.readouterr().err


def test_finetuning_opens_with_what_it_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_segmentation(tmp_path / "data", 5, 0, ("lung",), (20, 20, 14), (16.0, 16.0, 18.0))
    config = FinetuneSettings(
        patch=PatchSettings((16, 16, 16)),
        backbone=BackboneChoice(width=2),
        loop=LoopSettings(steps=2, batch_size=2, validate_every=2, precision="32-true", accelerator="cpu"),
        optim=OptimSettings(schedule="constant"),
        held_out=False,
    )
    finetune("folder", data, tmp_path / "run", config)
    said = capsys.readouterr().err.splitlines()
    before = said[: next(number for number, line in enumerate(said) if line.startswith("step 2:"))]
    counts = "3 subjects (3 cases) for training, 1 subject (1 case) for validation, 1 subject (1 case) for test"
    assert f"data: {counts}" in before
    assert "patches: 16x16x16 voxels, segmentation" in before
    (padded,) = (line for line in before if "padded with zeros" in line)
    assert "5 cases (chest_0000 20x20x14," in padded
    assert "--patch.shape" in padded
    assert any(line.startswith("network: unet3d, width 2, norm ") for line in before)
    assert "training: 2 steps of 2 items (4 items), a validation every 2" in before


def test_an_image_smaller_than_the_crop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, shape in enumerate([(40, 40)] * 4 + [(20, 40), (10, 40)]):
        pixels = ct_window().encode(np.random.default_rng(number).uniform(-900, 900, shape))
        add_scan(tmp_path / "store", f"image{number}", pixels, ct_window(), subject=f"s{number}", digest=str(number))
    flat = replace(
        TOY,
        cubes=CubeSettings(shape=(32, 32)),
        backbone=replace(TOY.backbone, name="unet2d"),
        loop=replace(TOY.loop, steps=1),
    )
    pretrain(tmp_path / "store", tmp_path / "run", flat)
    said = capsys.readouterr().err
    assert "padded with zeros, thinner than a cube: 1 scan (image4 20x40)" in said
    assert "left out, too small: 1 scan (image5 10x40)" in said


def test_the_pace_is_that_of_the_steps() -> None:
    pace = Pace(LoopSettings(steps=1_000, validate_every=100), 400, 8, "cubes")
    assert pace.stepped(60.0) == ""  # compiling
    said = [pace.stepped(2.0) for _ in range(TIMED_STEPS)]
    assert said[:4] == [""] * 4
    assert said[4] == "about 20 min to go at 4 cubes/s, validations not counted"  # 594 steps of 2 s; 10 s were timed
    assert said[5:] == [""] * 5
    # 589 steps, and validations at 500, 600, ... 1000
    assert pace.validated(30.0) == "about 23 min to go, 6 validations of 30 s among it"
    assert pace.validated(30.0) == ""
