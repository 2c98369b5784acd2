"""A reader that crashes, hangs or fails costs its file alone; what comes back is what the reader gave."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from modelsgenesis.data import guarded
from modelsgenesis.data.guarded import ReaderLostError, guarding
from modelsgenesis.data.index import index_sources
from modelsgenesis.data.volume import read_volume
from modelsgenesis.errors import GenesisError, UsageError

SCAN = Path("scan.nii")


def behave(how: str, size: int = 0) -> object:
    """A reader of files that do bad things."""
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "abort":
        os.abort()
    if how == "hang":
        time.sleep(600)
    if how == "refuse":
        raise GenesisError("scan.nii: truncated; copy it again")
    if how == "misuse":
        raise UsageError("scan.nii: several series; choose one")
    if how == "bug":
        raise UnicodeEncodeError("utf-8", "\udcfc", 0, 1, "surrogates not allowed")
    if how == "big":
        return np.arange(size, dtype=np.float32).reshape(2, -1), {"more": np.zeros((3, 0)), "text": "\udcfc"}
    return how, os.getpid()


def test_a_bad_file_costs_itself_alone() -> None:
    with guarding(seconds=60):
        _, first = guarded.call(SCAN, behave, "a")  # type: ignore[misc]
        assert first != os.getpid()
        for how, cause in (("crash", "SIGSEGV"), ("abort", "SIGABRT"), ("bug", "UnicodeEncodeError")):
            with pytest.raises(ReaderLostError, match=rf"^scan\.nii: .*{cause}.*leave it out"):
                guarded.call(SCAN, behave, how)
            name, other = guarded.call(SCAN, behave, how=f"after {how}")  # type: ignore[misc]
            assert name == f"after {how}"
        assert other != first  # the crashed one was replaced
        _, again = guarded.call(SCAN, behave, "b")  # type: ignore[misc]
        assert again == other  # and a good one is kept
    assert not multiprocessing.active_children()


def test_a_hanging_file_is_given_up() -> None:
    with guarding(seconds=0.5), pytest.raises(ReaderLostError, match="scan.nii: took longer than"):
        guarded.call(SCAN, behave, "hang")


def test_errors_for_the_user_come_through_as_they_are() -> None:
    with guarding():
        with pytest.raises(GenesisError, match="^scan.nii: truncated; copy it again$") as caught:
            guarded.call(SCAN, behave, "refuse")
        assert not isinstance(caught.value, ReaderLostError | UsageError)
        with pytest.raises(UsageError, match="choose one"):
            guarded.call(SCAN, behave, "misuse")


def test_values_come_back_whole_and_writable() -> None:
    with guarding():
        array, rest = guarded.call(SCAN, behave, "big", 2_000_002)  # type: ignore[misc]
    np.testing.assert_array_equal(array, np.arange(2_000_002, dtype=np.float32).reshape(2, -1))
    assert array.flags.writeable
    assert rest["more"].shape == (3, 0)
    assert rest["text"] == "\udcfc"


def test_without_a_guard_readers_run_here(tmp_path: Path) -> None:
    assert guarded.call(SCAN, behave, "a") == ("a", os.getpid())
    with guarding(), guarding():
        pass
    assert guarded.call(SCAN, behave, "a") == ("a", os.getpid())
    nibabel.save(nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)), tmp_path / "a.nii")
    with guarding():
        behind = guarded.read_volume(tmp_path / "a.nii")
    direct = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(behind.array, direct.array)
    np.testing.assert_array_equal(behind.affine, direct.affine)
    assert (behind.spacing, behind.grid, behind.pixel_type) == (direct.spacing, direct.grid, direct.pixel_type)


def crash_on_header(path: Path) -> object:
    """In place of the reader of DICOM headers."""
    from modelsgenesis.data.formats.dicom import read_header

    if path.name.endswith("bad"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read_header(path)


def crash_on_folder(folder: Path) -> object:  # noqa: ARG001 - as the real one
    os.kill(os.getpid(), signal.SIGSEGV)
    return None


def crash_on_headers(files: list[Path]) -> object:
    return [crash_on_header(file) for file in files]


def test_a_header_that_crashes_its_reader_costs_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelsgenesis.data import index
    from tests.data.formats.test_dicom import write_series

    write_series(tmp_path / "ct", "1.2.1", 4)
    (tmp_path / "ct/0.bad").write_bytes((tmp_path / "ct/1.2.1-0").read_bytes())
    monkeypatch.setattr(index, "list_series", crash_on_folder)
    monkeypatch.setattr(guarded, "_headers", crash_on_headers)
    with guarding():
        sources = index_sources([tmp_path])
    found = sorted((source.series or "", len(source.files), source.path.name) for source in sources)
    assert found == [("", 1, "0.bad"), ("1.2.1", 4, "ct")]
