"""Classification from a table: classes, several labels a case, given sides, and mistakes with file and line."""

from pathlib import Path

import pytest

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.targets.base import Target
from modelsgenesis.targets.folder import read_folder


def read(folder: Path, *lines: str, header: str = "path,subject,label", images: int = 6) -> Target:
    for number in range(images):
        (folder / f"{number}.nii.gz").write_bytes(b"")
    (folder / "cases.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return read_folder(folder, {})


def test_classes_are_ordered_by_number_or_name(tmp_path: Path) -> None:
    target = read(tmp_path, "0.nii.gz,a,10", "1.nii.gz,b,2", "2.nii.gz,b,10")
    assert target.task == "classification"
    assert target.labels == {0: "2", 1: "10"}
    assert [case.label for case in target.cases] == [1, 0, 1]
    assert [case.subject for case in target.cases] == ["a", "b", "b"]
    assert target.cases[0].images == (tmp_path / "0.nii.gz",)
    assert read(tmp_path, "0.nii.gz,a,malignant", "1.nii.gz,b,benign").labels == {0: "benign", 1: "malignant"}


def test_table_by_its_own_path(tmp_path: Path) -> None:
    read(tmp_path, "0.nii.gz,a,1", "1.nii.gz,b,0")
    table = (tmp_path / "cases.csv").rename(tmp_path / "other.csv")
    assert [case.id for case in read_folder(table, {}).cases] == ["0", "1"]


def test_several_labels_a_case(tmp_path: Path) -> None:
    target = read(tmp_path, "0.nii.gz,a,Mass|Effusion", "1.nii.gz,b,", "2.nii.gz,c,Mass")
    assert target.task == "multilabel"
    assert target.labels == {0: "Effusion", 1: "Mass"}
    assert [case.label for case in target.cases] == [(1, 1), (0, 0), (0, 1)]


def test_sides_of_the_table(tmp_path: Path) -> None:
    rows = ("0.nii.gz,a,0,train", "1.nii.gz,b,1,val", "2.nii.gz,c,0,test", "3.nii.gz,a,1,train")
    target = read(tmp_path, *rows, header="path,subject,label,split")
    assert target.sides == {"a": "training", "b": "validation", "c": "test"}


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        (
            "path,label",
            ["0.nii.gz,1"],
            r"cases.csv: lacks the column subject; needs path, subject, label",
        ),
        ("path,subject,label", ["0.nii.gz,,1"], r"cases.csv, line 2: no subject"),
        ("path,subject,label", ["0.nii.gz,a,1", "x.nii.gz,b,0"], r"cases.csv, line 3: .*x.nii.gz: no such file"),
        ("path,subject,label", ["0.nii.gz,a,1", "1.nii.gz,b,1"], "all cases have the label 1"),
        ("path,subject,label", ["0.nii.gz,a,1", "./0.nii.gz,b,0"], "case 0 is there 2 times"),
        ("path,subject,label,split", ["0.nii.gz,a,1,train", "1.nii.gz,b,0,dev"], r"line 3: split 'dev' is unknown"),
        (
            "path,subject,label,split",
            ["0.nii.gz,a,1,train", "1.nii.gz,a,0,test"],
            r"cases.csv, line 3: subject a is in training and in test",
        ),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, header: str, lines: list[str], message: str) -> None:
    with pytest.raises(GenesisError, match=message):
        read(tmp_path, *lines, header=header)


def test_label_values_are_not_for_tables(tmp_path: Path) -> None:
    read(tmp_path, "0.nii.gz,a,1", "1.nii.gz,b,0")
    with pytest.raises(UsageError, match="labels: selects values of label maps"):
        read_folder(tmp_path, {"x": [1]})
