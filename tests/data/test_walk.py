"""Which files are met, passed over and named, in trees as people and operating systems leave them."""

import os
import struct
from pathlib import Path

import pytest

from modelsgenesis.data.index import index, told
from modelsgenesis.data.walk import walk, walk_files
from modelsgenesis.errors import GenesisError

SHADOW = struct.pack(">II", 0x00051607, 0x00020000) + b"Mac OS X        "
"""The head of an AppleDouble file (RFC 1740, appendix A and B)."""


def write(root: Path, *names: str, content: bytes = b"x" * 200) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def found(root: Path, **more: object) -> tuple[list[str], dict[str, str], dict[str, int]]:
    """Names of the sources, of the unread with the reason, and the counts by kind."""
    met = index([root], **more)  # type: ignore[arg-type]
    return (
        [source.path.name for source in met.sources],
        {one.path.name: one.problem for one in met.unread},
        met.unread_by_kind(),
    )


def test_only_files_of_macos_are_its_shadows(tmp_path: Path) -> None:
    write(tmp_path, "a.nii", ".hidden.nii", "._real.nii", "__MACOSX/b.nii", "sub/__MACOSX/._c.nii", ".git/d.nii")
    write(tmp_path, "._a.nii", content=SHADOW)
    write(tmp_path, ".\\imagesTr\\e.nii", "images\\f.nii")  # unpacked from an archive of Windows
    sources, unread, counts = found(tmp_path)
    assert sources == [".\\imagesTr\\e.nii", "a.nii", "images\\f.nii"]
    assert unread == {".hidden.nii": "hidden", "._real.nii": "hidden"}
    assert counts == {"hidden": 2}
    assert [path.name for path in walk_files(tmp_path)] == sources


def test_every_other_file_is_counted_by_suffix(tmp_path: Path) -> None:
    write(tmp_path, "a.nii", "x.npy", "y.NPY", "z.npy", "b/report.xml", "README", "b/1.2.840.113", "b/scan.PAR")
    _, unread, counts = found(tmp_path)
    assert counts == {".npy": 3, "without suffix": 2, ".xml": 1, ".par": 1}
    assert set(unread.values()) == {"format not read"}
    assert told(counts) == "3 .npy, 2 without suffix, 1 .xml, 1 .par"
    assert told({f".{n}": 20 - n for n in range(12)}).endswith("13 .7, 42 others")
    (tmp_path / "a.nii").unlink()
    with pytest.raises(GenesisError, match=r"no scans found; not read: 3 \.npy, 2 without suffix, 1 "):
        index([tmp_path])


def test_links_and_folders_that_cannot_be_followed_are_named(tmp_path: Path) -> None:
    write(tmp_path, "in/a.nii", "in/shut/b.nii")
    (tmp_path / "in/gone.nii").symlink_to(tmp_path / "nowhere.nii")
    (tmp_path / "in/self.nii").symlink_to(tmp_path / "in/self.nii")
    os.mkfifo(tmp_path / "in/pipe.nii")
    sources, unread, _ = found(tmp_path / "in")
    assert sources == ["a.nii", "b.nii"]
    assert unread == {
        "gone.nii": "a link that leads nowhere", "self.nii": "a link that leads nowhere", "pipe.nii": "no file",
    }  # fmt: skip


def test_a_folder_without_rights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.nii", "shut/b.nii")
    scan = os.scandir

    def refuse(folder: str) -> object:
        if Path(folder).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    sources, unread, counts = found(tmp_path)
    assert sources == ["a.nii"]
    assert unread == {"shut": "cannot be opened (Permission denied)"}
    assert counts == {"cannot be opened": 1}


def test_the_files_of_a_pair_are_one_source(tmp_path: Path) -> None:
    write(tmp_path, "a.hdr", "a.img", "B.HDR", "B.IMG", "c.hdr", "c.img.gz", "lonely.hdr", "disk.img")
    sources, unread, _ = found(tmp_path)
    assert sources == ["B.HDR", "a.hdr", "c.hdr"]
    assert unread == {"lonely.hdr": "no .img beside it", "disk.img": "format not read"}
    assert [source.identifier for source in index([tmp_path / "a.img"]).sources] == ["a"]
    before = [source.digest() for source in index([tmp_path]).sources]
    for name in ("B.IMG", "a.img", "c.img.gz"):
        (tmp_path / name).write_bytes(b"other")
    after = [source.digest() for source in index([tmp_path]).sources]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_voxels_belong_to_the_headers_of_their_folder(tmp_path: Path) -> None:
    write(tmp_path, "x/a.mhd", "x/a.raw", "x/a.zraw", "y/b.nhdr", "y/b.raw.gz", "z/c.raw", "z/d.nii")
    sources, unread, _ = found(tmp_path)
    assert sources == ["a.mhd", "b.nhdr", "d.nii"]
    assert unread == {"c.raw": "format not read"}


def test_more_formats_are_found(tmp_path: Path) -> None:
    names = ["a.mgz", "b.mgh", "c.nii.bz2", "d.bmp", "e.webp"]
    write(tmp_path, *names)
    met = index([tmp_path])
    assert [source.path.name for source in met.sources] == names
    assert [source.identifier for source in met.sources] == list("abcde")


def test_dicom_is_known_by_its_mark_whatever_its_suffix(tmp_path: Path) -> None:
    from tests.data.formats.test_dicom import write_series

    write_series(tmp_path / "ct", "1.2.1", 3)
    for file in sorted((tmp_path / "ct").iterdir()):
        file.rename(file.with_name(f"{file.name}.scan"))
    write(tmp_path / "ct", "short.scan", content=b"\0" * 128 + b"DIC")
    write(tmp_path / "ct", "table.csv", content=b"\0" * 128 + b"DICM")  # of a known other kind: never opened
    met = index([tmp_path])
    assert [(source.series, len(source.files)) for source in met.sources] == [("1.2.1", 3)]
    assert sorted(one.path.name for one in met.unread) == ["short.scan", "table.csv"]


def test_files_and_folders_may_be_excluded(tmp_path: Path) -> None:
    write(tmp_path, "a.nii", "a_seg.nii", "masks/b.nii", "deep/masks/c.nii", "masks.nii", "x/notes.txt")
    met = index([tmp_path], exclude=["*_seg.nii", "masks"])
    assert [source.path.name for source in met.sources] == ["a.nii", "masks.nii"]
    assert met.excluded == 3
    assert [s.path.name for s in index([tmp_path], exclude=["deep/masks/*"]).sources].count("c.nii") == 0
    inside = index([tmp_path / "masks"], exclude=["masks"])  # what was asked for by name is not left out by its folder
    assert [source.path.name for source in inside.sources] == ["b.nii"]
    with pytest.raises(GenesisError, match="6 files left out by exclude"):
        index([tmp_path], exclude=["*"])


def test_walking_follows_links_once(tmp_path: Path) -> None:
    write(tmp_path, "in/a.nii", "other/b.nii")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/there").symlink_to(tmp_path / "other")
    assert [one.path.name for one in walk(tmp_path / "in")] == ["a.nii", "b.nii"]
