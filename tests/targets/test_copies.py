"""The same image under two subjects: an error where it reaches the test, a warning elsewhere."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from modelsgenesis.errors import GenesisError
from modelsgenesis.files import write_csv
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.targets.base import Case, Target
from modelsgenesis.targets.copies import refuse_copies
from modelsgenesis.targets.prepared import ImageSettings, PreparedCase, PreparedTarget, prepare_target
from modelsgenesis.targets.split import SplitChoice
from modelsgenesis.targets.table import read_table

SIDES = ("training", "validation", "test")


def scan(number: int) -> np.ndarray:
    values = np.random.default_rng(number).integers(-900, 900, (16, 18, 20)).astype(np.int16)
    values[0, 0, 0] = -1000
    return values


def save(values: np.ndarray, path: Path) -> Path:
    image = nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects of one image each; `b` has that of `a`, saved as MHD of float32."""
    folder = tmp_path_factory.mktemp("copies")
    for number, name in enumerate("acdef"):
        save(scan(number), folder / f"{name}.nii.gz")
    sitk.WriteImage(sitk.Cast(sitk.ReadImage(str(folder / "a.nii.gz")), sitk.sitkFloat32), str(folder / "b.mhd"))
    paths = [folder / f"{name}.{'mhd' if name == 'b' else 'nii.gz'}" for name in "abcdef"]
    rows = [{"path": path.name, "subject": path.name[0], "label": n % 2} for n, path in enumerate(paths)]
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
    if first != second and "test" in (first, second):
        tested, other = ("a", "b") if first == "test" else ("b", "a")
        pair = rf"/{tested}\.\w+(\.gz)? \(test\) is .*/{other}\.\w+(\.gz)? \((training|validation)\); remove one"
        with pytest.raises(GenesisError, match=pair):
            refuse_copies(data.cases, sides, table)
    else:
        (warning,) = refuse_copies(data.cases, sides, table)
        assert warning.startswith(f"{table}: the same image under two subjects: ")
        assert f"b.mhd ({second}) is {table.parent}/a.nii.gz ({first})" in warning


def test_subjects_that_are_not_used_do_not_count(data: PreparedTarget, table: Path) -> None:
    assert refuse_copies(data.cases, {"training": ["b", "c"], "test": ["d"]}, table) == []


def test_a_run_on_copies_does_not_start(table: Path, tmp_path: Path) -> None:
    choice = SplitChoice(test_subjects=("a",), validation_subjects=("c", "d"))
    config = FinetuneSettings(split=choice, cache=str(table.parent / "cache"))
    with pytest.raises(GenesisError, match=r"cases.csv: the same image is of one subject for testing .*b.mhd"):
        finetune("folder", table, tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def test_an_image_of_many_subjects_is_told_in_as_many_lines(data: PreparedTarget, table: Path) -> None:
    """All pairs of 2000 subjects would be two million lines."""
    one = data.cases[0]
    cases = [replace(one, case=replace(one.case, id=f"{n}", subject=f"{n}")) for n in range(2000)]
    sides = {"training": [f"{n}" for n in range(1000)], "test": [f"{n}" for n in range(1000, 2000)]}
    with pytest.raises(GenesisError, match=r"; .* and 1989 more; remove one"):
        refuse_copies(cases, sides, table)


def channels(data: PreparedTarget, subjects: str) -> PreparedCase:
    """A case whose channels are the images of `subjects`, of a subject called after them all."""
    of = {case.case.subject: case for case in data.cases}
    images = tuple(of[subject].images[0] for subject in subjects)
    return replace(of[subjects[0]], case=replace(of[subjects[0]].case, subject=subjects), images=images)


@pytest.mark.parametrize("subjects", ["bef", "ebf", "efb"])
def test_every_channel_counts(subjects: str, data: PreparedTarget, table: Path) -> None:
    """The last channel of one patient is one of another's."""
    cases = [channels(data, "cda"), channels(data, subjects)]
    with pytest.raises(GenesisError, match=r"/b.mhd \(test\) is .*/a.nii.gz \(training\); remove one"):
        refuse_copies(cases, {"training": ["cda"], "test": [subjects]}, table)
    apart = [channels(data, "cd"), channels(data, "ef")]
    assert refuse_copies(apart, {"training": ["cd"], "test": ["ef"]}, table) == []


def test_channels_that_two_subjects_share_are_one_line(data: PreparedTarget, table: Path) -> None:
    cases = [channels(data, "acd"), channels(data, "bcd")]
    (warning,) = refuse_copies(cases, {"training": ["acd"], "validation": ["bcd"]}, table)
    assert warning.endswith("/b.mhd (validation) is " + f"{table.parent}/a.nii.gz (training)")


def test_window_and_spacing_of_the_images_do_not_matter(tmp_path: Path) -> None:
    """Clipped to one window, other images may look the same: what counts are the voxels as they were read."""
    below = scan(1).copy()
    below[0, 0, 0] -= 1  # both are far under the window
    images = {"a": scan(1), "b": scan(1).astype(np.float32), "c": below}
    files = {name: save(values, tmp_path / f"{name}.nii.gz") for name, values in images.items()}
    cases = [Case(name, name, (path,), number % 2) for number, (name, path) in enumerate(files.items())]
    target = Target("classification", {0: "no", 1: "yes"}, cases, tmp_path)
    config = ImageSettings(window=(0.0, 100.0), spacing=(2.0, 2.0, 2.0))
    data = prepare_target(target, config, tmp_path / "cache")
    (warning,) = refuse_copies(data.cases, {"training": ["a", "b", "c"]}, tmp_path)
    assert warning.count(" is ") == 1
    assert "/b.nii.gz (training) is " in warning
