"""Paths as users write them, in every command: `..`, `~`, links, spaces, percent signs, letters of other languages."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import modelsgenesis
from modelsgenesis import cli
from modelsgenesis.benchmark.loading import load_plan
from modelsgenesis.data.index import index_sources
from modelsgenesis.places import listed, located, several
from tests.benchmark.plans import LOOP, TOY

TRAINING = "--backbone.width 2 --loop.batch-size 2 --loop.steps 2 --loop.validate-every 2 --loop.accelerator cpu"
TUNING = f"{TRAINING} --loop.patience 0 --optim.schedule cosine"
PRETRAINING = "--cubes.shape 16 16 16 --check.cubes 2 --check.cubes-alone 2 --check.probe-cubes 32"
NAME = "dïsk 100%41 [2] #3"
OUT = "~/link/../"
"""Where commands write: the folder NAME, for what follows a link and leaves it is beside the goal of the link."""
IN = "../home/link/../"
"""The same place, as seen from the working directory."""
MORE = f"--init run:{IN}genesis --config {OUT}c.yaml"
FILE = f"--init file:{IN}genesis/weights.safetensors --patch.shape 16 16 16"
FROM_FILE = "file:goal/../genesis/weights.safetensors"
COMMANDS = {  # what is written, OUT or through a link of its name; the rest of the command line
    "phantom": ("scans", "phantom ct --cases 3 --shape 24 24 20 --spacing 12 12 14"),
    "prepare": ("store", f"prepare {IN}scans/*.nii.gz {IN}scans"),
    "pretrain": ("genesis", f"pretrain {IN}store {TRAINING} {PRETRAINING}"),
    "pretrain more": (
        "more",
        f"pretrain {OUT}store {TRAINING} {PRETRAINING} {MORE}",
    ),
    "data": ("labelled", "phantom ncc --cases 4 --shape 32 32 20 --spacing 4 4 7"),
    "finetune": (
        "tuned",
        f"finetune ncc --data {IN}labelled --init run:{OUT}genesis --cache {IN}kept {TUNING} --patch.shape 16 16 16",
    ),
    "finetune more": ("tuned-more", f"finetune ncc --data {OUT}labelled {FILE} {TUNING}"),
    "predict": ("predicted", f"predict {IN}tuned {OUT}scans"),
    "report": ("report.html", f"report {IN}tuned {OUT}genesis"),
    "benchmark": ("compared", f"benchmark {IN}plan.yaml --data given={OUT}labelled --processes 1"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder NAME, with `~` and the working directory beside it."""
    world = tmp_path_factory.mktemp("world")
    real = world / NAME
    for folder in (world / "home", world / "here", real / "goal"):
        folder.mkdir(parents=True)
    (world / "home/link").symlink_to(real / "goal")
    (real / "c.yaml").write_text("seed: 1\n")
    plan: Any = {
        "data": {"given": {"target": "ncc"}},
        "stores": {"chest": {"path": "goal/../store"}},
        "inits": {"scratch": {"init": "scratch"}, "file": {"init": FROM_FILE}},
        "seeds": [0],
        "settings": TOY["settings"] | {"loop": {**LOOP, "steps": 2, "patience": 0}},
    }
    (real / "plan.yaml").write_text(yaml.safe_dump(plan))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(world / "home"))
        patch.chdir(world / "here")
        yield real


def genesis(line: str, *more: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*line.split(), *more])
    assert caught.value.code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_paths_as_they_are_written(command: str, world: Path) -> None:
    """In this order: each reads what those before it wrote. Folders are written through a link to an empty one."""
    name, line = COMMANDS[command]
    if "." not in name:
        (world / f"of {name}").mkdir()
        (world / name).symlink_to(world / f"of {name}")
    genesis(line, "--out", OUT + name)
    assert any((world / f"of {name}").iterdir()) if "." not in name else (world / name).is_file()
    assert [path.name for path in (world.parent / "home").glob("[!.]*")] == ["link"]
    assert list((world.parent / "here").iterdir()) == []


READING = [f"info {IN}store --verify", f"info {OUT}genesis", f"info {IN}genesis/weights.safetensors"]
READING += [f"info ncc --data {OUT}labelled", f"evaluate {IN}tuned {OUT}tuned-more"]


@pytest.mark.parametrize("line", READING)
@pytest.mark.usefixtures("world")
def test_what_only_reads(line: str) -> None:
    genesis(line)


def test_from_a_program(world: Path) -> None:
    store = modelsgenesis.open_store(f"{IN}store")
    assert store.read(store.scans[0]).size
    assert modelsgenesis.load(f"run:{IN}genesis").channels
    assert modelsgenesis.segmenter(f"file:{OUT}genesis/weights.safetensors", 2)
    scan = next((world / "scans").glob("*.nii.gz"))
    assert modelsgenesis.read_volume(f"{OUT}scans/{scan.name}").array.size
    assert modelsgenesis.evaluate_run(Path(f"{OUT}tuned")).rows


def test_places_of_a_plan_are_plain(world: Path) -> None:
    plan = load_plan(f"{IN}plan.yaml", {"given": f"{OUT}labelled"})
    assert plan.stores["chest"].path == str(world / "store")
    assert plan.data["given"].path == str(world / "labelled")
    assert plan.inits["file"].init == f"file:{world}/genesis/weights.safetensors"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("x", "here/x"),
        (".", "here"),
        ("..", ""),
        ("./a/../x", "here/x"),
        ("../x", "x"),
        ("../../../../../../../../../../..", "/"),
        ("~", "home"),
        ("~/x", "home/x"),
        ("~nobody-of-this-name/x", "here/~nobody-of-this-name/x"),
        ("a~b/~", "here/a~b/~"),
        ("../home/link", "home/link"),  # a link keeps its name
        ("../home/link/x", "home/link/x"),
        ("../home/link/..", NAME),  # as the system goes, not as the shell shows it
        ("../home/link/../x", f"{NAME}/x"),
        ("nowhere/../x", "here/x"),
        ("/a//b/", "/a/b"),
    ],
)
def test_spellings(written: str, meant: str, world: Path) -> None:
    assert located(written) == located(Path(written)) == world.parent / meant
    if os.path.exists(os.path.expanduser(written)):  # noqa: PTH110, PTH111 - as the system sees it
        assert os.path.samefile(os.path.expanduser(written), located(written))  # noqa: PTH111, PTH121


def test_brackets_may_be_part_of_a_name(tmp_path: Path) -> None:
    for name in ("scans[1]/a.nii", "scans1/b.nii"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert [source.path.name for source in index_sources([tmp_path / "scans[1]" / "*.nii"])] == ["a.nii"]


def test_files_that_a_list_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/b.nii", "a\\c.nii"):
        (tmp_path / name).write_text("")
    assert listed(tmp_path, "./a/b.nii") == listed(tmp_path, ".\\a\\b.nii") == tmp_path / "a" / "b.nii"
    assert listed(tmp_path, "a\\c.nii").name == "a\\c.nii", "a file of that very name goes first"
    assert (
        listed(tmp_path / "a", "..\\a\\b.nii") == listed(Path("/"), str(tmp_path / "a/b.nii")) == tmp_path / "a/b.nii"
    )


def test_one_path_is_a_list_of_one() -> None:
    assert several("runs/a") == ["runs/a"]
    assert several(Path("a")) == [Path("a")]
    assert several(("a", Path("b"))) == ["a", Path("b")]
