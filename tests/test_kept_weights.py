"""`loop.keep_at`: weights of given moments, whole, told apart, the same after a kill, ready to start a fine-tuning."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import modelsgenesis
from modelsgenesis.errors import UsageError
from modelsgenesis.models.weights import read_weights
from modelsgenesis.pretrain import pretrain
from modelsgenesis.run import Run
from modelsgenesis.training.settings import LoopSettings
from tests.test_pretrain import TOY, same_weights, scores, stop_after_first_checkpoint

KEEPING = replace(TOY, loop=replace(TOY.loop, keep_at=(32, 5, 16)))  # 4 cubes a step: steps 8, 2 and 4


@pytest.fixture(scope="module")
def kept(phantom_store, tmp_path_factory):  # type: ignore[no-untyped-def]
    return pretrain(phantom_store.path, tmp_path_factory.mktemp("kept") / "run", KEEPING)


def named(run: Run) -> dict[str, Path]:
    return {path.name: path for path in sorted(run.path.glob("weights-*"))}


def test_they_are_those_of_their_moment(kept: Run, store_path: Path, tmp_path: Path) -> None:
    assert list(named(kept)) == [f"weights-{cubes}-cubes.safetensors" for cubes in (16, 32, 5)]
    told = [read_weights(path)[1] for path in named(kept).values()]
    assert [(about["step"], about["cubes"]) for about in told] == [(4, 16), (8, 32), (2, 8)]
    assert {about["command"] for about in told} == {"pretrain"}
    last = torch.load(kept.checkpoints / "last.pt", weights_only=True)["network"]
    end = read_weights(kept.path / "weights-32-cubes.safetensors")[0]
    assert all(torch.equal(end[name], last[f"backbone.{name}" if f"backbone.{name}" in last else name]) for name in end)
    middle = read_weights(kept.path / "weights-16-cubes.safetensors")[0]
    assert not torch.equal(middle["out_tr.final_conv.weight"], end["out_tr.final_conv.weight"])
    plain = pretrain(store_path, tmp_path / "plain", TOY)  # keeping changes nothing else
    assert same_weights(plain, kept)
    assert scores(plain) == scores(kept)


def test_they_start_a_finetuning(kept: Run) -> None:
    path = named(kept)["weights-16-cubes.safetensors"]
    assert modelsgenesis.segmenter(f"file:{path}", 2)(torch.rand(2, 1, 16, 16, 16)).shape == (2, 2, 16, 16, 16)


def test_a_killed_run_keeps_the_same(kept: Run, store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stop_after_first_checkpoint(store_path, out, "replace(TOY, loop=replace(TOY.loop, keep_at=(32, 5, 16)))")
    assert list(named(Run(out))) == ["weights-5-cubes.safetensors"]
    resumed = pretrain(store_path, out, KEEPING, resume=True)
    assert named(resumed).keys() == named(kept).keys()
    for name, path in named(resumed).items():
        mine, theirs = read_weights(path)[0], read_weights(named(kept)[name])[0]
        assert all(torch.equal(mine[tensor], theirs[tensor]) for tensor in theirs)
    assert scores(resumed) == scores(kept)


def test_what_cannot_be_kept_is_said_or_refused(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="loop.keep_at"):
        LoopSettings(keep_at=(0,))
    run = pretrain(store_path, tmp_path / "run", replace(TOY, loop=replace(TOY.loop, steps=1, keep_at=(4, 5))))
    assert list(named(run)) == ["weights-4-cubes.safetensors"]
    assert "not kept: 5 cubes come after the end of the run" in capsys.readouterr().err


def test_a_finished_run_says_what_it_was_asked_for_too_late(
    kept: Run, store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(marks: tuple[int, ...], **loop: int) -> list[str]:
        capsys.readouterr()
        config = replace(TOY, loop=replace(TOY.loop, keep_at=marks, **loop))
        pretrain(store_path, run.path, config, resume=True)
        return [line.strip() for line in capsys.readouterr().err.splitlines() if "not kept" in line]

    run = kept
    assert told((32, 5, 16)) == []
    run = Run(Path(shutil.copytree(kept.path, tmp_path / "run")))
    (run.path / "weights-32-cubes.safetensors").unlink()
    past, after, end = told((12, 16, 36, 32))
    assert past == "not kept: the run is past 12 cubes; only one begun anew under another --out can keep them"
    assert after == "not kept: 36 cubes come after the end of the run; more --loop.steps reach them"
    assert end.startswith("not kept: weights-32-cubes.safetensors; ")
    assert told((12, 16, 36, 32), steps=9) == [past]  # the others by what they were told
    assert {f"weights-{mark}-cubes.safetensors" for mark in (36, 32)} <= named(run).keys()
