"""`genesis predict`: maps lie on the grid of their source, whatever way it is turned; bad scans do not stop it."""

import csv
import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from nibabel.orientations import apply_orientation

from modelsgenesis.config import to_dict
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.weights import save_weights
from modelsgenesis.prediction import predictor as module
from modelsgenesis.prediction.scans import predict
from modelsgenesis.run import Run
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.training.inference import InferenceSettings, Recipe

SHAPE = (20, 17, 14)


def save_run(path: Path, task: str = "segmentation", images: ImageSettings | None = None, channels: int = 1) -> Path:
    """A run folder with a random toy network."""
    recipe = Recipe(
        task=task,
        labels={"1": "bright"} if task == "segmentation" else {"0": "no", "1": "yes"},
        truth_map={"1": (1,)},
        backbone=BackboneSettings(width=2, norm="group", input_channels=channels),
        images=images or ImageSettings(),
        patch=PatchSettings((16, 16, 16)),
        inference=InferenceSettings(),
    )
    torch.manual_seed(0)
    save_weights(Run(path).weights, recipe.network(), {"command": "finetune", **to_dict(recipe)})
    return path


def write_scan(
    path: Path, order: tuple[int, ...] = (0, 1, 2), flips: tuple[int, ...] = (1, 1, 1), tilt: float = 0
) -> Any:
    """A scan with the axes in another order, turned round, and tilted; its array as in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y, z = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    array = np.where(((x - 8) / 6) ** 2 + ((y - 7) / 5) ** 2 + ((z - 5) / 4) ** 2 < 1, 700, -700).astype(np.int16)
    turned = apply_orientation(array, np.stack([np.argsort(order), np.array(flips)[list(np.argsort(order))]], 1))
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(order)] * np.array(flips) * np.array([1.0, 1.5, 2.0])
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = (10, -20, 30)
    nibabel.save(nibabel.Nifti1Image(turned, affine), path)  # type: ignore[no-untyped-call, attr-defined]
    return turned


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that finds what is above the middle of the window."""

    def slabs(network: Any, image: Any, *_: Any) -> Iterator[torch.Tensor]:  # noqa: ARG001 - as the real one
        yield from torch.from_numpy(np.stack([0.5 - image[0], image[0] - 0.5]) * 50).split(5, -1)

    monkeypatch.setattr(module, "slabs", slabs)


@pytest.mark.usefixtures("bright")
@pytest.mark.parametrize(("order", "tilt"), [*((order, 0.0) for order in permutations(range(3))), ((1, 0, 2), 0.3)])
def test_maps_overlay_their_source(tmp_path: Path, order: tuple[int, ...], tilt: float) -> None:
    source = tmp_path / "scan.nii.gz"
    array = write_scan(source, order, (-1, 1, -1), tilt)
    predict(str(save_run(tmp_path / "run")), str(source), str(tmp_path / "out"))  # paths as letters, one alone
    for name in ("scan.nii.gz", "scan_prob1.nii.gz"):
        found = nibabel.load(tmp_path / "out" / name)  # type: ignore[attr-defined]
        np.testing.assert_allclose(found.affine, nibabel.load(source).affine, atol=1e-5)  # type: ignore[attr-defined]
        assert found.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(np.asarray(found.dataobj) > (0.5 if "prob" in name else 0), array > 0)


@pytest.mark.usefixtures("bright")
def test_resampled_maps_come_back_to_the_source(tmp_path: Path) -> None:
    source = tmp_path / "scan.nii.gz"
    array = write_scan(source, (2, 0, 1), (1, -1, 1))
    run = save_run(tmp_path / "run", images=ImageSettings(spacing=(2.0, 2.0, 2.0)))
    predict(run, [source], tmp_path / "out")
    found = np.asarray(nibabel.load(tmp_path / "out/scan.nii.gz").dataobj)  # type: ignore[attr-defined]
    assert found.shape == array.shape
    assert 2 * (found.astype(bool) & (array > 0)).sum() / ((found > 0).sum() + (array > 0).sum()) > 0.9


def test_bad_scans_are_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_scan(tmp_path / "scans/good.nii.gz")
    (tmp_path / "scans/torn.nii.gz").write_bytes((tmp_path / "scans/good.nii.gz").read_bytes()[:200])
    summary = predict(save_run(tmp_path / "run"), [tmp_path / "scans"], tmp_path / "out")
    assert (summary.predicted, summary.rejected) == (1, 1)
    with (tmp_path / "out/rejected.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [Path(row["path"]).name for row in rows] == ["torn.nii.gz"]
    assert rows[0]["reason"]
    cases = json.loads((tmp_path / "out/cases.json").read_text())
    assert cases["labels"] == {"1": "bright"}
    expected = {"case": "good", "subject": "good", "prediction": "good.nii.gz", "truth": None}
    assert cases["cases"] == [{**expected, "probabilities": {"1": "good_prob1.nii.gz"}}]
    with pytest.raises(GenesisError, match=r"torn.nii.gz: .*none of 1 cases could be used"):
        predict(tmp_path / "run", [tmp_path / "scans/torn.nii.gz"], tmp_path / "out2")


def test_classes_of_scans(tmp_path: Path) -> None:
    write_scan(tmp_path / "a.nii.gz")
    write_scan(tmp_path / "b.nii.gz", flips=(-1, 1, 1))
    predict(save_run(tmp_path / "run", "classification"), [tmp_path / "*.nii.gz"], tmp_path / "out")
    with (tmp_path / "out/probabilities.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["case"] for row in rows] == ["a", "b"]
    assert all(float(row["p(no)"]) + float(row["p(yes)"]) == pytest.approx(1) for row in rows)
    cases = json.loads((tmp_path / "out/cases.json").read_text())
    assert cases["task"] == "classification"
    assert cases["cases"][0]["probabilities"] == [float(rows[0]["p(no)"]), float(rows[0]["p(yes)"])]


def test_channels_of_a_case_are_put_together(tmp_path: Path) -> None:
    for name in ("a_0000", "a_0001", "b_0000"):
        write_scan(tmp_path / f"scans/{name}.nii.gz")
    run = save_run(tmp_path / "run", channels=2)
    summary = predict(run, [tmp_path / "scans"], tmp_path / "out")
    assert (summary.predicted, summary.rejected) == (1, 1)
    assert (tmp_path / "out/a.nii.gz").is_file()
    assert "1 images of one case, not 2" in (tmp_path / "out/rejected.csv").read_text()


def test_what_is_no_fine_tuning_run(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match=r"has no weights.safetensors; is it a finished run"):
        predict(tmp_path, [tmp_path], tmp_path / "out")
    save_weights(Run(tmp_path).weights, torch.nn.Linear(2, 2), {"command": "pretrain"})
    with pytest.raises(GenesisError, match="not the weights of a fine-tuning run"):
        predict(tmp_path, [tmp_path], tmp_path / "out")


def test_one_file_of_all_channels(tmp_path: Path) -> None:
    """Names of four digits are not channels where a file holds them all."""
    rng = np.random.default_rng(0)
    for case in ("0001", "0002"):
        channels = rng.integers(-900, 900, (*SHAPE, 2)).astype(np.int16)
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir(exist_ok=True)
        affine = np.diag([-1.0, -1.5, 2.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(channels, affine), tmp_path / f"one/BRATS_{case}.nii.gz")  # type: ignore[attr-defined, no-untyped-call]
        for number in range(2):
            part = nibabel.Nifti1Image(channels[..., number], affine)  # type: ignore[no-untyped-call]
            nibabel.save(part, tmp_path / f"two/{case}_{number:04d}.nii.gz")  # type: ignore[attr-defined]
    run = save_run(tmp_path / "run", channels=2)
    assert predict(run, [tmp_path / "one"], tmp_path / "a").predicted == 2
    assert predict(run, [tmp_path / "two"], tmp_path / "b").predicted == 2
    for case in ("0001", "0002"):
        found = nibabel.load(tmp_path / f"a/BRATS_{case}_prob1.nii.gz").get_fdata()  # type: ignore[attr-defined]
        expected = nibabel.load(tmp_path / f"b/{case}_prob1.nii.gz").get_fdata()  # type: ignore[attr-defined]
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(GenesisError, match="2 images of one case, not 3"):
        predict(save_run(tmp_path / "other", channels=3), [tmp_path / "one"], tmp_path / "c")


@pytest.mark.usefixtures("bright")
@pytest.mark.parametrize(("scans", "out"), [("in", "in"), ("in", "in/out"), ("in/scan.nii.gz", "in"), ("in", ".")])
def test_predictions_never_mix_with_the_scans(tmp_path: Path, scans: str, out: str) -> None:
    write_scan(tmp_path / "in" / "scan.nii.gz")
    run, before = save_run(tmp_path / "run"), (tmp_path / "in" / "scan.nii.gz").read_bytes()
    with pytest.raises(UsageError, match="which is to be read; choose a folder apart from it"):
        predict(run, [tmp_path / scans], tmp_path / out)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["scan.nii.gz"]
    assert (tmp_path / "in" / "scan.nii.gz").read_bytes() == before


@pytest.mark.usefixtures("bright")
def test_label_maps_drawn_by_hand_are_not_replaced(tmp_path: Path) -> None:
    write_scan(tmp_path / "images" / "scan.nii.gz")
    drawn = tmp_path / "labels" / "scan.nii.gz"
    drawn.parent.mkdir()
    drawn.write_bytes(b"hours of work")
    with pytest.raises(UsageError, match=r"labels.scan\.nii\.gz: is there and no prediction; choose another --out"):
        predict(save_run(tmp_path / "run"), [tmp_path / "images"], drawn.parent)
    assert drawn.read_bytes() == b"hours of work"


@pytest.mark.usefixtures("bright")
def test_a_prediction_that_is_cut_short_keeps_no_list_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(tmp_path / "scan.nii.gz")
    run, out = save_run(tmp_path / "run"), tmp_path / "out"
    predict(run, [tmp_path / "scan.nii.gz"], out)
    predict(run, [tmp_path / "scan.nii.gz"], out)  # its own maps it may replace
    assert (out / "cases.json").is_file()

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "slabs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict(run, [tmp_path / "scan.nii.gz"], out)
    assert not (out / "cases.json").exists()
