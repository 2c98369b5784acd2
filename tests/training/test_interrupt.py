"""Ctrl-C and lost processes at several moments, with real processes and loader processes: nothing is lost, and the
resumed run has the numbers of one that was left in peace."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from modelsgenesis.config import to_yaml
from modelsgenesis.data.cubes import CubeSettings
from modelsgenesis.errors import GenesisError
from modelsgenesis.finetune import FinetuneSettings
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.weights import read_weights
from modelsgenesis.phantoms.chest import write_segmentation
from modelsgenesis.pretrain import PretrainSettings, _Pretraining, pretrain
from modelsgenesis.run import Run
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.training.initial import BackboneChoice
from modelsgenesis.training.loaders import LostLoaderError, delivered
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.validation import RestorationCheckSettings

LOOP = LoopSettings(steps=8, batch_size=2, validate_every=4, accelerator="cpu", precision="32-true")
PRETRAIN = PretrainSettings(
    cubes=CubeSettings(shape=(16, 16, 16)),
    check=RestorationCheckSettings(cubes=4, cubes_alone=2, probe_cubes=32),
    backbone=BackboneSettings(width=2),
    loop=LOOP,
    optim=OptimSettings(warmup_steps=2),
)
FINETUNE = FinetuneSettings(
    backbone=BackboneChoice(width=2), patch=PatchSettings((16, 16, 16)), loop=LOOP, optim=PRETRAIN.optim
)
STEP = "modelsgenesis.training.loop:_Trainer.step"
BASELINES = "modelsgenesis.training.validation:RestorationCheck._errors_of_baselines"
MOMENTS = {  # function, at which of its calls, loader processes, what is said
    "the baselines": (
        "modelsgenesis.training.validation:RestorationCheck._errors_of_baselines",
        1,
        0,
        "before anything was saved",
    ),
    "the start of the loaders": ("modelsgenesis.training.loaders:_told", 1, 2, "at step 1 of 8"),
    "a step": (STEP, 3, 2, "at step 3 of 8"),
    "the last validation": ("modelsgenesis.training.loop:_validate", 2, 0, "at step 8 of 8"),
}
PROGRAM = """
import os, signal, sys, time
from importlib import import_module

def press():
    os.killpg(0, signal.SIGINT)  # as a terminal does: to the loader processes too

if __name__ == "__main__":
    place, call, presses, *arguments = sys.argv[1:]
    module, _, name = place.partition(":")
    owner = import_module(module)
    *parts, last = name.split(".")
    for part in parts:
        owner = getattr(owner, part)
    real, calls = getattr(owner, last), []
    def pressed(*args, **kwargs):
        calls.append(1)
        if len(calls) == int(call):
            for _ in range(int(presses)):
                press()
                time.sleep(0.2)
        return real(*args, **kwargs)
    setattr(owner, last, pressed)
    from modelsgenesis.cli import main
    main(arguments)
"""


def interrupted(folder: Path, place: str, call: int, presses: int, config: Any, *arguments: str) -> str:
    """The last line that `genesis ARGUMENTS --out run` says when Ctrl-C is pressed at the moment given."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "toy.yaml").write_text(to_yaml(config))
    options = [*arguments, "--config", str(folder / "toy.yaml"), "--out", str(folder / "run")]
    done = subprocess.run(
        [sys.executable, str(folder / "program.py"), place, str(call), str(presses), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def same(run: Run, other: Run) -> bool:
    one, two = read_weights(run.weights)[0], read_weights(other.weights)[0]
    numbers = [[{k: v for k, v in entry.items() if k != "rate"} for entry in r.metrics()] for r in (run, other)]
    return numbers[0] == numbers[1] and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def whole(phantom_store: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pretrain(phantom_store.path, tmp_path_factory.mktemp("whole") / "run", PRETRAIN)


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_at_any_moment_loses_nothing(moment: str, whole: Run, store_path: Path, tmp_path: Path) -> None:
    place, call, workers, where = MOMENTS[moment]
    config = replace(PRETRAIN, loop=replace(LOOP, workers=workers))
    said = interrupted(tmp_path, place, call, 1, config, "pretrain", str(store_path))
    assert said.endswith(f"stopped {where}; continue with --resume")
    assert (tmp_path / "run/checkpoints/last.pt").is_file() is (moment != "the baselines")
    assert same(pretrain(store_path, tmp_path / "run", config, resume=True), whole)


def test_a_second_ctrl_c_stops_at_the_last_checkpoint(whole: Run, store_path: Path, tmp_path: Path) -> None:
    said = interrupted(tmp_path, STEP, 6, 2, PRETRAIN, "pretrain", str(store_path))
    assert said.endswith("stopped at once, step 4 is saved; continue with --resume")
    assert same(pretrain(store_path, tmp_path / "run", PRETRAIN, resume=True), whole)


def test_fine_tuning_does_the_same(tmp_path: Path) -> None:
    data = write_segmentation(tmp_path / "data", 4, 0, ("lung",), (16, 16, 16))
    config = replace(FINETUNE, loop=replace(LOOP, workers=1))
    said = interrupted(tmp_path, STEP, 3, 1, config, "finetune", "folder", "--data", str(data))
    assert said.endswith("stopped at step 3 of 8; continue with --resume")
    assert (tmp_path / "run/checkpoints/last.pt").is_file()


class Faulty(Dataset[tuple[Any]]):
    """Items of which the fifth kills its process, or is damaged."""

    def __init__(self, killed: bool) -> None:
        self._killed = killed

    def __getitem__(self, item: int) -> tuple[Any]:
        if item == 5 and self._killed:
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 5:
            raise GenesisError("scan: damaged; prepare it again")
        return (torch.full((), item),)


@pytest.mark.parametrize(
    ("killed", "error", "said"),
    [
        (True, LostLoaderError, r"^a loader process ended \(SIGKILL: out of memory\?\); use fewer --loop.workers$"),
        (False, GenesisError, "^scan: damaged; prepare it again$"),
    ],
)
def test_what_happens_in_a_loader_process_is_told_in_a_line(killed: bool, error: Any, said: str) -> None:
    """The batches before it arrive; no signal handler stays behind that could raise in the middle of a step."""
    handler = signal.getsignal(signal.SIGCHLD)
    dataset = Faulty(killed)
    batches = delivered(DataLoader(dataset, sampler=range(10), num_workers=1, multiprocessing_context="spawn"))
    assert signal.getsignal(signal.SIGCHLD) is handler
    assert [int(next(batches)[0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(error, match=said):
        list(batches)


def test_a_lost_loader_process_costs_no_step(whole: Run, store_path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    real = _Pretraining.batches

    def lost(self: _Pretraining, first_step: int, fabric: Any) -> Any:
        yield from islice(real(self, first_step, fabric), 3)
        raise LostLoaderError("a loader process ended (SIGKILL)")

    monkeypatch.setattr(_Pretraining, "batches", lost)
    with pytest.raises(LostLoaderError, match=r"ended \(SIGKILL\); step 3 is saved, continue with --resume"):
        pretrain(store_path, tmp_path / "run", PRETRAIN)
    monkeypatch.setattr(_Pretraining, "batches", real)
    assert same(pretrain(store_path, tmp_path / "run", PRETRAIN, resume=True), whole)
