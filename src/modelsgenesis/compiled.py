"""How kernels are compiled: numba, without the interpreter's lock, kept on disk where that is possible."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile `function` on its first call; later processes load it from numba's cache.

    Where neither the package's folder nor the user's cache folder can be written (numba raises then), each process
    compiles anew instead of failing. `nogil` lets loader threads work beside training; nothing runs in parallel inside.
    """
    try:
        made: F = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        made = njit(nogil=True)(function)
    return made
