"""Scores and pictures at TensorBoard, and at trackers that are asked for."""

import json
import sys
from collections.abc import Iterator
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
    away: ClassVar[bool] = False
    """Whether the server does not answer any more."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.made.append({"names": names, "sent": (sent := []), **options})
        self.sent: list[Any] = sent
        self.run_id = options.get("run_id") or "of-mlflow"
        self.experiment = SimpleNamespace(
            id=options.get("id") or "of-wandb",
            log_artifact=lambda run, path, place=None: self._take((run, Path(path).name, place)),
            log_batch=lambda run, metrics: self._take((run, metrics)),
            update_run=lambda run, status: self._take((run, status)),
            finish=lambda code: self._take(("finish", code)),
        )

    def _take(self, what: Any) -> None:
        if self.away:
            raise ConnectionError("nobody there\nlong story")
        self.sent.append(what)

    def log_hyperparams(self, settings: dict[str, Any]) -> None:
        self._take(settings)

    def log_metrics(self, scores: dict[str, float], step: int) -> None:
        self._take((step, scores))

    def log_image(self, name: str, paths: list[str], step: int) -> None:
        self._take((step, name, [Path(path).name for path in paths]))

    def finalize(self, status: str) -> None:
        self._take(status)


def new_run(folder: Path) -> Run:
    run = Run(folder)
    run.figures.mkdir(parents=True)
    (run.path / "manifest.json").write_text("{}")
    run.settings.write_text("loop: {steps: 9}\n")
    matplotlib.image.imsave(run.figures / "restoration.png", np.random.default_rng(0).random((8, 12, 3)))
    return run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return new_run(tmp_path / "genesis")


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of these names that hold what is used of them alone."""

    def package(name: str, **content: Any) -> None:
        monkeypatch.setitem(sys.modules, name, module := ModuleType(name))
        vars(module).update(content)

    package("pytorch_lightning")
    package("pytorch_lightning.loggers", WandbLogger=Logger, MLFlowLogger=Logger)
    package("wandb", run=None)
    package("mlflow", get_tracking_uri=lambda: "sqlite:///mlflow.db")
    package("mlflow.entities", Metric=lambda name, value, at, step: (name, value, step))  # noqa: ARG005
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
    shown = [{"loop": {"steps": 9}}, (3, {"validation": 0.25}), (3, "restoration", ["restoration.png"])]
    assert Logger.made[0]["sent"] == [*shown, "success", ("finish", 0)]
    assert Logger.made[0]["project"] == "modelsgenesis"
    assert Logger.made[0]["names"] == ("genesis",)
    with pytest.raises(KeyboardInterrupt), Trackers(run, 3, "wandb"):  # a resumed run goes on under its identifier
        raise KeyboardInterrupt
    assert (Logger.made[1]["id"], Logger.made[1]["resume"]) == ("of-wandb", "allow")
    assert Logger.made[1]["sent"][1:] == ["failed", ("finish", 1)]


@pytest.mark.usefixtures("lightning")
def test_a_run_that_a_program_has_begun_is_left_to_it_to_end(run: Run) -> None:
    sys.modules["wandb"].run = object()  # type: ignore[attr-defined]
    with Trackers(run, 0, "wandb"):
        pass
    assert Logger.made[0]["sent"][1:] == ["success"]


@pytest.mark.usefixtures("lightning")
def test_so_has_mlflow(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    asked = Trackers(run, 0, "mlflow")
    asked.log(3, {"validation": 0.25, "dice Leber (links)": 0.5, "dice 肝": 0.75})
    asked.show(3)
    begun = [("of-mlflow", "RUNNING"), {"loop": {"steps": 9}}, ("of-mlflow", "config.yaml", None)]
    scores = [("validation", 0.25, 3), ("dice Leber _links_", 0.5, 3), ("dice 肝", 0.75, 3)]
    assert Logger.made[0]["sent"] == [*begun, ("of-mlflow", scores), ("of-mlflow", "restoration.png", "step-3")]
    assert Logger.made[0]["tracking_uri"] == "sqlite:///mlflow.db"
    assert "tracker: mlflow, sqlite:///mlflow.db" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt), Trackers(run, 3, "mlflow"):
        raise KeyboardInterrupt
    assert Logger.made[1]["sent"] == [begun[0], begun[2], "failed"]  # MLflow takes no second value of a parameter
    assert Logger.made[1]["run_id"] == "of-mlflow"


@pytest.mark.usefixtures("lightning")
def test_a_run_has_an_identifier_for_each_tracker(run: Run) -> None:
    for asked in ("wandb", "mlflow", "wandb"):
        Trackers(run, 0, asked)
    assert Logger.made[1]["run_id"] is None
    assert Logger.made[2]["id"] == "of-wandb"


@pytest.mark.usefixtures("lightning")
@pytest.mark.parametrize("asked", ["wandb", "mlflow"])
def test_a_server_that_goes_away_ends_no_training(
    run: Run, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Trackers(run, 0, asked) as kept:
        monkeypatch.setattr(Logger, "away", True)
        kept.log(3, {"validation": 0.25})
        kept.show(3)
    said = capsys.readouterr().err
    for what in ("the scores of step 3", "restoration.png of step 3", "the end of the run"):
        assert f"warning: loop.tracker {asked}: did not take {what} (nobody there); {run.path} has it\n" in said


def test_mlflow_itself_holds_what_was_sent(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mlflow", "sqlalchemy", "alembic", "pytorch_lightning"):
        pytest.importorskip(package)
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    place = f"sqlite:///{tmp_path / 'tracked.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
    for step in (3, 6):
        with Trackers(run, 0, "mlflow") as kept:
            kept.log(step, {"validation": 1 / step, "dice 肝 (links)": 0.5})
            kept.show(step)
        run.settings.write_text("loop: {steps: 18}\n")  # a run that goes on for longer
    client = MlflowClient(place)
    experiment: Any = client.get_experiment_by_name("modelsgenesis")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status, found.data.params) == ("genesis", "FINISHED", {"loop/steps": "9"})
    identifier = found.info.run_id
    scores = client.get_metric_history(identifier, "validation")
    assert [(score.step, score.value) for score in scores] == [(3, 1 / 3), (6, 1 / 6)]
    assert "dice 肝 _links_" in found.data.metrics
    assert [entry.path for entry in client.list_artifacts(identifier)] == ["config.yaml", "step-3", "step-6"]
    assert [entry.path for entry in client.list_artifacts(identifier, "step-6")] == ["step-6/restoration.png"]


def test_so_does_weights_and_biases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    pytest.importorskip("pytorch_lightning")
    monkeypatch.setenv("WANDB_MODE", "offline")
    runs = (("one", 3), ("two", 6))
    for name, step in runs:  # in one process, as a program may
        with Trackers(new_run(tmp_path / name), 0, "wandb") as kept:
            kept.log(step, {"validation": 1 / step})
            kept.show(step)
    wandb.teardown()  # waits for the process that writes, which may be behind the end of a run
    for name, step in runs:
        (stored,) = (tmp_path / name).glob("wandb/offline-run-*/run-*.wandb")
        records = {kind: [r for r in records_of(stored) if r.WhichOneof("record_type") == kind] for kind in KINDS}
        assert [r.run.display_name for r in records["run"]] == [name]
        settings = {item.key: json.loads(item.value_json) for item in records["config"][0].config.update}
        assert settings == {"loop": {"steps": 9}}
        logged: dict[str, Any] = {}
        for record in records["history"]:
            logged |= {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
        assert (logged["validation"], logged["trainer/global_step"]) == (1 / step, step)
        (picture,) = logged["restoration/filenames"]
        assert (stored.parent / "files" / picture).read_bytes().startswith(b"\x89PNG")
        assert [r.exit.exit_code for r in records["exit"]] == [0]


KINDS = ("run", "config", "history", "exit")


def records_of(path: Path) -> Iterator[Any]:
    """The records of a file of Weights & Biases, whose package reads it no more: a log in the format of LevelDB.

    After a header of 7 bytes blocks of 32 KiB hold pieces of records: checksum (4 bytes), length (2), and whether it is
    a whole one (1), a first (2), a middle (3) or a last piece (4).
    """
    from wandb.proto.wandb_internal_pb2 import Record

    raw, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(raw):
        if 32768 - at % 32768 < 7:  # no piece begins so near to the end of a block
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(raw[at + 4 : at + 6], "little"), raw[at + 6]
        whole += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record: Any = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


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
    with pytest.raises(GenesisError, match=r"loop.tracker wandb: does not start \(no key\); correct .* --resume"):
        Trackers(run, 0, "wandb")
