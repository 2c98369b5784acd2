"""Columns by name and lines by number, however people and spreadsheets save a table."""

import csv
import io
from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.tables import read_columns

ROWS = [("path", "subject", "size"), ("a/0.nii.gz", "Müller", "1.5"), ("b, c/1.nii.gz", 'the "first"', "2.25")]
"""The same content in every test of forms."""


def as_csv(separator: str = ",", **options: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, **options).writerows(ROWS)
    return out.getvalue()


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FORMS = {
    "comma": as_csv(),
    "semicolon": as_csv(";"),
    "tab": as_csv("\t"),
    "Unix lines": as_csv(lineterminator="\n"),
    "old Mac lines": as_csv(lineterminator="\r"),
    "byte-order mark": b"\xef\xbb\xbf" + as_csv().encode(),
    "Unicode text of Excel": as_csv("\t").encode("utf-16"),
    "big-endian": b"\xfe\xff" + as_csv().encode("utf-16-be"),
    "Excel names the separator": "sep=;\r\n" + as_csv(";"),
    "Excel names the tab": "sep=\t\r\n" + as_csv("\t"),
    "spaces and capitals": as_csv().replace("path,subject,size", "  Path ,SUBJECT , Size"),
    "separators at the end": as_csv(lineterminator=",,\r\n"),
    "blank lines": as_csv().replace("\r\n", "\r\n\r\n , ,\r\n;\r\n"[:10]),
    "blank lines above": "\r\n,,\r\n" + as_csv(),
    "every value quoted": as_csv().replace("path,subject,size", '"path","subject","size"').replace("1.5", '"1.5"'),
    "spaces around values": as_csv().replace("1.5", "  1.5 "),
    "no line at the end": as_csv().rstrip(),
    "decimal commas between semicolons": as_csv(";").replace("1.5", "1,5").replace("2.25", "2,25"),
    "decimal commas between tabs": as_csv("\t").replace("1.5", "1,5"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_content(tmp_path: Path, form: str) -> None:
    read = read_columns(table(tmp_path, FORMS[form]), ROWS[0], numbers=("size",))
    assert [values for _, values in read] == ROWS[1:]


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = table(tmp_path, '\nb,a,Size[w,h],\n1, x ,3,4,\n\n,,,,\n2,"y\n\nz",3,4,\n3,w\n')
    rows = [(3, ("x", "1", "")), (6, ("y\n\nz", "2", "")), (9, ("w", "3", ""))]
    assert list(read_columns(path, ("a", "b"), ("split",))) == rows


def test_an_exact_name_goes_before_a_like_one(tmp_path: Path) -> None:
    path = table(tmp_path, "Label,label,LABEL\n1,2,3\n")
    assert list(read_columns(path, ("LABEL",))) == [(2, ("3",))]
    with pytest.raises(GenesisError, match=r"the column lAbel is there twice, as 1. and 2.; keep one"):
        list(read_columns(path, ("lAbel",)))


def test_bytes_that_are_no_text_are_a_file_name_or_nobodys(tmp_path: Path) -> None:
    path = table(tmp_path, b"path,subject,physician\nm\xfcller.nii.gz,p1,M\xfcller\n")
    assert list(read_columns(path, ("path", "subject"))) == [(2, ("m\udcfcller.nii.gz", "p1"))]
    with pytest.raises(GenesisError, match=r"line 2: physician 'Müller' is not UTF-8; save the table as CSV in UTF-8"):
        list(read_columns(path, ("path", "physician")))


def test_empty_values_only_where_they_may_be(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\na,\n")
    assert list(read_columns(path, ("path", "label"), blank=("label",))) == [(2, ("a", ""))]
    assert list(read_columns(path, ("path",), ("label",))) == [(2, ("a", ""))]
    assert list(read_columns(table(tmp_path, "path\n"), ("path",), may_be_empty=True)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,c\n1,2\n", "lacks the column b; needs a, b, has a, c (separated by commas)"),
        ("a;c\n1;2\n", "has a, c (separated by semicolons)"),
        ("a|b\n1|2\n", "has a|b (one column; separate them by commas)"),
        ("", "is empty; needs the columns a, b"),
        ("\n , ,\n", "is empty"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3\n", "line 3: no b"),
        ("a,b\n\n,\n1,2\n,3\n", "line 5: no a"),
        ("a,b\n1,\xff\n".encode("latin-1"), "line 2: b 'ÿ' is not UTF-8"),
        ("a,b\nx, y,1\n", "line 2: 3 values for 2 columns ('x, y,1'); put quotes around values that hold commas"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: cannot be read as CSV"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "cannot be read as CSV"),
    ],
)
def test_mistakes(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = table(tmp_path, content)
    with pytest.raises(GenesisError) as error:
        list(read_columns(path, ("a", "b")))
    assert message in str(error.value)
    assert "table.csv" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\nx\n", "line 2: a 'x' must be a number; correct the line"),
        ("a\nnan\n", "a 'nan' must be a number"),
        ('a,b\n"1,5",2\n', "a '1,5' must be a number (a decimal comma needs semicolons or tabs between the columns)"),
        ("a;b\n1.234,5;2\n", "a '1.234,5' must be a number"),
    ],
)
def test_what_is_no_number(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(GenesisError) as error:
        list(read_columns(table(tmp_path, content), ("a",), numbers=("a",)))
    assert message in str(error.value)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"none.csv: cannot be read \(No such file or directory\)"):
        list(read_columns(tmp_path / "none.csv", ("a",)))
