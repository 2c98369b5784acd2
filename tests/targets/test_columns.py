"""Columns by name, lines by number, also past names with commas, blank lines and a byte-order mark."""

from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.columns import read_columns


def test_values_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('b,a,Size[w,h],\n1, x ,3,4,\n\n,,,,\n2,"y\nz",3,4,\n', encoding="utf-8-sig")
    assert list(read_columns(path, ("a", "b"), ("split",))) == [(2, ("x", "1", "")), (6, ("y\nz", "2", ""))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,c\n1,2\n", "lacks the column b; needs a, b"),
        (b"", "lacks the column a, b"),
        (b"a,b\n", "has no rows"),
        (b"a,b\n1,2\n3\n", "line 3: no b"),
        (b"a,b\n1,\xff\n", "cannot be read as CSV"),
    ],
)
def test_mistakes(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(GenesisError) as error:
        list(read_columns(path, ("a", "b")))
    assert message in str(error.value)
    assert "table.csv" in str(error.value)
