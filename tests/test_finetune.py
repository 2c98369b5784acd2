"""`genesis finetune` at toy size: end to end, repeatable, resumable, honest about what it starts from."""

import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel
import numpy as np
import pytest
import torch

from modelsgenesis import cli
from modelsgenesis.config import to_dict
from modelsgenesis.errors import UsageError
from modelsgenesis.evaluate.collect import evaluate_run
from modelsgenesis.evaluate.examples import read_examples
from modelsgenesis.evaluate.overview import overview
from modelsgenesis.evaluate.reading import load_runs
from modelsgenesis.files import write_csv
from modelsgenesis.finetune import FinetuneSettings, finetune, summary
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import read_weights, save_weights
from modelsgenesis.phantoms.chest import write_classification, write_segmentation
from modelsgenesis.prediction.scans import predict
from modelsgenesis.run import Run
from modelsgenesis.targets import TARGETS
from modelsgenesis.targets.base import Target, TargetTask
from modelsgenesis.targets.folder import read_folder
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings, prepare_target
from modelsgenesis.training.augmentation import Augmentation
from modelsgenesis.training.inference import read_recipe, windows_of
from modelsgenesis.training.initial import BackboneChoice, resolve
from modelsgenesis.training.interrupt import InterruptedRunError
from modelsgenesis.training.loop import _Trainer
from modelsgenesis.training.settings import LoopSettings, OptimSettings
from modelsgenesis.training.supervised import Items

LOOP = LoopSettings(steps=6, batch_size=2, validate_every=2, precision="32-true", accelerator="cpu", workers=0)
CONSTANT = OptimSettings("adam", lr=1e-3, weight_decay=0.0, schedule="constant", warmup_steps=0)
"""A rate for runs that are too short for the plateau of `FinetuneSettings`."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmentation of five chests, and a folder where runs share one cache."""
    path = tmp_path_factory.mktemp("finetune")
    write_segmentation(path / "data", 5, seed=0, shape=(32, 32, 24), spacing=(10.0, 10.0, 11.0))
    return path


@pytest.fixture(scope="module")
def config(home: Path) -> FinetuneSettings:
    return FinetuneSettings(
        labels={"lung": (1, 4), "liver": (3,)},
        augmentation="light",
        cache=str(home / "cache"),
        patch=PatchSettings((16, 16, 16)),
        backbone=BackboneChoice(width=2),
        loop=LOOP,
        optim=CONSTANT,
    )


@pytest.fixture(scope="module")
def run(home: Path, config: FinetuneSettings) -> Run:
    """A finished run."""
    return finetune("folder", home / "data", home / "run", config)


def tensors(run: Run) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in read_weights(run.weights)[0].items()}


def assert_equal(first: Run, second: Run) -> None:
    mine, theirs = tensors(first), tensors(second)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        np.testing.assert_array_equal(tensor, theirs[name], err_msg=name)


def test_run_folder(run: Run, home: Path) -> None:
    manifest = run.manifest()
    assert run.finished
    assert manifest["init"]["source"] == "scratch"
    assert (manifest["device"], manifest["precision"]) == ("cpu", "32-true")
    assert manifest["subjects"] == {"training": 3, "validation": 1, "test": 1}
    assert [entry["step"] for entry in run.metrics()] == [2, 4, 6]
    assert all(0 <= entry["dice"] <= 1 for entry in run.metrics())
    assert manifest["best"]["dice"] == max(entry["dice"] for entry in run.metrics())
    _, provenance = read_weights(run.weights)
    assert provenance["labels"] == {"1": "lung", "2": "liver"}
    assert provenance["step"] == manifest["best"]["step"]
    assert (provenance["task"], provenance["cube"]) == ("segmentation", [16, 16, 16])
    assert (provenance["intensity"]["low"], provenance["intensity"]["high"]) == (-1000, 1000)
    assert provenance["backbone"] == to_dict(BackboneSettings(width=2, norm="running"))
    assert (run.figures / "predictions.png").stat().st_size > 1000
    assert str(home / "run") in summary(run)


def test_sides_are_saved_and_disjoint(run: Run) -> None:
    sides = json.loads((run.path / "split.json").read_text())
    everyone = [subject for side in ("training", "validation", "test") for subject in sides[side]]
    assert sorted(everyone) == [f"chest_{number:04d}" for number in range(5)]
    cases = json.loads((run.predictions / "cases.json").read_text())["cases"]
    assert [case["subject"] for case in cases] == sides["test"]


def test_predictions_follow_the_contract(run: Run, home: Path) -> None:
    predictions = json.loads((run.predictions / "cases.json").read_text())
    assert predictions["task"] == "segmentation"
    assert predictions["labels"] == {"1": "lung", "2": "liver"}
    (case,) = predictions["cases"]
    assert case["truth"] == str(home / f"data/labelsTr/{case['case']}.nii.gz")
    assert case["truth_map"] == {"1": [1, 4], "2": [3]}
    source = nibabel.load(home / f"data/imagesTr/{case['case']}_0000.nii.gz")  # type: ignore[attr-defined]
    maps = [nibabel.load(run.predictions / name) for name in (case["prediction"], *case["probabilities"].values())]  # type: ignore[attr-defined]
    labels, *levels = [np.asarray(one.dataobj) for one in maps]
    for one in maps:
        np.testing.assert_allclose(one.affine, source.affine, atol=1e-5)
        assert one.get_data_dtype() == np.uint8
    assert set(np.unique(labels)) <= {0, 1, 2}
    background = 200.0 - sum(level.astype(float) for level in levels)
    sure = np.abs(levels[0].astype(float) - levels[1]) > 3
    winner = np.argmax([background, *levels], 0)
    clear = sure & (np.sort([background, *levels], 0)[-1] - np.sort([background, *levels], 0)[-2] > 3)
    np.testing.assert_array_equal(labels[clear], winner[clear])
    assert set(evaluate_run(run.path).summary["metrics"]) == {"overall", "lung", "liver"}


def test_examples_are_kept_as_they_were_judged(run: Run, home: Path) -> None:
    (case,) = json.loads((run.predictions / "cases.json").read_text())["cases"]
    (kept,) = read_examples(run.predictions)
    assert (kept.case, kept.place) == (case["case"], "best")
    assert kept.truth is not None
    assert kept.prediction is not None
    assert kept.image.shape == kept.truth.shape == kept.prediction.shape
    summary = evaluate_run(run.path).summary
    assert kept.score == pytest.approx(summary["metrics"]["overall"]["dice"]["value"])
    source = nibabel.load(home / case["truth"])  # type: ignore[attr-defined]
    truth = np.asarray(source.dataobj)
    assert (kept.truth == 2).sum() == (truth == 3).sum()  # small enough to be kept whole
    assert kept.spacing == pytest.approx(source.header.get_zooms())


def test_which_structures_are_cleaned_is_learnt_on_validation(run: Run) -> None:
    told = json.loads(run.cleaning.read_text())["structures"]
    assert set(told) == {"1", "2"}
    assert all(set(one) == {"cases", "dice", "cleaned", "single", "clean"} for one in told.values())
    best = run.manifest()["best"]
    for one, name in zip(told.values(), ("lung", "liver"), strict=True):
        assert one["dice"] == pytest.approx(best[f"dice {name}"])  # the validation of the best weights, once more


def test_predict_gives_what_the_run_gave(run: Run, home: Path, tmp_path: Path) -> None:
    (case,) = json.loads((run.predictions / "cases.json").read_text())["cases"]
    predict(run.path, [home / f"data/imagesTr/{case['case']}_0000.nii.gz"], tmp_path, clean=False)
    for name in (case["prediction"], *case["probabilities"].values()):
        mine, theirs = tmp_path / name.replace(case["case"], f"{case['case']}_0000"), run.predictions / name
        np.testing.assert_array_equal(nibabel.load(mine).dataobj, nibabel.load(theirs).dataobj)  # type: ignore[attr-defined]


def test_predict_with_other_settings_of_inference(run: Run, home: Path, tmp_path: Path) -> None:
    (case,) = json.loads((run.predictions / "cases.json").read_text())["cases"]
    scan, name = home / f"data/imagesTr/{case['case']}_0000.nii.gz", f"{case['case']}_0000"
    with patch("modelsgenesis.training.sliding.windows_of", wraps=windows_of) as slid:
        predict(run.path, [scan], tmp_path / "apart", overlap=0.0)
    assert slid.call_args.args[2].overlap == 0
    with pytest.raises(SystemExit, match="0"):
        cli.main(["predict", *map(str, (run.path, scan, "--out", tmp_path / "labels", "--probabilities", False))])
    written = run.predictions / case["probabilities"]["1"], tmp_path / f"apart/{name}_prob1.nii.gz"
    mine, theirs = (nibabel.load(path).get_fdata() for path in written)  # type: ignore[attr-defined]
    assert np.abs(mine - theirs).mean() < 0.1
    assert [path.name for path in (tmp_path / "labels").glob("*.nii.gz")] == [f"{name}.nii.gz"]
    with pytest.raises(UsageError, match=r"inference\.overlap: 1\.0 must be 0 or more and below 1"):
        predict(run.path, [scan], tmp_path / "none", overlap=1.0)


def test_finished_runs_are_left_alone(run: Run, home: Path, config: FinetuneSettings) -> None:
    before = (run.path / "manifest.json").read_text()
    finetune("folder", home / "data", home / "run", config)
    assert (run.path / "manifest.json").read_text() == before
    with pytest.raises(UsageError, match=r"holds another run \(seed: 0 there, 1 here\)"):
        finetune("folder", home / "data", home / "run", replace(config, seed=1))
    with pytest.raises(UsageError, match="the data changed"):
        finetune("folder", home / "data", home / "run", replace(config, labels={"lung": (1,), "liver": (3,)}))


def test_runs_of_another_split_are_refused(run: Run, home: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    shutil.copytree(home / "data", tmp_path / "data")
    for side in ("images", "labels"):
        (tmp_path / f"data/{side}Ts").mkdir()
        (last,) = (tmp_path / f"data/{side}Tr").glob("chest_0004*")
        last.rename(tmp_path / f"data/{side}Ts" / last.name)
    with pytest.raises(UsageError, match=r"holds another run \(the split changed: .*chest_0004"):
        finetune("folder", tmp_path / "data", run.path, config)


def test_resumed_equals_uninterrupted(
    run: Run, home: Path, config: FinetuneSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = _Trainer.step

    def killed(self: _Trainer, batch: Any, number: int) -> float:
        if number == 4:  # the fifth step, after the checkpoint of the fourth
            raise KeyboardInterrupt
        return real(self, batch, number)

    monkeypatch.setattr(_Trainer, "step", killed)
    with pytest.raises(InterruptedRunError, match="stopped at once, step 4 is saved; continue with --resume"):
        finetune("folder", home / "data", home / "resumed", config)
    monkeypatch.setattr(_Trainer, "step", real)
    with pytest.raises(UsageError, match="holds an interrupted run; add --resume"):
        finetune("folder", home / "data", home / "resumed", config)
    resumed = finetune("folder", home / "data", home / "resumed", config, resume=True)
    assert_equal(run, resumed)
    keys = ("step", "loss", "dice")
    assert [[e[k] for k in keys] for e in resumed.metrics()] == [[e[k] for k in keys] for e in run.metrics()]


def test_fraction_uses_fewer_subjects_of_the_same_split(run: Run, home: Path, config: FinetuneSettings) -> None:
    few = finetune("folder", home / "data", home / "few", replace(config, label_fraction=0.4, loop=short()))
    whole, part = (json.loads((one.path / "split.json").read_text()) for one in (run, few))
    assert len(part["training"]) == 1
    assert sorted([*part["training"], *part["unused"]]) == whole["training"]
    assert (part["validation"], part["test"]) == (whole["validation"], whole["test"])


def test_items_do_not_depend_on_the_process(home: Path, config: FinetuneSettings, run: Run) -> None:
    data = prepare_target(read_folder(home / "data", config.labels), config.images, Path(config.cache))
    recipe = read_recipe(read_weights(run.weights)[1], run.weights)
    items = Items(data, data.cases, recipe, Augmentation("strong"), "uniform", 0)
    first = [items[number] for number in (2, 7)]
    travelled = pickle.loads(pickle.dumps(items))
    for mine, theirs in zip(first, [travelled[number] for number in (2, 7)], strict=True):
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])
    assert not np.array_equal(first[0][0], first[1][0])


def test_a_new_head_tells_structures_apart_before_the_first_step(
    home: Path, config: FinetuneSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}

    class StartedError(Exception):
        pass

    def stop(task: Any, network: Any, *_: Any) -> None:
        drawn = [task._items[item] for item in range(4)]  # items that training sees
        truth = np.concatenate([structures for _, structures in drawn])
        with torch.no_grad():
            likely = network(torch.from_numpy(np.stack([image for image, _ in drawn]))).softmax(1).numpy()
        for value in (1, 2):
            inside = truth[:, 0] == value
            found[value] = likely[:, value][inside].mean() / likely[:, value][~inside].mean()
        raise StartedError

    monkeypatch.setattr("modelsgenesis.finetune.fit", stop)
    with pytest.raises(StartedError):
        finetune("folder", home / "data", home / "fitted", config)
    assert found[1] > 1, found
    assert found[2] > 1, found


def short(**changes: Any) -> LoopSettings:
    return replace(LOOP, **{"steps": 1, "validate_every": 1, **changes})


def pretrained(
    path: Path, window: tuple[float, float] = (-1000.0, 1000.0), scale: dict[str, Any] | None = None
) -> dict[str, torch.Tensor]:
    """The weights of a run, as `genesis pretrain` leaves them."""
    choice = BackboneSettings(width=2)
    torch.manual_seed(5)
    network = DenseNetwork(build_backbone(choice), 1)
    intensity = {"low": window[0], "high": window[1], "levels": 2000}
    about = {"command": "pretrain", "backbone": to_dict(choice), "modality": "ct", "intensity": intensity}
    save_weights(Run(path).weights, network, about | ({"scale": scale} if scale else {}))
    return read_weights(Run(path).weights)[0]


def spacing(*mm: float) -> dict[str, Any]:
    return {"spacing": {"median": list(mm), "low": list(mm), "high": list(mm)}}


def test_another_scale_than_that_of_the_weights_is_told(
    home: Path, config: FinetuneSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = replace(config, loop=short())
    found = {}
    for name, scale in (("fine", spacing(2.0, 2.0, 2.0)), ("alike", spacing(9.0, 9.0, 9.0)), ("untold", None)):
        pretrained(tmp_path / name, scale=scale)
        chosen = replace(base, init=f"run:{tmp_path / name}")
        found[name] = finetune("folder", home / "data", tmp_path / f"run-{name}", chosen)
        shown = capsys.readouterr().err
        told = "saw voxels of 2x2x2 mm, here it is shown voxels of 10x10x11 mm, a factor of 5.5" in shown
        assert told == (name == "fine")
    noted = found["fine"].manifest()["scale"]
    assert noted["here"] == spacing(10.0, 10.0, 11.0)
    assert noted["mismatch"]["factor"] == 5.5
    assert any("factor of 5.5" in line for line in found["fine"].manifest()["warnings"])
    assert found["alike"].manifest()["scale"]["mismatch"] is found["untold"].manifest()["scale"]["mismatch"] is None
    provenance = read_weights(found["fine"].weights)[1]
    assert (provenance["scale"], provenance["orientation"]) == (spacing(10.0, 10.0, 11.0), "LPS")
    comparison = load_runs([run.path for run in found.values()])
    ((target, words), arms) = next(iter(comparison.mismatches().items()))
    assert (target, arms) == ("folder", (f"run:{tmp_path / 'fine'}",))
    assert words == "voxels of 2x2x2 mm in pre-training, voxels of 10x10x11 mm here, a factor of 5.5"
    assert f"scale: run:{tmp_path / 'fine'} on folder: {words}" in overview(comparison)


def test_resampled_patches_have_the_scale_asked_for(home: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    pretrained(tmp_path / "fine", scale=spacing(12.0, 12.0, 12.0))
    chosen = replace(config, init=f"run:{tmp_path / 'fine'}", loop=short(), held_out=False)
    chosen = replace(chosen, images=ImageSettings(spacing=(12.0, 12.0, 12.0)))
    noted = finetune("folder", home / "data", tmp_path / "run", chosen).manifest()["scale"]
    assert (noted["here"], noted["mismatch"]) == (spacing(12.0, 12.0, 12.0), None)


def test_starts_from_a_run(
    home: Path, config: FinetuneSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = pretrained(tmp_path / "genesis", (-500.0, 500.0))
    open_choice = replace(config, init=f"run:{tmp_path / 'genesis'}", backbone=BackboneChoice(), loop=short())
    frozen = replace(open_choice, optim=replace(open_choice.optim, lr=0.0))
    found = finetune("folder", home / "data", tmp_path / "run", frozen)
    report = found.manifest()["init"]
    assert report["missing"] == ["out_tr.final_conv.weight", "out_tr.final_conv.bias"]
    assert set(report["loaded"]) == set(source) - set(report["missing"])
    assert "tensors loaded" in capsys.readouterr().err
    assert "window -500 to 500" in found.manifest()["warnings"][0]
    mine = read_weights(found.weights)[0]
    for name in report["loaded"]:
        if "running" not in name:
            torch.testing.assert_close(mine[name], source[name], rtol=0, atol=0)
    with pytest.raises(UsageError, match=r"backbone.width is 4, but run:.* was trained with 2"):
        finetune("folder", home / "data", tmp_path / "other", replace(open_choice, backbone=BackboneChoice(width=4)))


def test_stops_early(home: Path, config: FinetuneSettings) -> None:
    patient = replace(config, loop=replace(LOOP, steps=50, validate_every=1, patience=2))
    still = replace(patient, optim=replace(patient.optim, lr=0.0), backbone=BackboneChoice(width=2, norm="group"))
    stopped = finetune("folder", home / "data", home / "still", still)
    assert [entry["step"] for entry in stopped.metrics()] == [1, 2, 3]
    assert stopped.manifest()["best"]["step"] == 1


@pytest.mark.parametrize("on", ["scans", "patches"])
def test_a_structure_that_is_predicted_nowhere_is_told(
    on: str, home: Path, config: FinetuneSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a rate of 0 the head's own start decides: it expects the lung, and so the liver nowhere."""

    def lung_alone(network: DenseNetwork, *_: Any) -> None:
        with torch.no_grad():
            network.out_tr.final_conv.bias.copy_(torch.tensor([0.0, 50.0, -50.0]))  # type: ignore[union-attr]

    still = replace(
        config, loop=short(), optim=replace(CONSTANT, lr=0.0), check=replace(config.check, on=on, patches=8)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modelsgenesis.finetune.fit_head", lung_alone)
        found = finetune("folder", home / "data", tmp_path / "run", still)
    said = "liver: predicted nowhere by the best weights, though the validation cases have it"
    assert [entry["missed"] for entry in found.metrics()] == [["liver"]]
    assert found.manifest()["best"]["missed"] == ["liver"]
    assert any(said in warning for warning in found.manifest()["warnings"])
    assert f"warning: {said}" in summary(found)
    assert "warning: predicted nowhere, though the validation cases have it: liver\n" in capsys.readouterr().err


def test_validation_on_patches_and_resampled(home: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    coarse = replace(
        config,
        images=ImageSettings(spacing=(14.0, 14.0, 14.0)),
        check=replace(config.check, on="patches", patches=4),
        fold=1,
        loop=short(),
    )
    found = finetune("folder", home / "data", tmp_path / "run", coarse)
    assert "dice" in found.metrics()[0]
    (case,) = json.loads((found.predictions / "cases.json").read_text())["cases"]
    assert nibabel.load(found.predictions / case["prediction"]).shape == (32, 32, 24)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def cubes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cubes")
    write_classification(path, 10, seed=0, shape=(16, 16, 16))
    return path


def test_classification(cubes: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    settings = replace(config, labels={}, cache=str(cubes / "cache"), loop=short(steps=2))
    found = finetune("folder", cubes, tmp_path / "run", settings)
    assert found.manifest()["monitor"] == "auc"
    assert found.manifest()["init"]["source"] == "scratch"
    predictions = json.loads((found.predictions / "cases.json").read_text())
    assert predictions["task"] == "classification"
    assert predictions["labels"] == {"0": "0", "1": "1"}
    assert sorted(case["truth"] for case in predictions["cases"]) == [0, 1]
    assert all(sum(case["probabilities"]) == pytest.approx(1) for case in predictions["cases"])
    assert "auc" in evaluate_run(found.path).summary["metrics"]["overall"]
    assert "classification: 6 training, 2 validation, 2 test subjects" in summary(found)


def test_several_labels_a_case(cubes: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    rows: Iterator[tuple[int, str]] = enumerate(["left", "right", "left|right", "", "left"] * 2)
    table = [{"path": f"cubes/cube_{n:04d}.nii.gz", "subject": f"s{n // 2}", "label": label} for n, label in rows]
    write_csv(cubes / "labels.csv", ("path", "subject", "label"), table)
    settings = replace(config, labels={}, cache=str(cubes / "cache"), loop=short())
    found = finetune("folder", cubes / "labels.csv", tmp_path / "run", settings)
    predictions = json.loads((found.predictions / "cases.json").read_text())
    assert predictions["task"] == "multilabel"
    assert all(len(case["truth"]) == len(case["probabilities"]) == 2 for case in predictions["cases"])
    evaluate_run(found.path)


def test_images(tmp_path: Path, config: FinetuneSettings) -> None:
    """2D images with a 2D network, which a 3D network refuses."""
    import SimpleITK as sitk  # noqa: N813

    rows = []
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 255, (30, 40), np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / f"{number}.png"))
        rows.append({"path": f"{number}.png", "subject": number, "label": "ab"[number % 2]})
    write_csv(tmp_path / "cases.csv", ("path", "subject", "label"), rows)
    settings = replace(config, labels={}, cache=str(tmp_path / "cache"), images=ImageSettings(modality="image"))
    with pytest.raises(UsageError, match=r"unet3d is for inputs of 3 axes, .*png has 2"):
        finetune("folder", tmp_path, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()
    flat = replace(
        settings,
        backbone=BackboneChoice("unet2d", 4),
        patch=PatchSettings((32, 32), fitting="resize"),
        augmentation="strong",
        sampling="balanced",
        loop=short(steps=2),
    )
    with pytest.raises(UsageError, match=r"patch.shape: \(16, 16, 16\): backbone unet2d needs 2 sides"):
        finetune("folder", tmp_path, tmp_path / "run", replace(flat, patch=settings.patch))
    found = finetune("folder", tmp_path, tmp_path / "run", flat)
    assert evaluate_run(found.path).summary["cases"] == 2
    predicted = predict(found.path, [tmp_path / "3.png"], tmp_path / "out")
    assert predicted.predicted == 1


def test_slices_of_volumes(home: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    """A 2D network segments a scan slice by slice."""
    flat = replace(
        config, backbone=BackboneChoice("unet2d", 4), patch=PatchSettings((32, 32)), augmentation="strong", loop=short()
    )
    found = finetune("folder", home / "data", tmp_path / "run", flat)
    (case,) = json.loads((found.predictions / "cases.json").read_text())["cases"]
    assert nibabel.load(found.predictions / case["prediction"]).shape == (32, 32, 24)  # type: ignore[attr-defined]
    assert evaluate_run(found.path).summary["cases"] == 1


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_places_in_scans(task: Any, home: Path, config: FinetuneSettings, tmp_path: Path) -> None:
    """Cases that are places: cubes around them are learnt, predicted and evaluated, and candidates find lesions."""
    whole = read_folder(home / "data", {"lung": (1, 4)})
    segmentation = task == "segmentation"
    cases = [
        replace(case, id=f"{case.id}-{n}", label=case.label if segmentation else n % 2, centre=(20.0 * n, 0.0, 0.0))
        for case in whole.cases
        for n in range(3)
    ]
    named = [replace(case, finding=case.id if case.label == 1 else "") for case in cases]
    target = Target(
        task=task,
        labels=whole.labels if segmentation else {0: "no", 1: "yes"},
        cases=cases if segmentation else named,
        source=home,
        label_map=whole.label_map,
        known=whole.known,
        findings={} if segmentation else {case.finding: case.subject for case in named if case.finding},
    )
    TARGETS.add(f"places-{task}", TargetTask("places", "nothing", lambda data, options, cache: target))  # noqa: ARG005
    settings = replace(config, labels={}, loop=short(steps=2), sampling="balanced")
    flat = replace(settings, backbone=BackboneChoice("unet2d", 4), patch=PatchSettings((16, 16), planes="orthogonal"))
    if segmentation:
        with pytest.raises(UsageError, match="planes orthogonal: is to classify places in volumes"):
            finetune(f"places-{task}", home, tmp_path / "flat", flat)
    else:
        unequal = replace(flat, patch=PatchSettings((16, 24), planes="orthogonal"))
        with pytest.raises(UsageError, match=r"planes orthogonal: needs two equal sides, not patch.shape \(16, 24\)"):
            finetune(f"places-{task}", home, tmp_path / "flat", unequal)
        assert evaluate_run(finetune(f"places-{task}", home, tmp_path / "flat", flat).path).summary["cases"] == 3
    found = finetune(f"places-{task}", home, tmp_path / "run", settings)
    summary = evaluate_run(found.path).summary
    assert (summary["cases"], summary["subjects"]) == (3, 1)
    written = json.loads((found.predictions / "cases.json").read_text())
    if segmentation:
        assert summary["metrics"]["lung"]["dice"]["value"] is not None
        first = nibabel.load(found.predictions / written["cases"][0]["prediction"])  # type: ignore[attr-defined]
        truth = nibabel.load(found.predictions / written["cases"][0]["truth"])  # type: ignore[attr-defined]
        assert first.shape == (16, 16, 16)
        np.testing.assert_allclose(first.affine, truth.affine)
        centre = first.affine @ [8, 8, 8, 1]  # RAS; half a voxel of rounding on a grid of 10 x 10 x 11 mm
        np.testing.assert_allclose(centre[:3], (0, 0, 0), atol=5.6)
    else:
        assert len(written["findings"]) == 1
        assert 0 <= summary["metrics"]["overall"]["cpm"]["value"] <= 1


def test_more_steps_go_on_and_results_are_made_again(
    home: Path, config: FinetuneSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Constant rate: the same as all steps at once; nothing that was found of earlier weights stays."""
    steady = replace(config, optim=replace(config.optim, schedule="constant"), loop=replace(LOOP, steps=4))
    path = finetune("folder", home / "data", tmp_path / "run", steady).path
    evaluate_run(path)
    (path / "predictions" / "stale").touch()
    longer = replace(steady, loop=replace(LOOP, workers=1))
    with pytest.raises(UsageError, match=r"finished run \(loop.steps: 4 there, 6 here\); add --resume"):
        finetune("folder", home / "data", path, longer)
    capsys.readouterr()
    resumed = finetune("folder", home / "data", path, longer, resume=True)
    assert "the same as 6 steps at once" in capsys.readouterr().err
    at_once = finetune("folder", home / "data", tmp_path / "once", replace(steady, loop=LOOP))
    assert_equal(resumed, at_once)
    assert not (path / "evaluation").exists()
    names = [{found.name for found in one.predictions.iterdir()} for one in (resumed, at_once)]
    assert names[0] == names[1]
    assert resumed.manifest()["continued"][0]["changed"] == {"loop.steps": [4, 6], "loop.workers": [0, 1]}
    with pytest.raises(UsageError, match="seed: 0 there, 1 here"):
        finetune("folder", home / "data", path, replace(longer, seed=1), resume=True)


def test_rescaling_a_network_whose_convolutions_are_not_known_is_refused(
    home: Path, config: FinetuneSettings, tmp_path: Path
) -> None:
    backbone = BackboneChoice("monai_basicunet", 4)
    wanted = replace(config, backbone=backbone, rescale=True, loop=short(), patch=PatchSettings((16, 16, 16)))
    with pytest.raises(UsageError, match="rescale: does not know the convolutions of monai_basicunet"):
        finetune("folder", home / "data", tmp_path / "run", wanted)


def test_a_tracker_that_is_not_there_is_refused_before_anything_is_read(
    home: Path, config: FinetuneSettings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="loop.tracker: 'comet' is unknown"):
        finetune("folder", home / "nowhere", tmp_path / "run", replace(config, loop=short(tracker="comet")))
    assert not (tmp_path / "run").exists()


def test_the_settings_keep_all_of_the_backbone() -> None:
    pytest.importorskip("dynamic_network_architectures")
    chosen = BackboneChoice("resenc", 4, "instance", "S")
    assert BackboneChoice.of(resolve(chosen, {}, "scratch", 1)) == chosen
