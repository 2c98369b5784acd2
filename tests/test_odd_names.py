"""Commands on files whose names are no UTF-8, or hold quotes, line ends and per cent signs, in the plainest locale."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from modelsgenesis.cli import main
from modelsgenesis.data import guarded
from modelsgenesis.data.guarded import guarding
from modelsgenesis.data.store import open_store
from modelsgenesis.errors import UsageError
from modelsgenesis.files import ENCODING, ODD_BYTES
from modelsgenesis.places import writable
from modelsgenesis.prediction import scans as predict_module
from modelsgenesis.prediction.scans import predict
from modelsgenesis.report.page import _script_json
from tests.test_predict import save_run, write_scan

FOLDER = os.fsdecode(b"d\xefr \xf0\x9f\xa7\xa0,%20\nx")
NAMES = [
    os.fsdecode(b"M\xfcLLER.nii"), "new\nline.nii", 'quo"te.nii', "com,ma.nii", "77 %d.nii", "\U0001f9e0.nii",
    "a\\b.nii",
]  # fmt: skip
PLAIN = {**os.environ, "LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii"}


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for name in NAMES:
        write_scan(tmp_path / FOLDER / name)
    (tmp_path / FOLDER / os.fsdecode(b"b\xe4d.nii")).write_bytes(b"no scan" * 100)
    (tmp_path / FOLDER / os.fsdecode(b"n\xf6t.npy")).write_bytes(b"")
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding=ENCODING, errors=ODD_BYTES) as handle:
        return list(csv.DictReader(handle))


def genesis(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "modelsgenesis", *arguments]
    done = subprocess.run(command, cwd=folder, env=PLAIN, capture_output=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("ascii")


def test_prepare_and_info(scans: Path) -> None:
    told = genesis(scans, "prepare", FOLDER, "--out", "store", "--min-slices", "4", "--workers", "1")
    assert "7 scans stored" in told
    sources = {scan.source for scan in open_store(scans / "store").scans}
    assert sources == {str(scans / FOLDER / name) for name in NAMES}
    assert [Path(row["path"]).exists() for row in rows(scans / "store/rejected.csv")] == [True]
    assert [Path(row["path"]).exists() for row in rows(scans / "store/not_read.csv")] == [True]
    again = genesis(scans, "prepare", FOLDER, "--out", "store", "--min-slices", "4", "--workers", "1")
    assert "0 scans stored, 7 there already, 1 rejected" in again
    assert json.loads(genesis(scans, "info", "store", "--json"))["scans"] == 7


def test_predict_names_every_file_and_says_what_is_unlike(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flair = np.random.default_rng(0).integers(0, 700, (20, 17, 14)).astype(np.int16)
    name = os.fsdecode(b"fl\xe4ir.nii")
    nibabel.save(nibabel.Nifti1Image(flair, np.eye(4)), scans / FOLDER / name)  # type: ignore[attr-defined]
    summary = predict(save_run(scans / "run", "classification"), [scans / FOLDER], scans / "out")
    assert (summary.predicted, summary.rejected, summary.doubted, summary.unread) == (8, 1, 1, {".npy": 1})
    assert [row["path"] for row in rows(scans / "out/warnings.csv")] == [str(scans / FOLDER / name)]
    said = r"fl\udce4ir.nii: not like the ct that the network was trained on: has no value below 0 (0 to 699)"
    assert said in capsys.readouterr().err
    assert len(rows(scans / "out/probabilities.csv")) == 8


def crash(path: Path) -> object:
    """A reader in whose process one file ends everything."""
    if "com,ma" in path.name:
        os.abort()
    from modelsgenesis.data.volume import read_volume

    return read_volume(path)


def test_a_file_that_ends_its_reader_costs_predict_that_file(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_module, "read_source", lambda source: guarded.call(source.path, crash, source.path))
    with guarding():
        summary = predict(save_run(scans / "run", "classification"), [scans / FOLDER], scans / "out")
    assert (summary.predicted, summary.rejected) == (6, 2)
    reasons = {Path(row["path"]).name: row["reason"] for row in rows(scans / "out/rejected.csv")}
    assert reasons["com,ma.nii"].startswith("the reader crashed (SIGABRT); leave it out")


def test_an_error_about_such_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["info", str(tmp_path / FOLDER)])
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.isascii() or said.encode("utf-8")


def test_folders_of_runs_and_stores_are_utf8(tmp_path: Path) -> None:
    assert writable(tmp_path / "ü 🧠") == tmp_path / "ü 🧠"
    with pytest.raises(UsageError, match="not UTF-8; choose another --out"):
        writable(tmp_path / FOLDER)


def test_pages_hold_names_that_name_the_same_file() -> None:
    value = {"case": FOLDER, "end": "</script>"}
    text = str(_script_json(value))
    text.encode("utf-8", "strict")
    assert "</" not in text
    assert json.loads(text) == value
