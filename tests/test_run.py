"""Run folders: recognised, never repeated, never mixed up."""

from pathlib import Path

import pytest

from modelsgenesis.config import settings
from modelsgenesis.errors import UsageError
from modelsgenesis.run import Run


@settings
class Inner:
    lr: float = 1.0


@settings
class Config:
    steps: int = 3
    seed: int = 1
    optim: Inner = Inner()


def test_a_finished_run_is_recognised(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    assert run.begin("pretrain", Config(), "data", resume=False)
    run.finish(score=0.5)
    assert run.manifest()["score"] == 0.5
    assert run.manifest()["seed"] == 1
    assert not Run(tmp_path / "run").begin("pretrain", Config(), "data", resume=False)
    assert run.config(Config) == Config()


def test_an_interrupted_run_wants_resume(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin("pretrain", Config(), "data", resume=False)
    with pytest.raises(UsageError, match="--resume"):
        run.begin("pretrain", Config(), "data", resume=False)
    assert run.begin("pretrain", Config(), "data", resume=True)


@pytest.mark.parametrize(
    ("config", "data", "reason"),
    [
        (Config(steps=4), "data", "steps: 3 there, 4 here"),
        (Config(optim=Inner(2.0)), "data", "optim.lr"),
        (Config(), "other", "data"),
    ],
)
def test_another_run_is_not_overwritten(tmp_path: Path, config: Config, data: str, reason: str) -> None:
    run = Run(tmp_path / "run")
    run.begin("pretrain", Config(), "data", resume=False)
    with pytest.raises(UsageError, match=reason):
        run.begin("pretrain", config, data, resume=True)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        Run(tmp_path).begin("pretrain", Config(), "data", resume=False)


def test_metrics_forget_what_comes_after_the_checkpoint_and_torn_lines(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin("pretrain", Config(), "data", resume=False)
    for step in (1, 2, 3):
        run.log(step=step, loss=step / 10)
    with (run.path / "metrics.jsonl").open("a") as handle:
        handle.write('{"step": 4, "lo')
    assert [entry["step"] for entry in run.metrics()] == [1, 2, 3]
    run.forget_after(2)
    assert run.metrics() == [{"step": 1, "loss": 0.1}, {"step": 2, "loss": 0.2}]


def test_a_run_killed_in_its_first_moment_begins_again(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin("pretrain", Config(), "data", resume=False)
    (tmp_path / "run" / "manifest.json").rename(tmp_path / "run" / ".manifest.json.1.partial")
    with pytest.raises(UsageError, match="is not empty and is no run folder"):
        run.begin("pretrain", Config(steps=4), "data", resume=True)
    assert run.begin("pretrain", Config(), "data", resume=True)
    assert not run.finished


def test_a_run_that_goes_on_keeps_nothing_of_its_former_weights(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin("finetune", Config(), "data", resume=False)
    run.figures.mkdir()
    for path in (gone := (run.weights, run.cleaning, run.curves)):
        path.write_bytes(b"{}")
    run.take_up(Config(steps=8))
    assert not any(path.exists() for path in gone)


def test_what_a_killed_process_had_half_written_goes(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin("finetune", Config(), "data", resume=False)
    half = [run.checkpoints / ".last.pt.7.partial", run.path / ".images.json.7.partial"]
    run.last.parent.mkdir()
    for path in (*half, run.last):
        path.write_bytes(b"x")
    run.take_up(Config())
    assert not any(path.exists() for path in half)
    assert run.last.is_file()
