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
from modelsgenesis.training.interrupt import InterruptedRunError
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.start import resumable
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
    with resumable(fabric, run):
        raise error


def begun(path: Path) -> Run:
    run = Run(path)
    run.begin("pretrain", TOY, "data", resume=False)
    (path / "split.json").write_text("{}")
    return run


@pytest.mark.parametrize("link", [False, True])
def test_what_does_not_fit_before_any_training_leaves_no_folder(tmp_path: Path, link: bool) -> None:
    if link:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    run = begun(tmp_path / "run")
    run.figures.mkdir()
    with pytest.raises(UsageError, match="x"):
        fail(run, FIRST, UsageError("x"))
    assert (tmp_path / "run").is_symlink() is link
    assert not run.exists
    assert not link or list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), MemoryError("x"), InterruptedRunError("x")])
def test_any_other_failure_leaves_the_folder(tmp_path: Path, error: Exception) -> None:
    run = begun(tmp_path / "run")
    with pytest.raises(type(error), match="x"):
        fail(run, FIRST, error)
    assert run.exists


def test_what_was_trained_stays(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.forget_after(0)  # the first that the loop does
    with pytest.raises(GenesisError, match="x"):
        fail(run, FIRST, GenesisError("x"))
    assert run.exists


def test_only_the_first_process_clears(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    with pytest.raises(UsageError):
        fail(run, OTHER, UsageError("x"))
    assert run.exists


@pytest.mark.parametrize(("step", "held"), [(0, "before anything was saved"), (7, "at once, step 7 is saved")])
def test_ctrl_c_says_where_it_stands_and_how_to_go_on(tmp_path: Path, step: int, held: str) -> None:
    run = begun(tmp_path / "run")
    run.note(**({"step": step} if step else {}))
    with pytest.raises(InterruptedRunError, match=f"stopped {held}; continue with --resume"):
        fail(run, FIRST, KeyboardInterrupt())
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
    data = write_segmentation(tmp_path / "data", 3, 0, ("lung",), (16, 16, 16))
    config = FinetuneSettings(
        backbone=BackboneChoice(width=2), loop=TOY.loop, optim=TOY.optim, cache=str(tmp_path / "cache")
    )
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
