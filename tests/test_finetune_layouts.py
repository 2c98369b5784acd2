"""Data as nnU-Net and the Decathlon lay them out, from `finetune` to `predict` and `evaluate`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from modelsgenesis.config import to_dict
from modelsgenesis.evaluate.collect import evaluate_run
from modelsgenesis.evaluate.examples import read_examples
from modelsgenesis.finetune import FinetuneSettings, finetune
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.models.weights import save_weights
from modelsgenesis.prediction.scans import predict
from modelsgenesis.targets.patches import PatchSettings
from modelsgenesis.targets.prepared import ImageSettings
from modelsgenesis.training.initial import BackboneChoice
from modelsgenesis.training.settings import LoopSettings, OptimSettings

SHAPE = (18, 17, 16)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
LOOP = LoopSettings(steps=40, batch_size=2, validate_every=20, precision="32-true", accelerator="cpu", workers=0)
SETTINGS: dict[str, Any] = {
    "images": ImageSettings(modality="mr"),
    "patch": PatchSettings((16, 16, 16)),
    "backbone": BackboneChoice(width=2),
    "loop": LOOP,
    "optim": OptimSettings("adam", lr=2e-2, weight_decay=0.0, schedule="constant", warmup_steps=0),
}


def save(path: Path, array: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def prostates(folder: Path) -> Path:
    """The Decathlon's Task05 in small: two channels in one file, a value that is ignored, a label with a slope."""
    rng, entries = np.random.default_rng(0), []
    for number in range(5):
        label = np.zeros(SHAPE, np.float32)
        label[4:10, 4:10, 4:10], label[10:14, 4:10, 4:10] = 1, 2
        label *= np.float32(1.000015)
        image = rng.normal(300, 50, (*SHAPE, 2)).astype(np.float32)
        image[4:10, 4:10, 4:10] += 200
        save(folder / "imagesTr" / f"prostate_{number:02d}.nii.gz", image)
        save(folder / "labelsTr" / f"prostate_{number:02d}.nii.gz", label)
        entries.append(
            {"image": f".\\imagesTr\\prostate_{number:02d}.nii.gz", "label": f"./labelsTr/prostate_{number:02d}.nii.gz"}
        )
    description = {
        "tensorImageSize": "4D",
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "PZ", "2": "ignore"},
        "training": entries,
    }
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8-sig")
    return folder


@pytest.mark.parametrize("name", ["unet3d", "monai_unet"])
def test_weights_of_other_channels_are_spread_over_those_of_the_target(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    choice = BackboneSettings(name, 2)
    network = DenseNetwork(build_backbone(choice), 1)
    save_weights(tmp_path / "one.safetensors", network, {"command": "pretrain", "backbone": to_dict(choice)})
    settings = {**SETTINGS, "backbone": BackboneChoice(), "loop": replace(LOOP, steps=1, validate_every=1)}
    chosen = FinetuneSettings(**settings, init=f"file:{tmp_path / 'one.safetensors'}", held_out=False)
    run = finetune("folder", prostates(tmp_path / "data"), tmp_path / "run", chosen)
    adapted = run.manifest()["init"]["adapted"]
    assert adapted == dict.fromkeys(network.backbone.first_convolutions, "1 input channels spread over 2")


def test_decathlon_in_4d_with_ignored_voxels(tmp_path: Path) -> None:
    data = prostates(tmp_path / "data")
    run = finetune("folder", data, tmp_path / "run", FinetuneSettings(**SETTINGS))
    (case,) = json.loads((run.predictions / "cases.json").read_text())["cases"]
    assert case["ignored"] == [2]
    (row,) = evaluate_run(run.path).rows
    predicted = nib.load(run.predictions / case["prediction"]).get_fdata()
    truth = np.rint(nib.load(case["truth"]).get_fdata())
    of_truth, of_network = truth == 1, (predicted == 1) & (truth != 2)
    assert row["dice"] == pytest.approx(2 * (of_truth & of_network).sum() / (of_truth.sum() + of_network.sum()))
    assert (of_network != (predicted == 1)).any(), "something is predicted where it counts nowhere"
    assert [one.score for one in read_examples(run.predictions)] == [pytest.approx(row["dice"])]
    # The prediction of a test case is as the network says it, without cleaning.
    summary = predict(run.path, [data / f"imagesTr/{case['case']}.nii.gz"], tmp_path / "again", clean=False)
    assert summary.predicted == 1
    again = nib.load(tmp_path / "again" / f"{case['case']}.nii.gz")
    np.testing.assert_array_equal(again.get_fdata(), predicted)
    np.testing.assert_allclose(again.affine, AFFINE)
