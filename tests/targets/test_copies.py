"""The same image under two subjects: an error where it reaches the test, a warning elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import write_csv
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.phantoms.images import write_nifti
from modelsgenesis.targets.copies import refuse_copies
from modelsgenesis.targets.prepared import ImageSettings, PreparedTarget, prepare_target
from modelsgenesis.targets.split import SplitChoice
from modelsgenesis.targets.table import read_table

SIDES = ("training", "validation", "test")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects of one image each; `a` and `b` have the same one."""
    folder = tmp_path_factory.mktemp("copies")
    for number, name in enumerate("abcdef"):
        values = np.random.default_rng(max(number, 1)).integers(-900, 900, (16, 16, 16)).astype(np.int16)
        write_nifti(values, (1.0, 1.0, 1.0), folder / f"{name}.nii.gz")
    rows = [{"path": f"{name}.nii.gz", "subject": name, "label": n % 2} for n, name in enumerate("abcdef")]
    write_csv(folder / "cases.csv", ("path", "subject", "label"), rows)
    return folder / "cases.csv"


@pytest.fixture(scope="module")
def data(table: Path) -> PreparedTarget:
    return prepare_target(read_table(table), ImageSettings(), table.parent / "cache")


@pytest.mark.parametrize("first", SIDES)
@pytest.mark.parametrize("second", SIDES)
def test_only_the_test_must_be_free_of_copies(data: PreparedTarget, table: Path, first: str, second: str) -> None:
    sides = {
        side: [name for name, own in (("a", first), ("b", second), ("c", "training")) if own == side] for side in SIDES
    }
    pair = rf"b.nii.gz \({second}\) is .*a.nii.gz \({first}\)"
    if first != second and "test" in (first, second):
        with pytest.raises(GenesisError, match=pair):
            refuse_copies(data.cases, sides, table)
    else:
        (warning,) = refuse_copies(data.cases, sides, table)
        assert warning.startswith(f"{table}: the same image under two subjects: ")
        assert f"b.nii.gz ({second}) is {table.parent}/a.nii.gz ({first})" in warning


def test_subjects_that_are_not_used_do_not_count(data: PreparedTarget, table: Path) -> None:
    assert refuse_copies(data.cases, {"training": ["b", "c"], "test": ["d"]}, table) == []


def test_a_run_on_copies_does_not_start(table: Path, tmp_path: Path) -> None:
    choice = SplitChoice(test_subjects=("a",), validation_subjects=("c",))
    config = FinetuneSettings(split=choice, cache=str(table.parent / "cache"))
    with pytest.raises(GenesisError, match=r"cases.csv: the same image is of one subject for testing .*b.nii.gz"):
        finetune("folder", table, tmp_path / "run", config)
    assert not (tmp_path / "run").exists()
