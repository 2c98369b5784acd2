"""`--to monai-bundle`: unmodified `python -m monai.bundle run` writes what `genesis predict` does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from modelsgenesis.data.intensity import Intensity
from modelsgenesis.errors import UsageError
from modelsgenesis.exchange import EXPORTS
from modelsgenesis.models import BackboneSettings
from modelsgenesis.phantoms.chest import chest
from modelsgenesis.prediction.scans import predict
from modelsgenesis.targets.prepared import ImageSettings
from tests.exchange.networks import fine_tuned, pretrained

pytest.importorskip("fire")


def write_scan(path: Path, flip: bool = True) -> Path:
    """A chest phantom as NIfTI, its axes turned against the patient's where `flip`."""
    phantom = chest(np.random.default_rng(3), shape=(48, 40, 36), spacing=(7.0, 7.0, 7.0))
    affine = (
        np.diag([-7.0, -7.0, 7.0, 1.0])
        if not flip
        else np.array([[0, 7.0, 0, -50], [-7.0, 0, 0, 20], [0, 0, -7.0, 10], [0, 0, 0, 1]])
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(phantom.array.astype(np.int16), affine), path)  # type: ignore[no-untyped-call, attr-defined]
    return path


def run_bundle(bundle: Path, scans: Path, out: Path) -> None:
    """As a user of MONAI does, who may not have this package when the network is MONAI's."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "monai.bundle", "run"),
            *("--config_file", str(bundle / "configs/inference.json"), "--bundle_root", str(bundle)),
            *("--dataset_dir", str(scans), "--output_dir", str(out)),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def values(path: Path) -> tuple[Any, Any]:
    image: Any = nibabel.load(path)  # type: ignore[attr-defined]
    return np.asarray(image.dataobj), image.affine


MR = ImageSettings(modality="mr")
RESAMPLED = ImageSettings(spacing=(9.0, 9.0, 9.0))
CASES = [
    ("unet3d", "running", ImageSettings(), 1),
    ("unet3d", "group", RESAMPLED, 1),
    ("monai_dynunet", "instance", MR, 2),
    ("monai_unet", "group", RESAMPLED, 1),
]


@pytest.mark.parametrize(("name", "norm", "images", "channels"), CASES)
def test_the_bundle_writes_what_predict_does(
    name: str, norm: str, images: ImageSettings, channels: int, tmp_path: Path
) -> None:
    choice = BackboneSettings(name, 4, norm, channels)
    intensity = Intensity(0, 500, 4095) if images.modality == "mr" else None
    source, _ = fine_tuned(tmp_path / "run", choice, images=images, intensity=intensity)
    for channel in range(channels):
        suffix = f"_{channel:04d}" if channels > 1 else ""
        write_scan(tmp_path / f"scans/scan{suffix}.nii.gz")
    EXPORTS.get("monai-bundle")(source, tmp_path / "bundle")
    run_bundle(tmp_path / "bundle", tmp_path / "scans", tmp_path / "out")
    predict(tmp_path / "run", [tmp_path / "scans"], tmp_path / "ours")
    (theirs,) = (tmp_path / "out").iterdir()
    found, affine = values(theirs)
    wanted, grid = values(tmp_path / "ours/scan.nii.gz")
    assert found.shape == wanted.shape
    np.testing.assert_allclose(affine, grid, atol=1e-4)
    assert len(np.unique(wanted)) > 1, "the network tells nothing apart, so nothing is compared"
    assert (found == wanted).mean() > (0.98 if images.spacing else 0.998)
    for structure in np.unique(wanted):
        one, other = found == structure, wanted == structure
        if other.sum() > 500:
            assert 2 * (one & other).sum() / (one.sum() + other.sum()) > (0.97 if images.spacing else 0.995)


def test_pretrained_weights_restore(tmp_path: Path) -> None:
    source, _ = pretrained(tmp_path / "run", BackboneSettings("monai_segresnet", 4, "group"))
    write_scan(tmp_path / "scans/scan.nii.gz")
    lines = EXPORTS.get("monai-bundle")(source, tmp_path / "bundle")
    assert "MONAI alone" in lines[0]
    run_bundle(tmp_path / "bundle", tmp_path / "scans", tmp_path / "out")
    restored, _ = values(tmp_path / "out/scan_restored.nii.gz")
    assert restored.shape == (48, 40, 36)
    assert 0 <= restored.min() < restored.max() <= 1


def test_a_bundle_of_monai_names_nothing_of_this_package(tmp_path: Path) -> None:
    source, _ = fine_tuned(tmp_path / "run", BackboneSettings("monai_unet", 4, "instance"))
    EXPORTS.get("monai-bundle")(source, tmp_path / "bundle")
    text = (tmp_path / "bundle/configs/inference.json").read_text()
    assert "modelsgenesis" not in text
    about = json.loads((tmp_path / "bundle/configs/metadata.json").read_text())
    assert about["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "one", "2": "two"}
    assert about["modelsgenesis"]["backbone"]["name"] == "monai_unet"


def test_what_a_bundle_cannot_hold_is_refused(tmp_path: Path) -> None:
    export = EXPORTS.get("monai-bundle")
    source, _ = fine_tuned(tmp_path / "a", BackboneSettings("unet3d", 2), "classification")
    with pytest.raises(UsageError, match="classifies"):
        export(source, tmp_path / "bundle")
    source, _ = fine_tuned(tmp_path / "b", BackboneSettings("unet2d", 2))
    with pytest.raises(UsageError, match="network of images"):
        export(source, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    source, _ = fine_tuned(tmp_path / "c", BackboneSettings("monai_swinunetr", 12, "instance"))
    with pytest.raises(UsageError, match="windows of 32x32x16, but MONAI's SwinUNETR needs multiples of 32"):
        export(source, tmp_path / "bundle")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("kept")
    source, _ = fine_tuned(tmp_path / "d", BackboneSettings("unet3d", 2))
    with pytest.raises(UsageError, match="is there already"):
        export(source, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
