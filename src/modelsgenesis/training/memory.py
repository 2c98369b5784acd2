"""Memory that every step of a training frees and takes again stays with the process."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's settings (malloc.h)."""
LARGEST_KEPT = 32 * 2**20
"""Bytes of a block up to which glibc can keep it."""


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks of up to 32 MiB, and whether it could be told.

    By default it returns them to the kernel, which hands out zeroed pages anew at the next step, and the step waits for
    them. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
