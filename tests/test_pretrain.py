"""Pre-training end to end at toy size: resuming, workers, collapse, what is written."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import modelsgenesis
from modelsgenesis.config import to_yaml
from modelsgenesis.data.cubes import CubeSettings
from modelsgenesis.data.intensity import unsigned_image
from modelsgenesis.data.store import add_scan
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.weights import read_weights
from modelsgenesis.pretrain import PretrainSettings, pretrain, summary
from modelsgenesis.run import Run
from modelsgenesis.training.optim import Schedule
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.validation import RestorationCheckSettings

TOY = PretrainSettings(
    cubes=CubeSettings(shape=(16, 16, 16)),
    check=RestorationCheckSettings(cubes=8, cubes_alone=4, probe_cubes=32),
    backbone=BackboneSettings(width=2),
    loop=LoopSettings(steps=8, batch_size=4, validate_every=4, accelerator="cpu", precision="32-true"),
    optim=OptimSettings(lr=3e-3),
)


@pytest.fixture(scope="module")
def whole(phantom_store, tmp_path_factory):  # type: ignore[no-untyped-def]
    """An uninterrupted run."""
    return pretrain(phantom_store.path, tmp_path_factory.mktemp("whole") / "run", TOY)


def same_weights(one: Run, two: Run) -> bool:
    a, b = read_weights(one.weights)[0], read_weights(two.weights)[0]
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def scores(run: Run) -> list[dict[str, float]]:
    return [{k: v for k, v in entry.items() if k != "rate"} for entry in run.metrics()]


def test_the_run_folder_holds_what_it_should(whole: Run) -> None:
    assert whole.finished
    manifest = whole.manifest()
    assert manifest["baselines"].keys() == {"nothing", "constant", "own mean", "probe"}
    assert [entry["step"] for entry in whole.metrics()] == [4, 8]
    assert {"validation", "share", "nonlinear", "shuffle", "inpaint", "outpaint", "probe"} <= whole.metrics()[0].keys()
    tensors, provenance = read_weights(whole.weights)
    assert provenance["backbone"]["width"] == 2
    assert provenance["intensity"] == {"low": -1000.0, "high": 1000.0, "levels": 2000}
    assert provenance["scale"] == {"spacing": {name: [7.0] * 3 for name in ("median", "low", "high")}}
    assert provenance["orientation"] == "LPS"
    assert "out_tr.final_conv.weight" in tensors
    assert (whole.figures / "restoration.png").stat().st_size > 10_000
    split = json.loads((whole.path / "split.json").read_text())
    assert not set(split["training"]) & set(split["validation"])
    assert "best constant" in summary(whole)


def test_scores_reach_tensorboard(whole: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole.path / "tensorboard"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("validation")]
    assert shown == [(entry["step"], pytest.approx(entry["validation"], rel=1e-6)) for entry in whole.metrics()]


def test_baselines_are_what_their_names_say(whole: Run) -> None:
    baselines = whole.manifest()["baselines"]
    assert baselines["own mean"] < baselines["constant"] < baselines["nothing"]
    best = min(entry["validation"] for entry in whole.metrics())
    assert best / baselines["constant"] == pytest.approx(min(entry["share"] for entry in whole.metrics()))


def test_ctrl_c_saves_and_resume_gives_the_same_numbers(whole: Run, store_path: Path, tmp_path: Path) -> None:
    config = tmp_path / "toy.yaml"
    config.write_text(to_yaml(TOY))
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "modelsgenesis",
        "pretrain",
        str(store_path),
        "--config",
        str(config),
        "--out",
        str(out),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (out / "checkpoints" / "last.pt").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert process.returncode in (0, 130), message  # it may have been through already
    if process.returncode == 130:
        assert "continue with --resume" in message
    resumed = pretrain(store_path, out, TOY, resume=True)
    assert same_weights(resumed, whole)
    assert scores(resumed) == scores(whole)


def test_kill_9_loses_nothing_that_was_saved(whole: Run, store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stop_after_first_checkpoint(store_path, out)
    resumed = pretrain(store_path, out, TOY, resume=True)
    assert same_weights(resumed, whole)
    assert scores(resumed) == scores(whole)


def stop_after_first_checkpoint(store_path: Path, out: Path, config: str = "TOY") -> None:
    """Run in a process of its own that is killed, as `kill -9` does, right after its first checkpoint."""
    script = f"""
import os, signal
from dataclasses import replace
from pathlib import Path
from modelsgenesis.training import checkpoint
from tests_toy import TOY
import modelsgenesis.pretrain as p
save = checkpoint.save
def save_and_die(*args):
    save(*args)
    os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save = save_and_die
p.pretrain(Path({str(store_path)!r}), Path({str(out)!r}), {config})
"""
    script = script.replace(
        "from tests_toy import TOY",
        "import sys; sys.path.insert(0, " + repr(str(Path(__file__).parent)) + "); from test_pretrain import TOY",
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_loader_workers_change_nothing(whole: Run, store_path: Path, tmp_path: Path) -> None:
    config = replace(TOY, loop=replace(TOY.loop, workers=2))
    assert same_weights(pretrain(store_path, tmp_path / "run", config), whole)


def test_spacings_drawn_for_each_cube_do_not_depend_on_workers(store_path: Path, tmp_path: Path) -> None:
    cubes = replace(TOY.cubes, spacing=(7.0, 12.0))
    short = replace(TOY, cubes=cubes, loop=replace(TOY.loop, steps=4))
    alone = pretrain(store_path, tmp_path / "alone", replace(short, loop=replace(short.loop, workers=0)))
    loaded = pretrain(store_path, tmp_path / "loaded", replace(short, loop=replace(short.loop, workers=2)))
    assert same_weights(alone, loaded)
    assert scores(alone) == scores(loaded)
    told = read_weights(alone.weights)[1]["scale"]
    assert (told["drawn"], told["spacing"]["low"], told["spacing"]["high"]) == (True, [7.0] * 3, [12.0] * 3)


def test_accumulation_trains_on_the_same_items(store_path: Path, tmp_path: Path) -> None:
    """Without batch statistics, two halves of a batch are the batch."""
    plain = replace(TOY, backbone=BackboneSettings(width=2, norm="group"), optim=OptimSettings("sgd", lr=0.1))
    halves = replace(plain, loop=replace(TOY.loop, accumulate=2))
    a = read_weights(pretrain(store_path, tmp_path / "a", plain).weights)[0]
    b = read_weights(pretrain(store_path, tmp_path / "b", halves).weights)[0]
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-4)


def test_collapse_stops_with_advice(store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelsgenesis.pretrain.PATIENCE_COLLAPSED", 5)
    config = replace(TOY, optim=OptimSettings("sgd", lr=1e5, schedule="constant", warmup_steps=0, clip=0.0))
    config = replace(config, loop=replace(TOY.loop, steps=60, validate_every=60))
    with pytest.raises(GenesisError, match="collapsed to a constant.*preset default|not finite"):
        pretrain(store_path, tmp_path / "run", config)


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_collapse_is_counted_in_steps(
    accumulate: int, store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelsgenesis.pretrain.PATIENCE_COLLAPSED", 3)
    monkeypatch.setattr("modelsgenesis.pretrain.COLLAPSED", float("inf"))  # every answer counts as a constant
    began: list[int] = []
    rate = Schedule.set
    monkeypatch.setattr(Schedule, "set", lambda self, step: began.append(step) or rate(self, step))
    with pytest.raises(GenesisError, match="collapsed to a constant"):
        pretrain(store_path, tmp_path / "run", replace(TOY, loop=replace(TOY.loop, accumulate=accumulate)))
    assert began == [0, 1, 2]


def test_another_configuration_is_refused(whole: Run, store_path: Path) -> None:
    with pytest.raises(UsageError, match="seed: 0 there, 1 here"):
        pretrain(store_path, whole.path, replace(TOY, seed=1))


def test_a_finished_run_is_not_repeated(whole: Run, store_path: Path) -> None:
    before = whole.weights.stat().st_mtime_ns
    pretrain(store_path, whole.path, TOY)
    assert whole.weights.stat().st_mtime_ns == before


def test_a_damaged_checkpoint_is_named(store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stop_after_first_checkpoint(store_path, out)
    last = out / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(GenesisError, match=r"last\.pt: the checkpoint is damaged"):
        pretrain(store_path, out, TOY, resume=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"proxy": "jigsaw"}, "unknown proxy 'jigsaw'"),
        ({"distortions": "blur"}, "blur"),
        ({"backbone": BackboneSettings(name="vit")}, "unknown backbone 'vit'"),
        ({"optim": OptimSettings("lion")}, "optim.optimiser"),
        ({"loop": replace(TOY.loop, accelerator="quantum")}, "loop.accelerator"),
    ],
)
def test_wrong_settings_are_wrong_use(store_path: Path, tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        pretrain(store_path, tmp_path / "run", replace(TOY, **change))  # type: ignore[arg-type]


def test_training_learns(store_path: Path, tmp_path: Path) -> None:
    loop = replace(TOY.loop, steps=250, batch_size=8, validate_every=250)
    config = replace(TOY, loop=loop, optim=OptimSettings(lr=1e-2), backbone=BackboneSettings(width=4))
    run = pretrain(store_path, tmp_path / "run", config)
    assert run.manifest()["best"]["share"] < 0.85
    assert np.isfinite(run.manifest()["best"]["probe"])


def test_images(tmp_path: Path) -> None:
    """2D pre-training: a store of images, a network of images; the weights start a fine-tuning."""
    map8 = unsigned_image(8)
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = np.kron(rng.integers(0, 255, (6, 5)), np.ones((12, 12))).astype(np.uint8)
        add_scan(tmp_path / "store", f"image{number}", pixels, map8, modality="image", digest=str(number))
    flat = replace(TOY, cubes=CubeSettings(shape=(32, 32)), backbone=BackboneSettings("unet2d", 4))
    with pytest.raises(UsageError, match="backbone unet3d needs 3 sides"):
        pretrain(tmp_path / "store", tmp_path / "run", replace(flat, backbone=BackboneSettings(width=2)))
    run = pretrain(tmp_path / "store", tmp_path / "run", flat)
    assert run.finished
    assert (run.figures / "restoration.png").stat().st_size > 5_000
    assert np.isfinite([entry["probe"] for entry in run.metrics()]).all()
    assert modelsgenesis.classifier(f"run:{run.path}", 2)(torch.rand(2, 1, 32, 32)).shape == (2, 2)
