"""Weights kept on the way, at given numbers of items: to be used by themselves, or compared with later ones."""

from collections.abc import Collection
from pathlib import Path

from modelsgenesis.run import Run


class Keeping:
    """When the weights of a run are kept, and where.

    Args:
        run: the run.
        marks: numbers of items, in any order.
        items: items a step.
        unit: what the items are called.
    """

    def __init__(self, run: Run, marks: Collection[int], items: int, unit: str) -> None:
        self._run, self._items, self._unit = run, items, unit
        self._steps = {mark: -(-mark // items) for mark in sorted(marks)}

    def at(self, step: int) -> list[Path]:
        """The files to be written when `step` steps are done: the first step that reaches a mark is its step."""
        return [self._file(mark) for mark, due in self._steps.items() if due == step]

    def items_at(self, step: int) -> dict[str, int]:
        """What the provenance says of kept weights."""
        return {"step": step, self._unit: step * self._items}

    def remarks(self, done: int, last: int) -> list[str]:
        """What cannot be kept when a run goes on from step `done` to step `last`, in plain words."""
        over = [mark for mark, due in self._steps.items() if due < done and not self._file(mark).is_file()]
        late = [mark for mark, due in self._steps.items() if due > last]
        found = [
            f"not kept: the run is past {mark} {self._unit}; only one begun anew under another --out can keep them"
            for mark in over
        ]
        return found + [
            f"not kept: {mark} {self._unit} come after the end of the run; more --loop.steps reach them"
            for mark in late
        ]

    def remarks_at_end(self, step: int) -> list[str]:
        """What was not kept of a run that is finished, after `step` steps, in plain words."""
        ended = [path.name for path in self.at(step) if not path.is_file()]
        found = [
            f"not kept: {name}; the run was finished when it was asked for, more --loop.steps keep it" for name in ended
        ]
        return self.remarks(step, step) + found

    def _file(self, mark: int) -> Path:
        return self._run.path / f"weights-{mark}-{self._unit}.safetensors"
