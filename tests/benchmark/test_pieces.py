"""A benchmark that moves from one machine to the next in pieces."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks import pieces as packing
from modelsgenesis.errors import GenesisError

TRAVELS = (
    "benchmark.jsonl",
    "pretraining/chest/weights.safetensors",
    "pretraining/xray/weights.safetensors",
    "runs/ncc/scratch-1-0/evaluation/summary.json",
    "runs/ncc/scratch-1-0/data/x.json",
    "runs/ncs/scratch-1-0/predictions/not-evaluated.nii.gz",
)
STAYS = (
    ".lock",
    "data/ncc/a.mhd",
    "stores/chest/c/0",
    "runs/ncc/scratch-1-0/weights.safetensors",
    "runs/ncc/scratch-1-0/.manifest.json.7.partial",
    "runs/ncc/scratch-1-0/figures/validation.png",
    "runs/ncc/scratch-1-0/predictions/examples.npz",
    "runs/ncc/scratch-1-0/predictions/a.nii.gz",
    "pretraining/chest/checkpoints/last.pt",
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for number, name in enumerate((*TRAVELS, *STAYS)):
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(256)) * (number + 1) + name.encode())
    return tmp_path / "work"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_travels_arrives_in_small_pieces(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE", 200)
    pieces = packing.pack(work, tmp_path / "out")
    assert len(pieces) > 3
    assert all(piece.stat().st_size <= 200 for piece in pieces)
    packing.unpack(tmp_path / "out", tmp_path / "other")
    assert files(tmp_path / "other") == {name: (work / name).read_bytes() for name in TRAVELS}


def test_weights_are_groups_of_their_own(work: Path, tmp_path: Path) -> None:
    packing.pack(work, tmp_path / "out")
    assert list(packing.groups(tmp_path / "out")) == ["pretraining-chest", "pretraining-xray", "runs"]
    packing.unpack(tmp_path / "out" / "pretraining-xray", tmp_path / "other")
    assert list(files(tmp_path / "other")) == ["pretraining/xray/weights.safetensors"]


def test_only_what_changed_is_written(work: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    packing.pack(work, out)
    assert packing.pack(work, out) == []
    packing.unpack(out, elsewhere)
    assert packing.pack(elsewhere, tmp_path / "new", carried=out) == []  # alike on the other machine
    (elsewhere / "benchmark.jsonl").write_text("more")
    os.utime(elsewhere / "pretraining/chest/weights.safetensors", (1e9, 1e9))
    changed = packing.pack(elsewhere, tmp_path / "new", carried=out)
    assert {piece.parent.name for piece in changed} == {"pretraining-chest", "runs"}
    assert not (tmp_path / "new" / "pretraining-xray").exists()


def test_killed_between_pieces_and_list_the_old_set_stays(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    packing.pack(work, out)
    before = files(out)
    (work / "benchmark.jsonl").write_text("more")
    with monkeypatch.context() as patched:
        patched.setattr(packing, "write_json", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            packing.pack(work, out)
    assert len(files(out)) > len(before)
    packing.unpack(out, tmp_path / "old")
    assert (tmp_path / "old" / "benchmark.jsonl").read_bytes() != b"more"
    (out / "runs" / ".piece-000-0.7.partial").touch()
    packing.pack(work, out)
    packing.unpack(out, tmp_path / "new")
    assert (tmp_path / "new" / "benchmark.jsonl").read_bytes() == b"more"
    assert len(files(out)) == len(before)  # nothing of the old set, nothing half written


def test_tables_need_no_pictures(work: Path, tmp_path: Path) -> None:
    run = work / "runs/ncc/scratch-1-0"
    (run / "predictions/cases.json").write_text(f'{{"truth": "{work.absolute()}/data/ncc/a.mhd"}}')
    (work / "logs").mkdir()
    (work / "logs/ncc.log").touch()
    packing.pack(work, tmp_path / "out", bare=True)
    packing.unpack(tmp_path / "out", tmp_path / "other")
    kept = {path.name for path in (tmp_path / "other").rglob("*") if path.is_file()}
    assert kept == {"benchmark.jsonl", "summary.json", "x.json", "cases.json", "not-evaluated.nii.gz"}
    found = tmp_path / "other/runs/ncc/scratch-1-0/predictions/cases.json"
    assert found.read_text() == '{"truth": "data/ncc/a.mhd"}'


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_damaged_pieces_are_named(work: Path, tmp_path: Path, damage: str) -> None:
    (piece, *_) = packing.pack(work, tmp_path / "out")
    if damage == "missing":
        piece.unlink()
    else:
        piece.write_bytes(piece.read_bytes()[:-1])
    with pytest.raises(GenesisError, match=f"{piece.name}: is missing or damaged"):
        packing.unpack(tmp_path / "out", tmp_path / "other")
