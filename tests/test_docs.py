"""The documents tell the truth: their Python runs, their commands parse."""

import re
import shlex
from pathlib import Path

import pytest
import tyro

from benchmarks.api_page import page
from modelsgenesis import cli
from modelsgenesis.transforms import TRANSFORMS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RECIPES = sorted((ROOT / "configs").glob("*.yaml"))


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(document: Path) -> list[str]:
    """The lines of its code blocks, fenced or indented, that call `genesis`; in recipes those of the comments."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^(?:    |#   )?(genesis [a-z].*)$", text, re.MULTILINE)


def test_blocks_are_found() -> None:
    assert len(blocks(ROOT / "docs" / "data.md", "python")) == 3
    assert len(commands(ROOT / "docs" / "data.md")) == 7
    assert all(commands(path) for path in (ROOT / "README.md", ROOT / "configs" / "chest_ct_small.yaml"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_python_blocks_run_in_order(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TRANSFORMS, "_loaded", dict(TRANSFORMS._loaded))  # what a document registers is gone afterwards
    names: dict[str, object] = {}
    for number, block in enumerate(blocks(document, "python"), start=1):
        exec(compile(block, f"{document.name}, python block {number}", "exec"), names)


@pytest.mark.parametrize(
    "line",
    [pytest.param(line, id=f"{path.name}: {line[:40]}") for path in DOCUMENTS + RECIPES for line in commands(path)],
)
def test_commands_parse(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the command's own work, which needs data."""
    _, *arguments = shlex.split(line, comments=True)

    class ParsedError(Exception):
        pass

    parse = tyro.cli

    def parse_and_stop(*given: object, **options: object) -> object:
        parse(*given, **options)  # type: ignore[arg-type]
        raise ParsedError

    monkeypatch.setattr(tyro, "cli", parse_and_stop)
    monkeypatch.chdir(ROOT)  # recipes are named from here
    with pytest.raises(ParsedError):
        cli.COMMANDS[arguments[0]](arguments[1:])


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if "://" not in link and not link.startswith("mailto:"):
            assert (document.parent / link).exists(), link


def test_the_page_of_the_api_is_that_of_the_docstrings() -> None:
    assert (ROOT / "docs/api.md").read_text() == page(), "write it anew: python -m benchmarks.api_page"
