"""Where scores and pictures of a run go besides its folder: TensorBoard when it is installed, others when asked for."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from modelsgenesis.config import read_yaml
from modelsgenesis.errors import GenesisError, UsageError, first_line
from modelsgenesis.progress import tell
from modelsgenesis.run import Run
from modelsgenesis.types import JSON

PROJECT = "modelsgenesis"
"""Name of the project at Weights & Biases, and of the experiment at MLflow."""
TRACKED = "tracked"
"""Entry of the manifest: tracker -> the run's identifier there, under which a resumed run goes on."""
_FORBIDDEN = re.compile(r"[^/\w.\- :]")
"""What MLflow takes in no name of a score."""


def refuse_absent_tracker(asked: str) -> None:
    """UsageError for a tracker (`loop.tracker`) that is unknown or not installed; "" is none."""
    if not asked:
        return
    if asked not in LOGGERS:
        raise UsageError(f"loop.tracker: {asked!r} is unknown; valid: {', '.join(LOGGERS)}")
    if find_spec("pytorch_lightning") is None or find_spec(asked) is None:
        raise UsageError(f'loop.tracker {asked}: is not installed; pip install "modelsgenesis[{asked}]"')


class Tracker(Protocol):
    """A run at a tracker."""

    identifier: str
    """What it is called there."""

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Send the scores of a step."""
        ...

    def picture(self, step: int, path: Path) -> None:
        """Send a picture of a step, a PNG file."""
        ...

    def end(self, success: bool) -> None:
        """Say how the run ended."""
        ...


class Trackers:
    """Writes scores and pictures as TensorBoard events below a run folder, and to the tracker that was asked for.

    Within a `with` block, which tells the tracker how the run ended. What a tracker does not take once it has started,
    because its server is away, is a warning: the run folder has it, and the training goes on.

    Args:
        run: its name is that of the folder.
        step: the step a resumed run goes on from; later events of its first part are hidden.
        asked: "", "wandb" or "mlflow", whose own environment variables say where they write.

    Raises UsageError as `refuse_absent_tracker`, GenesisError when the tracker does not start.
    """

    def __init__(self, run: Run, step: int, asked: str = "") -> None:
        refuse_absent_tracker(asked)
        self._run, self._asked = run, asked
        self._board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(run.path / "tensorboard", purge_step=step + 1)
        self._tracker = _started(run, asked) if asked else None

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if self._board is not None:
            self._board.close()
        if self._tracker is not None:
            with self._warned("the end of the run"):
                self._tracker.end(failed is None)

    def log(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of a step."""
        if self._board is not None:
            for name, value in scores.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()
        if self._tracker is not None:
            with self._warned(f"the scores of step {step}"):
                self._tracker.scores(step, scores)

    def show(self, step: int) -> None:
        """Send the pictures of the run folder, such as what a pre-training restores at this step."""
        for path in sorted(self._run.figures.glob("*.png")):
            if self._board is not None:
                import matplotlib.image

                self._board.add_image(path.stem, matplotlib.image.imread(path)[..., :3], step, dataformats="HWC")
                self._board.flush()
            if self._tracker is not None:
                with self._warned(f"{path.name} of step {step}"):
                    self._tracker.picture(step, path)

    @contextmanager
    def _warned(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever its client raises
            said = f"did not take {what} ({first_line(error)}); {self._run.path} has it"
            tell(f"warning: loop.tracker {self._asked}: {said}")


def _started(run: Run, asked: str) -> Tracker:
    known: JSON = run.manifest().get(TRACKED, {})
    try:
        tracker = LOGGERS[asked](run, known.get(asked))
    except Exception as error:  # whatever its client raises
        raise GenesisError(
            f"loop.tracker {asked}: does not start ({first_line(error)}); correct its own settings and add --resume, "
            "or leave --loop.tracker out"
        ) from error
    run.note(**{TRACKED: {**known, asked: tracker.identifier}})
    return tracker


class _Wandb:
    def __init__(self, run: Run, known: str | None) -> None:
        import wandb
        from pytorch_lightning.loggers import WandbLogger

        self._ours = wandb.run is None  # the logger takes the one that a program has begun itself
        resume = "allow" if known else None
        self._logger = WandbLogger(run.path.name, save_dir=run.path, project=PROJECT, id=known, resume=resume)
        self.identifier = str(self._logger.experiment.id)
        self._logger.log_hyperparams(read_yaml(run.settings))

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        self._logger.log_metrics(scores, step)

    def picture(self, step: int, path: Path) -> None:
        self._logger.log_image(path.stem, [str(path)], step)

    def end(self, success: bool) -> None:
        self._logger.finalize("success" if success else "failed")
        if self._ours:  # else the next run of this process would be written into it
            self._logger.experiment.finish(0 if success else 1)


class _MLflow:
    def __init__(self, run: Run, known: str | None) -> None:
        import mlflow
        from pytorch_lightning.loggers import MLFlowLogger

        place = mlflow.get_tracking_uri()  # Lightning's own default is a folder, which MLflow refuses of late
        tell(f"tracker: mlflow, {place}")
        self._logger = MLFlowLogger(PROJECT, run.path.name, tracking_uri=place, run_id=known)
        self._client, self.identifier = self._logger.experiment, str(self._logger.run_id)
        self._client.update_run(self.identifier, status="RUNNING")
        if known is None:  # MLflow keeps the first value of a parameter, and the file shows those of today
            self._logger.log_hyperparams(read_yaml(run.settings))
        self._client.log_artifact(self.identifier, str(run.settings))

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)  # the logger would make one of names in other alphabets than ours
        metrics = [Metric(_FORBIDDEN.sub("_", name), value, now, step) for name, value in scores.items()]
        self._client.log_batch(self.identifier, metrics=metrics)

    def picture(self, step: int, path: Path) -> None:
        self._client.log_artifact(self.identifier, str(path), f"step-{step}")

    def end(self, success: bool) -> None:
        self._logger.finalize("success" if success else "failed")


LOGGERS: dict[str, Callable[[Run, str | None], Tracker]] = {"wandb": _Wandb, "mlflow": _MLflow}
"""Tracker -> its run for a run folder; the second argument is the identifier of an earlier part."""
