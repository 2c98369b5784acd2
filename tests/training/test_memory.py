"""Freed memory is kept where the C library is glibc."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource
import torch
from modelsgenesis.training.memory import keep_freed_memory
kept = keep_freed_memory() if {keep} else False
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.empty(16 * 2**20, dtype=torch.uint8).fill_(1) for _ in range(6)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_blocks_are_not_taken_from_the_kernel_again() -> None:
    counts = {}
    for keep in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", COUNT.format(keep=keep)], capture_output=True, text=True, check=True
        )
        told, count = done.stdout.split()
        assert told == str(keep)
        counts[keep] = int(count)
    assert counts[True] < 0.1 * counts[False], counts
