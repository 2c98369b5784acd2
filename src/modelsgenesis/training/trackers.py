"""Where scores and pictures of a run go besides its folder: TensorBoard when it is installed, others when asked for."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.run import Run

PROJECT = "modelsgenesis"
"""Name of the project at Weights & Biases, and of the experiment at MLflow."""
TRACKED = "tracked"
"""Entry of the manifest: the run's identifier at its tracker, under which a resumed run goes on."""


def refuse_absent_tracker(asked: str) -> None:
    """UsageError for a tracker (`loop.tracker`) that is unknown or not installed; "" is none."""
    if not asked:
        return
    if asked not in LOGGERS:
        raise UsageError(f"loop.tracker: {asked!r} is unknown; valid: {', '.join(LOGGERS)}")
    if find_spec("pytorch_lightning") is None or find_spec(asked) is None:
        raise UsageError(f'loop.tracker {asked}: is not installed; pip install "modelsgenesis[{asked}]"')


class Trackers:
    """Writes scores and pictures as TensorBoard events below a run folder, and to the tracker that was asked for.

    Within a `with` block, which tells the tracker how the run ended.

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
        self._logger: Any = _started(run, asked) if asked else None

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if self._board is not None:
            self._board.close()
        if self._logger is not None:
            self._logger.finalize("failed" if failed else "success")

    def log(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of a step."""
        if self._board is not None:
            for name, value in scores.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()
        if self._logger is not None:
            self._logger.log_metrics(dict(scores), step)

    def show(self, step: int) -> None:
        """Send the pictures of the run folder, such as what a pre-training restores at this step."""
        for path in sorted(self._run.figures.glob("*.png")):
            if self._board is not None:
                import matplotlib.image

                self._board.add_image(path.stem, matplotlib.image.imread(path)[..., :3], step, dataformats="HWC")
                self._board.flush()
            if self._asked == "wandb":
                self._logger.log_image(path.stem, [str(path)], step)
            elif self._asked == "mlflow":
                self._logger.experiment.log_artifact(self._logger.run_id, str(path), f"step-{step}")


def _started(run: Run, asked: str) -> Any:
    try:
        logger, identifier = LOGGERS[asked](run, run.manifest().get(TRACKED))
    except Exception as error:  # whatever its client raises
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise GenesisError(
            f"loop.tracker {asked}: does not start ({first}); correct its own settings, or leave --loop.tracker out"
        ) from error
    run.note(**{TRACKED: identifier})
    return logger


def _wandb(run: Run, known: str | None) -> tuple[Any, str]:
    from pytorch_lightning.loggers import WandbLogger

    logger = WandbLogger(run.path.name, save_dir=run.path, project=PROJECT, id=known, resume="allow" if known else None)
    return logger, str(logger.experiment.id)


def _mlflow(run: Run, known: str | None) -> tuple[Any, str]:
    from pytorch_lightning.loggers import MLFlowLogger

    logger = MLFlowLogger(PROJECT, run.path.name, run_id=known)
    _ = logger.experiment  # which begins the run
    return logger, str(logger.run_id)


LOGGERS: dict[str, Callable[[Run, str | None], tuple[Any, str]]] = {"wandb": _wandb, "mlflow": _mlflow}
"""Tracker -> its logger for a run, and the identifier it has there; the second argument is that of an earlier part."""
