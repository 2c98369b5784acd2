"""The page of the Python API from its docstrings: `python -m benchmarks.api_page` writes docs/api.md."""

import ast
import inspect
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import modelsgenesis
from modelsgenesis.files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
BEGINNING = """# Python API

Every public name, made from its docstring by `python -m benchmarks.api_page`. How they go together, in code that runs:
[python.md](python.md).
"""
WIDTH = 120
_LISTS = ("Args:", "Attributes:", "Returns:", "Raises:")


def page() -> str:
    """The page as Markdown."""
    return "\n".join([BEGINNING, *(_entry(name) for name in sorted(modelsgenesis.__all__, key=str.lower))])


def _entry(name: str) -> str:
    thing = getattr(modelsgenesis, name)
    kind = "class" if inspect.isclass(thing) else "function"
    lines = [f"## `{name}`", "", f"*{kind} of `{thing.__module__}`*", ""]
    return "\n".join(
        [*lines, "```text", _signature(name, thing), "```", "", _markdown(inspect.getdoc(thing) or ""), ""]
    )


def _signature(name: str, thing: Any) -> str:
    """As the source writes it."""
    (source,) = ast.parse(inspect.getsource(thing)).body
    if isinstance(source, ast.ClassDef):
        fields = [ast.unparse(line) for line in source.body if isinstance(line, ast.AnnAssign)]
        return _folded(name, fields, "")
    assert isinstance(source, ast.FunctionDef)
    given = ast.unparse(source.args)
    arguments = re.split(r", (?=\w+:|\*)", given) if given else []
    return _folded(name, arguments, f" -> {ast.unparse(source.returns) if source.returns else 'None'}")


def _folded(name: str, arguments: Sequence[str], returns: str) -> str:
    line = f"{name}({', '.join(arguments)}){returns}"
    return line if len(line) < 100 else f"{name}(\n    " + ",\n    ".join(arguments) + f"\n){returns}"


def _markdown(text: str) -> str:
    """Sections of a docstring as lists; a line that goes on joins the one before it."""
    shown: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip() in _LISTS:
            inside = True
            shown += [f"**{line.strip()[:-1]}**", ""]
        elif not line.startswith("    "):
            inside = inside and not line
            shown.append(line)
        elif inside and re.match(r"    \w+: ", line):
            name, rest = line.strip().split(": ", 1)
            shown.append(f"- `{name}`: {rest}")
        elif inside and shown[-1]:
            shown[-1] += f" {line.strip()}"
        else:
            shown.append(line.strip() if inside else line)
    lines = [part for line in shown for part in (_wrapped(line) if len(line) > WIDTH else [line])]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="  " if line.startswith("- ") else "", break_on_hyphens=False)


if __name__ == "__main__":
    write_text(PAGE, page())
