"""Scores and pictures at TensorBoard, and at trackers that are asked for."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import matplotlib.image
import numpy as np
import pytest

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.run import Run
from modelsgenesis.training import trackers
from modelsgenesis.training.trackers import Trackers


class Logger:
    """What the loggers of Lightning have in common, and keeps what it is sent."""

    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, *names: str, **options: Any) -> None:
        self.made.append({"names": names, **options})
        self.run_id = options.get("run_id") or "of-mlflow"
        self.sent: list[Any] = []
        log = lambda run, path, place: self.sent.append((run, Path(path).name, place))  # noqa: E731
        self.experiment = SimpleNamespace(id=options.get("id") or "of-wandb", log_artifact=log)

    def log_metrics(self, scores: dict[str, float], step: int) -> None:
        self.sent.append((step, scores))

    def log_image(self, name: str, paths: list[str], step: int) -> None:
        self.sent.append((step, name, [Path(path).name for path in paths]))

    def finalize(self, status: str) -> None:
        self.sent.append(status)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "genesis")
    run.figures.mkdir(parents=True)
    (run.path / "manifest.json").write_text("{}")
    matplotlib.image.imsave(run.figures / "restoration.png", np.random.default_rng(0).random((8, 12, 3)))
    return run


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of this name that hold `Logger` alone."""
    loggers = ModuleType("pytorch_lightning.loggers")
    loggers.WandbLogger = loggers.MLFlowLogger = Logger  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.loggers", loggers)
    there = trackers.find_spec
    monkeypatch.setattr(
        trackers, "find_spec", lambda name: name in ("wandb", "mlflow", "pytorch_lightning") or there(name)
    )
    monkeypatch.setattr(Logger, "made", [])


def test_tensorboard_has_scores_and_pictures(run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Trackers(run, 0) as board:
        board.log(3, {"validation": 0.25})
        board.show(3)
    events = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("validation")] == [(3, 0.25)]
    (picture,) = events.Images("restoration")
    assert (picture.step, picture.width, picture.height) == (3, 12, 8)


@pytest.mark.usefixtures("lightning")
def test_weights_and_biases_has_them_when_asked(run: Run) -> None:
    with Trackers(run, 0, "wandb") as asked:
        asked.log(3, {"validation": 0.25})
        asked.show(3)
    assert asked._logger.sent == [(3, {"validation": 0.25}), (3, "restoration", ["restoration.png"]), "success"]
    assert Logger.made[0]["project"] == "modelsgenesis"
    assert Logger.made[0]["names"] == ("genesis",)
    Trackers(run, 3, "wandb")  # a resumed run goes on under its identifier
    assert (Logger.made[1]["id"], Logger.made[1]["resume"]) == ("of-wandb", "allow")


@pytest.mark.usefixtures("lightning")
def test_so_has_mlflow(run: Run) -> None:
    asked = Trackers(run, 0, "mlflow")
    asked.log(3, {"validation": 0.25})
    asked.show(3)
    assert asked._logger.sent == [(3, {"validation": 0.25}), ("of-mlflow", "restoration.png", "step-3")]
    with pytest.raises(KeyboardInterrupt), Trackers(run, 3, "mlflow") as again:
        raise KeyboardInterrupt
    assert again._logger.sent == ["failed"]
    assert Logger.made[1]["run_id"] == "of-mlflow"


def test_what_is_unknown_or_absent_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="'comet' is unknown; valid: wandb, mlflow"):
        Trackers(run, 0, "comet")
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(UsageError, match=r'not installed; pip install "modelsgenesis\[wandb\]"'):
        Trackers(run, 0, "wandb")


@pytest.mark.usefixtures("lightning")
def test_a_tracker_that_does_not_start_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no key\nlong story")

    monkeypatch.setattr(Logger, "__init__", refuse)
    with pytest.raises(GenesisError, match=r"loop.tracker wandb: does not start \(no key\); correct"):
        Trackers(run, 0, "wandb")
