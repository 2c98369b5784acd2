"""Folders that hold something else, or something broken: listed with the reason, and the rest goes on."""

import json
import shutil
from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.report.build import build_report
from modelsgenesis.report.gather import gather
from tests.report.sample import Sample, write_benchmark, write_pretraining, write_run

TINY = Sample({"lcs": {"scratch": 0.7, "genesis": 0.8}}, seeds=(0, 1), subjects=4, examples=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_benchmark(tmp_path / "benchmark", TINY)


def reasons(left_out: list[tuple[Path, str]]) -> dict[str, str]:
    return {path.name: reason for path, reason in left_out}


def test_benchmark(folder: Path) -> None:
    found = gather([folder])
    assert len(found.comparison.results) == 4
    assert {result.arm for result in found.comparison.results} == {"scratch", "genesis"}
    assert found.comparison.pretraining == {"genesis": folder / "pretraining" / "genesis"}
    assert found.left_out == []


def test_another_reference(folder: Path) -> None:
    assert gather([folder]).comparison.reference == "scratch"
    assert gather([folder], "genesis").comparison.reference == "genesis"
    with pytest.raises(UsageError, match="no finished run is of the arm 'other'"):
        gather([folder], "other")


def test_folder_above_and_named_twice(folder: Path) -> None:
    assert len(gather([folder.parent, folder]).comparison.results) == 4


@pytest.mark.parametrize(
    ("file", "contents", "expected"),
    [
        ("manifest.json", "{", "cannot be read as JSON"),
        ("manifest.json", '{"finished": true}', "damaged (KeyError"),
        ("evaluation/summary.json", "[]", "damaged (TypeError"),
        ("evaluation/cases.csv", "case\n1\n", "lacks the column"),
        ("config.yaml", "a: [", "damaged"),
        ("predictions/cases.json", None, "cases.json"),
    ],
)
def test_damaged_run_is_left_out(folder: Path, file: str, contents: str | None, expected: str) -> None:
    broken = folder / "runs/lcs/genesis/1/1"
    if contents is None:
        (broken / file).unlink()
    else:
        (broken / file).write_text(contents)
    found = gather([folder])
    assert len(found.comparison.results) == 3
    assert {result.arm for result in found.comparison.results} == {"scratch", "genesis"}
    ((path, reason),) = found.left_out
    assert path == broken
    assert expected in reason


def test_unfinished_cells_are_listed(folder: Path) -> None:
    waiting = folder / "runs/lcs/genesis/1/1"
    manifest = json.loads((waiting / "manifest.json").read_text())
    (waiting / "manifest.json").write_text(json.dumps({**manifest, "finished": False}))
    shutil.rmtree(folder / "runs/lcs/scratch/1/0")
    found = gather([folder])
    assert len(found.comparison.results) == 2
    assert [reason for _, reason in found.left_out] == ["not finished yet; run genesis benchmark again"] * 2


def test_damaged_list_of_cells(folder: Path) -> None:
    (folder / "benchmark.json").write_text("{}")
    found = gather([folder])
    assert found.comparison.results == ()
    assert "damaged (KeyError" in found.left_out[0][1]


def test_loose_runs_are_named_after_what_they_are(tmp_path: Path) -> None:
    write_pretraining(tmp_path / "pretraining" / "genesis", ["outsider"])
    for arm in ("scratch", "genesis"):
        write_run(tmp_path / f"{arm}-0", TINY, "lcs", arm, 0.7, 1.0, 0)
    found = gather([tmp_path])
    assert {(result.target, result.arm) for result in found.comparison.results} == {
        ("lcs", "scratch"),
        ("lcs", "genesis"),
    }
    assert list(found.comparison.pretraining) == ["genesis"]
    assert found.left_out == []


def test_same_place_twice_shows_the_first(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name, TINY, "lcs", "scratch", 0.7, 1.0, 0)
    found = gather([tmp_path])
    assert [result.run.name for result in found.comparison.results] == ["a"]
    assert "the same target, arm, labels and seed" in reasons(found.left_out)["b"]


def test_other_data_under_one_name_are_two_targets(tmp_path: Path) -> None:
    for name, digest in (("a", "1111aaaa"), ("b", "2222bbbb")):
        write_run(tmp_path / name, TINY, "folder", "scratch", 0.7, 1.0, 0)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        (tmp_path / name / "manifest.json").write_text(json.dumps({**manifest, "data": digest}))
    found = gather([tmp_path])
    assert [result.target for result in found.comparison.results] == ["folder 1111", "folder 2222"]


def test_nothing_usable_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GenesisError, match="empty: no run folder in it; none of the folders holds a finished run"):
        build_report([tmp_path / "empty"], tmp_path / "report.html")
    with pytest.raises(GenesisError, match="nowhere: there is no such folder"):
        build_report([tmp_path / "nowhere"], tmp_path / "report.html")
    with pytest.raises(UsageError, match="name at least one folder"):
        build_report([], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_rest_is_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "pretraining/genesis/figures/restoration.npz").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    written = build_report([folder, tmp_path / "empty"], tmp_path / "report.html")
    page = written.page.read_text(encoding="utf-8")
    assert written.runs == 4
    assert "no run folder in it" in page
    assert "restoration.npz: damaged" in page
    assert "left out" in str(written)


def test_a_pretraining_alone(tmp_path: Path) -> None:
    write_pretraining(tmp_path / "genesis", ["outsider"])
    written = build_report([tmp_path / "genesis"], tmp_path / "report.html")
    page = written.page.read_text(encoding="utf-8")
    assert "No fine-tuning run is among the folders" in page
    assert "out-painting" in page
