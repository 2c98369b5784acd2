"""Runs that go on: bit for bit where nothing of consequence changed, told where it did, refused where it may not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from modelsgenesis.config import to_dict
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models.weights import provenance_of
from modelsgenesis.pretrain import PretrainSettings, pretrain
from modelsgenesis.run import Run
from modelsgenesis.training import checkpoint
from modelsgenesis.training.continuing import may_change
from modelsgenesis.training.interrupt import InterruptedRunError
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from tests.test_pretrain import TOY, same_weights, scores

CONSTANT = replace(TOY, optim=OptimSettings(lr=3e-3, schedule="constant", warmup_steps=0))


def of(config: PretrainSettings, **loop: Any) -> PretrainSettings:
    return replace(config, loop=replace(config.loop, **loop))


@pytest.fixture(scope="module")
def short(phantom_store, tmp_path_factory):  # type: ignore[no-untyped-def]
    """Finished runs of 4 steps, cosine and constant."""
    path = tmp_path_factory.mktemp("short")
    return {
        name: pretrain(phantom_store.path, path / name, of(config, steps=4))
        for name, config in (("cosine", TOY), ("constant", CONSTANT))
    }


def stopped(store_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, config: PretrainSettings = TOY) -> None:
    """Leave a run at its next checkpoint."""
    save = checkpoint.save

    def save_and_stop(*args: Any) -> None:
        save(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_stop)
        with pytest.raises(InterruptedRunError):
            pretrain(store_path, out, config, resume=True)


def copied(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.path, tmp_path / "run"))


def last(run: Run) -> dict[str, torch.Tensor]:
    network: dict[str, torch.Tensor] = torch.load(run.checkpoints / "last.pt", weights_only=True)["network"]
    return network


@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_more_steps(
    name: str, short: dict[str, Run], store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"constant": CONSTANT, "cosine": TOY}[name]
    longer = pretrain(store_path, copied(short[name], tmp_path), config, resume=True)
    told = capsys.readouterr().err
    at_once = pretrain(store_path, tmp_path / "once", config)
    (entry,) = longer.manifest()["continued"]
    assert (entry["step"], entry["changed"]) == (4, {"loop.steps": [4, 8]})
    assert f"{longer.path}: goes on from step 4 of 8" in told
    assert entry["remarks"][0] in told
    assert longer.config(PretrainSettings).loop.steps == 8
    assert longer.finished
    equal = all(torch.equal(tensor, last(at_once)[key]) for key, tensor in last(longer).items())
    assert equal == (name == "constant")
    if name == "constant":
        assert entry["remarks"] == ["the same as 8 steps at once"]
        assert same_weights(longer, at_once)
        assert scores(longer) == scores(at_once)
    else:
        assert "not the same as 8 steps at once" in entry["remarks"][0]


def test_a_run_that_became_longer_serves_no_weights_before_its_end(
    short: dict[str, Run], store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied(short["constant"], tmp_path)
    assert provenance_of(f"run:{path}")["step"] == 4
    stopped(store_path, path, monkeypatch, CONSTANT)
    with pytest.raises(GenesisError, match="is the run finished"):
        provenance_of(f"run:{path}")
    assert (path / "checkpoints" / "best.safetensors").is_file()
    assert provenance_of(f"run:{pretrain(store_path, path, CONSTANT, resume=True).path}")["step"] in (4, 8)


def test_a_validation_in_between_and_a_longer_warmup_are_said(store_path: Path, tmp_path: Path) -> None:
    config = replace(TOY, optim=OptimSettings(lr=3e-3, schedule="constant", warmup_steps=200))
    pretrain(store_path, tmp_path / "run", of(config, steps=20, validate_every=8))
    run = pretrain(store_path, tmp_path / "run", of(config, steps=32, validate_every=8), resume=True)
    first, second = run.manifest()["continued"][0]["remarks"]  # 2 steps of warm-up before, 3 now
    assert "not the same as 32 steps at once" in first
    assert "validated at step 20 besides" in second


def test_without_resume_or_checkpoint_a_finished_run_stays(
    short: dict[str, Run], store_path: Path, tmp_path: Path
) -> None:
    path = copied(short["constant"], tmp_path)
    with pytest.raises(UsageError, match=r"finished run \(loop.steps: 4 there, 8 here\); add --resume"):
        pretrain(store_path, path, CONSTANT)
    with pytest.raises(UsageError, match=r"another run \(loop.steps: 4 there, 8 here\)"):
        pretrain(store_path, path, CONSTANT, resume=True, longer=False)
    for name in ("last.pt", "best.safetensors"):  # the second holds the weights to end with, if none is better
        away = (path / "checkpoints" / name).rename(tmp_path / name)
        with pytest.raises(UsageError, match=rf"without its checkpoints/{name}, .*loop.steps: 4 there, 8 here"):
            pretrain(store_path, path, CONSTANT, resume=True)
        away.rename(path / "checkpoints" / name)
    assert Run(path).finished
    assert pretrain(store_path, path, of(CONSTANT, steps=4, workers=1, keep_at=(4,))).finished
    assert "continued" not in Run(path).manifest()


def test_other_workers_and_memory_format(
    store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loader processes change nothing; how it is calculated changes the last digits, and that is said."""
    out = tmp_path / "run"
    stopped(store_path, out, monkeypatch)
    resumed = pretrain(store_path, out, of(TOY, workers=1, channels_last=False), resume=True)
    (entry,) = resumed.manifest()["continued"]
    assert entry["changed"] == {"loop.channels_last": [True, False], "loop.workers": [-1, 1]}
    assert "rounded otherwise" in entry["remarks"][0]
    assert "  loop.workers: -1 before, 1 from here on" in capsys.readouterr().err
    whole = pretrain(store_path, tmp_path / "whole", TOY)
    for mine, theirs in zip(scores(resumed), scores(whole), strict=True):
        errors = [{name: value for name, value in entry.items() if name != "probe"} for entry in (mine, theirs)]
        assert errors[0] == pytest.approx(errors[1], rel=0.02)
    assert resumed.manifest()["baselines"] == whole.manifest()["baselines"]


def test_weights_of_another_norm_are_refused_to_begin_with(
    short: dict[str, Run], store_path: Path, tmp_path: Path
) -> None:
    """Their tensors would fit, but the network would be another function."""
    grouped = replace(TOY, backbone=replace(TOY.backbone, norm="group"))
    source = pretrain(store_path, tmp_path / "grouped", of(grouped, steps=2))
    for config, init in ((TOY, source.path), (grouped, short["constant"].path)):
        with pytest.raises(UsageError, match=r"backbone\.norm is .*, but run:.* was trained with"):
            pretrain(store_path, tmp_path / "run", replace(config, init=f"run:{init}"))
        assert not (tmp_path / "run").exists()


def test_another_device_is_noted(short: dict[str, Run], store_path: Path, tmp_path: Path) -> None:
    path = copied(short["constant"], tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "device": "cuda:0", "precision": "bf16-mixed"}))
    run = pretrain(store_path, path, CONSTANT, resume=True)
    changed = run.manifest()["continued"][0]["changed"]
    assert changed["device"] == ["cuda:0", "cpu"]
    assert changed["precision"] == ["bf16-mixed", "32-true"]


def test_refusals_name_every_setting(short: dict[str, Run], store_path: Path) -> None:
    other = replace(
        of(CONSTANT, steps=2, batch_size=8, validate_every=2, workers=1),
        seed=3,
        optim=OptimSettings("sgd", lr=0.1, schedule="constant", warmup_steps=0),
    )
    with pytest.raises(UsageError) as caught:
        pretrain(store_path, short["constant"].path, other, resume=True)
    for part in (
        "seed: 0 there, 3 here",
        "loop.steps: 4 there, 2 here",
        "loop.batch_size: 4 there, 8 here",
        "loop.validate_every: 4 there, 2 here",
        "optim.optimiser: adamw there, sgd here",
        "optim.lr: 0.003 there, 0.1 here",
    ):
        assert part in str(caught.value)
    assert "workers" not in str(caught.value)


def flat(loop: LoopSettings) -> dict[str, Any]:
    return {f"loop.{name}": value for name, value in to_dict(loop).items()}


@pytest.mark.parametrize(
    ("change", "may"),
    [
        ({"devices": "1", "batch_size": 16, "accumulate": 2}, True),
        ({"devices": "4", "batch_size": 4, "accumulate": 1}, False),  # a norm of the batch would see 4 items, not 8
        ({"devices": "1"}, False),
        ({"batch_size": 16}, False),
        ({"patience": 6}, True),
        ({"patience": 0}, True),
        ({"patience": 4}, False),
        ({"steps": 9}, False),
        ({"steps": 11}, True),
        ({"precision": "32-true", "accelerator": "cpu", "compile": True, "keep_at": (5,)}, True),
        ({"validate_every": 1}, False),
    ],
)
def test_what_may_change(change: dict[str, Any], may: bool) -> None:
    begun = LoopSettings(devices="2", batch_size=8, patience=5, steps=10)
    assert ({f"loop.{name}" for name in change} <= may_change(flat(begun), flat(replace(begun, **change)))) == may
