import os
import re
import time
from pathlib import Path

import pytest

from modelsgenesis.data.index import index_sources, refuse_inside
from modelsgenesis.errors import GenesisError, UsageError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_a_mixed_tree(tmp_path: Path) -> None:
    touch(
        tmp_path, "b/scan.nii.gz", "b/._scan.nii.gz", "b/.hidden.nii", "b/table.csv", "a/x.mhd", "a/x.raw", "a/x.zraw"
    )
    touch(tmp_path, "README", "a/notes.txt", "c d/ä.NRRD", "e/one.png", ".git/two.png", "e/three.jpeg")
    sources = index_sources([tmp_path])
    assert [source.identifier for source in sources] == ["a__x", "b__scan", "c_d___", "e__one", "e__three"]
    assert all(source.path.is_absolute() and source.series is None for source in sources)
    assert [source.subject for source in sources] == [source.identifier for source in sources]


def test_overlapping_inputs_and_globs_give_each_scan_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.nii", "a/2.nii", "b/3.nii")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    paths = [source.path.name for source in index_sources(["a", "*/*.nii", "b/3.nii", tmp_path, "**/2.nii"])]
    assert sorted(paths) == ["1.nii", "2.nii", "3.nii"]
    assert [source.path.name for source in index_sources(["?/[12].nii", "b/**"])] == ["1.nii", "2.nii", "3.nii"]


def test_identifiers_do_not_change_with_what_lies_beside(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.nii")
    assert [source.identifier for source in index_sources([tmp_path])] == ["sub__a"]
    touch(tmp_path, "sub/b.nii", "z.nii")
    assert [source.identifier for source in index_sources([tmp_path])] == ["sub__a", "sub__b", "z"]


def test_identifiers_are_unique_and_safe(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "a.nii.gz", "A.mha", "a b.nii", "a_b.nii", "zarr.json.nii", f"{'x' * 190}.nii")
    identifiers = [source.identifier for source in index_sources([tmp_path])]
    assert len({identifier.lower() for identifier in identifiers}) == 7
    assert all(set(identifier) <= set(map(chr, range(33, 127))) - {"/"} for identifier in identifiers)
    assert max(map(len, identifiers)) < 200
    assert "zarr.json" not in identifiers


def test_subject_is_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "P1/a.nii", "P1/b.nii", "P2/a.nii")
    assert [source.subject for source in index_sources([tmp_path], "folder")] == ["P1", "P1", "P2"]


def test_subject_from_a_table(tmp_path: Path) -> None:
    touch(tmp_path, "P1/a.nii", "P1/b.nii", "P2/a.nii")
    table = tmp_path / "subjects.csv"
    table.write_text("subject,path,other\nS0,a.nii,1\nS1,P1/a.nii,2\nS2,b.nii,3\n")
    assert [source.subject for source in index_sources([tmp_path], str(table))] == ["S1", "S2", "S0"]
    table.write_text("subject,path\nS1,P1/a.nii\n")
    with pytest.raises(UsageError, match="no subject for 2 scans"):
        index_sources([tmp_path], str(table))
    table.write_text("subject,path\nS1,a.nii\nS2,a.nii\n")
    with pytest.raises(UsageError, match=r"subjects.csv, line 3: 'a.nii' has the subject S1 already"):
        index_sources([tmp_path], str(table))
    table.write_text("name\nx\n")
    with pytest.raises(UsageError, match="lacks the column path, subject; needs path, subject, has name"):
        index_sources([tmp_path], str(table))
    with pytest.raises(UsageError, match="auto, folder, or a CSV file"):
        index_sources([tmp_path], "patients")


def test_dicom_files_become_series_with_their_patient(tmp_path: Path) -> None:
    from tests.data.formats.test_dicom import write_series

    write_series(tmp_path / "study/ct", "1.2.1", 3)
    write_series(tmp_path / "study/ct", "1.2.2", 4)
    touch(tmp_path, "study/ct/broken.dcm", "study/plain")
    sources = index_sources([tmp_path])
    found = [(source.identifier, source.series, source.subject, len(source.files)) for source in sources]
    assert found == [
        ("study__ct__1.2.1", "1.2.1", "P7", 3),
        ("study__ct__1.2.2", "1.2.2", "P7", 4),
        ("study__ct__broken.dcm", None, "study__ct__broken.dcm", 1),
    ]
    one_file = next(file for file in sorted((tmp_path / "study/ct").iterdir()) if file.name.startswith("1.2.1"))
    assert [source.series for source in index_sources([one_file])] == ["1.2.1"]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "x.raw")
    header = "NDims = 1\nDimSize = 5\nElementType = MET_CHAR\nElementDataFile = x.raw\n"
    (tmp_path / "x.mhd").write_text(header)
    scan, meta = (source.digest() for source in index_sources([tmp_path]))
    assert len(scan) == 32
    os.utime(tmp_path / "a.nii", (0, 0))
    assert index_sources([tmp_path])[0].digest() == scan
    (tmp_path / "a.nii").write_text("b.nii")
    assert index_sources([tmp_path])[0].digest() != scan
    (tmp_path / "x.raw").write_text("other")
    assert index_sources([tmp_path])[1].digest() != meta


def test_nothing_found_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(GenesisError, match="no scans found"):
        index_sources([tmp_path])
    with pytest.raises(UsageError, match="no such file"):
        index_sources([tmp_path / "absent"])
    with pytest.raises(UsageError, match="no glob that matches"):
        index_sources([f"{tmp_path}/*.nii"])


def test_many_files_are_indexed_in_linear_time(tmp_path: Path) -> None:
    seconds = []
    for count in (500, 4000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:05d}.png").touch()
        table = folder / "subjects.csv"
        table.write_text("path,subject\n" + "".join(f"{number:05d}.png,S{number % 50}\n" for number in range(count)))
        tries = []
        for _ in range(3):  # the fastest: a collection of garbage in one of them is not its work
            began = time.process_time()
            assert len(index_sources([folder], str(table))) == count
            tries.append(time.process_time() - began)
        seconds.append(min(tries))
    assert seconds[1] < 30 * seconds[0]  # eight times the files; sixty-four times the work were it quadratic


def test_paths_of_windows_in_a_table(tmp_path: Path) -> None:
    touch(tmp_path, "P1/a.nii", "P2/a.nii")
    table = tmp_path / "subjects.csv"
    table.write_text("Subject;Path\nS1;scans\\P1\\a.nii\nS1;P1\\a.nii\nS2;P2/a.nii\n")
    assert [source.subject for source in index_sources([tmp_path], str(table))] == ["S1", "S2"]


@pytest.mark.parametrize(
    ("given", "store", "how"),
    [
        ("scans", "scans", "is"),
        ("scans", "scans/store", "lies in"),
        ("scans", "scans/below/store", "lies in"),
        ("scans", "link/store", "lies in"),
        ("scans/P1", "scans", "holds"),
        ("scans/P1/*.nii", "scans/P1", "holds"),
        ("scans/P1/a.nii", "scans/P1/../P1", "holds"),
        ("scans/P1", "scans/P2/store", ""),
        ("scans/P1/a.nii", "scans/P1/store", ""),
    ],
)
def test_scans_and_store_lie_apart(tmp_path: Path, given: str, store: str, how: str) -> None:
    touch(tmp_path, "scans/P1/a.nii")
    (tmp_path / "link").symlink_to(tmp_path / "scans")
    if not how:
        refuse_inside([tmp_path / given], tmp_path / store)
        return
    with pytest.raises(UsageError, match=rf"^--out {re.escape(str(tmp_path / store))}: {how} .*{given.split('/')[0]}"):
        refuse_inside([tmp_path / given], tmp_path / store)
