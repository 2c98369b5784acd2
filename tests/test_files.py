"""Atomic writing: whatever goes wrong, the old file stays whole and nothing is left beside it."""

import csv
import errno
import json
import os
from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import ENCODING, ODD_BYTES, read_json, readable, replacing, write_csv, write_json, write_text


def only(folder: Path) -> dict[str, str]:
    """Name -> content of everything in `folder`, hidden files included."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def write_half(path: Path, error: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_text_json_and_csv_come_back(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "café\n")
    assert (tmp_path / "a/b.txt").read_bytes() == "café\n".encode()
    write_json(tmp_path / "c.json", {"é": [1, 2.5, None]})
    assert read_json(tmp_path / "c.json") == {"é": [1, 2.5, None]}
    write_csv(tmp_path / "d.csv", ("x", "y"), [{"x": 1, "y": 'a "b", c'}, {"x": 2, "z": 0}])
    assert (tmp_path / "d.csv").read_text().splitlines() == ["x,y", '1,"a ""b"", c"', "2,"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # renaming is atomic only on one file system
        temporary.write_text("new")
    assert only(tmp_path) == {"x.txt": "new"}


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_a_failing_block_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(type(error)):
        write_half(path, error)
    assert only(tmp_path) == {"x.txt": "old"}


def test_a_value_that_is_no_json_changes_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"path": object()})
    assert only(tmp_path) == {"x.json": "1\n"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_named_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "x.txt"
    write_text(path, "old")
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), refuse)
    with pytest.raises(GenesisError, match=r"x\.txt: could not be written \(No space left on device\); free space"):
        write_text(path, "new")
    assert only(tmp_path) == {"x.txt": "old"}


def test_a_full_disk_in_the_middle_of_the_writing(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(GenesisError, match="No space left"):
        write_half(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert only(tmp_path) == {"x.txt": "old"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GenesisError, match=r"file/below/x\.json: .* \(a file is in the place of a folder\); choose"):
        write_json(tmp_path / "file" / "below" / "x.json", 1)


def test_a_folder_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.txt").mkdir()
    (tmp_path / "x.txt" / "inside").write_text("kept")
    with pytest.raises(GenesisError, match=r"x\.txt: could not be written"):
        write_text(tmp_path / "x.txt", "new")
    assert only(tmp_path / "x.txt") == {"inside": "kept"}


@pytest.mark.parametrize("content", [None, "", '{"a": 1', "\x00", "[" * 100_000])
def test_json_that_is_absent_or_torn_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GenesisError, match=r"x\.json: cannot be read as JSON"):
        read_json(path)


def test_not_a_number_survives(tmp_path: Path) -> None:
    """Metrics may be undefined; Python's JSON knows NaN."""
    write_json(tmp_path / "x.json", float("nan"))
    assert json.loads((tmp_path / "x.json").read_text()) != read_json(tmp_path / "x.json")


ODD = [
    os.fsdecode(b"M\xfcLLER.nii"),
    "new\nline.nii",
    'quote".nii',
    "com,ma;tab\t.nii",
    "77 %d%20.nii",
    "\U0001f9e0.nii",
    "back\\slash.nii",
    "\x1b[31mred.nii",
    "Ünïcode.nii",
]
"""Names of files as systems of other languages and people leave them."""


@pytest.mark.parametrize("name", ODD)
def test_what_is_written_names_the_same_file_when_it_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    write_json(tmp_path / "a.json", {"path": str(tmp_path / name), name: 1})
    content = (tmp_path / "a.json").read_bytes()
    content.decode("utf-8", "strict")  # any reader of JSON takes it
    assert Path(json.loads(content)["path"]).exists()
    assert Path(read_json(tmp_path / "a.json")["path"]).exists()
    write_csv(tmp_path / "a.csv", ("path", "x"), [{"path": name, "x": 1}, {"path": "after", "x": 2}])
    with (tmp_path / "a.csv").open(newline="", encoding=ENCODING, errors=ODD_BYTES) as handle:
        rows = list(csv.DictReader(handle))
    assert [row["path"] for row in rows] == [name, "after"]
    assert os.fsencode(name).replace(b'"', b'""') in (tmp_path / "a.csv").read_bytes()  # the bytes of the name itself
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.txt").read_bytes() == os.fsencode(name)


@pytest.mark.parametrize("name", ODD)
def test_a_readable_name_is_one_line_that_every_utf8_terminal_shows(name: str) -> None:
    shown = readable(name)
    shown.encode("utf-8", "strict")
    assert shown.isprintable()
    assert readable(shown) == shown
    if name.isprintable():
        assert shown == name
