"""The command line: exit codes, one-line errors, help that is quick and shows an example."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tyro
from PIL import Image

from modelsgenesis import cli
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.phantoms.chest import write_unlabelled

Captured = pytest.CaptureFixture[str]


def genesis(*arguments: object) -> int:
    """The exit code of `genesis ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    code = caught.value.code
    return code if isinstance(code, int) else int(code is not None)


def only_line(captured: Captured) -> str:
    """The error printed: exactly one line."""
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_overview_imports_nothing_heavy() -> None:
    code = """
import sys
from modelsgenesis.cli import main
try:
    main(["--help"])
except SystemExit as stop:
    assert stop.code == 0, stop.code
heavy = {"torch", "numpy", "tyro", "monai", "numba", "SimpleITK", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in cli.COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["--debug", "--help"]])
def test_overview(arguments: list[str], capsys: Captured) -> None:
    assert genesis(*arguments) == 0
    assert "usage: genesis COMMAND" in capsys.readouterr().out


def test_version(capsys: Captured) -> None:
    assert genesis("--version") == 0
    assert re.fullmatch(r"genesis \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_of_every_command_shows_an_example(command: str, capsys: Captured) -> None:
    assert genesis(command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"Example: genesis {command}" in shown
    assert f"usage: genesis {command}" in shown
    undescribed = re.findall(r"^│ (--\S+|\S+) .*?  \((?:required|default)", shown, re.MULTILINE)
    assert not undescribed


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_example_of_every_command_parses(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags in the help exist: parsing comes as far as the command's own work."""
    example = re.search(rf"Example: genesis {command}(.*)", cli.COMMANDS[command].__doc__ or "")
    assert example

    class ParsedError(Exception):
        pass

    parse = tyro.cli

    def parse_and_stop(*arguments: object, **options: object) -> object:
        parse(*arguments, **options)  # type: ignore[arg-type]
        raise ParsedError

    monkeypatch.setattr(tyro, "cli", parse_and_stop)
    with pytest.raises(ParsedError):
        cli.COMMANDS[command](example.group(1).split())


def test_an_unknown_command_is_wrong_use(capsys: Captured) -> None:
    assert genesis("pretrian", "store") == 2
    assert only_line(capsys).startswith(
        "genesis: error: unknown command 'pretrian'; did you mean 'pretrain'? valid: demo, prepare, pretrain"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "scans", "--out", "store", "--windo", "0", "1"),
        ("prepare", "scans", "--out", "store", "--spacing", "one", "1", "1"),
        ("prepare", "scans", "--out", "store", "--modality", "pet"),
        ("prepare", "scans"),
        ("pretrain", "store", "--out", "run", "--loop.step", "5"),
        ("info", "--jsn"),
    ],
)
def test_a_wrong_flag_is_wrong_use(arguments: tuple[str, ...], capsys: Captured) -> None:
    assert genesis(*arguments) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err + printed.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("pretrain", "{}/store", "--out", "{}/run"), 1, r"store: is not a prepared store .*genesis prepare"),
        (("info", "{}/store"), 2, r"store: no such file or folder, and no target task"),
        (("prepare", "{}/scans", "--out", "{}/store"), 2, r"scans: no such file or folder"),
        (("prepare", "--out", "{}/store"), 2, r"prepare: name at least one"),
        (("predict", "{}/run", "{}/scans", "--out", "{}/out"), 1, r"run: has no weights\.safetensors"),
        (("predict", "{}/run", "--out", "{}/out"), 2, r"predict: name at least one"),
        (("evaluate", "{}/run"), 1, r"run"),
        (("evaluate",), 2, r"name at least one run"),
        (("finetune", "folder", "--data", "{}/data", "--out", "{}/run"), 1, r"data: no such file .*dataset\.json"),
        (("finetune", "lung", "--data", "{}/data", "--out", "{}/run"), 2, r"unknown target 'lung'; valid: bms, cubs"),
        (("pretrain", "{}/store", "--out", "{}/run", "--config", "{}/x.yaml"), 2, r"x\.yaml: cannot be read"),
        (("pretrain", "{}/store", "--out", "{}/run", "--preset", "best"), 2, r"unknown preset 'best'; valid: default"),
    ],
)
def test_what_is_missing_is_one_line(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, capsys: Captured
) -> None:
    assert genesis(*(argument.format(tmp_path) for argument in arguments)) == code
    line = only_line(capsys)
    assert re.match(r"genesis: error: (?!unexpected)", line)
    assert re.search(message, line)


def test_debug_adds_the_traceback(tmp_path: Path, capsys: Captured) -> None:
    assert genesis("info", tmp_path, "--debug") == 1
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert printed.splitlines()[-1].startswith("genesis: error: ")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (GenesisError("x: broken; mend it"), 1, "genesis: error: x: broken; mend it"),
        (UsageError("x: wrong; do y"), 2, "genesis: error: x: wrong; do y"),
        (ZeroDivisionError("a bug"), 1, "genesis: error: unexpected ZeroDivisionError: a bug (--debug shows where"),
        (KeyboardInterrupt(), 130, "genesis: interrupted"),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "info", fail)
    assert genesis("info") == code
    assert only_line(capsys).startswith(message)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantoms, and a file that is no scan, as they come."""
    folder = tmp_path_factory.mktemp("cli")
    write_unlabelled(folder / "scans", 2, 0, (24, 24, 20))
    (folder / "scans" / "torn.nii.gz").write_bytes((folder / "scans" / "unlabelled_0000.nii.gz").read_bytes()[:500])
    return folder


def test_prepare_then_info(prepared: Path, capsys: Captured) -> None:
    scans, store = prepared / "scans", prepared / "store"
    assert genesis("prepare", scans, "--out", store, "--workers", "1") == 0
    printed = capsys.readouterr().out
    assert "2 scans stored, 0 there already, 1 rejected of 3 found" in printed
    assert "rejected 1 x" in printed
    assert str(store / "rejected.csv") in printed
    assert genesis("prepare", f"{scans}/unlabelled_*.nii.gz", "--out", store, "--workers", "1") == 0
    assert "0 scans stored, 2 there already, 0 rejected of 2 found" in capsys.readouterr().out

    assert genesis("info", store) == 0
    assert re.search(r"^scans +2$", capsys.readouterr().out, re.MULTILINE)
    assert genesis("info", store, "--json", "--verify") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["scans"], facts["subjects"], facts["modality"]) == (2, 2, {"ct": 2})
    assert facts["shape"]["median"] == [24, 24, 20]
    assert facts["verified"]


def test_info_finds_damage(prepared: Path, capsys: Captured) -> None:
    store = prepared / "damaged"
    assert genesis("prepare", prepared / "scans" / "unlabelled_0000.nii.gz", "--out", store, "--workers", "1") == 0
    chunk = max((path for path in (store / "scans").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(bytes(content))
    capsys.readouterr()
    assert genesis("info", store, "--verify") == 1
    assert "1 of 1 scans are damaged" in only_line(capsys)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "weights").glob("*.safetensors")), ids=lambda path: path.stem
)
def test_info_describes_the_weights_that_come_with_it(path: Path, tmp_path: Path, capsys: Captured) -> None:
    assert genesis("info", path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    told = next(line for line in (path.parent / "README.md").read_text().splitlines() if path.name in line)
    assert f"({facts['parameters']:,} parameters" in told
    assert facts["backbone"]["width"] == int(re.search(r"width (\d+)", told)[1])  # type: ignore[index]
    assert genesis("info", path) == 0
    assert re.search(r"^backbone +name unet", capsys.readouterr().out, re.MULTILINE)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(path.read_bytes()[:1000])
    assert genesis("info", torn) == 1
    assert "torn.safetensors: is damaged" in only_line(capsys)


def test_info_describes_the_installation(capsys: Captured) -> None:
    assert genesis("info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"torch", "numpy", "python"} <= facts["versions"].keys()
    assert "pretrain" in facts["commands"]


def test_a_config_file_comes_before_flags(tmp_path: Path, capsys: Captured) -> None:
    config = tmp_path / "x.yaml"
    config.write_text("loop: {steps: 123}\nseed: 9\n")
    assert genesis("pretrain", "--config", config, "--seed", "4", "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert re.search(r"--loop\.steps INT [^-]*\(default: 123\)", shown)
    assert re.search(r"--seed INT [^-]*\(default: 9\)", shown)


def test_every_error_of_a_config_file_at_once(tmp_path: Path, capsys: Captured) -> None:
    config = tmp_path / "x.yaml"
    config.write_text("loop: {stepz: 5, batch_size: many}\nsede: 1\n")
    assert genesis("pretrain", tmp_path, "--out", tmp_path / "run", "--config", config) == 2
    line = only_line(capsys)
    for part in ("loop.stepz: no such setting, did you mean steps?", "loop.batch_size", "did you mean seed?"):
        assert part in line


@pytest.mark.parametrize(
    "arguments",
    [("info", "{}"), ("predict", "run", "{}", "--out", "o"), ("finetune", "folder", "--data", "{}", "--out", "o")],
)
def test_what_the_system_refuses_is_one_short_line(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    code = genesis(*(argument.format("x" * 3000) for argument in arguments))
    said = capsys.readouterr().err
    assert code in (1, 2)
    assert "unexpected" not in said
    assert len(said.strip().splitlines()[-1]) < 500


def test_a_file_that_the_system_refuses_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fail(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/scan.nii")

    monkeypatch.setitem(cli.COMMANDS, "info", fail)
    assert genesis("info") == 1
    assert capsys.readouterr().err.startswith("genesis: error: /data/scan.nii: Permission denied; check the path")


def test_info_of_a_scan_and_of_what_is_neither_scan_nor_weights(tmp_path: Path, capsys: Captured) -> None:
    nibabel.save(  # type: ignore[no-untyped-call, attr-defined]
        nibabel.Nifti1Image(np.zeros((5, 6, 7), np.int16), np.diag([1.0, 2.0, 3.0, 1.0])),  # type: ignore[no-untyped-call]
        tmp_path / "a.nii.gz",
    )
    assert genesis("info", tmp_path / "a.nii.gz", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["voxels"], found["spacing"]) == ([5, 6, 7], [1.0, 2.0, 3.0])
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "a.png")
    assert genesis("info", tmp_path / "a.png", "--json") == 0
    assert "spacing" not in json.loads(capsys.readouterr().out)  # the file tells none
    (tmp_path / "a.json").write_text("{}")
    assert genesis("info", tmp_path / "a.json") == 2
    assert "a.json: neither a scan nor weights" in capsys.readouterr().err
