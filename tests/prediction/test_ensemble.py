"""Several runs together: the mean of what each says alone, on the grid of the source."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from modelsgenesis import cli
from modelsgenesis.config import to_dict
from modelsgenesis.data.volume import SourceRows, on_source_grid, placed, read_volume, resample, without_voxels
from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.files import write_json
from modelsgenesis.models import BackboneSettings
from modelsgenesis.models.weights import save_weights
from modelsgenesis.prediction.ensemble import runs_and_scans
from modelsgenesis.prediction.maps import Member, draw_maps
from modelsgenesis.prediction.predictor import Predictor
from modelsgenesis.prediction.scans import predict
from modelsgenesis.run import Run
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.training.inference import InferenceSettings, Recipe
from modelsgenesis.training.sliding import segment

RECIPE = Recipe(
    task="segmentation",
    labels={"1": "bright", "2": "dark"},
    truth_map={"1": (1,), "2": (2,)},
    backbone=BackboneSettings(width=2, norm="group"),
    images=ImageSettings(),
    patch=PatchSettings((16, 16, 16)),
    inference=InferenceSettings(),
)


def save_run(path: Path, seed: int, augmentation: str = "flips", **changes: Any) -> Path:
    """A run folder with a random toy network whose logits are far apart."""
    recipe = replace(RECIPE, **changes)
    torch.manual_seed(seed)
    network: Any = recipe.network()
    with torch.no_grad():
        head = network.out_tr.final_conv if recipe.task == "segmentation" else network
        for parameter in head.parameters():
            parameter.mul_(8)
    save_weights(Run(path).weights, network, {"command": "finetune", "augmentation": augmentation, **to_dict(recipe)})
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """An oblique, flipped scan of noise with a gradient."""
    shape = (21, 18, 40)
    values = np.random.default_rng(0).normal(0, 300, shape) + np.linspace(-600, 600, 40)
    affine = np.diag([-1.2, 1.5, -1.1, 1.0])
    turn = np.eye(4)
    turn[:2, :2] = [[0.96, -0.28], [0.28, 0.96]]
    path = tmp_path / "scans/scan.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), turn @ affine), path)  # type: ignore[attr-defined, no-untyped-call]
    return path


def whole(run: Path, scan: Path) -> Any:
    """Probabilities on the source grid, by way of whole arrays."""
    predictor = Predictor(Run(run).weights)
    given = predictor.input([read_volume(scan)])
    recipe = predictor.recipe
    logits = segment(predictor.network, given.image, recipe.patch.shape, recipe.sliding)
    return np.stack([on_source_grid(one, given.prepared, nearest=False) for one in logits.softmax(0).numpy()])


@pytest.mark.parametrize("spacing", [None, (2.0, 2.0, 2.0), (0.9, 1.7, 0.8), (1.5, 1.2, 3.3)])
def test_row_by_row_is_what_whole_arrays_give(tmp_path: Path, scan: Path, spacing: Any) -> None:
    run = save_run(tmp_path / "run", 0, images=ImageSettings(spacing=spacing))
    predictor = Predictor(Run(run).weights)
    member = predictor.member(predictor.input([read_volume(scan)]))
    length = member.shape[-1]
    rows = [member.rows(low, min(low + 7, length)) for low in range(0, length, 7)]
    expected = whole(run, scan)
    np.testing.assert_allclose(np.concatenate(rows, -1), expected, atol=1e-4)
    assert expected.std() > 0.05


@pytest.mark.parametrize("spacing", [(0.3, 0.4, 0.31), (1.0, 1.0, 7.7), (1.3, 1.1, 0.77)])
@pytest.mark.parametrize("step", [1, 5, 16])
def test_every_row_of_the_source_is_reached(spacing: tuple[float, ...], step: int) -> None:
    """Also the last ones, where rounding the size leaves the resampled volume short or long."""
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    volume = placed(np.random.default_rng(1).random((5, 4, 23), np.float32), (1.0, 1.0, 1.0), affine, "v")
    other = resample(volume, spacing)
    rows, found = SourceRows(without_voxels(other)), []
    for low in range(0, 23, step):
        high = min(low + step, 23)
        first, end = rows.needed(low, high)
        assert 0 <= first < end <= other.array.shape[-1]
        found.append(rows.resample(other.array[..., first:end], first, low, high))
    np.testing.assert_allclose(np.concatenate(found, -1), on_source_grid(other.array, other, nearest=False), atol=1e-5)


def test_runs_are_averaged(tmp_path: Path, scan: Path) -> None:
    runs = [
        save_run(tmp_path / "a", 0),
        save_run(tmp_path / "b", 1, images=ImageSettings(spacing=(2.0, 2.0, 2.0)), patch=PatchSettings((16, 32, 16))),
        save_run(tmp_path / "c", 2, backbone=BackboneSettings(name="unet2d", width=2), patch=PatchSettings((16, 16))),
    ]
    (tmp_path / "scans/torn.nii.gz").write_bytes(scan.read_bytes()[:300])
    with pytest.raises(SystemExit, match="0"):
        cli.main(["predict", *map(str, runs), str(tmp_path / "scans"), "--out", str(tmp_path / "out")])
    mean = np.mean([whole(run, scan) for run in runs], 0)
    expected = read_volume(tmp_path / "out/scan.nii.gz").array
    np.testing.assert_array_equal(expected, mean.argmax(0))
    levels = np.asarray(read_volume(tmp_path / "out/scan_prob2.nii.gz").array)
    np.testing.assert_allclose(levels, mean[2], atol=1 / 200 + 1e-4)
    assert [row["reason"] for row in csv.DictReader((tmp_path / "out/rejected.csv").open())]
    assert len({tuple(whole(run, scan).argmax(0).ravel()) for run in runs}) == 3


def test_classes_are_averaged(tmp_path: Path, scan: Path) -> None:
    labels = {"0": "no", "1": "yes"}
    runs = [save_run(tmp_path / name, seed, task="classification", labels=labels) for seed, name in enumerate("ab")]
    found = []
    for number, each in enumerate(([runs[0]], [runs[1]], runs)):
        predict(each, [scan], tmp_path / str(number))
        found.append(json.loads((tmp_path / str(number) / "cases.json").read_text())["cases"][0]["probabilities"])
    np.testing.assert_allclose(found[2], np.mean(found[:2], 0))
    assert found[0] != found[1]


def test_runs_that_do_not_agree(tmp_path: Path, scan: Path) -> None:
    first = save_run(tmp_path / "a", 0)
    other = save_run(tmp_path / "b", 0, labels={"1": "bright"}, backbone=BackboneSettings(width=2, input_channels=2))
    said = (
        r"b: cannot predict with .*a \(labels: 1 bright, 2 dark there, 1 bright here; input channels: 1 there, 2 here"
    )
    with pytest.raises(UsageError, match=said):
        predict([first, other], [scan], tmp_path / "out")
    unfinished = Run(tmp_path / "c")
    unfinished.begin("finetune", RECIPE, "", False)
    with pytest.raises(GenesisError, match=r"c: has no weights\.safetensors"):
        predict([first, unfinished.path], [scan], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_which_paths_are_runs(tmp_path: Path, scan: Path) -> None:
    runs = [str(save_run(tmp_path / name, 0)) for name in "ab"]
    folder = str(scan.parent)
    assert runs_and_scans([*runs, folder, str(scan)]) == (runs, [folder, str(scan)])
    assert runs_and_scans([folder, str(scan)]) == ([folder], [str(scan)])  # the first is one, whatever it is
    assert runs_and_scans(runs) == (runs, [])
    with pytest.raises(UsageError, match=r"b: a run after the scan .*scans; name all runs first"):
        runs_and_scans([runs[0], folder, runs[1]])


def test_mirrored_probabilities(tmp_path: Path, scan: Path) -> None:
    run = save_run(tmp_path / "run", 0)
    for flag in ((), ("--mirror",)):
        with pytest.raises(SystemExit, match="0"):
            cli.main(["predict", str(run), str(scan), "--out", str(tmp_path / f"out{len(flag)}"), *flag])
    predictor = Predictor(Run(run).weights)
    given = predictor.input([read_volume(scan)])
    mine = segment(predictor.network, given.image, (16, 16, 16), InferenceSettings(), (0, 1, 2)).softmax(0)
    read = [read_volume(tmp_path / f"out{n}/scan_prob1.nii.gz").array for n in (0, 1)]
    np.testing.assert_allclose(read[1], mine[1], atol=1 / 200 + 1e-4)
    assert np.abs(read[0] - read[1]).max() > 0.05
    with pytest.raises(UsageError, match="augmentation light"):
        predict(save_run(tmp_path / "light", 0, "light"), [scan], tmp_path / "no", mirror=True)
    sided = save_run(tmp_path / "sided", 0, labels={"1": "lung_left", "2": "lung_right"})
    with pytest.raises(UsageError, match="'lung_left' tells left from right"):
        predict(sided, [scan], tmp_path / "no", mirror=True)


def test_structures_are_cleaned_that_every_run_says_so_of(tmp_path: Path, scan: Path) -> None:
    runs = [save_run(tmp_path / name, seed) for seed, name in enumerate("ab")]
    predict(runs, [scan], tmp_path / "plain")
    for run, clean in zip(runs, ((1, 2), (2,)), strict=True):
        told = {str(structure): {"clean": structure in clean} for structure in (1, 2)}
        write_json(Run(run).cleaning, {"structures": told})
    assert "the largest component alone of dark (--no-clean" in str(predict(runs, [scan], tmp_path / "clean"))
    predict(runs, [scan], tmp_path / "kept", clean=False)
    plain, clean, kept = (read_volume(tmp_path / f"{name}/scan.nii.gz").array for name in ("plain", "clean", "kept"))
    np.testing.assert_array_equal(plain, kept)
    np.testing.assert_array_equal(plain == 1, clean == 1)
    assert 0 < (clean == 2).sum() < (plain == 2).sum()


def test_maps_hold_what_the_mean_says() -> None:
    volume = placed(np.zeros((3, 4, 40), np.float32), (1.0, 1.0, 1.0), np.eye(4), "v")
    logits = torch.randn((2, 3, 3, 4, 40), generator=torch.Generator().manual_seed(0)) * 3
    found = draw_maps([Member(one.split(9, -1), volume) for one in logits], 2, True)
    mean = logits.softmax(1).mean(0).numpy()
    np.testing.assert_array_equal(found.labels, mean.argmax(0))
    assert found.levels is not None
    np.testing.assert_allclose(found.levels / 200, mean[1:], atol=1 / 200 + 1e-6)
    assert draw_maps([Member(logits[0].split(9, -1), volume)], 2, False).levels is None
