"""TensorBoard, when it is installed (`pip install modelsgenesis[tensorboard]`)."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Board:
    """Writes scores as TensorBoard events below a run folder; without TensorBoard it writes nothing.

    Args:
        folder: where the events go.
        step: the step a resumed run goes on from; later events of its first part are hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder, purge_step=step + 1)

    def log(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of a step."""
        if self._writer is not None:
            for name, value in scores.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
