"""Readers in a process of their own: a file that crashes or hangs its reader costs itself alone.

Commands switch it on with `guarding`. Elsewhere readers run in the calling process: a script that does not ask for
`__name__ == "__main__"` could not start another.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from modelsgenesis.errors import GenesisError

if TYPE_CHECKING:
    from modelsgenesis.data.formats.dicom import Header
    from modelsgenesis.data.geometry import Grid
    from modelsgenesis.data.index import Source
    from modelsgenesis.data.volume import Volume

P = ParamSpec("P")
T = TypeVar("T")

SECONDS = 900.0
"""Longest time for one scan, and for the headers of one folder."""

_guard: "_Guard | None" = None


class ReaderLostError(GenesisError):
    """The reader of a file crashed, hung or ran out of memory."""


@contextmanager
def guarding(seconds: float = SECONDS) -> Iterator[None]:
    """Within the block readers run in a worker process, which starts when first needed and is replaced when it dies.

    In a block inside another one, that one's worker goes on.

    Args:
        seconds: a call that takes longer is ended.
    """
    global _guard
    if _guard is not None and _guard.owner == os.getpid():
        yield
        return
    _guard = _Guard(seconds)
    try:
        yield
    finally:
        _guard.end()
        _guard = None


def call(path: Path, function: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """What the module-level `function` gives, computed in the worker where one is switched on; `path` is for messages.

    Raises what `function` raises of GenesisError; ReaderLostError when its process crashed, hung or failed otherwise.
    """
    if _guard is None or _guard.owner != os.getpid():
        return function(*arguments, **more)
    found: T = _guard.call(path, (function, arguments, more))
    return found


def read_volume(path: str | Path) -> "Volume":
    """`volume.read_volume` behind the guard; raises as it does, and ReaderLostError."""
    from modelsgenesis.data import volume

    return call(Path(path), volume.read_volume, path)


def read_grid(path: Path) -> "Grid":
    """`volume.read_grid` behind the guard; raises as it does, and ReaderLostError."""
    from modelsgenesis.data import volume

    return call(path, volume.read_grid, path)


def read_series(folder: Path, files: Sequence[Path]) -> "Volume":
    """`volume.read_series` behind the guard; raises as it does, and ReaderLostError."""
    from modelsgenesis.data import volume

    return call(folder, volume.read_series, folder, files)


def read_channels(path: Path) -> "list[Volume]":
    """`volume.read_channels` behind the guard; raises as it does, and ReaderLostError."""
    from modelsgenesis.data import volume

    return call(path, volume.read_channels, path)


def count_channels(path: Path) -> int:
    """`volume.count_channels` behind the guard; raises as it does, and ReaderLostError."""
    from modelsgenesis.data import volume

    return call(path, volume.count_channels, path)


def read_headers(folder: Path, files: Iterable[Path]) -> "list[Header]":
    """The headers of DICOM files, in their order, behind the guard; raises as `dicom.read_header` does."""
    return call(folder, _headers, list(files))


def _headers(files: Sequence[Path]) -> "list[Header]":
    from modelsgenesis.data.formats.dicom import read_header

    return [read_header(file) for file in files]


def read_source(source: "Source", largest_bytes: int | None = None) -> "Volume":
    """The volume of a source of the index, of at most `largest_bytes` as float32; raises as the readers do."""
    from modelsgenesis.data import volume

    limit: Any = {} if largest_bytes is None else {"largest_bytes": largest_bytes}
    if source.series is None:
        return call(source.path, volume.read_volume, source.path, **limit)
    return call(source.path, volume.read_series, source.path, source.files, **limit)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what C++ readers print about damaged files off the terminal; the error has it."""
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


class _Guard:
    """One worker, one call at a time."""

    def __init__(self, seconds: float) -> None:
        self.owner = os.getpid()
        self._seconds = seconds
        self._waiting: list[Any] = []
        self._results: Any = None

    def call(self, path: Path, job: Any) -> Any:
        from modelsgenesis.data.workers import Lost, run_jobs

        self._waiting.append(job)
        if self._results is None:  # takes a job from the list when it is asked for a result
            self._results = run_jobs(_perform, iter(self._waiting.pop, None), 1, self._seconds)
        _, result = next(self._results)
        if isinstance(result, Lost):
            raise ReaderLostError(f"{path}: {result.reason}; leave it out, or convert it with another program")
        if isinstance(result, GenesisError):
            raise result
        return result

    def end(self) -> None:
        if self._results is not None:
            self._results.close()


def _perform(job: Any) -> Any:
    """In the worker: what the function gives, or the error it raised for its user."""
    function, arguments, more = job
    try:
        with quiet():
            return function(*arguments, **more)
    except GenesisError as error:
        return error
