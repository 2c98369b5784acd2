"""What one prediction holds, measured on a process of its own, against the bound that docs/predict.md states."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from modelsgenesis.targets.prepared import ImageSettings
from tests.prediction.test_ensemble import save_run

SIZES, PATCH, STRUCTURES, ROWS = (112, 112, 240), 16, 2, 16
RUN = """
import json, resource, sys, threading, time
from pathlib import Path
import torch
from modelsgenesis.prediction.scans import predict
torch.set_num_threads(1)
run, small, large, out = map(Path, sys.argv[1:])
predict(run, [small], out / "small", overlap=0.0)
def held():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024
before, peak, done = held(), [0.0], threading.Event()
def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], held())
watcher = threading.Thread(target=watch)
watcher.start()
predict(run, [large], out / "large", overlap=0.0)
done.set()
watcher.join()
print(json.dumps({"before": before, "peak": peak[0]}))
"""


def write_noise(path: Path, shape: tuple[int, ...]) -> Path:
    """Values of a CT that cost little to compress and to make."""
    array = (np.arange(np.prod(shape)).reshape(shape) % 1400 - 900).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, -1.0, 1.0, 1.0])), path)  # type: ignore[attr-defined, no-untyped-call]
    return path


def bound(sizes: tuple[int, ...], prepared: tuple[int, ...]) -> float:
    """MB by docs/predict.md: preparing, or predicting, whichever holds more."""
    n, m = float(np.prod(sizes)), float(np.prod(prepared))
    kept = STRUCTURES * n + n
    plane, own = np.prod(prepared[:2]), np.prod(sizes[:2])
    blended = 4 * plane * (3 * (2 + STRUCTURES) * 2 * PATCH) + 4 * own * (3 * (1 + STRUCTURES) * ROWS)
    return max(12 * n + 10 * m, 4 * m + kept + n + blended) / 2**20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("spacing", [None, (1.5, 1.5, 1.5)])
def test_memory_is_what_the_page_says(tmp_path: Path, spacing: Any) -> None:
    run = save_run(tmp_path / "run", 0, images=ImageSettings(spacing=spacing))
    small, large = write_noise(tmp_path / "s.nii", (32, 32, 32)), write_noise(tmp_path / "l.nii", SIZES)
    command = [sys.executable, "-c", RUN, *map(str, (run, small, large, tmp_path / "out"))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    prepared = tuple(round(n / (spacing[0] if spacing else 1)) for n in SIZES)
    used, most = found["peak"] - found["before"], bound(SIZES, prepared)
    print(f"{used:.0f} MB, bound {most:.0f} MB")
    assert used < most, (used, most)
    assert used > most / 4, "the bound says nothing"
