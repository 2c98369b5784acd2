"""Beginnings: settings that do not fit leave nothing behind, several processes begin one run."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from modelsgenesis.config import to_yaml
from modelsgenesis.data.cubes import CubeSettings
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.weights import read_weights
from modelsgenesis.phantoms.chest import write_segmentation
from modelsgenesis.pretrain import PretrainSettings, pretrain
from modelsgenesis.run import Run
from modelsgenesis.targets.split import SplitChoice
from modelsgenesis.training.initial import BackboneChoice
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.start import no_empty_run
from modelsgenesis.training.validation import RestorationCheckSettings

TOY = PretrainSettings(
    cubes=CubeSettings(shape=(16, 16, 16)),
    check=RestorationCheckSettings(cubes=4, cubes_alone=4, probe_cubes=32),
    backbone=BackboneSettings(width=2),
    loop=LoopSettings(steps=2, batch_size=4, validate_every=2, accelerator="cpu", precision="32-true"),
)
GROUPED = replace(TOY, backbone=BackboneSettings(width=2, norm="group"), optim=OptimSettings("sgd", lr=0.1))
FIRST: Any = SimpleNamespace(is_global_zero=True)
OTHER: Any = SimpleNamespace(is_global_zero=False)


def fail(run: Run, fabric: Any, error: BaseException) -> None:
    with no_empty_run(fabric, run):
        raise error


def begun(path: Path) -> Run:
    run = Run(path)
    run.begin("pretrain", TOY, "data", resume=False)
    (path / "split.json").write_text("{}")
    return run


def test_a_failure_before_the_first_checkpoint_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"):
        fail(begun(tmp_path / "run"), FIRST, ValueError("x"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_trained_stays(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.checkpoints.mkdir()
    (run.checkpoints / "last.pt").write_text("")
    with pytest.raises(ValueError, match="x"):
        fail(run, FIRST, ValueError("x"))
    assert run.exists


@pytest.mark.parametrize(("fabric", "error"), [(OTHER, ValueError), (FIRST, KeyboardInterrupt)])
def test_only_the_first_process_clears_and_only_after_errors(tmp_path: Path, fabric: Any, error: Any) -> None:
    run = begun(tmp_path / "run")
    with pytest.raises(error):
        fail(run, fabric, error())
    assert run.exists


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cubes": CubeSettings(shape=(32, 32))}, "cubes.shape.*needs 3 sides"),
        ({"cubes": CubeSettings(shape=(16, 16, 8))}, "at least 16 voxels"),
        ({"cubes": CubeSettings(shape=(128, 64, 64))}, "fits none"),
        ({"backbone": BackboneSettings(width=2, input_channels=2)}, "backbone.input_channels"),
        ({"backbone": BackboneSettings(name="vit")}, "unknown backbone"),
        ({"init": "run:nowhere"}, "nowhere"),
        ({"distortions": "blur"}, "blur"),
    ],
)
def test_settings_that_do_not_fit_leave_no_run(
    store_path: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises((UsageError, GenesisError), match=reason):
        pretrain(store_path, tmp_path / "run", replace(TOY, **change))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"init": "run:nowhere"}, "nowhere"),
        ({"label_fraction": 0.0}, "label_fraction"),
        ({"split": SplitChoice(test_subjects=("nobody",))}, "nobody"),
        ({"loss": "hinge"}, "hinge"),
    ],
)
def test_the_same_for_finetuning(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    data = write_segmentation(tmp_path / "data", 3, 0, "lung", (16, 16, 16))
    config = FinetuneSettings(backbone=BackboneChoice(width=2), loop=TOY.loop, cache=str(tmp_path / "cache"))
    with pytest.raises((UsageError, GenesisError), match=reason):
        finetune("folder", data, tmp_path / "run", replace(config, **change))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name != "posix", reason="gloo on Linux")
def test_two_processes_begin_and_finish_one_run(store_path: Path, tmp_path: Path) -> None:
    config = tmp_path / "toy.yaml"
    config.write_text(to_yaml(replace(GROUPED, loop=replace(TOY.loop, devices="2"))))
    out = tmp_path / "run"
    arguments = ["pretrain", str(store_path), "--config", str(config), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "modelsgenesis", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "manifest.json").read_text())["finished"]
    assert [entry["step"] for entry in Run(out).metrics()] == [2]
    assert Run(out).config(PretrainSettings).loop.devices == "2"
    for beginning in ("data: ", "device: cpu and 1 more, ", "baselines: 4/4", "training: 16/16", "step 2: "):
        assert sum(line.startswith(beginning) for line in done.stderr.splitlines()) == 1, done.stderr
    # The same items in the same micro-batches on one device: so `--resume` lets a run go from two devices to one.
    one = replace(GROUPED, loop=replace(GROUPED.loop, batch_size=8, accumulate=2))
    alone = pretrain(store_path, tmp_path / "one", one)
    theirs = read_weights(Run(out).weights)[0]
    for name, tensor in read_weights(alone.weights)[0].items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-5)
