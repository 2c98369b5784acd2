"""Habits of the sources that no linter checks."""

import ast
from pathlib import Path

import modelsgenesis

SOURCES = sorted(Path(modelsgenesis.__file__).parent.rglob("*.py"))
REPEATED = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.For, ast.While)
COLLECTIONS = ("set", "frozenset", "list", "tuple", "sorted", "dict")


def rebuilt(tree: ast.AST) -> list[int]:
    """Lines where `x in set(...)` makes its set anew for every x of a loop: minutes of silence for 100,000 scans."""
    return [
        test.lineno
        for repeated in ast.walk(tree)
        if isinstance(repeated, REPEATED)
        for test in ast.walk(repeated)
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In | ast.NotIn)
        for held in test.comparators
        if isinstance(held, ast.Call) and isinstance(held.func, ast.Name) and held.func.id in COLLECTIONS
    ]


def test_the_check_sees_what_it_is_for() -> None:
    assert rebuilt(ast.parse("[n for n in names if n not in set(others)]")) == [1]
    assert not rebuilt(ast.parse("chosen = set(others)\n[n for n in names if n in chosen]"))


def test_no_loop_makes_its_collection_anew_for_every_item() -> None:
    found = {path.name: rebuilt(ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}
