"""A benchmark that moves from one machine to the next in pieces."""

from pathlib import Path

import pytest

from benchmarks import pieces as packing
from modelsgenesis.errors import GenesisError

TRAVELS = (
    "benchmark.jsonl",
    "pretraining/chest/weights.safetensors",
    "runs/ncc/scratch-1-0/evaluation/summary.json",
    "runs/ncc/scratch-1-0/data/x.json",
)
STAYS = (
    "data/ncc/a.mhd",
    "stores/chest/c/0",
    "runs/ncc/scratch-1-0/weights.safetensors",
    "pretraining/chest/checkpoints/last.pt",
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for number, name in enumerate((*TRAVELS, *STAYS)):
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(256)) * (number + 1) + name.encode())
    return tmp_path / "work"


def test_what_travels_arrives_in_small_pieces(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE", 200)
    pieces = packing.pack(work, tmp_path / "out")
    assert len(pieces) > 1
    assert all(piece.stat().st_size <= 200 for piece in pieces)
    packing.unpack(tmp_path / "out", tmp_path / "other")
    found = {
        path.relative_to(tmp_path / "other").as_posix() for path in (tmp_path / "other").rglob("*") if path.is_file()
    }
    assert found == set(TRAVELS)
    assert all((tmp_path / "other" / name).read_bytes() == (work / name).read_bytes() for name in TRAVELS)


def test_tables_need_no_pictures(work: Path, tmp_path: Path) -> None:
    run = work / "runs/ncc/scratch-1-0"
    for name in ("figures/validation.png", "predictions/examples.npz", "predictions/a.nii.gz"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"picture")
    (run / "predictions/cases.json").write_text(f'{{"truth": "{work.absolute()}/data/ncc/a.mhd"}}')
    packing.pack(work, tmp_path / "out", bare=True)
    packing.unpack(tmp_path / "out", tmp_path / "other")
    kept = {path.name for path in (tmp_path / "other").rglob("*") if path.is_file()}
    assert kept == {"benchmark.jsonl", "summary.json", "x.json", "cases.json"}
    found = tmp_path / "other/runs/ncc/scratch-1-0/predictions/cases.json"
    assert found.read_text() == '{"truth": "data/ncc/a.mhd"}'


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_damaged_pieces_are_named(work: Path, tmp_path: Path, damage: str) -> None:
    (piece, *_) = packing.pack(work, tmp_path / "out")
    if damage == "missing":
        piece.unlink()
    else:
        piece.write_bytes(piece.read_bytes()[:-1])
    with pytest.raises(GenesisError, match="piece-000: is missing or damaged"):
        packing.unpack(tmp_path / "out", tmp_path / "other")
