"""A side of one class is refused or told of before any scan is read."""

from pathlib import Path

import pytest

from modelsgenesis.errors import UsageError
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.targets.base import Case, Target
from modelsgenesis.targets.one_class import refuse_one_class
from modelsgenesis.targets.split import Split

SIDES = Split(("a", "b"), ("c", "d"), ("e", "f"))


def target(*labels: int | tuple[int, ...], names: tuple[str, ...] = ("benign", "malignant", "other")) -> Target:
    """A case for each of the subjects a, b, ... and further cases of f."""
    subjects = [*"abcdef", *"f" * (len(labels) - 6)]
    pairs = enumerate(zip(subjects, labels, strict=True))
    cases = [Case(str(n), subject, (Path(f"{n}.nii"),), label) for n, (subject, label) in pairs]
    task = "multilabel" if isinstance(labels[0], tuple) else "classification"
    return Target(task, dict(enumerate(names)), cases, Path("cases.csv"))  # type: ignore[arg-type]


def test_both_classes_everywhere() -> None:
    assert refuse_one_class(target(0, 1, 1, 0, 0, 1, names=("benign", "malignant")), SIDES) == []
    assert refuse_one_class(target((0, 1), (0, 0), (1, 0), (0, 0), (0, 0), (1, 1), names=("x", "y")), SIDES) == [
        "no training case has x: the network cannot learn it"
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((1, 1, 0, 1, 0, 1), r"all training cases \(2\) have the label malignant, .* raise label_fraction"),
        ((0, 1, 0, 0, 0, 1), r"all validation cases \(2\) have the label benign, .* raise split.validation"),
        (((1, 1), (1, 1), (0, 1), (1, 0), (0, 1), (0, 0)), r"training cases \(2\) have the label benign \| malignant"),
        (((1, 1), (0, 1), (0, 0), (0, 0), (0, 1), (0, 0)), r"validation cases \(2\) have no label"),
    ],
)
def test_a_side_that_cannot_be_used(labels: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        refuse_one_class(target(*labels, names=("benign", "malignant")), SIDES)


def test_test_cases_alike_are_told_of() -> None:
    warnings = refuse_one_class(target(0, 1, 1, 0, 1, 1, 1), SIDES)
    assert warnings[0].startswith("all test cases (3) have the label malignant: they have no AUC")
    assert warnings[1] == "no training case has other: the network cannot learn it"
    assert refuse_one_class(target(0, 1, 1, 0, 1, 1), Split(("a", "b"), ("c", "d"), ()))[0].startswith("no training")


def test_nothing_is_read_or_written_before(tmp_path: Path) -> None:
    sides = ["train", "train", "val", "val", "test"]
    rows = [f"{n}.nii.gz,p{n},{int(n > 2)},{side}" for n, side in enumerate(sides)]
    for number in range(len(rows)):
        (tmp_path / f"{number}.nii.gz").write_bytes(b"no scan")
    (tmp_path / "cases.csv").write_text("\n".join(["path,subject,label,split", *rows]))
    with pytest.raises(UsageError, match=r"all training cases \(2\) have the label 0"):
        finetune("folder", tmp_path, tmp_path / "runs" / "run", FinetuneSettings())
    assert not (tmp_path / "runs").exists()
