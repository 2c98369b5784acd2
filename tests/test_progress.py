"""Progress on a pipe, where lines are counted, and on a terminal, where a bar is drawn; time is made by hand."""

import io
from types import SimpleNamespace

import pytest

from modelsgenesis.progress import Progress, counted, spoken, tell


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("modelsgenesis.progress.time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_lines_on_a_pipe_come_now_and_then_and_at_the_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(100, "prepare", "scans", every=30) as progress:
        for _ in range(100):
            clock.now += 1
            progress.advance()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "prepare: 31/100 scans, 1.0 scans/s, 69 s left",
        "prepare: 62/100 scans, 1.0 scans/s, 38 s left",
        "prepare: 93/100 scans, 1.0 scans/s, 7 s left",
        "prepare: 100/100 scans, 1.0 scans/s, 0 s left",
    ]


def test_a_resumed_job_counts_its_own_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(100, "training", "cubes", start=90) as progress:
        clock.now += 2
        progress.advance(4, "loss 0.1")
        assert progress.rate == 2
    assert capsys.readouterr().err == "training: 94/100 cubes, 2.0 cubes/s, 3 s left, loss 0.1\n"


def test_the_last_note_stays(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(3, "x", "y") as progress:
        clock.now += 1
        progress.advance(note="2 rejected")
        progress.advance()
    assert capsys.readouterr().err.endswith(", 2 rejected\n")


def test_a_failing_job_still_tells_how_far_it_came(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Progress(10, "prepare", "scans") as progress:
            clock.now += 1
            progress.advance(4)
            raise ValueError

    with pytest.raises(ValueError, match="^$"):
        fail()
    assert capsys.readouterr().err.startswith("prepare: 4/10 scans")


def test_nothing_done_divides_by_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(0, "prepare", "scans"):
        clock.now += 1
    assert capsys.readouterr().err.startswith("prepare: 0/0 scans, 0.0 scans/s")


def test_a_terminal_shows_a_bar_and_messages_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(10, "prepare", "scans") as progress:
        progress.advance(5, "1 rejected")
        progress.say("step 5: fine")
        progress.advance(5)
    shown = terminal.getvalue()
    assert "10/10" in shown
    assert "scans/s" in shown
    assert "1 rejected" in shown
    assert "step 5: fine\n" in shown
    assert "s left" not in shown


def test_a_part_of_a_job_leaves_no_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(100, "validation", "cubes", part=True) as progress:
        for _ in progress.over(range(10), 10):
            clock.now += 4
    assert capsys.readouterr().err == "validation: 80/100 cubes, 2.5 cubes/s, 8 s left\n"  # more than 30 s were over
    assert list(counted("abc", "validation", "cases")) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_only_the_first_process_speaks(
    name: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, lines in (("0", 3), ("1", 0)):
        monkeypatch.setenv(name, number)
        tell("data: 5 scans")
        with Progress(10, "training", "cubes") as progress:
            clock.now += 1
            progress.say("step 5: fine")
            progress.say("")
        assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (7200, "2.0 h"), (864_000, "10.0 days")]
)
def test_times_are_spoken_in_the_unit_that_suits_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
