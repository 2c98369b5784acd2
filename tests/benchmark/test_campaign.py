"""A stretch of a benchmark on a borrowed machine: what it brings, how it ends, and what it says then."""

import math
import shutil
import sys
import textwrap
import time
from pathlib import Path

import pytest

from benchmarks import campaign
from benchmarks.pieces import pack
from modelsgenesis.benchmark.loading import load_plan
from modelsgenesis.benchmark.run import _places
from modelsgenesis.errors import GenesisError
from modelsgenesis.files import read_json, write_json
from modelsgenesis.run import Run

RUNS = ("runs/ncc/scratch-1-0", "runs/ncc/genesis-1-0")


def finished(folder: Path, *names: str) -> None:
    for name in names:
        write_json(folder / name / "manifest.json", {"finished": True})
        (folder / name / "config.yaml").touch()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A benchmark of two runs, one of them finished, with its pre-training."""
    work = tmp_path / "work"
    write_json(work / "benchmark.json", {"cells": [{"run": name} for name in RUNS]})
    finished(work, RUNS[0], "pretraining/chest")
    (work / "pretraining/chest/weights.safetensors").write_bytes(b"weights")
    return work


def stretch(work: Path, code: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    """A campaign whose benchmark is `code`, run where `work` is."""
    command = f"import os, signal, sys, time\nos.chdir({str(work.parent)!r})\n{textwrap.dedent(code)}"
    monkeypatch.setattr(campaign, "COMMAND", (sys.executable, "-c", command))
    return campaign.main([str(work), str(work.parent / "out"), *more])


def test_an_unfinished_stretch_asks_for_another(
    work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_json(work / "failures.json", [{"name": "tuning/x", "message": "lost"}])
    assert stretch(work, "print(sys.argv[1:])", monkeypatch, "--only", "ncc") == campaign.AGAIN == 75
    said = capfd.readouterr().out
    assert f"['phantom-full-gpu', '--out', '{work}', '--stop-after', '7', '--processes', '9', '--only', 'ncc']" in said
    assert "1 of 2 runs are finished, 1 jobs failed or could not be run; time is up" in said
    assert (work.parent / "out/runs/pieces.json").is_file()


def test_a_complete_one_says_so(work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    finished(work, RUNS[1])
    assert stretch(work, "", monkeypatch) == 0
    assert "2 of 2 runs are finished; it is complete" in capfd.readouterr().out
    assert stretch(work, "sys.exit(1)", monkeypatch) == 1  # a trial failed, say


def test_failures_keep_the_status_of_the_benchmark(
    work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert stretch(work, "sys.exit(2)", monkeypatch) == 2
    assert "1 of 2 runs are finished; the benchmark ended with 2" in capfd.readouterr().out
    shutil.rmtree(work)
    shutil.rmtree(work.parent / "out")
    assert stretch(work, "sys.exit(2)", monkeypatch) == 2
    assert not (work.parent / "out").exists()  # there is nothing to pack


@pytest.mark.parametrize("deaf", [False, True])
def test_one_that_does_not_end_is_ended_and_packed(work: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool) -> None:
    monkeypatch.setattr(campaign, "SAVING", 2.0)
    monkeypatch.setattr(campaign, "ENDING", 20.0 - 19 * deaf)
    handler = "signal.SIG_IGN" if deaf else "lambda *_: (open('work/interrupted', 'w').close(), sys.exit(1))"
    began = time.monotonic()
    code = f"signal.signal(signal.SIGINT, {handler})\nopen('work/there', 'w').close()\ntime.sleep(600)"
    assert stretch(work, code, monkeypatch, "--minutes", "0") == campaign.AGAIN
    assert 2 < time.monotonic() - began < 200
    assert (work / "there").exists()
    assert (work / "interrupted").exists() is not deaf
    assert (work.parent / "out/runs/pieces.json").is_file()


def test_the_time_given_is_bounded() -> None:
    assert 7 * 60 + campaign.SAVING + campaign.ENDING < 9 * 60


def test_another_machine_goes_on_from_out(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = work.parent / "out"
    pack(work, out)
    shutil.rmtree(work)
    assert stretch(work, "open('work/more', 'w').close()", monkeypatch) == campaign.AGAIN  # nothing else named
    assert Run(work / RUNS[0]).finished
    assert (work / "pretraining/chest/weights.safetensors").read_bytes() == b"weights"
    before = read_json(out / "runs/pieces.json")
    assert stretch(work, "open('work/most', 'w').close()", monkeypatch) == campaign.AGAIN
    assert read_json(out / "runs/pieces.json") != before


def test_named_pieces_come_first_and_are_not_written_again(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, carried = work.parent / "out", work.parent / "carried"
    pack(work, out)
    finished(work, RUNS[1])
    pack(work, carried)
    shutil.rmtree(work)
    shutil.rmtree(out / "pretraining-chest")
    assert stretch(work, "", monkeypatch, "--pieces", str(carried)) == 0
    assert not (out / "pretraining-chest").exists()


def test_weights_may_come_later(work: Path, tmp_path: Path) -> None:
    pack(work, tmp_path / "all")
    shutil.copytree(tmp_path / "all/runs", tmp_path / "some/runs")
    shutil.rmtree(work)
    campaign.bring([tmp_path / "some"], work)
    assert not (work / "pretraining/chest/weights.safetensors").exists()
    (work / "benchmark.jsonl").write_text("newer")
    campaign.bring([tmp_path / "all"], work)
    assert (work / "pretraining/chest/weights.safetensors").read_bytes() == b"weights"
    assert (work / "benchmark.jsonl").read_text() == "newer"
    (work / "pretraining/chest/weights.safetensors").write_bytes(b"own")
    campaign.bring([tmp_path / "all"], work)
    assert (work / "pretraining/chest/weights.safetensors").read_bytes() == b"own"
    assert {path.name for path in tmp_path.iterdir()} == {"all", "some", "work"}


def test_what_cannot_be_put_together_is_refused(
    work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = work.parent / "out"
    pack(work, out)
    shutil.rmtree(work)
    (piece,) = (out / "pretraining-chest").glob("piece-*")
    piece.write_bytes(b"torn")
    assert stretch(work, "", monkeypatch) == 1
    assert f"campaign: {piece}: is missing or damaged" in capfd.readouterr().err
    assert not work.exists()
    shutil.rmtree(out / "runs")
    with pytest.raises(GenesisError, match="holds weights and no runs; bring the group runs too"):
        campaign.bring([out], work)


def test_all_phantoms_are_written_side_by_side_in_a_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.25 s per million voxels of CT, twice that for what has several files a patient, 0.28 s an image."""
    plan = load_plan("phantom-full-gpu")
    sets = [one.phantoms for one in (*plan.data.values(), *plan.stores.values()) if one.phantoms]
    monkeypatch.setattr("modelsgenesis.benchmark.run._devices", lambda: ["0"])
    assert [place.device for place in _places(Path(), len(sets))] == ["0"] * 9
    for one in sets:
        slow = 0.5 if one.name in ("ncs", "bms") else 0.25
        seconds = one.cases * (slow * math.prod(one.shape) / 1e6 if one.shape else 0.28)
        assert seconds < 4.2 * 60, one.name
