"""Prepare under kill, Ctrl-C, a full disk, crashing and hanging readers."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import modelsgenesis.data.prepare as prepare_module
from modelsgenesis.data.job import process
from modelsgenesis.data.prepare import PrepareSettings, prepare
from modelsgenesis.data.store import open_store
from tests.data.test_prepare import content, rejected, save

SCANS = 150
"""Enough that the signal comes before the last of them, however late a busy machine sends it."""
SCRIPT = textwrap.dedent(
    """
    import sys
    from modelsgenesis.data.prepare import PrepareSettings, prepare
    if __name__ == "__main__":
        prepare([sys.argv[1]], sys.argv[2], PrepareSettings(), workers=2)
    """
)


def start(tmp_path: Path, store: str) -> "subprocess.Popen[bytes]":
    (tmp_path / "run.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "in"), str(tmp_path / store)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def wait_for_scans(store: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    manifest = store / "manifest.jsonl"
    while not manifest.exists() or manifest.read_text().count("\n") < count:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_to_the_same_store(tmp_path: Path, end: signal.Signals) -> None:
    for n in range(SCANS):
        save(tmp_path / f"in/{n:02d}.nii.gz", n, (40, 40, 24))
    (tmp_path / "in/bad.nii.gz").write_bytes((tmp_path / "in/00.nii.gz").read_bytes()[:-100])
    process = start(tmp_path, "store")
    wait_for_scans(tmp_path / "store", 3, process)
    os.kill(process.pid, end)  # only the parent: its workers must not outlive it
    assert process.wait(timeout=30) != 0
    done = (tmp_path / "store/manifest.jsonl").read_text().count("\n")
    assert 3 <= done < SCANS
    summary = prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    assert done <= summary.unchanged
    assert summary.unchanged + summary.stored == SCANS
    prepare([tmp_path / "in"], tmp_path / "whole", workers=1)
    assert content(tmp_path / "store") == content(tmp_path / "whole")
    assert rejected(tmp_path / "store") == rejected(tmp_path / "whole")


def test_a_full_disk_stops_with_what_was_stored(tmp_path: Path) -> None:
    """A limit on the size of a file stands for the full disk: small scans fit, the large one does not."""
    for n in range(3):
        save(tmp_path / f"in/{n}.nii", n)
    save(tmp_path / "in/9.nii", 9, (120, 100, 80))
    (tmp_path / "run.py").write_text(SCRIPT)
    command = f"ulimit -f 400; exec {sys.executable} {tmp_path}/run.py {tmp_path}/in {tmp_path}/store"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "could not be written" in done.stderr.splitlines()[-1]
    assert "GenesisError" in done.stderr
    store = open_store(tmp_path / "store")
    assert {scan.id for scan in store.scans} <= {"0", "1", "2"}
    assert store.verify() == []
    summary = prepare([tmp_path / "in"], tmp_path / "store", workers=1)
    assert (summary.unchanged, summary.stored) == (len(store), 4 - len(store))


def process_with_crashes(job: object) -> object:
    """A reader that crashes on one file always, on another the first time only, and never returns from a third."""
    source = job.source.path  # type: ignore[attr-defined]
    if source.name == "crash.nii":
        os.kill(os.getpid(), signal.SIGSEGV)
    if source.name == "once.nii" and not source.with_suffix(".seen").exists():
        source.with_suffix(".seen").touch()
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory is short
    if source.name == "hang.nii":
        time.sleep(600)
    return process(job)  # type: ignore[arg-type]


def test_crashes_and_hangs_are_listed_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n, name in enumerate(("a", "crash", "hang", "once", "z")):
        save(tmp_path / f"in/{name}.nii", n)
    monkeypatch.setattr(prepare_module, "process", process_with_crashes)
    summary = prepare([tmp_path / "in"], tmp_path / "store", PrepareSettings(seconds=5.0), workers=2)
    assert summary.stored == 3
    assert [scan.id for scan in open_store(tmp_path / "store").scans] == ["a", "once", "z"]
    assert rejected(tmp_path / "store") == {
        "crash.nii": "the reader crashed (SIGSEGV)",
        "hang.nii": "took longer than 5 seconds",
    }
