"""`genesis benchmark` at toy size: killed and continued to the numbers of plain commands, read as a comparison."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from modelsgenesis import cli
from modelsgenesis.benchmark.journal import Journal
from modelsgenesis.benchmark.run import UnfinishedBenchmarkError, benchmark
from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.collect import evaluate_run
from modelsgenesis.evaluate.reading import load_benchmark, load_runs
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.run import Run
from tests.benchmark.plans import LOOP, write

CHANGES: Any = {
    "settings": {"loop": {**LOOP, "steps": 24}},
    "inits": {"genesis": {"tune": {"optim.head_steps": [0]}}, "scratch": {"tune": {"optim.lr": [0.002]}}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the plan and `out`, killed in the middle of a run and then brought to its end."""
    folder = tmp_path_factory.mktemp("benchmark")
    plan, out = write(folder, **CHANGES), folder / "out"
    os.environ["OMP_NUM_THREADS"] = "1"  # a second thread costs more than it gives at this size
    command = [sys.executable, "-m", "modelsgenesis", "benchmark", str(plan), "--out", str(out), "--processes", "1"]
    with (folder / "said").open("w") as said:
        begun = subprocess.Popen(command, stdout=said, stderr=said)
        checkpoint = out / "runs" / "ncc" / "genesis-1-0" / "checkpoints" / "last.pt"
        while not checkpoint.exists() and begun.poll() is None:
            time.sleep(0.02)
        begun.send_signal(signal.SIGKILL)
        begun.wait()
    assert Run(out / "runs/ncc/scratch-1-0").finished, (folder / "said").read_text()
    assert not Run(out / "runs/ncc/genesis-1-0").finished
    weights = (out / "runs/ncc/scratch-1-0/weights.safetensors").stat().st_mtime_ns
    time.sleep(1)  # the workers notice that they are alone
    (folder / "told").write_text(benchmark(str(plan), out, processes=1))
    assert (out / "runs/ncc/scratch-1-0/weights.safetensors").stat().st_mtime_ns == weights
    return folder


def test_a_killed_benchmark_goes_on_to_the_numbers_of_plain_commands(finished: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(finished / "out")  # init and cache of a run are named from there
    mine = Run(Path("runs/ncc/genesis-1-0"))
    again = finetune("ncc", Path("data/ncc"), Path("again"), mine.config(FinetuneSettings))
    keys = ("step", "loss", "auc")
    assert [[e[k] for k in keys] for e in mine.metrics()] == [[e[k] for k in keys] for e in again.metrics()]
    assert evaluate_run(again.path).rows == evaluate_run(mine.path).rows
    assert "init run:pretraining/chest" in Path("logs/runs__ncc__genesis-1-0.log").read_text()


def test_the_folder_reads_as_a_comparison(finished: Path) -> None:
    found = load_benchmark(finished / "out")
    assert [(r.target, r.arm, r.fraction, r.seed, r.metric) for r in found.results] == [
        ("ncc", "scratch", 1.0, 0, "auc"),
        ("ncc", "genesis", 1.0, 0, "auc"),
    ]
    genesis = found.results[1]
    assert genesis.backbone == "unet3d"
    assert [step for step, _ in genesis.curve] == list(range(2, 25, 2))
    assert len(genesis.cases) == evaluate_run(genesis.run).summary["cases"]
    assert genesis.training_subjects == Run(genesis.run).manifest()["subjects"]["training"]
    assert found.pretraining == {"genesis": finished / "out" / "pretraining" / "chest"}
    assert (found.reference, found.leaks, found.failures) == ("scratch", (), ())
    assert found.plan["seeds"] == [0]
    said = (finished / "told").read_text()
    assert f"{genesis.score:.3f}" in said
    assert "2 of 2 runs are in" in said
    assert json.loads((finished / "out" / "leaks.json").read_text()) == []


def test_tuning_is_told(finished: Path) -> None:
    told = {one["arm"]: one for one in json.loads((finished / "out" / "tuning.json").read_text())}
    assert told["scratch"]["trials"][0]["settings"] == told["scratch"]["chosen"] == {"optim": {"lr": 0.002}}
    assert told["scratch"]["trials"][0]["runs"] == ["tuning/ncc/scratch-1-1000-optim.lr=0.002"]
    run = Run(finished / "out" / "runs/ncc/scratch-1-0").config(FinetuneSettings)
    assert (run.optim.lr, run.held_out) == (0.002, True)
    trial = finished / "out" / told["scratch"]["trials"][0]["runs"][0]
    assert told["scratch"]["trials"][0]["validation"] == Run(trial).manifest()["best"]["auc"]
    assert not (trial / "predictions").exists()  # nobody looks at test cases to choose settings
    for made in ("pretraining", "tuning", "runs"):
        assert not list((finished / "out" / made).rglob("*.pt"))
    assert not (trial / "weights.safetensors").exists()


def test_loose_runs_read_as_a_comparison(finished: Path) -> None:
    runs = [finished / "out" / "runs" / "ncc" / name for name in ("scratch-1-0", "genesis-1-0")]
    loose, whole = load_runs(runs), load_benchmark(finished / "out")
    assert [one.score for one in loose.results] == [one.score for one in whole.results]
    assert [one.arm for one in loose.results] == ["scratch", "run:pretraining/chest"]
    assert loose.results[0].target == "ncc"
    assert loose.pretraining == {"run:pretraining/chest": finished / "out" / "pretraining" / "chest"}


def test_a_changed_plan_is_refused_and_more_cells_are_not(finished: Path, tmp_path: Path) -> None:
    out = finished / "out"
    before = (out / "plan.yaml").read_text()
    changed = {**CHANGES, "settings": {"loop": {**LOOP, "steps": 25}}}
    with pytest.raises(UsageError, match=r"the plan changed since tuning/ncc/scratch.*loop.steps: 24 there, 25 here"):
        benchmark(str(write(tmp_path, **changed)), out)
    assert (out / "plan.yaml").read_text() == before
    dry = benchmark(str(write(tmp_path, **CHANGES, seeds=[0, 1])), out, processes=1, dry=True)
    assert "4 run" in dry
    assert "jobs of this folder that are finished" in dry


def test_more_tuning_leaves_runs_whose_settings_are_still_the_best(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    before = len(Journal(out).entries)
    more = {**CHANGES, "tune_seeds": [1000, 1001]}
    assert "2 of 2 runs are in" in benchmark(str(write(tmp_path, **more)), out, processes=1)
    began = [entry["job"] for entry in Journal(out).entries[before:] if entry["status"] == "started"]
    assert sorted(name for name in began if name.startswith(("tuning", "runs"))) == [
        "tuning/ncc/genesis-1-1001-optim.head_steps=0",
        "tuning/ncc/scratch-1-1001-optim.lr=0.002",
    ]


@pytest.mark.parametrize("other", [{"optim.lr": [0.003]}, {}])
def test_runs_that_tuning_no_longer_chooses_are_named(other: Any, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    weights = (out / "runs/ncc/scratch-1-0/weights.safetensors").read_bytes()
    steps = {"optim.head_steps": [0]} if other else {}
    changes = {**CHANGES, "inits": {"genesis": {"tune": steps}, "scratch": {"tune": other}}}
    said = r"scratch-1-0: tuning chooses .*, no longer \{'optim': \{'lr': 0.002"
    with pytest.raises(UnfinishedBenchmarkError, match=said):
        benchmark(str(write(tmp_path, **changes)), out, processes=1)
    assert (out / "runs/ncc/scratch-1-0/weights.safetensors").read_bytes() == weights


def test_runs_made_from_other_weights_are_named(finished: Path, tmp_path: Path) -> None:
    """Also when the pre-training itself is finished: whoever changed its weights, scores of both are not mixed."""
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    weights = load_file(out / "pretraining/chest/weights.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    save_file({**weights, name: weights[name] + 1}, out / "pretraining/chest/weights.safetensors")
    with pytest.raises(UnfinishedBenchmarkError, match=r"genesis-.*was made from another pretraining/chest; delete"):
        benchmark(str(write(tmp_path, **CHANGES)), out, processes=1)
    assert [one.arm for one in load_benchmark(out).results] == ["scratch", "genesis"]


def test_only_some_data_leave_the_runs_of_others_in_the_comparison(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    more = {**CHANGES, "data": {"lcs": {"path": str(tmp_path)}}}  # holds no LiTS
    with pytest.raises(UnfinishedBenchmarkError):
        benchmark(str(write(tmp_path, **more)), out, only=["lcs"], processes=1)
    assert [one.target for one in load_benchmark(out).results] == ["ncc", "ncc"]


def test_a_finished_benchmark_has_no_time_left(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    plan = str(write(tmp_path, **CHANGES))
    assert "about 0 s" in benchmark(plan, out, processes=1, dry=True)
    shutil.rmtree(out / "runs")
    assert "about 0 s" not in benchmark(plan, out, processes=1, dry=True)  # whatever the journal says of them


def test_what_is_done_twice_and_what_fails(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command does nothing but look; a broken data set fails, and only its cells are lost."""
    out = finished / "out"
    more = {**CHANGES, "data": {"lcs": {"path": str(tmp_path / "empty")}}}
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnfinishedBenchmarkError, match="1 jobs failed and 4 could not be run, such as prepared/lcs: "):
        benchmark(str(write(tmp_path, **more)), out, processes=1)
    assert "2 of 4 runs" not in capsys.readouterr().out
    found = load_benchmark(out)
    assert len(found.results) == 2
    assert found.failures[0].name == "prepared/lcs"
    assert all(one.message.startswith("not run: ") for one in found.failures[1:])
    starts = [entry["job"] for entry in Journal(out).entries if entry["status"] == "started"]
    assert starts.count("runs/ncc/scratch-1-0") == 1
    assert starts.count("runs/ncc/genesis-1-0") == 2  # it was killed once


def test_a_dry_run_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    plan = write(tmp_path, seeds=[0, 1], fractions=[1.0, 0.5])
    with pytest.raises(SystemExit) as ended:
        cli.main(["benchmark", str(plan), "--out", str(tmp_path / "out"), "--dry-run", "--processes", "2"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "8 run" in said
    assert "time with 2 processes of 1 threads: about" in said
    assert "a training step of 1 networks measured now" in said
    assert not (tmp_path / "out").exists()


def test_missing_data_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"papers: needs --data LUNA16=PLACE, or --only"):
        benchmark("papers", out, only=["ncc"])
    with pytest.raises(UsageError, match=r"papers: needs --data LUNA16=PLACE, or --only"):
        benchmark("papers", out, only=["ncc"], processes=1, dry=True)
    assert "time with 1 process" in capsys.readouterr().out, "what is missing may be fetched after this is known"
    for dry in (True, False):
        with pytest.raises(UsageError, match=r"papers: no such file or folder: data.ncc.path: .*nosuch; correct"):
            benchmark("papers", out, {"LUNA16": str(tmp_path / "nosuch")}, only=["ncc"], processes=1, dry=dry)
    assert not out.exists()
