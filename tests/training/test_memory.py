"""Freed memory is kept where the C library is glibc."""

import platform
import subprocess
import sys

import pytest

HELD = """
import ctypes
from modelsgenesis.training.memory import keep_freed_memory

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo2
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
told = {keep} and keep_freed_memory()
before = libc.mallinfo2()
blocks = [libc.malloc(24 * 2**20) for _ in range(4)]
for block in blocks:
    libc.free(block)
after = libc.mallinfo2()
print(told, after.arena + after.hblkhd - before.arena - before.hblkhd)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_the_process_still_holds_what_it_freed() -> None:
    held = {}
    for keep in (True, False):
        command = [sys.executable, "-c", HELD.format(keep=keep)]
        told, count = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert told == str(keep)
        held[keep] = int(count)
    assert held[True] > 90 * 2**20
    assert held[False] < 50 * 2**20
